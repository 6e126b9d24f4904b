"""Atomic writes on disks that refuse, and progress lines in a log and on a terminal."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from cpep.runtime import files, leftovers
from cpep.runtime.files import ProgressLine, atomic_path, parse_json, read_json, write_json, write_tensors
from cpep.types import UserError


def test_a_place_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path / "file" / "below.json", {})


def test_json_that_asks_for_values_from_elsewhere_is_refused_by_its_field(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"run": {"command": ["cpep", "$HOME {x}", "${oc.env:HOME}"]}})
    with pytest.raises(
        UserError, match=rf"{path}: run\.command\[2\] holds '\$\{{oc\.env:HOME\}}'; .* the value itself"
    ):
        read_json(path)
    assert parse_json(path)["run"]["command"][2] == "${oc.env:HOME}"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_a_sentence_and_the_old_file_stays(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "weights"
    target.write_text("old")
    with pytest.raises(UserError, match="weights: No space left on device; make room"), atomic_path(target) as new:
        new.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["weights"] and target.read_text() == "old"


KILLED = """
import os, pathlib, sys
from cpep.runtime import leftovers
from cpep.runtime.files import atomic_path

def write(path, text):
    with atomic_path(path) as new:
        new.mkdir()
        (new / "a").write_text(text)
        (new / "b").write_text(text)

def killed_at(at):
    def hook(event, _, seen=[0]):
        seen[0] += event in ("os.rename", "os.remove", "os.rmdir", "open")
        if seen[0] == at:
            os._exit(9)
    sys.addaudithook(hook)

home, missing, at, ended = pathlib.Path(sys.argv[1]), 0, 0, None
write(home / "checkpoint", "0")
while ended != 0:
    at += 1
    if not (pid := os.fork()):
        killed_at(at)
        write(home / "checkpoint", str(at))
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    missing += not (home / "checkpoint").exists()
    leftovers.remove(home / "checkpoint")
    assert os.listdir(home) == ["checkpoint"]
    assert sorted(os.listdir(home / "checkpoint")) == ["a", "b"]
    assert len({path.read_text() for path in (home / "checkpoint").iterdir()}) == 1
assert at > 10
print("missing", missing)
"""


def test_a_folder_is_replaced_by_a_whole_one_wherever_the_process_is_killed(tmp_path: Path) -> None:
    said = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=True, capture_output=True).stdout
    assert said == b"missing 1\n"  # between the two renames


def test_what_is_said_to_be_written_is_brought_to_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    for name in ("fsync", "replace", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (order.append(name), real(*a))[1])
    with atomic_path(tmp_path / "new" / "book") as temporary:
        temporary.write_text("x")
    assert (
        order[0] == "fsync" and order[1] in ("replace", "rename") and order[2:] == ["fsync"] * 2
    )  # and its parents'
    order.clear()
    write_json(tmp_path / "cache", 1, safe=False)
    assert "fsync" not in order


def test_a_file_system_that_brings_no_folder_to_the_disk_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(files.os, "fsync", fsync)
    write_json(tmp_path / "a.json", 1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_json(tmp_path / "a.json", 2)
    assert read_json(tmp_path / "a.json") == 1


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_tensors_take_the_umask_of_the_user(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "book") as temporary:
            write_tensors(save_file, {"a": np.zeros(3)}, temporary, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "book").stat().st_mode) == 0o666 & ~umask


def test_only_what_killed_commands_left_is_removed(tmp_path: Path) -> None:
    living = leftovers.beside(tmp_path / "a.json", "tmp")
    parent = f".a.json.{os.getppid()}-1@{leftovers.host()}.tmp"
    elsewhere, ancient, first = ".a.json.1-1@other.tmp", ".a.json.2-1@other.tmp", ".a.json.77.tmp"
    for name in (living.name, parent, elsewhere, ancient, first, ".a.json.tmp", "a.json.1-1@x.tmp", ".b.json.77.tmp"):
        (tmp_path / name).touch()
    for name in (ancient, first, ".b.json.77.tmp", living.name):
        os.utime(tmp_path / name, (time.time() - leftovers.OLD_S - 1,) * 2)
    write_json(tmp_path / "a.json", 1)
    kept = {living.name, parent, elsewhere, ".a.json.tmp", "a.json.1-1@x.tmp", "a.json"}
    assert {path.name for path in tmp_path.iterdir()} == kept | {".b.json.77.tmp"}
    leftovers.done(living)  # a process of this number that was killed in a container that has started again
    leftovers.remove_below(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept - {living.name}


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("cpep.runtime.files.time.monotonic", lambda: self.now)

    def run(self, line: ProgressLine, steps: int, seconds: float) -> None:
        line(0, steps)
        for done in range(1, steps + 1):
            self.now += seconds
            line(done, steps)


def test_a_log_gets_a_line_after_two_seconds_and_every_ten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    clock.run(ProgressLine("short", "files"), steps=19, seconds=0.1)
    assert capsys.readouterr().err == ""
    clock.run(ProgressLine("long", "files"), steps=40, seconds=0.5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("%")[0].split()[-1] for line in lines] == ["10", "60", "100"]
    assert "2 files/s  0:18 left" in lines[0] and "done in 0:20" in lines[2]


def test_slow_work_has_a_rate_that_says_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Clock(monkeypatch).run(ProgressLine("slow", "rows"), steps=2, seconds=8)
    assert "0.12 rows/s" in capsys.readouterr().err


def test_a_terminal_gets_one_line_that_is_rewritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    Clock(monkeypatch).run(ProgressLine("long", "files"), steps=10, seconds=0.5)
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\r") == 7
