"""Numbers that a device gives to its samples or packets: where one is missing, samples were lost."""

from __future__ import annotations

from collections import Counter

import numpy as np

from cpep.types import FloatArray, IntArray

ENOUGH = 6
"""Steps of the numbers that are needed to understand them."""
USUAL = 0.4
"""Share of the steps that must be the usual one: more losses than that cannot be told from other meanings."""
WHOLE = 0.5
"""Share of the packets that must have all their samples."""
LATE_GROWTH = 3
"""The modulus may turn out larger by so many: the last number before it, or the first, was lost at first."""


class Numbers:
    """Learns how a device numbers its samples, and tells the place of each from its number.

    A number is given to ``span`` samples, which come one after the other: 1, or the samples of a packet. The next
    number is larger by ``step``. Numbers begin anew after ``modulus`` (256, 201, ...), which is seen when they first
    do so; 0 until then.

    Attributes:
        counting: whether the numbers are understood; where they mean something else, they tell nothing.
    """

    def __init__(self) -> None:
        self.counting, self.span, self.step, self.modulus = False, 1, 1, 0
        self._least, self._most = float("inf"), -float("inf")
        self._wraps: Counter[int] = Counter()
        self._last: float | None = None
        self._within = 0  # samples with the last number, less one
        self._whole = False  # whether the first packet is over, which may have begun before the first sample
        self._grown = 0

    def learn(self, number_T: FloatArray) -> bool:
        """Learn from the numbers (T,) of the samples so far; tell whether they are understood."""
        if not np.isfinite(number_T).all():
            return False
        change = np.flatnonzero(np.diff(number_T)) + 1
        step_K = np.diff(number_T[np.r_[0, change]])
        rising_K = step_K[step_K > 0]
        if len(rising_K) < ENOUGH:
            return False
        values, counts = np.unique(rising_K, return_counts=True)
        self.step = int(values[counts.argmax()])
        if self.step != values[counts.argmax()] or counts.max() < USUAL * len(step_K):
            return False
        lengths, times = np.unique(np.diff(change), return_counts=True)
        self.span = int(lengths[times.argmax()])
        self.counting = bool(times.max() >= WHOLE * times.sum())
        return self.counting

    def look_ahead(self, number_T: FloatArray) -> None:
        """Learn the modulus from all numbers of a recording, before they are placed."""
        self._see(number_T[np.r_[True, np.diff(number_T) != 0]])
        self._grown = 0

    def advance(self, number_T: FloatArray) -> IntArray:
        """Return by how many samples each of the next samples (T,) is later than the one before: 1 without a loss.

        A number that is too far from the one before, since the device began anew, is not seen here.
        """
        before_T = np.concatenate([[number_T[0] if self._last is None else self._last], number_T])
        change_T = np.diff(before_T) != 0
        owed = self._see(before_T[np.r_[True, change_T]])
        step_T = np.diff(before_T)
        step_T = np.where(step_T < 0, step_T + self.modulus, step_T)
        hops_T = np.maximum(np.ceil(step_T / self.step), 1).astype(np.int64)
        index_T = np.arange(len(number_T))
        last_T = np.maximum.accumulate(np.where(change_T, index_T, -1))
        within_T = np.where(last_T < 0, index_T + self._within + (self._last is not None), index_T - last_T)
        missing_T = self.span - 1 - np.minimum(np.concatenate([[self._within], within_T[:-1]]), self.span - 1)
        if not self._whole and change_T.any():
            missing_T[change_T.argmax()] = 0
            self._whole = True
        advance_T = np.where(change_T, (hops_T - 1) * self.span + 1 + missing_T, 1)
        advance_T[0] += owed
        self._last, self._within = float(number_T[-1]), int(within_T[-1])
        return np.asarray(advance_T)

    @property
    def turn(self) -> int:
        """Samples after which the numbers are the same again; 0 where that is not known."""
        return self.modulus * self.span // self.step

    def _see(self, head_K: FloatArray) -> int:
        """Take in numbers that follow on each other; return samples that were not counted, as the modulus grew."""
        self._least = min(self._least, float(head_K.min()))
        self._most = max(self._most, float(head_K.max()))
        step_K = np.diff(head_K)
        wraps = int(sum(self._wraps.values()))
        self._wraps.update((self.step - step_K[step_K < 0]).astype(int).tolist())
        if not self._wraps:
            return 0
        before, usual = self.modulus, max(self._wraps, key=lambda size: (self._wraps[size], size))
        span = int(self._most - self._least) + self.step
        # A number that is far from all others is a damaged one.
        self.modulus = span if usual <= span <= 1.2 * usual or sum(self._wraps.values()) < ENOUGH else usual
        growth = self.modulus - before
        if not before or growth <= 0 or self._grown + growth > LATE_GROWTH:
            return 0
        self._grown += growth
        return growth * wraps * self.span // self.step
