"""Live sources by name, and how one is opened from what a user writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpep.live.signals import Source
from cpep.live.sources import channels, own
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
        "cpep.live.sources.simulator",
        "cpep.live.sources.lsl",
        "cpep.live.sources.brainflow",
        "cpep.live.sources.mindrove",
        "cpep.live.sources.myo",
    ),
)
"""Live sources by the word before the colon of ``--source``."""


def forms() -> tuple[str, ...]:
    """Return all forms that a user may write, in alphabetical order of the sources; one's own come last."""
    return (*(form for name in sorted(SOURCES.names()) for form in SOURCES.get(name).forms), *own.FORMS)


def open_source(text: str, speed: float = 1.0) -> Source:
    """Open a source.

    Args:
        text: one of ``forms``; channels may be chosen by ``[1-8]`` or ``[1,3,5-8]`` after the name or at the end.
        speed: of replay and simulator over real time; 0 for as fast as possible.

    Raises:
        UserError: a text of another form, nothing there, a package that is missing, channels that are not there, or a
            speed other than 1 for a device with a pace of its own.
    """
    whole, chosen = channels.split(text)
    source = _open(whole, text, speed)
    try:
        return channels.Chosen(source, chosen) if chosen else source
    except UserError:
        source.close()
        raise


def _open(text: str, written: str, speed: float) -> Source:
    name, colon, rest = text.partition(":")
    kind = SOURCES.get(name) if name in SOURCES else None
    known = kind is not None and kind.takes(rest) and (rest or not colon)
    if not known and (kind is not None or not own.WRITTEN.fullmatch(text)):
        raise UserError(_forms_of(written))
    if speed != 1 and (kind is None or kind.own_pace):
        raise UserError(f"--speed {speed:g}: {written} has a pace of its own; speed is for replay and sim")
    found = kind.open(rest, speed) if kind is not None else own.open_own(text)
    if found is None:
        raise UserError(_forms_of(written, f"there is no source and no module {name}; "))
    return found


def _forms_of(written: str, why: str = "") -> str:
    *others, last = forms()
    return f"--source {written}: {why}write {', '.join(others)} or {last}"
