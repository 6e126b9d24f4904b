from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.emg2pose import MetadataRow, read_recording, write_metadata, write_recording
from cpep.data.readers.folder import STORE_INDEX
from cpep.data.store.prepare import prepare
from cpep.data.store.store import is_store, map_array, open_store
from cpep.types import UserError
from tests.data.samples import contents, emg2pose_like, reseal, unseal, write_emg2pose, write_generic


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
            assert store.anchor_MJ is not None and recording.anchor_SJ is not None
            assert (store.anchor_MJ[start + frame] == recording.anchor_SJ[frame]).all()
        for k in range(entry.power_blocks):
            power = np.square(cut_TC[k * 500 : (k + 1) * 500].astype(np.float64)).mean(0)
            np.testing.assert_allclose(store.power_KC[block + k], power, rtol=1e-6)
        start, block = start + entry.frames, block + entry.power_blocks
    assert len(store.valid_M) == start and len(store.power_KC) == block
    assert store.seconds == pytest.approx(start / 100)


def test_a_store_is_shown_in_a_line(raw: Path, tmp_path: Path) -> None:
    store = prepare(raw, tmp_path / "store")
    text = repr(store)
    assert f"{len(store.entries)} recordings of {len(store.users)} people" in text and "Hz" in text
    assert len(text) < 300 + len(str(store.path))


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
    torch.from_numpy(store.emg_TC[:]).zero_()
    assert not store.emg_TC[:].any() and contents(tmp_path / "store") == before
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
    assert store.anchor_MJ is None and store.valid_M.all() and store.frame_rate == 125
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


@pytest.mark.parametrize("text", ["[]", '{"version": 1}', '{"version": 1, "device": {"channels": 3}}'])
def test_damaged_indices(raw: Path, tmp_path: Path, text: str) -> None:
    prepare(raw, tmp_path / "store")
    unseal(tmp_path / "store")
    (tmp_path / "store" / "store.json").write_text(text)
    with pytest.raises(
        UserError, match=r"store\.json: (the field name is missing|expected an object, got a list); prep"
    ):
        open_store(tmp_path / "store")


def test_texts_with_an_interpolation_are_in_no_store(tmp_path: Path) -> None:
    """Neither from recordings, which are refused before hours of training rest on them, nor from somebody else."""
    folder, out = tmp_path / "raw", tmp_path / "store"
    write_emg2pose(folder, count=2)
    next(folder.glob("*.hdf5")).rename(folder / "${HOME}.hdf5")
    with pytest.raises(UserError, match=r"name holds '\$\{HOME\}'"):
        prepare(folder, out)
    store = prepare(folder, out, skip_bad=True)  # what is skipped is named, and refuses nobody
    assert len(store.entries) == 1 and "${HOME}" in store.skipped[0][0]
    index = json.loads((out / STORE_INDEX).read_text())
    changes = {"name": "${x}", "vocabulary": ["rest", "${x}"], "device": index["device"] | {"emg_unit": "${x}"}}
    for field, value in changes.items():
        (out / STORE_INDEX).write_text(json.dumps(index | {field: value}))
        reseal(out)
        with pytest.raises(UserError, match=rf"store\.json: {field}.* holds '\$\{{x\}}'"):
            open_store(out)


def test_damaged_stores(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no prepared store; make one"):
        open_store(tmp_path / "store")
    assert not is_store(raw)
    prepare(raw, tmp_path / "store")
    data = (tmp_path / "store/emg.npy").read_bytes()
    for broken in (data[:-100], b"", b"no array", data[:50]):
        (tmp_path / "store/emg.npy").write_bytes(broken)
        with pytest.raises(UserError, match=r"emg\.npy is missing, damaged"):
            open_store(tmp_path / "store")
    np.save(tmp_path / "store/emg.npy", np.zeros((3, 16), np.float32))
    with pytest.raises(UserError, match="or does not fit the index"):
        open_store(tmp_path / "store")
    index = json.loads((tmp_path / "store" / STORE_INDEX).read_text())
    (tmp_path / "store" / STORE_INDEX).write_text(json.dumps(index | {"version": 99}))
    reseal(tmp_path / "store")
    with pytest.raises(UserError, match=r"another version of cpep \(format 99, expected 1, 2, 3 or 4\)"):
        open_store(tmp_path / "store")


def test_25_thousand_recordings_open_quickly(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "store")
    index = json.loads((tmp_path / "store" / STORE_INDEX).read_text())
    first = dict(zip(index["entry_fields"], index["entries"][0], strict=True))
    places = ({"start": k * first["frames"], "power_start": k * first["power_blocks"]} for k in range(25_000))
    many = [first | place | {"name": f"recording_{k}"} for k, place in enumerate(places)]
    index["entries"] = [list(entry.values()) for entry in many]
    (tmp_path / "store" / STORE_INDEX).write_text(json.dumps(index))
    unseal(tmp_path / "store")
    for name, columns in (("emg", 20 * 16 * 4), ("anchor", 20 * 4), ("valid", 1), ("label", 2), ("prompt", 2)):
        _sparse(tmp_path / f"store/{name}.npy", columns, 25_000 * first["frames"], 20 if name == "emg" else 1)
    _sparse(tmp_path / "store/repetition.npy", 2, 25_000 * first["frames"], 1)
    _sparse(tmp_path / "store/power.npy", 16 * 4, 25_000 * first["power_blocks"], 1)
    started = time.process_time()
    store = open_store(tmp_path / "store")
    assert time.process_time() - started < 3.0
    assert store.entry_of_frame(np.array([len(store.valid_M) - 1])) == 24_999


def test_an_array_larger_than_the_memory_opens(tmp_path: Path) -> None:
    rows = 2**40 // 64  # 1 TiB, none of it written
    with (tmp_path / "emg.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 16)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * 64)
    assert not map_array(tmp_path / "emg.npy", np.dtype(np.float32), (rows, 16))[rows // 2].any()


def _sparse(path: Path, row_bytes: int, rows: int, rows_per: int) -> None:
    """Make a .npy file of that many rows without writing them."""
    header = np.load(path, mmap_mode="r")
    shape = (rows * rows_per, *header.shape[1:])
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": header.dtype.str, "fortran_order": False, "shape": shape}
        )
        file.truncate(file.tell() + rows * row_bytes)


@pytest.mark.data
def test_real_db1(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("S1_A1_E1.mat", "S2_A1_E1.mat"):
        (tmp_path / "raw" / name).symlink_to(shared_data("ninapro_db1") / name)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.name == "ninapro_db1" and store.users == ("1", "2") and store.ratio == 1
    assert store.vocabulary[1] == "index_flexion" and store.anchor_MJ is not None
    second = store.entries[1]
    assert second.start == 101014 and (store.anchor_MJ[second.start :] > 0).any()
