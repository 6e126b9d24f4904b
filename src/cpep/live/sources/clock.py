"""Recorded or simulated EMG at the pace of a device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import nan
from threading import Event

import numpy as np

from cpep.live.signals import Chunk
from cpep.types import FloatArray, IntArray, UserError

CHUNK_S = 0.02
AT_ONCE_S = 1.6
"""Of a recording that is there already, so much is handed out at once where nobody waits for it."""


class PlaybackClock:
    """Hands out samples when they are due.

    A sample is due by its number since the start, so that a delay by a slow reader is made up for, and the stream
    does not drift from real time.

    Args:
        rate: samples per second.
        speed: of the stream over real time; 0 for as fast as possible.
        closed: once it is set, no more chunks come.
        at_once_s: samples that are due already come in chunks of up to so many seconds of them, each of one label.

    Raises:
        UserError: a negative speed.
    """

    def __init__(self, rate: float, speed: float, closed: Event, at_once_s: float = CHUNK_S) -> None:
        if not 0 <= speed < float("inf"):
            raise UserError(f"--speed {speed:g}: give 1 for real time, more for faster, or 0 for as fast as possible")
        self.rate, self.speed, self.closed = rate, speed, closed
        self._step = max(round(CHUNK_S * rate), 1)
        self._most = max(round(at_once_s / CHUNK_S), 1)
        self._sample, self._start = 0, 0.0

    def deal(self, emg_TC: FloatArray, label_T: IntArray, names: tuple[str, ...], lost: int = 0) -> Iterator[Chunk]:
        """Yield chunks of EMG, each when its last sample is due.

        Args:
            emg_TC: EMG.
            label_T: what the hand makes, index into ``names``; negative where that is not known.
            names: of the labels.
            lost: samples that are missing before the first.
        """
        first = 0
        while first < len(emg_TC):
            stop = self._stop(first, label_T, lost)
            self._sample += lost + stop - first
            if not self._wait():
                return
            label = label_T[stop - 1]
            stamp_s = self._start + self._sample / (self.rate * self.speed) if self.speed else nan
            yield Chunk(emg_TC[first:stop], lost, names[label] if label >= 0 else "", stamp_s)
            first, lost = stop, 0

    def _stop(self, first: int, label_T: IntArray, lost: int) -> int:
        """Return where the chunk ends that begins at ``first``: a step on, or more of the same label that are due."""
        steps = self._most
        if self.speed:
            due = (
                (time.monotonic() - self._start) * self.rate * self.speed - self._sample - lost if self._start else 0
            )
            steps = min(max(int(due / self._step), 1), steps)
        stop_N = np.minimum(first + self._step * np.arange(1, steps + 1), len(label_T))
        other_N = label_T[stop_N - 1] != label_T[stop_N[0] - 1]
        return int(stop_N[other_N.argmax() - 1 if other_N.any() else -1])

    def _wait(self) -> bool:
        """Wait until the last sample is due; tell whether the source is still open then."""
        if not self.speed:
            return not self.closed.is_set()
        now = time.monotonic()
        self._start = self._start or now
        return not self.closed.wait(max(self._start + self._sample / (self.rate * self.speed) - now, 0))
