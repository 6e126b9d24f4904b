"""What is drawn of a live stream, and how good its channels and its rate are."""

from __future__ import annotations

from collections import deque

import numpy as np

from cpep.data.marks import OFFSET
from cpep.data.recording import Device
from cpep.live.runs import no_numbers, unusable
from cpep.live.signals import Chunk
from cpep.live.stream import Ring
from cpep.signal.quality import quality, spread
from cpep.types import FloatArray

SHOWN_S, SHOWN_HZ = 4.0, 250.0
"""Length and rate of the EMG that is kept to be drawn."""

JUDGED_S = 2.0
"""Length of the EMG by which the quality of channels is judged, once a second."""

PACE_S, PACE_LEAST_S, PACE_OFF = 20.0, 8.0, 0.02
"""The rate is that of the stamps of so many seconds, at least so many; it is told where it is off by this share."""


class Shown:
    """The last seconds of a stream for those who look at it.

    Attributes:
        column_s: length of the span that a column stands for, s.
        quality_C: for each channel ``""`` if it is good, ``offset`` if it carries one, which is taken out, else what
            is wrong with it.
        lost: samples that were lost so far, and those with a value that is not finite.
        odd: a sentence on channels that send such values; empty where none does.
        sample: samples so far, those lost among them.
        made: what the hand is known to make, or empty.
    """

    def __init__(self, device: Device) -> None:
        self.device, channels, rate = device, device.channels, device.emg_rate
        self._span = max(1, round(rate / SHOWN_HZ))
        self.column_s = self._span / rate
        self._drawn = Ring(round(SHOWN_S / self.column_s), channels)
        self._judged = Ring(max(round(JUDGED_S * rate), 1), channels)
        self._part_TC = np.zeros((0, channels), np.float32)
        self._judged_at, self.lost, self.sample = 0, 0, 0
        self.quality_C, self.made, self.odd = ("",) * channels, "", ""
        self._stamps: deque[tuple[float, int]] = deque()

    @property
    def column(self) -> int:
        """Number of the last column since the start; lost samples are in none."""
        return self._drawn.rows

    def columns(self) -> FloatArray:
        """Return the last ``SHOWN_S`` seconds (columns, channels): of each span the value furthest from zero."""
        return self._drawn.last().copy()

    def take(self, chunk: Chunk, conditioned_TC: FloatArray) -> None:
        """Take in a chunk; what is drawn is conditioned, what is judged is not."""
        self.made, self.lost = chunk.made, self.lost + chunk.lost + unusable(chunk.emg_TC)
        self.sample += chunk.lost + len(chunk.emg_TC)
        part_TC = np.concatenate([self._part_TC, conditioned_TC])
        spans = len(part_TC) // self._span
        cut_KSC = part_TC[: spans * self._span].reshape(spans, self._span, self.device.channels)
        furthest_KC = np.abs(cut_KSC).argmax(axis=1)
        self._drawn.extend(np.take_along_axis(cut_KSC, furthest_KC[:, None], axis=1)[:, 0])
        self._part_TC = part_TC[spans * self._span :]
        self._judged.extend(chunk.emg_TC)
        if self._judged.rows - self._judged_at >= self.device.emg_rate and self._judged.rows >= self._judged.length:
            self._judged_at = self._judged.rows
            self.quality_C = _marks(self._judged.last(), self.device)
            self.odd = no_numbers(self._judged.last())
        self._time(chunk)

    def pace(self) -> str:
        """Return a sentence where samples come at another rate than the device's, by their stamps; else nothing."""
        if len(self._stamps) < 2:
            return ""
        (first_s, first), (last_s, last) = self._stamps[0], self._stamps[-1]
        if last_s - first_s < PACE_LEAST_S:
            return ""
        rate = (last - first) / (last_s - first_s)
        if abs(rate / self.device.emg_rate - 1) <= PACE_OFF:
            return ""
        return (
            f"{rate:.4g} samples a second arrive, and the band says {self.device.emg_rate:g}: see its settings, and "
            "whether something is lost on the way"
        )

    def _time(self, chunk: Chunk) -> None:
        if chunk.lost:  # a band that was away says nothing of its rate
            self._stamps.clear()
        if np.isfinite(chunk.stamp_s):
            self._stamps.append((chunk.stamp_s, self.sample))
            while self._stamps[-1][0] - self._stamps[0][0] > PACE_S:
                self._stamps.popleft()


def _marks(emg_TC: FloatArray, device: Device) -> tuple[str, ...]:
    """Return the marks of ``signal.quality``, and ``offset`` where a good channel carries one."""
    marks = quality(emg_TC, device.emg_rate, device.emg_kind)
    if device.emg_kind != "raw":
        return marks
    away_C = np.abs(emg_TC.mean(axis=0)) > OFFSET * spread(emg_TC, device.emg_rate, device.emg_kind)
    return tuple(mark or ("offset" if away else "") for mark, away in zip(marks, away_C.tolist(), strict=True))
