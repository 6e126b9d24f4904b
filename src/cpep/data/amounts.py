"""Amounts of recordings: how much is used, how much is left out, and why, in recordings and hours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 0.01
"""A share of the recordings that is not larger than this is not listed as left out."""


@dataclass(frozen=True)
class Amount:
    """A number of recordings, and a time in seconds."""

    recordings: int
    seconds: float

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.recordings - other.recordings, self.seconds - other.seconds)

    @property
    def text(self) -> str:
        """The hours, and the number of recordings where it is not 0."""
        count = f" ({self.recordings:,} recording{'' if self.recordings == 1 else 's'})" if self.recordings else ""
        return f"{hours(self.seconds)} h{count}"


@dataclass(frozen=True)
class Usage:
    """How much of some recordings is used.

    Attributes:
        whole: the recordings.
        used: the part that lies in at least one used window.
        left_out: the rest, by reason; ``recordings`` counts only recordings that are left out as a whole.
    """

    whole: Amount
    used: Amount
    left_out: tuple[tuple[str, Amount], ...]

    @property
    def text(self) -> str:
        """The used part, in words."""
        return (
            f"{self.used.recordings:,} of {self.whole.recordings:,} recordings, "
            f"{hours(self.used.seconds)} of {hours(self.whole.seconds)} h"
        )

    @property
    def without(self) -> list[str]:
        """One line for each reason, with what it leaves out; none for as little as the ends of recordings."""
        least = LEAST * self.whole.seconds
        worth = [(why, lost) for why, lost in self.left_out if lost.recordings or lost.seconds > least]
        return [f"  left out: {lost.text} {why}" for why, lost in worth]


def hours(seconds: float) -> str:
    """Write seconds as hours, with two significant digits below one hour.

    >>> hours(903240), hours(1404), hours(0.36)
    ('250.9', '0.39', '0.00010')
    """
    value = seconds / 3600
    if value >= 1:
        return f"{value:,.1f}"
    digits = 1 - math.floor(math.log10(value)) if value else 1  # after the point, so that two are significant
    return f"{value:.{digits}f}"


def funnel(whole: Amount, steps: Sequence[tuple[str, Amount]]) -> Usage:
    """Return the usage after all steps; each takes something away from what the step before it left."""
    before, left_out = whole, []
    for why, after in steps:
        if (lost := before - after).recordings or lost.seconds > 0:
            left_out.append((why, lost))
        before = after
    return Usage(whole, before, tuple(left_out))
