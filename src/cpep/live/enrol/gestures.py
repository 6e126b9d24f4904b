"""The gestures that an enrolment suggests, and what each is in one line."""

from __future__ import annotations

from collections.abc import Iterable

from cpep.live.book.entries import REST, UNKNOWN
from cpep.types import UserError

SUGGESTED = (REST, "fist", "spread", "point", "pinch_index", "thumb_up")
"""What a band on the forearm or the wrist tells apart well: fingers closed, open, one out, a pinch, the thumb."""

DESCRIBED = {
    REST: "Let the arm and the hand lie still and loose.",
    "fist": "Close all fingers, the thumb over them, and press lightly.",
    "spread": "Open the hand, fingers straight and wide apart.",
    "point": "Index finger straight, the others closed.",
    "pinch_index": "Press the tips of thumb and index finger together.",
    "pinch_middle": "Press the tips of thumb and middle finger together.",
    "pinch_ring": "Press the tips of thumb and ring finger together.",
    "pinch_pinky": "Press the tips of thumb and little finger together.",
    "thumb_up": "Close the fingers, the thumb straight up.",
    "three": "Index, middle and ring finger straight, the thumb in the palm.",
    "four": "All fingers straight, the thumb in the palm.",
    "claw": "Bend the fingers as if to hold a large ball.",
    "peace": "Index and middle finger straight and apart, the others closed.",
    "shaka": "Thumb and little finger out, the others closed.",
    "vulcan": "Fingers straight, apart between middle and ring finger.",
    "horns": "Index and little finger straight, the others closed.",
    "ok": "Tips of thumb and index finger together, the others straight.",
    "gun": "Index finger straight, the thumb up, the others closed.",
    "wrist_flex": "Bend the wrist towards the palm, fingers loose.",
    "wrist_ext": "Bend the wrist towards the back of the hand, fingers loose.",
}


def described(name: str) -> str:
    """Return what a gesture is, in a sentence; of a name of the user's own, what to do with it."""
    return DESCRIBED.get(name, "Make it as you will make it later, and hold it.")


def refuse_other_case(names: Iterable[str], known: Iterable[str] = ()) -> None:
    """Refuse new names that differ from another one, or from ``rest`` and ``unknown``, only in their case.

    Args:
        names: that are new, or there already.
        known: names that are there; they may be alike among themselves.

    Raises:
        UserError: two are alike.
    """
    names = tuple(names)
    there = {name.casefold(): name for name in (*names, *known, UNKNOWN, REST)}
    for name in names:
        if name not in known and there[name.casefold()] != name:
            raise UserError(
                f"{name} and {there[name.casefold()]} differ only in upper and lower case; name each gesture once"
            )
