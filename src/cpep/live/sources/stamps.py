"""Chunks of a stream with the samples that were lost, found from stamps and numbers of those that arrive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cpep.live.signals import Chunk
from cpep.live.sources.device import in_the_sender, refuse_other_pace
from cpep.signal.timeline import Timeline
from cpep.types import FloatArray, IntArray


class LossFinder:
    """Declares what was lost before each sample of a stream, as ``Timeline`` finds it.

    Samples are held back while it is open what a jump of their stamps means. Nothing is interpolated, as readers of
    files do in short holes: no window of a stream reaches over a loss.

    Args:
        rate: nominal samples per second.
        channels: of the samples.
        name: of the source, for sentences.
        remedy: from the measured rate to what can be done where it is another one than the nominal.
    """

    def __init__(
        self, rate: float, channels: int, name: str = "the source", remedy: Callable[[float], str] = in_the_sender
    ) -> None:
        self.timeline, self._name, self._remedy, self._judged = Timeline(rate), name, remedy, False
        self._emg_TC, self._stamp_T = np.zeros((0, channels), np.float32), np.zeros(0)

    def add(self, emg_TC: FloatArray, stamp_T: FloatArray, number_T: FloatArray | None = None) -> list[Chunk]:
        """Take in samples with their stamps (seconds) and their numbers (always or never).

        Returns:
            the samples that can be let go, with what was lost before them; ``stamp_s`` is the stamp of the last one.

        Raises:
            UserError: after some seconds: the stamps tell another rate (``refuse_other_pace``).
        """
        self._emg_TC = np.concatenate([self._emg_TC, emg_TC])
        self._stamp_T = np.concatenate([self._stamp_T, stamp_T])
        skip_T = self.timeline.add(np.asarray(stamp_T, np.float64), number_T)
        if not self._judged and self.timeline.measured_rate:
            self._judged = True  # once: later on, a while of many losses must not end a session
            refuse_other_pace(self._name, self.timeline.rate, self.timeline.measured_rate, self._remedy)
        return self._chunks(skip_T)

    def _chunks(self, skip_T: IntArray) -> list[Chunk]:
        emg_TC, self._emg_TC = self._emg_TC[: len(skip_T)], self._emg_TC[len(skip_T) :]
        stamp_T, self._stamp_T = self._stamp_T[: len(skip_T)], self._stamp_T[len(skip_T) :]
        if not len(skip_T):
            return []
        starts = np.union1d(np.flatnonzero(skip_T > 0), [0]).astype(np.intp)
        stops = [*starts[1:], len(skip_T)]
        return [
            Chunk(emg_TC[start:stop], max(int(skip_T[start]), 0), stamp_s=float(stamp_T[stop - 1]))
            for start, stop in zip(starts, stops, strict=True)
        ]
