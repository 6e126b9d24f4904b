"""Live sources by name, and how one is opened from what a user writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpep.live.signals import Source
from cpep.runtime.registry import Registry
from cpep.types import UserError


@dataclass(frozen=True)
class SourceKind:
    """One kind of live source.

    Attributes:
        forms: what a user may write, for sentences: ``("lsl:NAME", "lsl:type=EMG")``.
        open: opens a source from the text after the name and its colon, at a speed over real time (0 is as fast as
            possible); it refuses what is wrong by a ``UserError``.
        takes: tells whether a text after the name is of one of the forms; it is empty where nothing was written.
        own_pace: whether the device sets the pace, so that a speed other than 1 is refused.
    """

    forms: tuple[str, ...]
    open: Callable[[str, float], Source]
    takes: Callable[[str], bool] = bool
    own_pace: bool = False


SOURCES: Registry[SourceKind] = Registry(
    "live source",
    (
        "cpep.live.sources.replay",
        "cpep.live.sources.sim",
        "cpep.live.sources.lsl",
        "cpep.live.sources.brainflow",
    ),
)


def forms() -> tuple[str, ...]:
    """Return all forms that a user may write, in alphabetical order of the sources."""
    return tuple(form for name in sorted(SOURCES.names()) for form in SOURCES.get(name).forms)


def open_source(text: str, speed: float = 1.0) -> Source:
    """Open a source.

    Args:
        text: one of ``forms``.
        speed: of replay and simulator over real time; 0 for as fast as possible.

    Raises:
        UserError: a text of another form, nothing there, a package that is missing, or a speed other than 1 for a
            device with a pace of its own.
    """
    name, colon, rest = text.partition(":")
    if name not in SOURCES or (colon and not rest) or not SOURCES.get(name).takes(rest):
        *others, last = forms()
        raise UserError(f"--source {text}: write {', '.join(others)} or {last}")
    kind = SOURCES.get(name)
    if speed != 1 and kind.own_pace:
        raise UserError(f"--speed {speed:g}: {text} has a pace of its own; speed is for replay and sim")
    return kind.open(rest, speed)
