"""One process at a time, and who it is, also where the file system has no locks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cpep.cli.main import main
from cpep.runtime import leftovers, locks
from cpep.runtime.locks import Hold, alone_in, hold_file
from cpep.types import UserError

HOLDER = "import sys, pathlib; from cpep.runtime.locks import hold_file; h = hold_file(pathlib.Path(sys.argv[1])); print('held', flush=True); input()"  # noqa: E501


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks, as some network ones are."""

    def fail(file: object) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks, "try_lock", fail)


def gone() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_second_process_is_told_who_the_first_is_and_a_kill_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "my.book"
    other = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match=rf"my\.book is in use by cpep, process {other.pid} on this machine, since 2"):
        hold_file(path)
    other.kill()
    other.communicate()
    assert list(tmp_path.iterdir())  # what the kill left
    with hold_file(path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_file_is_the_lock(tmp_path: Path) -> None:
    place, path = tmp_path / ".my.book.lock", tmp_path / "my.book"
    with hold_file(path), pytest.raises(UserError, match="in use by"):
        hold_file(path)
    about = {"pid": gone(), "host": leftovers.host(), "command": "cpep book", "since": "today"}
    place.write_text(json.dumps(about))
    with hold_file(path):  # whose process is gone
        assert json.loads(place.read_text())["pid"] == os.getpid()
    place.write_text(json.dumps({**about, "host": "elsewhere"}))
    with pytest.raises(UserError, match=r"cpep book, process \d+ on elsewhere \(if that has ended, delete .*lock\)"):
        hold_file(path)
    place.write_text("")
    with pytest.raises(UserError, match="another cpep"):  # it may be about to say who it is
        hold_file(path)
    os.utime(place, (0, 0))
    hold_file(path).close()
    assert not list(tmp_path.iterdir())


def test_a_lock_does_not_tell_what_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/cpep", "push", "--token", "secret"])
    with Hold(tmp_path / "lock", tmp_path):
        about = json.loads((tmp_path / "lock").read_text())
    assert about["command"] == "cpep push"


def test_two_commands_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    commands = (
        ["simulate", out, "--users", "1"],
        ["reproduce", "--data", str(tmp_path), "--out", out],
        ["train", str(tmp_path), "--out", out],
    )
    with alone_in(tmp_path / "out"):
        for command in commands:
            assert main(command) == 2
            assert f"out is in use by cpep, process {os.getpid()} on this machine" in capsys.readouterr().err
    for command in (["export", "x", out, "--onnx"], ["book", "x", "y", out]):
        with hold_file(tmp_path / "out"):
            assert main(command) == 2
            assert "out is in use by" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_a_command_only_asked_for_is_gone_and_leftovers_are_too(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    with alone_in(out):
        assert leftovers.is_empty(out)
    assert not out.parent.exists()
    kept, removed = out / "rows" / "a.json", out / "rows" / f".a.json.{gone()}-1@{leftovers.host()}.tmp"
    kept.parent.mkdir(parents=True)
    kept.touch()
    removed.mkdir()
    with alone_in(out):
        pass
    assert kept.exists() and not removed.exists()
