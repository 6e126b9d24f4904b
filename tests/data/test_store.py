from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cpep.data import prepare as prepare_module
from cpep.data import writer as writer_module
from cpep.data.emg2pose import MetadataRow, read_recording, write_metadata, write_recording
from cpep.data.folder import STORE_INDEX
from cpep.data.frames import block_power
from cpep.data.prepare import prepare
from cpep.data.recording import Recording
from cpep.data.resample import frame_ratio, resample_pose
from cpep.data.store import is_store, open_store
from cpep.types import UserError
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    write_emg2pose(folder, count=4)
    return folder


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


def test_arrays_against_the_recordings(raw: Path, tmp_path: Path) -> None:
    """Every frame of every recording, by slow and obvious loops."""
    store = prepare(raw, tmp_path / "store")
    assert store.name == "emg2pose_simulated" and (store.frame_rate, store.ratio) == (100.0, 20)
    assert store.users == ("u0", "u1", "u2", "u3") and store.vocabulary == ("rest", "fist", "spread")
    start = block = 0
    for entry in store.entries:
        recording = read_recording(raw / f"{entry.name}.hdf5")
        assert (entry.start, entry.frames, entry.power_start) == (start, len(recording.emg_TC) // 20, block)
        assert (entry.user, entry.session, entry.stage, entry.split) == (
            recording.user,
            recording.session,
            "FingerFreeform",
            "",
        )
        cut_TC = recording.emg_TC[: entry.frames * 20]
        assert (store.emg_TC[start * 20 : (start + entry.frames) * 20] == cut_TC).all()
        for frame in range(entry.frames):
            labels = set(recording.label_T[frame * 20 : frame * 20 + 20].tolist())
            assert store.label_M[start + frame] == (labels.pop() if len(labels) == 1 else -1)
            assert recording.prompt_T is not None and recording.repetition_T is not None
            assert store.prompt_M[start + frame] == max(recording.prompt_T[frame * 20 : frame * 20 + 20])
            assert store.valid_M[start + frame] == recording.valid_S[frame]
            assert store.pose_MJ is not None and recording.pose_SJ is not None
            assert (store.pose_MJ[start + frame] == recording.pose_SJ[frame]).all()
        for k in range(entry.power_blocks):
            power = np.square(cut_TC[k * 500 : (k + 1) * 500].astype(np.float64)).mean(0)
            np.testing.assert_allclose(store.power_KC[block + k], power, rtol=1e-6)
        start, block = start + entry.frames, block + entry.power_blocks
    assert len(store.valid_M) == start and len(store.power_KC) == block
    assert store.seconds == pytest.approx(start / 100)


def test_entry_of_frame(raw: Path, tmp_path: Path) -> None:
    store = prepare(raw, tmp_path / "store")
    expected = [k for k, entry in enumerate(store.entries) for _ in range(entry.frames)]
    assert store.entry_of_frame(np.arange(len(expected))).tolist() == expected
    assert store.entry_of_frame(np.array([], int)).tolist() == []
    for outside in (-1, len(expected)):
        with pytest.raises(ValueError, match="beyond"):
            store.entry_of_frame(np.array([outside]))


def test_maps_are_private_and_torch_takes_them(raw: Path, tmp_path: Path) -> None:
    import torch

    store = prepare(raw, tmp_path / "store")
    before = contents(tmp_path / "store")
    torch.from_numpy(store.emg_TC).zero_()
    assert isinstance(store.emg_TC, np.memmap) and contents(tmp_path / "store") == before
    assert (np.load(tmp_path / "store/emg.npy") != 0).any(), "plain .npy that any reader takes"


def test_left_bands_are_mirrored(tmp_path: Path) -> None:
    mirror = tuple(range(15, -1, -1))
    left = emg2pose_like("left", side="left", mirror=mirror)
    (tmp_path / "raw").mkdir()
    write_recording(tmp_path / "raw/left.hdf5", left, start=0, simulated=True)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert (store.emg_TC == left.emg_TC[:, ::-1]).all()
    np.testing.assert_allclose(store.power_KC[0], np.square(store.emg_TC[:500]).mean(0), rtol=1e-5)


def test_vocabularies_are_merged_by_name(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name, vocabulary in (("a", ("rest", "fist", "point")), ("b", ("rest", "spread", "fist"))):
        label_T = np.repeat(np.array([1, 2, -1, 0]), 250)
        recording = emg2pose_like(name, label_T=label_T, prompt_T=label_T, vocabulary=vocabulary)
        write_recording(tmp_path / f"raw/{name}.hdf5", recording, start=0, simulated=True)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.vocabulary == ("rest", "fist", "point", "spread")
    names = [store.vocabulary[k] if k >= 0 else "?" for k in store.label_M[[5, 20, 30, 45, 55, 70, 80, 95]]]
    assert names == ["fist", "point", "?", "rest", "spread", "fist", "?", "rest"]
    # Frame 12 holds the change from gesture 1 to 2 within it; a gesture is never hidden from the prompt.
    assert store.label_M[12] == -1 and store.prompt_M[12] > 0 and store.prompt_M[37] == 0


def test_without_pose_and_without_prompts(tmp_path: Path) -> None:
    sidecar = {"emg": {"field": "emg"}, "rate": 250, "kind": "raw", "unit": "uV", "user": "1"}
    label = {"label": {"field": "g", "names": {"0": "rest", "1": "fist"}}}
    write_generic(tmp_path / "raw", sidecar | label, emg=np.ones((101, 3)), g=np.repeat([0, 1, 7], [41, 30, 30]))
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.pose_MJ is None and not store.valid_M.any() and store.frame_rate == 125
    assert store.name == "raw" and len(store.emg_TC) == 100
    assert store.label_M[[0, 20, 21, 36]].tolist() == [0, -1, 1, -1]
    assert store.prompt_M[[0, 20, 21, 36]].tolist() == [0, 1, 1, -1], "labels serve as prompts"


def test_splits_come_from_the_metadata(raw: Path, tmp_path: Path) -> None:
    write_metadata(
        raw,
        [
            MetadataRow("u", "s", "x", "left", split=split, filename=f"r{k}")
            for k, split in enumerate(["train", "val"])
        ],
    )
    store = prepare(raw, tmp_path / "store")
    assert [entry.split for entry in store.entries] == ["train", "val", "", ""]


def test_workers_do_not_change_a_byte(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "one")
    prepare(raw, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_stopped_run_goes_on_and_ends_the_same(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    prepare(raw, tmp_path / "whole")
    read: list[str] = []
    original = prepare_module._frames_of

    def counting(source):
        read.append(source.name)
        if len(read) == stop + 1 and not resumed:
            raise KeyboardInterrupt
        return original(source)

    monkeypatch.setattr(prepare_module, "_frames_of", counting)
    resumed = False
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    resumed, read = True, []
    prepare(raw, tmp_path / "store")
    assert read == [f"r{k}" for k in range(stop, 4)], "what was done is not read again"
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")
    assert not (tmp_path / ".store.partial").exists()


@pytest.mark.parametrize("cut", [1, 30])
def test_a_kill_between_arrays_and_journal(raw: Path, tmp_path: Path, cut: int) -> None:
    """Arrays that are longer than the journal says, and a journal whose last line is torn."""
    prepare(raw, tmp_path / "whole")
    data = contents(tmp_path / "whole")
    with pytest.raises(UserError):
        (raw / "r9.hdf5").touch()
        prepare(raw, tmp_path / "store")
    (raw / "r9.hdf5").unlink()
    partial = tmp_path / ".store.partial"
    journal = (partial / "journal.jsonl").read_bytes()
    (partial / "journal.jsonl").write_bytes(journal[:-cut])
    with (partial / "emg.npy").open("ab") as file:
        file.write(b"torn")
    prepare(raw, tmp_path / "store")
    assert contents(tmp_path / "store") == data


def test_sigkill_in_another_process(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "whole")
    code = (
        "import os, signal, sys; from pathlib import Path; from cpep.data.prepare import prepare\n"
        "def stop(done, total):\n    done == 2 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "prepare(Path(sys.argv[1]), Path(sys.argv[2]), progress=stop)"
    )
    command = [sys.executable, "-c", code, str(raw), str(tmp_path / "store")]
    assert (
        subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}).returncode
        == -9
    )
    prepare(raw, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_source_that_changed_is_read_again(raw: Path, tmp_path: Path) -> None:
    (raw / "r9.hdf5").touch()
    with pytest.raises(UserError, match=r"r9\.hdf5 is not an HDF5 file.*--skip-bad"):
        prepare(raw, tmp_path / "store")
    changed = emg2pose_like("r1", samples=3000, seed=9)
    write_recording(raw / "r1.hdf5", changed, start=0, simulated=True)
    (raw / "r9.hdf5").unlink()
    store = prepare(raw, tmp_path / "store")
    prepare(raw, tmp_path / "fresh")
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh")
    assert store.entries[1].user == "u9" and store.entries[1].frames == 150


def test_complete_store_is_opened_without_reading(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(raw, tmp_path / "store")
    monkeypatch.setattr(prepare_module, "_frames_of", None)
    assert len(prepare(raw, tmp_path / "store").entries) == 4


def test_refuses_to_overwrite(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    prepare(raw, tmp_path / "other")  # an empty folder is fine
    before = contents(tmp_path / "other")
    write_recording(raw / "r0.hdf5", emg2pose_like(seed=5), start=0, simulated=True)
    with pytest.raises(UserError, match="other is a store of other recordings, or they changed"):
        prepare(raw, tmp_path / "other")
    assert contents(tmp_path / "other") == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.tex").touch()
    with pytest.raises(UserError, match="thesis exists and is no prepared store"):
        prepare(raw, tmp_path / "thesis")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file exists and is no prepared store"):
        prepare(raw, tmp_path / "file")


def test_no_space_is_a_sentence_and_the_run_goes_on(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(raw, tmp_path / "whole")
    calls = 0
    original = writer_module.write_all

    def full(file, data):
        nonlocal calls
        calls += 1
        if calls == 12:
            original(file, memoryview(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(file, data)

    monkeypatch.setattr(writer_module, "write_all", full)
    with pytest.raises(UserError, match=r"cannot write .*store: No space left on device; .* kept for the next run"):
        prepare(raw, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    monkeypatch.undo()
    prepare(raw, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_short_writes_are_continued(tmp_path: Path) -> None:
    class Slow:
        data = b""

        def write(self, view: memoryview) -> int:
            self.data += bytes(view[:3])
            return min(3, len(view))

    slow = Slow()
    writer_module.write_all(slow, bytes(range(10)))  # type: ignore[arg-type]
    assert slow.data == bytes(range(10))


def test_another_writer_is_noticed(raw: Path, tmp_path: Path) -> None:
    def meddle(done: int, total: int) -> None:
        if done == 2:
            with (tmp_path / ".store.partial/label.npy").open("ab") as file:
                file.write(b"xx")

    with pytest.raises(UserError, match="another process writes"):
        prepare(raw, tmp_path / "store", progress=meddle)


def test_bad_recordings(raw: Path, tmp_path: Path) -> None:
    data = (raw / "r1.hdf5").read_bytes()
    (raw / "r1.hdf5").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"r1\.hdf5 is truncated or damaged.*--skip-bad"):
        prepare(raw, tmp_path / "store")
    store = prepare(raw, tmp_path / "store", skip_bad=True)
    assert [entry.name for entry in store.entries] == ["r0", "r2", "r3"]
    assert [name for name, _ in store.skipped] == ["r1"] and "truncated" in store.skipped[0][1]
    assert prepare(raw, tmp_path / "store", skip_bad=True).skipped == store.skipped
    with pytest.raises(UserError, match="without 1 unreadable recordings, the first r1"):
        prepare(raw, tmp_path / "store")


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.hdf5").touch()
    with pytest.raises(UserError, match=r"none of the 1 recordings is readable; the first: .*a\.hdf5"):
        prepare(tmp_path / "raw", tmp_path / "store", skip_bad=True)
    with pytest.raises(UserError, match="none does not exist"):
        prepare(tmp_path / "none", tmp_path / "store")


def test_shorter_than_a_frame(raw: Path, tmp_path: Path) -> None:
    write_recording(raw / "r2.hdf5", emg2pose_like("r2", samples=19), start=0, simulated=True)
    with pytest.raises(UserError, match="r2 is shorter than one frame of 20 samples"):
        prepare(raw, tmp_path / "store")
    write_recording(raw / "r2.hdf5", emg2pose_like("r2", samples=20), start=0, simulated=True)
    assert prepare(raw, tmp_path / "store").entries[2].frames == 1


def test_another_device(raw: Path, tmp_path: Path) -> None:
    sidecar = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    write_generic(raw, sidecar, name="z", emg=np.ones((100, 16)))
    with pytest.raises(UserError, match=r"z comes from another device than r0: emg_rate 200\.0 instead of 2000\.0"):
        prepare(raw, tmp_path / "store", skip_bad=True)


@pytest.mark.parametrize("text", ["[]", '{"version": 1}', '{"version": 1, "device": {"channels": 3}}'])
def test_damaged_indices(raw: Path, tmp_path: Path, text: str) -> None:
    prepare(raw, tmp_path / "store")
    (tmp_path / "store" / "store.json").write_text(text)
    with pytest.raises(UserError, match=r"store\.json is damaged"):
        open_store(tmp_path / "store")


def test_metadata_is_looked_at_before_the_recordings_are_read(raw: Path, tmp_path: Path) -> None:
    (raw / "metadata.csv").write_text("user\n")
    with pytest.raises(UserError, match="lacks the column"):
        prepare(raw, tmp_path / "store", progress=lambda done, total: pytest.fail("it began to read"))


def test_damaged_stores(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no prepared store; make one"):
        open_store(tmp_path / "store")
    assert not is_store(raw)
    prepare(raw, tmp_path / "store")
    data = (tmp_path / "store/emg.npy").read_bytes()
    for broken in (data[:-100], b"", b"no array", data[:50]):
        (tmp_path / "store/emg.npy").write_bytes(broken)
        with pytest.raises(UserError, match=r"emg\.npy is missing or damaged"):
            open_store(tmp_path / "store")
    np.save(tmp_path / "store/emg.npy", np.zeros((3, 16), np.float32))
    with pytest.raises(UserError, match="does not fit the index"):
        open_store(tmp_path / "store")
    index = json.loads((tmp_path / "store" / STORE_INDEX).read_text())
    (tmp_path / "store" / STORE_INDEX).write_text(json.dumps(index | {"version": 99}))
    with pytest.raises(UserError, match=r"another version of cpep \(format 99, expected 1\)"):
        open_store(tmp_path / "store")


def test_25_thousand_recordings_open_quickly(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "store")
    index = json.loads((tmp_path / "store" / STORE_INDEX).read_text())
    first = dict(zip(index["entry_fields"], index["entries"][0], strict=True))
    many = [first | {"start": k * first["frames"], "name": f"recording_{k}"} for k in range(25_000)]
    index["entries"] = [list(entry.values()) for entry in many]
    (tmp_path / "store" / STORE_INDEX).write_text(json.dumps(index))
    for name, columns in (("emg", 20 * 16 * 4), ("pose", 20 * 4), ("valid", 1), ("label", 2), ("prompt", 2)):
        _sparse(tmp_path / f"store/{name}.npy", columns, 25_000 * first["frames"], 20 if name == "emg" else 1)
    _sparse(tmp_path / "store/repetition.npy", 2, 25_000 * first["frames"], 1)
    _sparse(tmp_path / "store/power.npy", 16 * 4, 25_000 * first["power_blocks"], 1)
    started = time.process_time()
    store = open_store(tmp_path / "store")
    assert time.process_time() - started < 3.0
    assert store.entry_of_frame(np.array([len(store.valid_M) - 1])) == 24_999


def _sparse(path: Path, row_bytes: int, rows: int, rows_per: int) -> None:
    """Make a .npy file of that many rows without writing them."""
    header = np.load(path, mmap_mode="r")
    shape = (rows * rows_per, *header.shape[1:])
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": header.dtype.str, "fortran_order": False, "shape": shape}
        )
        file.truncate(file.tell() + rows * row_bytes)


def test_block_power_is_causal_where_blocks_are_no_whole_samples() -> None:
    rng = np.random.default_rng(0)
    emg_TC = rng.normal(size=(1000, 2)).astype(np.float32)
    power_KC = block_power(emg_TC, 250.0)
    assert len(power_KC) == 16
    for k in range(16):
        samples = [t for t in range(1000) if int(k * 62.5) <= t < int((k + 1) * 62.5)]
        np.testing.assert_allclose(power_KC[k], np.square(emg_TC[samples].astype(np.float64)).mean(0), rtol=1e-6)


@pytest.mark.parametrize(("rate", "new_rate"), [(60.0, 100.0), (200.0, 100.0), (100.0, 125.0), (100.0, 100.0)])
def test_pose_resampling_against_loops(rate: float, new_rate: float) -> None:
    rng = np.random.default_rng(2)
    pose_SJ, valid_S = rng.normal(size=(37, 3)).astype(np.float32), rng.random(37) > 0.2
    pose_SJ[~valid_S] = np.nan
    pose_MJ, valid_M = resample_pose(pose_SJ, valid_S, rate, new_rate, 90)
    assert np.isfinite(pose_MJ).all()
    for m in range(90):
        position = m * rate / new_rate
        left = int(position)
        if left >= 37:
            assert not valid_M[m]
            continue
        right = min(left + 1, 36)
        share = position - left if right > left else 0.0
        assert valid_M[m] == (valid_S[left] and (share == 0 or valid_S[right])), m
        if valid_M[m]:
            expected = pose_SJ[left] + (share * (pose_SJ[right] - pose_SJ[left]) if share else 0)
            np.testing.assert_allclose(pose_MJ[m], expected, atol=1e-5)


@pytest.mark.parametrize("rate", [50, 100, 125, 128, 200, 250, 500, 512, 977, 1000, 1024, 1111, 1925.925, 2000, 2048])
def test_frame_rates_are_near_100(rate: float) -> None:
    ratio = frame_ratio(rate)
    assert ratio >= 1 and 50 <= rate / ratio <= 200
    if rate in (100, 200, 500, 1000, 2000):
        assert rate / ratio == 100


def test_recordings_are_checked() -> None:
    whole = vars(emg2pose_like())
    for change, sentence in (
        ({"emg_TC": np.zeros((1000, 8), np.float32)}, "8 EMG channels where 16 are expected"),
        ({"label_T": np.zeros(9, int)}, "9 labels for 1000 EMG samples"),
        ({"pose_SJ": np.zeros((50, 3), np.float32)}, r"pose of shape \(50, 3\)"),
    ):
        with pytest.raises(UserError, match=sentence):
            Recording(**(whole | change))


@pytest.mark.data
def test_real_db1(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("S1_A1_E1.mat", "S2_A1_E1.mat"):
        (tmp_path / "raw" / name).symlink_to(shared_data("ninapro_db1") / name)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.name == "ninapro_db1" and store.users == ("1", "2") and store.ratio == 1
    assert store.vocabulary[1] == "index_flexion" and store.pose_MJ is not None
    second = store.entries[1]
    assert second.start == 101014 and (store.pose_MJ[second.start :] > 0).any()
