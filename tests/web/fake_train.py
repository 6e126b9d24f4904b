"""Trainings that train nothing, for processes of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cpep.types import UserError


def quick(folder, out, say):
    say("one person, 8 gestures")
    say("  step 1 of 1: all\nmore of it")
    out.mkdir(exist_ok=True)
    (out / "report.txt").write_text("done")
    return f"It told 7 of 8, nice {os.nice(0)}"


def refused(folder, out, say):
    raise UserError("too few gestures")


def broken(folder, out, say):
    raise ZeroDivisionError("by nothing")


def long(folder, out, say):
    try:
        say("goes on" if out.exists() else "begins")
        time.sleep(120)
    except KeyboardInterrupt:
        out.mkdir(exist_ok=True)
        raise


def stubborn(folder, out, say):
    """Train on and on."""
    out.mkdir(exist_ok=True)
    (out / "pid").write_text(str(os.getpid()))
    while True:
        try:
            time.sleep(0.1)
        except KeyboardInterrupt:
            (out / "asked").touch()


def endless(pid):
    """Compute without an end; where no file may be written, the process is told by a folder."""
    Path(f"{pid}.{os.getpid()}").mkdir()
    while True:
        pass
