"""Recorded or simulated EMG at the pace of a device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import nan
from threading import Event

from cpep.live.signals import Chunk
from cpep.types import FloatArray, IntArray, UserError

CHUNK_S = 0.02


class PlaybackClock:
    """Hands out samples when they are due.

    A sample is due by its number since the start, so that a delay by a slow reader is made up for, and the stream
    does not drift from real time.

    Args:
        rate: samples per second.
        speed: of the stream over real time; 0 for as fast as possible.
        closed: once it is set, no more chunks come.

    Raises:
        UserError: a negative speed.
    """

    def __init__(self, rate: float, speed: float, closed: Event) -> None:
        if not 0 <= speed < float("inf"):
            raise UserError(f"--speed {speed:g}: give 1 for real time, more for faster, or 0 for as fast as possible")
        self.rate, self.speed, self.closed = rate, speed, closed
        self._step = max(round(CHUNK_S * rate), 1)
        self._sample, self._start = 0, 0.0

    def deal(self, emg_TC: FloatArray, label_T: IntArray, names: tuple[str, ...], lost: int = 0) -> Iterator[Chunk]:
        """Yield chunks of EMG, each when its last sample is due.

        Args:
            emg_TC: EMG.
            label_T: what the hand makes, index into ``names``; negative where that is not known.
            names: of the labels.
            lost: samples that are missing before the first.
        """
        for first in range(0, len(emg_TC), self._step):
            part_TC = emg_TC[first : first + self._step]
            self._sample += lost + len(part_TC)
            if not self._wait():
                return
            label = label_T[first + len(part_TC) - 1]
            stamp_s = self._start + self._sample / (self.rate * self.speed) if self.speed else nan
            yield Chunk(part_TC, lost, names[label] if label >= 0 else "", stamp_s)
            lost = 0

    def _wait(self) -> bool:
        """Wait until the last sample is due; tell whether the source is still open then."""
        if not self.speed:
            return not self.closed.is_set()
        now = time.monotonic()
        self._start = self._start or now
        return not self.closed.wait(max(self._start + self._sample / (self.rate * self.speed) - now, 0))
