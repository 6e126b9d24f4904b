"""Atomic writes on disks that refuse, and progress lines in a log and on a terminal."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from cpep.runtime.files import ProgressLine, atomic_path, parse_json, read_json, write_json
from cpep.types import UserError


def test_a_place_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path / "file" / "below.json", {})


def test_json_that_asks_for_values_from_elsewhere_is_refused_by_its_field(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"run": {"command": ["cpep", "$HOME {x}", "${oc.env:HOME}"]}})
    with pytest.raises(
        UserError, match=rf"{path}: run\.command\.2 holds '\$\{{oc\.env:HOME\}}'; .* the value itself"
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
