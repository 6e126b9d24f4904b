"""What moves slowly in the stamps of a stream: a clock that is fast or slow, and losses that jitter hides."""

from __future__ import annotations

from collections import deque

import numpy as np

from cpep.types import FloatArray

PART_S = 0.5
"""The earliest stamp is looked for in parts of so many seconds,"""
PART_BLOCKS = 16
"""and of so many blocks."""
PARTS = (8, 16)
"""Parts from which a rate is measured, fewest and most."""
CLOCK = 2e-4
"""By so much a clock may be off that does not move the stamps smoothly; few are off by more."""


class Drift:
    """Follows how late the earliest samples are.

    A clock that is fast or slow moves them smoothly, and is followed. Where they jitter so much that lost samples
    would look the same, they are followed by 0.02 % at most. What is more is owed as lost samples, once it is more
    than the jitter.

    Args:
        rate: nominal samples per second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._late: list[FloatArray] = []
        self._samples = 0
        self._low_K: deque[float] = deque(maxlen=PARTS[1])  # as if nothing had been owed
        self._place_K: deque[int] = deque(maxlen=PARTS[1])
        self._place = 0
        self._level = 0.0  # what the earliest sample is to be
        self._told = self._owed = 0
        self.measured_rate = 0.0
        """Samples per second by the stamps of the last seconds; 0 where that is not known yet."""

    def add(self, late_T: FloatArray, block: int) -> None:
        """Take in the lateness of the next samples, in samples; what was owed before is subtracted from it."""
        self._late.append(late_T)
        self._samples += len(late_T)
        if self._samples < max(PART_S * self._rate, PART_BLOCKS * block):
            return
        part_T = np.concatenate(self._late)
        low, jitter = float(part_T.min()), 2 * float(np.median(part_T) - part_T.min())
        first = not self._low_K
        self._low_K.append(low + self._told)
        self._place_K.append(self._place)
        self._place += self._samples
        if first or self._smooth():
            self._level = low
        else:
            self._level = min(self._level + CLOCK * self._samples, low)
        behind = low - self._level
        self._owed = round(behind) if behind > max(jitter, 2.0) and len(self._low_K) >= PARTS[0] else 0
        self._late, self._samples = [], 0
        self.measured_rate = self._measured()

    def owed(self) -> int:
        """Return how many samples are to be declared lost now; they count as declared."""
        owed, self._owed = self._owed, 0
        self._told += owed
        return owed

    def _measured(self) -> float:
        if len(self._low_K) < PARTS[0]:
            return 0.0
        place_K, low_K = np.array(self._place_K, float), np.array(self._low_K)
        one, other = np.triu_indices(len(low_K), 1)
        slope = float(np.median((low_K[other] - low_K[one]) / (place_K[other] - place_K[one])))
        return self._rate / max(1 + slope, 1e-3)

    def _smooth(self) -> bool:
        if len(self._low_K) < PARTS[0]:
            return False
        place_K = np.array(self._place_K, float)
        slope, rest = line(np.array(self._low_K), place_K)
        return smooth(slope * np.ptp(place_K), rest)


def line(value_K: FloatArray, at_K: FloatArray) -> tuple[float, float]:
    """Return the slope of a straight line through values at places, and the mean square of what is left."""
    away_K, moved_K = at_K - at_K.mean(), value_K - value_K.mean()
    slope = float(away_K @ moved_K / (away_K @ away_K))
    return slope, float(np.square(moved_K - slope * away_K).mean())


def smooth(rise: float, rest: float) -> bool:
    """Tell whether a lateness that rises by so many samples does so as a slow clock's does, not by lost samples.

    Single losses at random make steps, which leave on average a mean square of a fifteenth of the rise.
    """
    return rest <= max(abs(rise) / 60, 4e-4)
