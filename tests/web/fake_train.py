"""Trainings that train nothing, for processes of their own."""

from __future__ import annotations

import os
import time

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
