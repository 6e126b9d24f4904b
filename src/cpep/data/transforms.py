"""Label-free scaling of EMG and pose, and EMG augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cpep import ranks
from cpep.data.standards import wearings
from cpep.data.store import Entry, Store
from cpep.types import FloatArray, IntArray, Normalisation

LEAST_LEVEL = 1e-3
"""Smallest level of a channel that is divided by, in units of the training users' level: a channel may be silent."""

PRIOR_BLOCKS = 40
"""Blocks (10 s) that the training users' level counts for at the start of a causal recording."""

MEMORY_BLOCKS = 480
"""Time constant (2 minutes) of the causal level once that many blocks have passed."""


def recording_level(power_KC: FloatArray) -> FloatArray:
    """Return the level of each channel over a whole recording: the RMS of its loudest quarter of blocks.

    Rest says little about a channel's gain, and how much rest there is differs between recordings.

    Args:
        power_KC: mean square of the EMG in consecutive blocks.
    """
    loud = np.sort(power_KC, axis=0)[-max(1, len(power_KC) // 4) :]
    return np.asarray(np.sqrt(loud.mean(axis=0)))


def floored(level_XC: FloatArray, prior_C: FloatArray) -> FloatArray:
    """Return levels (..., C) that can be divided by: at least ``LEAST_LEVEL`` of the training users' level."""
    return np.asarray(np.maximum(level_XC, LEAST_LEVEL * prior_C.astype(np.float32)))


class RunningLevel:
    """Level of each channel from the past alone.

    A running power mean of order 4 of the block RMS, which like the loud quarter follows activity more than
    rest. It starts from the training users' level and forgets with a time constant of two minutes.

    Args:
        prior_C: the training users' level.
    """

    def __init__(self, prior_C: FloatArray) -> None:
        self.fourth_C = np.asarray(prior_C, dtype=np.float64) ** 4
        self.blocks = 0

    def update(self, power_C: FloatArray) -> None:
        """Take in the mean square of one more block."""
        weight = max(1.0 / (PRIOR_BLOCKS + self.blocks + 1), 1.0 / MEMORY_BLOCKS)
        self.fourth_C = self.fourth_C + weight * (power_C.astype(np.float64) ** 2 - self.fourth_C)
        self.blocks += 1

    def level(self) -> FloatArray:
        """Return the level (C,) as it is now."""
        return np.asarray(self.fourth_C**0.25)


def causal_level(power_KC: FloatArray, prior_C: FloatArray) -> FloatArray:
    """Return the level after 0, 1, ..., K blocks, shape (K + 1, C); see ``RunningLevel``."""
    state = RunningLevel(prior_C)
    levels = [state.level()]
    for power_C in power_KC:
        state.update(power_C)
        levels.append(state.level())
    return np.stack(levels)


class Normaliser:
    """Scale of the EMG for any window of a store, without labels.

    ``recording`` divides by the level of the whole recording, that is of all files of one wearing of the
    device (a file of emg2pose holds one stage, and its level would tell which); ``causal`` by the level of
    what came before the window's end in its file; ``none`` by the training users' median level.

    Args:
        kind: one of the three.
        prior_C: the training users' median level; see ``fit_prior``.
    """

    def __init__(self, kind: Normalisation, prior_C: FloatArray) -> None:
        self.kind: Normalisation = kind
        self.prior_C = np.asarray(prior_C, dtype=np.float64)
        self._levels: dict[int, FloatArray] = {}

    def scale(self, store: Store, entry_N: IntArray, end_N: IntArray) -> FloatArray:
        """Return the scale (N, C) of windows that end before frame ``end_N`` of the store."""
        if self.kind == "none":
            return np.broadcast_to(self.prior_C, (len(entry_N), len(self.prior_C))).astype(np.float32)
        out = np.empty((len(entry_N), len(self.prior_C)), dtype=np.float32)
        for index in np.unique(entry_N):
            mine = entry_N == index
            levels = self._level(store, int(index))
            if self.kind == "recording":
                out[mine] = levels
            else:
                block = (end_N[mine] - store.entries[index].start) / store.frame_rate / store.power_block_s
                out[mine] = levels[np.floor(block + 1e-9).astype(int)]
        return floored(out, self.prior_C)

    def _level(self, store: Store, index: int) -> FloatArray:
        if index not in self._levels:
            entry = store.entries[index]
            if self.kind == "causal":
                self._levels[index] = causal_level(power_of(store, entry), self.prior_C)
            else:
                self._levels |= recording_levels(store)
        return self._levels[index]


def power_of(store: Store, entry: Entry) -> FloatArray:
    """Return the block powers (K, C) of one recording."""
    return np.asarray(store.power_KC[entry.power_start : entry.power_start + entry.power_blocks])


def recording_levels(store: Store) -> dict[int, FloatArray]:
    """Return the level (C,) of every entry: that of all files of its user, session and side together."""
    levels: dict[int, FloatArray] = {}
    for files in wearings(store):
        level_C = recording_level(np.concatenate([power_of(store, store.entries[index]) for index in files]))
        levels |= dict.fromkeys(files, level_C)
    return levels


def fit_prior(store: Store, users: tuple[str, ...]) -> FloatArray:
    """Return the median level (C,) over the recordings of the given users."""
    by_entry = recording_levels(store)
    levels = [by_entry[index] for index, entry in enumerate(store.entries) if entry.user in users]
    return np.asarray(np.maximum(np.median(levels, axis=0), 1e-6))


class PoseScale:
    """Scale of the pose: joint angles stay as they are, an uncalibrated glove is scaled per recording.

    A glove's counts are centred on the median and divided by half the distance of the 2nd and 98th
    percentile of the recording, without labels (results.md).
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cache: dict[int, tuple[FloatArray, FloatArray]] = {}

    def of(self, entry_N: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return centre and spread (N, J) of the recordings of the windows."""
        unique, inverse = np.unique(entry_N, return_inverse=True)
        pairs = [self._entry(int(index)) for index in unique]
        return np.stack([centre for centre, _ in pairs])[inverse], np.stack([spread for _, spread in pairs])[inverse]

    def _entry(self, index: int) -> tuple[FloatArray, FloatArray]:
        if index not in self._cache:
            entry, joints = self.store.entries[index], len(self.store.device.pose_names)
            centre, spread = np.zeros(joints, np.float32), np.ones(joints, np.float32)
            rows = slice(entry.start, entry.start + entry.frames)
            valid = np.asarray(self.store.valid_M[rows])
            if self.store.device.pose_unit == "count" and self.store.pose_MJ is not None and valid.any():
                low, centre, high = np.percentile(self.store.pose_MJ[rows][valid], [2, 50, 98], axis=0).astype(
                    np.float32
                )
                spread = np.maximum((high - low) / 2, 1e-6)
            self._cache[index] = centre, spread
        return self._cache[index]


@dataclass(frozen=True)
class Augmentation:
    """Draws a variant of every window; see ``configs.AugmentConfig`` for the fields' meaning.

    Works on what ``Frontend.signal`` returns: raw samples over their level, or standardised columns of bins. There
    a gain of the EMG is a shift of the log energies, which leaves the rates beside them as they are, and a silent
    channel is one at its mean. Rates turn and drop with their channel.

    Attributes:
        gain: SD of a channel's log gain (raw) or shift.
        common_gain: SD of the same for all channels.
        noise: SD of noise added to every value.
        rotate_deg: largest angle.
        drop: probability that a channel is silent.
        ring: channels that form a ring, in order.
        raw: whether the signal is raw samples.
        channels: EMG channels C.
    """

    gain: float
    common_gain: float
    noise: float
    rotate_deg: float
    drop: float
    ring: tuple[int, ...]
    raw: bool
    channels: int

    def __call__(self, signal_BNF: Tensor, part: ranks.Part | None = None) -> Tensor:
        """Return the augmented windows; draws from the global generator, which the loop seeds at each step.

        Args:
            signal_BNF: windows.
            part: which rows of a batch these are, if not all of it; what is drawn is drawn for the batch, so that
                a window is augmented alike however many ranks there are.
        """
        B, N, F = signal_BNF.shape
        part = part or ranks.Part(0, B, B)
        gain_BC = self.gain * torch.randn(part.whole, self.channels) + self.common_gain * torch.randn(part.whole, 1)
        kept_BC = (torch.rand(part.whole, self.channels) >= self.drop)[part.rows].to(signal_BNF)
        gain_BC = gain_BC[part.rows].to(signal_BNF)
        out_BNGC = self._turned(signal_BNF.view(B, N, F // self.channels, self.channels), part)
        if self.raw:
            out_BNGC = out_BNGC * gain_BC.exp()[:, None, None]
        else:
            energy_BNC, rates_BNGC = out_BNGC[:, :, :1] + gain_BC[:, None, None], out_BNGC[:, :, 1:]
            out_BNGC = torch.cat([energy_BNC, rates_BNGC], dim=2)
        shape = (part.whole, *out_BNGC.shape[1:])
        noise_BNGC = torch.randn(shape, dtype=out_BNGC.dtype, device=out_BNGC.device)[part.rows]
        out_BNGC = out_BNGC + self.noise * noise_BNGC
        return (out_BNGC * kept_BC[:, None, None]).view(B, N, F)

    def _turned(self, signal_BNGC: Tensor, part: ranks.Part) -> Tensor:
        """Turn the ring of each window by up to ``rotate_deg`` degrees either way.

        Columns of bins are interpolated between neighbouring channels; a raw signal turns by whole channels,
        since the mean of two electrodes' signals is not the signal between them.
        """
        most = self.rotate_deg * len(self.ring) / 360  # channels
        if self.raw:
            most = int(most + 1e-9)
        if not most:
            return signal_BNGC
        ring = torch.tensor(self.ring)
        turn_B = most * (2 * torch.rand(part.whole)[part.rows] - 1)
        if self.raw:
            turn_B = turn_B.mul(1 + 0.5 / most).round()
        place_BR = (torch.arange(len(ring)) + turn_B[:, None]) % len(ring)
        low_BR = place_BR.floor().long() % len(ring)
        share_BR = (place_BR - place_BR.floor()).to(signal_BNGC)
        turned_BNGR = self._channels(signal_BNGC, ring[low_BR])
        if not self.raw:
            high_BNGR = self._channels(signal_BNGC, ring[(low_BR + 1) % len(ring)])
            turned_BNGR = turned_BNGR.lerp(high_BNGR, share_BR[:, None, None].expand_as(high_BNGR))
        out_BNGC = signal_BNGC.clone()
        out_BNGC[..., ring] = turned_BNGR
        return out_BNGC

    @staticmethod
    def _channels(signal_BNGC: Tensor, channel_BR: Tensor) -> Tensor:
        """Return other channels of each window."""
        _, N, G, _ = signal_BNGC.shape
        index = channel_BR.to(signal_BNGC.device)[:, None, None].expand(-1, N, G, -1)
        return signal_BNGC.gather(3, index)


def divisor(whole: int, wanted: float) -> int:
    """Return the divisor of ``whole`` that is nearest to ``wanted`` in proportion.

    >>> divisor(4000, 200.0), divisor(200, 7.0), divisor(200, 0.1)
    (200, 8, 1)
    """
    return min((n for n in range(1, whole + 1) if whole % n == 0), key=lambda n: abs(math.log(n / wanted)))
