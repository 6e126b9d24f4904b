"""Recordings whose reading takes no end, too much memory, or crashes the library that reads them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cpep.data.inspect import inspect_folder
from cpep.data.readers import folder
from cpep.data.readers.folder import Source, find_recordings
from cpep.data.readers.registry import READERS, Reader
from cpep.data.store.prepare import prepare
from cpep.runtime import confined
from cpep.types import UserError
from cpep.web.uploads import read_poses
from tests.data.samples import emg2pose_like, write_emg2pose, write_endless

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems bound the time that passes alone")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reading of a file take half a second."""
    monkeypatch.setattr(confined, "CPU_S", 0.5)


@pytest.mark.usefixtures("hasty")
def test_a_recording_without_end_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write_emg2pose(tmp_path / "raw", count=2)
    path = write_endless(tmp_path / "raw")
    found = inspect_folder(tmp_path / "raw")
    assert [one.name for one in found.recordings] == ["r0", "r1"]
    ((name, reason),) = found.unreadable
    assert name == "endless" and reason.startswith(f"{path} was not read within 0.7 s of computing; it is damaged")


@pytest.mark.usefixtures("hasty")
def test_prepare_refuses_it_or_leaves_it_out(tmp_path: Path) -> None:
    write_emg2pose(tmp_path / "raw", count=2)
    path = write_endless(tmp_path / "raw")
    begin = time.process_time()
    with pytest.raises(UserError, match=r"endless\.hdf5 was not read within 0\.7 s of .*--skip-bad\)$"):
        prepare(tmp_path / "raw", tmp_path / "store")
    store = prepare(tmp_path / "raw", tmp_path / "store", skip_bad=True)
    assert [entry.name for entry in store.entries] == ["r0", "r1"]
    ((name, reason),) = store.skipped
    assert name == "endless" and reason.startswith(str(path)) and time.process_time() - begin < 5


@pytest.mark.usefixtures("hasty")
def test_it_is_not_read_a_second_time_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_endless(tmp_path)
    (source,) = find_recordings(tmp_path)
    with pytest.raises(UserError, match="not read within"):
        source.parts()
    with monkeypatch.context() as patched:
        patched.delattr(folder, "call")
        for again in (source.parts, source.dataset):
            with pytest.raises(UserError, match="not read within"):
                again()
    write_emg2pose(tmp_path / "whole", count=1)
    path.write_bytes((tmp_path / "whole" / "r0.hdf5").read_bytes())
    assert len(source.parts()) == 1


def test_an_upload_without_end_is_refused(tmp_path: Path) -> None:
    path = write_endless(tmp_path)
    with pytest.raises(UserError, match=r"^endless\.hdf5 was not read within 5\.0 s of computing"):
        read_poses([(path.name, path.read_bytes())], 100.0)


def test_a_reader_of_this_process_alone_reads_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    READERS.names()
    here: list[int] = []

    def read(path: Path) -> object:
        here.append(os.getpid())
        return emg2pose_like("mine")

    reader = Reader("mine", "mine", lambda path: None, read, lambda path: "set of mine")  # type: ignore[arg-type]
    monkeypatch.setitem(READERS._items, "mine", reader)
    source = Source(tmp_path / "a.mine", "mine", "a")
    (part,) = source.parts()
    assert here == [os.getpid()] and (part.name, source.dataset(), source.split()) == ("a", "set of mine", "")


def test_a_reader_may_crash_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crashing.py").write_text(
        "import os, signal\nfrom cpep.plugins import READERS, Reader\n"
        "def read(path): os.kill(os.getpid(), signal.SIGBUS)\n"
        "READERS.add('crashing', Reader('crashing', 'crashing', lambda path: None, read))\n"
    )
    confined.end_all()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CPEP_PLUGINS", "crashing")
    with pytest.raises(UserError, match=r"a\.x crashes the library that reads it \(SIGBUS\); fetch it again"):
        Source(tmp_path / "a.x", "crashing", "a").parts()
    confined.end_all()
    (tmp_path / "whole").mkdir()
    (written,) = write_emg2pose(tmp_path / "whole", count=1)
    (read,) = find_recordings(tmp_path / "whole")[0].parts()
    np.testing.assert_array_equal(read.emg_TC, written.emg_TC)
