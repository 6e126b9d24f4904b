"""What ``cpep enrol`` shows: the prompt with a countdown and a bar, the gestures, and what each is worth."""

from __future__ import annotations

import sys
import time
from math import ceil

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cpep.live.enrol.advice import Advice
from cpep.live.enrol.enroller import Enroller
from cpep.live.enrol.gestures import described
from cpep.live.enrol.guide import Now, Phase

EVERY_S = 0.1
SAID: dict[Phase, str] = {
    "ready": "get ready",
    "hold": "hold",
    "relax": "let go",
    "paused": "paused: press p to go on",
    "done": "done",
}
COLOURS: dict[Phase, str] = {
    "ready": "yellow",
    "hold": "green",
    "relax": "cyan",
    "paused": "magenta",
    "done": "green",
}
KEYS = "r make it again   s skip the gesture   p pause   q stop"
WIDTH = 78


class Screen:
    """The prompts on a terminal, drawn in place; elsewhere a line for each.

    Args:
        title: says what is measured, in a sentence or two.
        keys: whether keys can be pressed.
    """

    def __init__(self, title: str, keys: bool) -> None:
        self.title, self.keys = title, keys
        self.console = Console(stderr=True, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False) if sys.stderr.isatty() else None
        if self.live is None:
            print(title, file=sys.stderr, flush=True)
        self._at, self._line, self._said = 0.0, "", ""

    def show(self, enroller: Enroller) -> None:
        """Show an enrolment as it is now; called often."""
        now = enroller.now
        if self.live is None:
            self._print(now, enroller.said)
        elif time.monotonic() - self._at >= EVERY_S or now.phase == "done":
            self._at = time.monotonic()
            self.live.update(screen(self.title, now, enroller, self.keys), refresh=True)

    def _print(self, now: Now, said: str) -> None:
        line = f"{_named(now)}: {SAID[now.phase]}" if now.phase in ("ready", "hold") else ""
        if now.note:
            line += f" ({now.note})"
        if said and said != self._said:
            print(said, file=sys.stderr, flush=True)
        self._said = said
        if line and line != self._line:
            print(line, file=sys.stderr, flush=True)
        self._line = line or self._line


def screen(title: str, now: Now, enroller: Enroller, keys: bool) -> RenderableType:
    """Return all that is shown."""
    colour = COLOURS[now.phase]
    name = now.gesture.replace("_", " ") or "all made"
    parts: list[RenderableType] = [
        Text(title, style="dim"),
        Text(),
        Align.center(Text(f"  {' '.join(name.upper())}  ", style=f"bold reverse {colour}")),
        Align.center(Text(described(now.gesture) if now.gesture else "", style="dim")),
        Text(),
        Align.center(Text(_countdown(now), style=f"bold {colour}")),
        Align.center(_bar(now, colour)),
        Text(),
    ]
    parts += [Text(f"! {now.note}", style="bold red")] if now.note else []
    parts += [_gestures(now, enroller), Text()]
    parts += [Text(enroller.said)] if enroller.said else []
    parts.append(Text(f"{KEYS if keys else 'Ctrl-C stops'}   {100 * now.share:.0f} % done", style="dim"))
    return Panel(Group(*parts), title="cpep enrol", width=WIDTH, border_style=colour)


def advice_table(advice: tuple[Advice, ...]) -> str:
    """Return the advice as lines of text.

    >>> print(advice_table((Advice("fist", 0.96, True, "96 % of windows told right"),)))
    fist  96 % of windows told right
    """
    width = max((len(one.gesture) for one in advice), default=0)
    return "\n".join(f"{one.gesture:<{width}}  {one.sentence}" for one in advice)


def _named(now: Now) -> str:
    return f"{now.gesture} {now.repetition} of {now.repetitions}" if now.gesture else ""


def _countdown(now: Now) -> str:
    if now.phase in ("paused", "done"):
        return SAID[now.phase]
    return f"{SAID[now.phase]}  {ceil(now.left_s)} s   ({now.repetition} of {now.repetitions})"


def _bar(now: Now, colour: str) -> ProgressBar:
    done = 1 - now.left_s / now.phase_s if now.phase_s else 1.0
    return ProgressBar(total=1.0, completed=done, width=60, complete_style=colour, finished_style=colour)


def _gestures(now: Now, enroller: Enroller) -> Table:
    table = Table.grid(padding=(0, 2))
    known = {one.gesture: one for one in enroller.advice}
    made = enroller.made
    for name in enroller.plan.gestures:
        current = name == now.gesture
        count, advice = made.get(name, 0), known.get(name)
        dots = "●" * count + "○" * max(enroller.plan.repetitions - count, 0)
        colour = {True: "green", False: "red", None: ""}[advice.good if advice else None]
        table.add_row(
            Text(("> " if current else "  ") + name, style="bold" if current else ""),
            dots,
            Text(advice.sentence if advice and advice.good is not None else "", style=colour),
        )
    return table
