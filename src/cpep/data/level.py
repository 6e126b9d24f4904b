"""Label-free scaling of EMG and pose, and EMG augmentation."""

from __future__ import annotations

import numpy as np

from cpep.data.normalise import sessions
from cpep.data.store.store import Entry, Store
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

    ``recording`` divides by the level of the whole recording, that is of all files of one session of the
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
    for files in sessions(store):
        level_C = recording_level(np.concatenate([power_of(store, store.entries[index]) for index in files]))
        levels |= dict.fromkeys(files, level_C)
    return levels


def fit_prior(store: Store, users: tuple[str, ...]) -> FloatArray:
    """Return the median level (C,) over the recordings of the given users."""
    by_entry = recording_levels(store)
    levels = [by_entry[index] for index, entry in enumerate(store.entries) if entry.user in users]
    return np.asarray(np.maximum(np.median(levels, axis=0), 1e-6))


class AnchorScale:
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
            entry, joints = self.store.entries[index], len(self.store.device.anchor_names)
            centre, spread = np.zeros(joints, np.float32), np.ones(joints, np.float32)
            rows = slice(entry.start, entry.start + entry.frames)
            valid = np.asarray(self.store.valid_M[rows])
            if self.store.device.anchor_unit == "count" and self.store.anchor_MJ is not None and valid.any():
                low, centre, high = np.percentile(self.store.anchor_MJ[rows][valid], [2, 50, 98], axis=0).astype(
                    np.float32
                )
                spread = np.maximum((high - low) / 2, 1e-6)
            self._cache[index] = centre, spread
        return self._cache[index]
