"""What an enrolment is worth, gesture by gesture, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from cpep.data.recording import Device
from cpep.evaluate.readout import Checked
from cpep.live.book.entries import REST
from cpep.live.enrol.enrolled import Enrolled
from cpep.live.enrol.enrolment import Take
from cpep.live.runs import HOP_S
from cpep.signal.quality import quality

GOOD, FAIR = 0.9, 0.75
"""Share of windows told right from which a gesture is told well, or well enough."""
TAKEN = 0.1
"""Share of windows that get one other name from which that is said."""
SHORT_S = 3.0
"""A gesture that is held for less than this in all is held too shortly."""
REMEDIES = {
    "flat": "no signal; press the electrode on, or leave it out",
    "clipped": "clipped; lower the gain of the device",
    "hum": "hum of the mains; press the electrode on, and keep away from chargers",
    "noisy": "noise; the electrode is loose, press it on",
}


@dataclass(frozen=True)
class Advice:
    """What is known of one gesture.

    Attributes:
        gesture: its name.
        share: of its windows that were told right by the other repetitions; nan where it was made once.
        good: whether it is told well; ``None`` where nothing is known yet.
        sentence: how well it is told, and what to do if that is not well.
    """

    gesture: str
    share: float
    good: bool | None
    sentence: str


def advice_of(enrolled: Enrolled) -> tuple[Advice, ...]:
    """Return advice for each gesture, rest first, then in the order in which they were made."""
    windows_of = dict(zip(*np.unique(enrolled.examples.name_N, return_counts=True), strict=True))
    return tuple(
        _of_gesture(name, enrolled.read.checked, HOP_S * int(windows_of[name])) for name in enrolled.enrolment.names
    )


def _of_gesture(name: str, checked: Checked | None, held_s: float) -> Advice:
    share = dict(zip(checked.names, checked.recall, strict=True)).get(name, nan) if checked else nan
    if checked is None or isnan(share):
        return Advice(name, nan, None, "made once; make it again, and it can be said how well it is told")
    said = f"{100 * share:.0f} % of windows told right"
    if share >= GOOD:
        return Advice(name, share, True, said)
    other = _taken_for(name, checked)
    if other:
        said += f", often taken for {other}; {_apart(name, other)}"
    elif held_s < SHORT_S:
        said += "; hold it longer, from the prompt to the end of the bar"
    else:
        said += "; make it again, each time in the same way"
    return Advice(name, share, share >= FAIR, said)


def _taken_for(name: str, checked: Checked) -> str:
    """Return the gesture that a gesture is taken for most often, empty where that is rare."""
    other, share = checked.taken[checked.names.index(name)]
    return other if share >= TAKEN else ""


def _apart(name: str, other: str) -> str:
    if REST in (name, other):
        gesture = other if name == REST else name
        return f"make {gesture} a little stronger, and let go at rest"
    return "make the two more unlike, or drop one of them"


def of_band(take: Take, device: Device) -> tuple[str, ...]:
    """Return a sentence for each thing that was wrong with channels in a take; channels count from 1."""
    return of_marks(quality(take.emg_TC, device.emg_rate, device.emg_kind))


def of_marks(marks: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each kind of mark (``signal.quality``) that channels have.

    >>> of_marks(("", "flat", "", "flat"))
    ('channels 2, 4: no signal; press the electrode on, or leave it out',)
    """
    found = {mark: [str(c + 1) for c, other in enumerate(marks) if other == mark] for mark in REMEDIES}
    return tuple(
        f"channel{'s' * (len(those) > 1)} {', '.join(those)}: {REMEDIES[mark]}"
        for mark, those in found.items()
        if those
    )
