"""How often each gesture that was made was recognised as what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cpep.live.book.entries import REST

LATE_S = 1.0
"""A gesture may be recognised up to so long after the hand has left it: a window ends later than it begins."""


@dataclass(frozen=True)
class Counted:
    """A tally at one moment.

    Attributes:
        pairs: what was made, what it was recognised as (empty: not at all), and how often; in the order in which
            gestures were first made.
        last: the first two of the latest one; empty before there is any.
        told: whether the source says what is made.
    """

    pairs: tuple[tuple[str, str, int], ...] = ()
    last: tuple[str, str] = ("", "")
    told: bool = False


class Tally:
    """Counts, for each time that a gesture is made, the first gesture that is recognised then.

    A source such as the simulator says what is made. A band does not; there a person may say it (``claimed``), and
    each gesture that is recognised counts.

    Attributes:
        claimed: what a person says that they make, or empty.
    """

    def __init__(self) -> None:
        self.claimed = ""
        self._told = False
        self.clear()

    def clear(self) -> None:
        """Begin anew; a gesture that is being made does not count."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last, self._now, self._awaited, self._seen_s = ("", ""), "", "", 0.0
        self._midway = True

    def hear(self, made: str, time_s: float) -> None:
        """Take in what the source says is made up to a time of the stream; empty where it does not know."""
        self._told |= bool(made)
        made = "" if made == REST else made
        begins = bool(made) and made != self._now and not self._midway
        self._now, self._midway = made, self._midway and bool(made)
        if self._awaited and (begins or time_s > self._seen_s + LATE_S):
            self._count(self._awaited, "")
        if begins:
            self._awaited = made
        if made:
            self._seen_s = time_s

    def recognise(self, name: str) -> None:
        """Take in a gesture that is recognised."""
        if self._awaited:
            self._count(self._awaited, name)
        elif self.claimed and not self._told:
            self._count(self.claimed, name)

    def read(self) -> Counted:
        """Return what was counted."""
        pairs = tuple((made, name, count) for (made, name), count in self._counts.items())
        first = {made: place for place, (made, _, _) in reversed([*enumerate(pairs)])}
        return Counted(tuple(sorted(pairs, key=lambda pair: first[pair[0]])), self._last, self._told)

    def _count(self, made: str, name: str) -> None:
        self._counts[made, name] += 1
        self._last, self._awaited = (made, name), ""
