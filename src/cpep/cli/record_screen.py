"""What ``cpep record`` shows: the prompt with a countdown and a bar, the drawn hand as bars, and how the EMG is."""

from __future__ import annotations

import math
import sys
import time

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cpep.hand.joints import JOINTS
from cpep.live.record.leader import Shown
from cpep.live.record.taking import Taking
from cpep.runtime.files import clock
from cpep.types import FloatArray

EVERY_S = 0.1
WIDTH = 78
SAID = {"ready": "get ready", "hold": "hold", "rest": "let go", "free": "", "follow": "", "paused": "", "end": "done"}
COLOURS = {"ready": "yellow", "hold": "green", "rest": "cyan", "end": "green"}
FINGERS = {"THUMB": 1.8, "INDEX": 3.4, "MIDDLE": 3.4, "RING": 3.4, "PINKY": 3.4}
"""Fingers, and by how much all their joints bend together at most, rad."""


class Screen:
    """The prompts on a terminal, drawn in place; elsewhere a line for each.

    Args:
        title: says what is recorded.
        keys: whether keys can be pressed.
    """

    def __init__(self, title: str, keys: bool) -> None:
        self.title, self.keys = title, keys
        console = Console(stderr=True, highlight=False)
        self.live = Live(console=console, auto_refresh=False) if sys.stderr.isatty() else None
        if self.live is None:
            print(title, file=sys.stderr, flush=True)
        self._at, self._line, self._lost = 0.0, "", 0
        self._told: set[str] = set()

    def show(self, taking: Taking) -> None:
        """Show a recording as it is now; called often."""
        if self.live is None:
            self._print(taking)
        elif time.monotonic() - self._at >= EVERY_S:
            self._at = time.monotonic()
            self.live.update(screen(self.title, taking, self.keys), refresh=True)

    def _print(self, taking: Taking) -> None:
        shown, lost = taking.shown(), taking.recorder.lost
        lines = [" ".join(part for part in (_named(shown), SAID[shown.phase] or shown.words) if part)]
        if shown.phase == "follow":
            lines = [shown.words]
        if lost > self._lost:
            lines.append(f"{lost - self._lost} samples lost")
            self._lost = lost
        new = [words for words in taking.troubles() if words not in self._told]
        self._told |= set(new)
        lines += new
        for line in lines:
            if line != self._line:
                print(line, file=sys.stderr, flush=True)
        self._line = lines[0]


def screen(title: str, taking: Taking, keys: bool) -> RenderableType:
    """Return all that is shown."""
    shown, recorder = taking.shown(), taking.recorder
    colour = COLOURS.get(shown.phase, "blue")
    name = shown.name.replace("_", " ") or shown.phase
    parts: list[RenderableType] = [
        Text(),
        Align.center(Text(f"  {' '.join(name.upper())}  ", style=f"bold reverse {colour}")),
        Align.center(Text(shown.words, style="dim")),
        Text(),
    ]
    parts += [_hand(shown.pose_J), Text()] if shown.pose_J is not None else []
    if math.isfinite(shown.phase_s):
        parts += [
            Align.center(Text(f"{_named(shown)}  {SAID[shown.phase]}  {shown.left_s:.0f} s", style=f"bold {colour}")),
            Align.center(_bar(1 - shown.left_s / shown.phase_s if shown.phase_s else 1.0, colour)),
            Text(),
        ]
    parts += [Text(f"! {shown.note}", style="bold red")] if shown.note else []
    parts += [Text(f"! {words}", style="red") for words in taking.troubles()]
    lost = f"   {recorder.lost} samples lost" if recorder.lost else ""
    done = f"   {100 * shown.share:.0f} % done" if shown.share else ""
    again = "r make it again   " if SAID[shown.phase] else ""
    pressed = f"{again}q stop and keep all" if keys else "Ctrl-C stops and keeps all"
    parts.append(Text(f"recorded {clock(recorder.seconds)}{lost}{done}   {pressed}", style="dim"))
    return Panel(Group(*parts), title=title, width=WIDTH, border_style=colour)


def _named(shown: Shown) -> str:
    if not shown.name or not shown.repetition:
        return ""
    return f"{shown.name.replace('_', ' ')} {shown.repetition} of {shown.repetitions}"


def _bar(share: float, colour: str) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=60, complete_style=colour, finished_style=colour)


def _hand(pose_J: FloatArray) -> Align:
    """Return for each finger how far it is bent."""
    table = Table.grid(padding=(0, 2))
    for finger, most in FINGERS.items():
        bent = sum(float(pose_J[k]) for k, joint in enumerate(JOINTS) if joint.startswith(finger) and "_FE" in joint)
        bar = ProgressBar(total=1.0, completed=min(max(bent / most, 0.0), 1.0), width=40, complete_style="blue")
        table.add_row(finger.lower(), bar)
    return Align.center(table)
