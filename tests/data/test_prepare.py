"""Stores are written once: resumed after a kill, refused over anything else, with a sentence on what is bad."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.emg2pose import write_recording
from cpep.data.store import arrays as arrays_module
from cpep.data.store import prepare as prepare_module
from cpep.data.store import writer as writer_module
from cpep.data.store.prepare import prepare
from cpep.runtime.locks import hold_file
from cpep.types import UserError
from tests.data.samples import contents, emg2pose_like, write_generic


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

    def counting(source, asked):
        read.append(source.name)
        if len(read) == stop + 1 and not resumed:
            raise KeyboardInterrupt
        return original(source, asked)

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
        "import os, signal, sys; from pathlib import Path; from cpep.data.store.prepare import prepare\n"
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
    original = arrays_module.write_all

    def full(file, data):
        nonlocal calls
        calls += 1
        if calls == 12:
            original(file, memoryview(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(file, data)

    for module in (arrays_module, writer_module):
        monkeypatch.setattr(module, "write_all", full)
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
    arrays_module.write_all(slow, bytes(range(10)))  # type: ignore[arg-type]
    assert slow.data == bytes(range(10))


def test_another_writer_is_noticed(raw: Path, tmp_path: Path) -> None:
    def meddle(done: int, total: int) -> None:
        if done == 2:
            with (tmp_path / ".store.partial/label.npy").open("ab") as file:
                file.write(b"xx")

    with pytest.raises(UserError, match=r"another process writes /.*\.npy too"):
        prepare(raw, tmp_path / "store", progress=meddle)


@pytest.mark.parametrize(("every_s", "lines_at_once"), [(0.0, [1, 1, 1, 1]), (1e9, [4])])
def test_a_line_of_the_journal_says_what_is_on_the_disk(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float, lines_at_once: list[int]
) -> None:
    safe, written = set(), []
    real, write = os.fsync, writer_module.write_all

    def fsync(descriptor: int) -> None:
        safe.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    def logged(file: io.FileIO, data: bytes) -> None:
        if data:
            folder = Path(str(file.name)).parent
            assert {path.stat().st_ino for path in folder.glob("*.npy")} <= safe
            written.append(data.count(b"\n"))
        safe.clear()
        write(file, data)

    monkeypatch.setattr(writer_module, "SAFE_EVERY_S", every_s)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(writer_module, "write_all", logged)
    prepare(raw, tmp_path / "store")
    assert written == lines_at_once


def test_what_another_command_prepares_is_refused_with_its_name(raw: Path, tmp_path: Path) -> None:
    with (
        hold_file(tmp_path / "store"),
        pytest.raises(UserError, match=rf"store is in use by cpep.*, process {os.getpid()} on this machine, since"),
    ):
        prepare(raw, tmp_path / "store")
    assert len(prepare(raw, tmp_path / "store").entries) == 4


def test_what_a_kill_leaves_after_a_store_has_its_name_is_removed(raw: Path, tmp_path: Path) -> None:
    store = prepare(raw, tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    for left in (tmp_path / ".store.lock", store.path / "journal.jsonl"):
        left.write_text("")
        prepare(raw, tmp_path / "store")
        assert sorted(tmp_path.rglob("*")) == before


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


def test_recordings_without_an_anchor_among_others(tmp_path: Path) -> None:
    rng, plain = np.random.default_rng(0), {"rate": 100, "kind": "envelope", "unit": "count", "emg": {"field": "emg"}}
    for user, sidecar in zip("abcd", (plain, plain | {"pose": {"field": "pose", "unit": "count"}}) * 2, strict=True):
        arrays = {"emg": rng.random((60, 3)), "pose": rng.random((60, 2)) + 1}
        write_generic(tmp_path / "raw", sidecar | {"user": user}, name=user, **arrays)
    write_generic(tmp_path / "raw", plain | {"user": "e"}, name="e", emg=rng.random((60, 3)))
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.anchor_MJ is not None and store.anchor_MJ.shape == (300, 2)
    valid_KM = np.asarray(store.valid_M).reshape(5, 60)
    assert valid_KM.all(1).tolist() == valid_KM.any(1).tolist() == [False, True, False, True, False]
    assert ((store.anchor_MJ != 0).all(1) == store.valid_M).all() and (store.emg_TC != 0).all()
    assert [entry.user for entry in store.bare] == ["a", "c", "e"]


def test_recordings_without_an_anchor_leave_out_no_frame_for_one(tmp_path: Path) -> None:
    sidecar = {"rate": 100, "kind": "envelope", "unit": "count", "emg": {"field": "emg"}, "user": "a"}
    write_generic(tmp_path / "raw", sidecar, name="a", emg=np.ones((60, 3)))
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.anchor_MJ is None and store.valid_M.all() and len(store.valid_M) == 60
    assert store.bare == store.entries


def test_another_device(raw: Path, tmp_path: Path) -> None:
    sidecar = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    write_generic(raw, sidecar, name="z", emg=np.ones((100, 16)))
    with pytest.raises(UserError, match=r"z comes from another device than r0: emg_rate 200\.0 instead of 2000\.0"):
        prepare(raw, tmp_path / "store", skip_bad=True)


def test_metadata_is_looked_at_before_the_recordings_are_read(raw: Path, tmp_path: Path) -> None:
    (raw / "metadata.csv").write_text("user\n")
    with pytest.raises(UserError, match="lacks the column"):
        prepare(raw, tmp_path / "store", progress=lambda done, total: pytest.fail("it began to read"))
