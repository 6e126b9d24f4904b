"""Lost samples, found from time stamps that jitter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cpep.live.signals import Chunk
from cpep.types import FloatArray

MEMORY_S = 1.0
"""The jitter of a stream is measured over its last second."""
HOLD_S = (0.05, 0.5)
"""Shortest and longest wait after a jump of the stamps, s, to see whether they come back."""
LATE = 0.5
"""A stamp that jumps by more than so many samples is looked at."""


class LossFinder:
    """Finds lost samples from the stamps of those that arrive.

    A stamp is late by its time less that of its number at the nominal rate. Jitter, or a sender that was held up, can
    make a stamp late: then later stamps are on time again. Samples were lost where all stamps that follow are later,
    by more than half a sample, than any of the last second. Of the stamps that follow, twice as many are looked at as
    samples may be missing, but at least 50 ms and at most half a second. Losses smaller than the jitter are not seen,
    nor losses in the first second; a clock that runs a little fast or slow does no harm. Samples after a jump are
    held back until it is known what the jump means.

    Args:
        rate: nominal samples per second.
        channels: of the samples.
    """

    def __init__(self, rate: float, channels: int) -> None:
        self.rate = rate
        self._fewest, self._most = (max(round(seconds * rate), 2) for seconds in HOLD_S)
        self._memory = max(round(MEMORY_S * rate), self._fewest)
        self._first: float | None = None
        self._count = 0  # samples so far, those lost among them
        self._known_M = np.zeros(0)  # lateness of samples that were let go
        self._late_T = np.zeros(0)  # of those that are held
        self._emg_TC = np.zeros((0, channels), np.float32)

    def add(self, emg_TC: FloatArray, stamp_T: FloatArray) -> list[Chunk]:
        """Take in samples with their stamps (seconds) and return those that can be let go."""
        if not len(stamp_T):
            return []
        if self._first is None:
            self._first = float(stamp_T[0])
        late_T = (stamp_T - self._first) * self.rate - (self._count + np.arange(len(stamp_T)))
        self._count += len(stamp_T)
        self._late_T = np.concatenate([self._late_T, late_T])
        self._emg_TC = np.concatenate([self._emg_TC, emg_TC])
        return list(self._settled())

    def _settled(self) -> Iterator[Chunk]:
        lost, judged = 0, 0
        while True:
            jump = self._next_jump(judged)
            if jump:
                yield Chunk(self._release(jump), lost)
            if not len(self._late_T) or len(self._late_T) < self._to_hold():
                return
            lost, judged = self._missing(), 1
            self._late_T -= lost
            self._count += lost

    def _next_jump(self, start: int) -> int:
        """Return which held sample, from ``start`` on, is the first that is later than all before it."""
        if len(self._known_M) < self._memory:
            return len(self._late_T)
        latest_T = np.maximum.accumulate([self._known_M.max(), *self._late_T[:-1]])
        found = np.flatnonzero(self._late_T[start:] > latest_T[start:] + LATE)
        return start + int(found[0]) if len(found) else len(self._late_T)

    def _to_hold(self) -> int:
        """Return how many samples must be held to know what the jump before the first of them means."""
        return int(np.clip(2 * (self._late_T[0] - self._known_M.max()), self._fewest, self._most))

    def _missing(self) -> int:
        """Return how many samples are missing before the first that is held."""
        after = float(self._late_T[: self._to_hold()].min())
        if after <= self._known_M.max() + LATE:
            return 0
        return max(round(after - float(self._known_M[-self._fewest :].min())), 1)

    def _release(self, samples: int) -> FloatArray:
        self._known_M = np.concatenate([self._known_M, self._late_T[:samples]])[-self._memory :]
        emg_TC, self._emg_TC = self._emg_TC[:samples], self._emg_TC[samples:]
        self._late_T = self._late_T[samples:]
        return emg_TC
