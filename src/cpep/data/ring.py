"""EMG of any ring of electrodes at any rate, as values that exist for all of them, and places on the arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cpep.types import EmgKind, FloatArray

BIN_S = 0.05
WINDOW_BINS, TOKEN_BINS = 20, 10
TIMES = WINDOW_BINS // TOKEN_BINS
"""Tokens of a channel in a window of a second, S."""
VALUES = TOKEN_BINS + 2
"""Values of a token, V: the amplitude of each bin, the slope, the likeness of the next channel."""
HARMONICS = 3
PLACES = 4 * HARMONICS + 4
"""Values P of the place of a channel."""
FLOOR = {"raw": 0.1, "envelope": 1.0}
"""Added to an amplitude before the logarithm, in units of the session's level of the channel."""
QUIET = 1e-4
"""Added to a power before ratios are taken, in squares of the level."""
MOST = 6.0
"""Values are cut there, in units of their spread."""


@dataclass(frozen=True)
class Ring:
    """What is known of a band.

    Attributes:
        angles: of the channels in their order round the arm, rad.
        kind: ``raw`` or ``envelope``.
        pairs: whether a channel is a pair of electrodes, and not one against the mean of all.
        turn_known: whether angles count from the volar middle, positive radial on a right arm. If not, only their
            differences matter.
    """

    angles: tuple[float, ...]
    kind: EmgKind
    pairs: bool = True
    turn_known: bool = False

    def places(self, first: int = 0) -> Tensor:
        """Return the place of each channel (C, P), counted from one of them where the turn is not known."""
        angle_C = np.array(self.angles)
        around_C = angle_C - angle_C[first]
        columns = []
        for harmonic in range(1, HARMONICS + 1):
            columns += [np.sin(harmonic * around_C), np.cos(harmonic * around_C)]
            columns += [self.turn_known * np.sin(harmonic * angle_C), self.turn_known * np.cos(harmonic * angle_C)]
        of_all = (self.turn_known, self.kind == "raw", self.pairs, np.log(len(angle_C) / 10))
        columns += [np.full(len(angle_C), value, dtype=float) for value in of_all]
        return torch.from_numpy(np.stack(columns, axis=1)).float()


def ring_bins(emg_TC: FloatArray, rate: float, kind: EmgKind) -> FloatArray:
    """Return of each whole bin and channel its power, the power of its steps, and its product with the next channel.

    Args:
        emg_TC: conditioned EMG, channels in their order round the arm.
        rate: samples per second, at least 40; where bins are no whole number of samples, some have one more.
        kind: an envelope has no steps and no product: they are 0, and its power is the square of its mean.

    Returns:
        float32 (bins, 3, C).
    """
    count = int(len(emg_TC) / (rate * BIN_S) + 1e-6)
    edges = np.rint(np.arange(count + 1) * rate * BIN_S).astype(int)
    emg_TC = np.asarray(emg_TC[: edges[-1]], np.float64)
    moments_3TC = np.zeros((3, *emg_TC.shape))
    if kind == "raw":
        moments_3TC[0] = emg_TC**2
        moments_3TC[1, 1:] = np.diff(emg_TC, axis=0) ** 2
        moments_3TC[2] = emg_TC * np.roll(emg_TC, -1, axis=1)
    else:
        moments_3TC[0] = emg_TC
    mean_3KC = np.add.reduceat(moments_3TC, edges[:-1], axis=1) / np.diff(edges)[:, None]
    if kind == "envelope":
        mean_3KC[0] **= 2
    return np.asarray(mean_3KC.transpose(1, 0, 2), np.float32)


@dataclass(frozen=True, eq=False)
class RingScale:
    """Level, centre and spread of a session, which need no label and take out the gain of every channel.

    Attributes:
        level_C: RMS of each channel.
        centre_CV: mean of each value of each channel.
        spread_V: RMS over all channels of each value less its centre.
        kind: of the EMG.
    """

    level_C: Tensor
    centre_CV: Tensor
    spread_V: Tensor
    kind: EmgKind

    @classmethod
    def of(cls, bins_K3C: Tensor, kind: EmgKind) -> RingScale:
        """Return the scale of the bins of a session, at least a second."""
        level_C = bins_K3C[:, 0].mean(dim=0).sqrt().clamp_min(1e-12)
        whole = len(bins_K3C) // WINDOW_BINS
        bins_BN3C = bins_K3C[: whole * WINDOW_BINS].view(whole, WINDOW_BINS, 3, -1)
        value_XCV = _values(bins_BN3C, level_C, kind).flatten(0, 1)
        centre_CV = value_XCV.mean(dim=0)
        centre_CV[:, :TOKEN_BINS] = centre_CV[:, :TOKEN_BINS].mean(dim=1, keepdim=True)
        variance_V = (value_XCV - centre_CV).square().mean(dim=(0, 1))
        variance_V[:TOKEN_BINS] = variance_V[:TOKEN_BINS].mean()
        return cls(level_C, centre_CV, variance_V.sqrt().clamp_min(1e-3), kind)

    def tokens(self, bins_BN3C: Tensor) -> Tensor:
        """Return the values (B, S, C, V) of windows of ``WINDOW_BINS`` bins."""
        value_BSCV = _values(bins_BN3C, self.level_C, self.kind)
        return ((value_BSCV - self.centre_CV) / self.spread_V).clamp(-MOST, MOST)


def _values(bins_BN3C: Tensor, level_C: Tensor, kind: EmgKind) -> Tensor:
    power_BSKC, step_BSKC, cross_BSKC = bins_BN3C.reshape(-1, TIMES, TOKEN_BINS, 3, len(level_C)).unbind(3)
    amplitude_BSKC = (power_BSKC.sqrt() / level_C + FLOOR[kind]).log()
    if kind == "envelope":
        further_BS2C = torch.zeros_like(amplitude_BSKC[:, :, :2])
    else:
        quiet_C = QUIET * level_C**2
        power_BSC = power_BSKC.mean(dim=2) + quiet_C
        slope_BSC = ((step_BSKC.mean(dim=2) + quiet_C) / power_BSC).log() / 2
        likeness_BSC = cross_BSKC.mean(dim=2) / (power_BSC * power_BSC.roll(-1, dims=-1)).sqrt()
        further_BS2C = torch.stack([slope_BSC, likeness_BSC.clamp(-0.99, 0.99).atanh()], dim=2)
    return torch.cat([amplitude_BSKC, further_BS2C], dim=2).transpose(2, 3)
