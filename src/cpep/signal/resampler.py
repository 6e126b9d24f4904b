"""EMG at another rate: band-limited interpolation, the same for a recording and for a stream."""

from __future__ import annotations

import numpy as np

from cpep.types import FloatArray, IntArray

LOBES = 16
"""Zero crossings of the kernel on each side of its middle."""
KAISER = 8.0
"""Shape of the window over the kernel: what aliases is weaker than -80 dB."""
PASS = 0.92
"""The cut-off of the kernel, as a share of half of the lower rate."""
STEPS = 512
"""Places between two samples at which the kernel is tabulated; between these it is interpolated linearly."""
BLOCK = 4096
"""Samples that are computed at once."""


class Resampler:
    """Changes the rate of EMG; how the signal is cut into chunks does not matter.

    Sample k that comes out belongs to the time k / ``new_rate``, where the first sample that went in has the time 0.
    It depends on ``reach`` samples before and after that time, so that a stream comes later by these. Before its
    first sample, and after ``flush``, the signal is taken to stay as it is, so that an offset makes no transient.

    Args:
        rate: samples per second that go in.
        new_rate: samples per second that come out.
        channels: of the EMG.
    """

    def __init__(self, rate: float, new_rate: float, channels: int) -> None:
        self.step = rate / new_rate
        scale = PASS * min(1.0, new_rate / rate)
        self.reach = int(np.ceil(LOBES / scale))
        self._kernel_PL = _kernel(scale, self.reach)
        self._held_TC = np.zeros((0, channels))
        self._begin = 0  # sample of the signal that is the first held
        self._made = 0

    def push(self, emg_TC: FloatArray) -> FloatArray:
        """Take in the next samples (T, C); return those (any number, C) that they complete, float32."""
        if len(emg_TC) and not len(self._held_TC):
            self._held_TC = np.repeat(np.asarray(emg_TC[:1], np.float64), self.reach, axis=0)
            self._begin = -self.reach
        self._held_TC = np.concatenate([self._held_TC, emg_TC])
        return self._up_to(self._begin + len(self._held_TC) - 1 - self.reach)

    def flush(self) -> FloatArray:
        """End the signal; return the samples (any number, C) up to its last one, float32."""
        if not len(self._held_TC):
            return np.zeros((0, self._held_TC.shape[1]), np.float32)
        last = self._begin + len(self._held_TC) - 1
        self._held_TC = np.concatenate([self._held_TC, np.repeat(self._held_TC[-1:], self.reach + 1, axis=0)])
        return self._up_to(last)

    def _up_to(self, last: int) -> FloatArray:
        """Compute all samples whose time is at most that of sample ``last`` that went in."""
        stop = int(np.floor(last / self.step + 1e-9)) + 1
        parts = [np.zeros((0, self._held_TC.shape[1]), np.float32)]
        for first in range(self._made, stop, BLOCK):
            parts.append(self._at(np.arange(first, min(first + BLOCK, stop)) * self.step))
        self._made = max(stop, self._made)
        keep = int(self._made * self.step) - self.reach - self._begin
        if keep > 0:
            self._held_TC, self._begin = self._held_TC[keep:], self._begin + keep
        return np.concatenate(parts)

    def _at(self, position_K: FloatArray) -> FloatArray:
        """Return the signal (K, C) at positions counted in samples that went in."""
        whole_K = np.floor(position_K).astype(np.intp)
        place_K = (position_K - whole_K) * STEPS
        row_K: IntArray = np.minimum(place_K.astype(np.intp), STEPS - 1)
        share_K1 = (place_K - row_K)[:, None]
        weight_KL = self._kernel_PL[row_K] * (1 - share_K1) + self._kernel_PL[row_K + 1] * share_K1
        around_L = np.arange(1 - self.reach, self.reach + 1)
        near_KLC = self._held_TC[whole_K[:, None] + around_L - self._begin]
        return np.asarray(np.einsum("kl,klc->kc", weight_KL, near_KLC), np.float32)


def resampled(emg_TC: FloatArray, rate: float, new_rate: float) -> FloatArray:
    """Return a whole recording (T, C) at another rate, float32; both start at the same time."""
    resampler = Resampler(rate, new_rate, emg_TC.shape[1])
    return np.concatenate([resampler.push(emg_TC), resampler.flush()])


def _kernel(scale: float, reach: int) -> FloatArray:
    """Return the weights (STEPS + 1, 2 reach) of the samples around a place between two samples; rows sum to one."""
    offset_PL = np.arange(1 - reach, reach + 1) - np.arange(STEPS + 1)[:, None] / STEPS
    inside_PL = np.clip(1 - (offset_PL / reach) ** 2, 0, None)
    weight_PL = np.sinc(scale * offset_PL) * np.i0(KAISER * np.sqrt(inside_PL))
    return np.asarray(weight_PL / weight_PL.sum(axis=1, keepdims=True))
