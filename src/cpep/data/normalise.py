"""Label-free centre and spread of what is measured, for any moment of a store.

People, and two sessions of one band on one person, differ by far more than a gain: which electrode lies over
which muscle sets the mean and the range of every channel's energy. Both are known without a label, and taking
them out is the largest single gain in recognising new people's gestures (LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cpep.data.store.store import Store
from cpep.types import FloatArray, IntArray, Normalisation

PRIOR_S = 10.0
"""Seconds that the training users' statistics count for at the start of a causal recording."""

MEMORY_S = 120.0
"""Time constant of causal statistics once that much has passed, seconds."""

SMALLEST_SPREAD = 1e-3
"""Spread of a column that does not change."""

CACHED_RECORDINGS = 4096
"""Recordings whose causal statistics are held: bounds the memory of a process, whatever the store."""

RowsOf = Callable[[int], FloatArray]
"""Returns the rows (K, F) of a recording, given its index in ``store.entries``."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Centre and spread, (F,) of one recording or (N, F) of windows."""

    centre_F: FloatArray
    spread_F: FloatArray


def sessions(store: Store) -> list[list[int]]:
    """Return the recordings of each session of the device: one user, session and side."""
    worn: dict[tuple[str, str, str], list[int]] = {}
    for index, entry in enumerate(store.entries):
        worn.setdefault((entry.user, entry.session, entry.side), []).append(index)
    return list(worn.values())


def files_worn(store: Store) -> dict[int, list[int]]:
    """Return for each recording those of its session, itself among them."""
    return {index: files for files in sessions(store) for index in files}


def standard_of(rows_KF: FloatArray) -> Standard:
    """Return mean and SD over time."""
    spread_F = np.maximum(rows_KF.std(axis=0, dtype=np.float64), SMALLEST_SPREAD)
    return Standard(rows_KF.mean(axis=0, dtype=np.float64).astype(np.float32), spread_F.astype(np.float32))


def typical(store: Store, rows_of: RowsOf, users: tuple[str, ...]) -> Standard:
    """Return the median mean and SD over the sessions of the given users: where a causal recording starts."""
    worn = [files for files in sessions(store) if store.entries[files[0]].user in users]
    rows = [np.concatenate([rows_of(index) for index in files]) for files in worn]
    found = [standard_of(rows_KF) for rows_KF in rows if len(rows_KF)]
    return Standard(
        np.median([one.centre_F for one in found], axis=0), np.median([one.spread_F for one in found], axis=0)
    )


class Running:
    """Mean and SD of the rows so far, from the past alone: the state of a causal stream.

    First and second moments that start from ``prior``, which counts for ``PRIOR_S``, and forget with ``MEMORY_S``.

    Args:
        prior: what is expected before the first row.
        row_s: time from row to row.
    """

    def __init__(self, prior: Standard, row_s: float) -> None:
        self.moments_2F = np.stack([prior.centre_F, np.square(prior.centre_F) + np.square(prior.spread_F)])
        self.moments_2F = self.moments_2F.astype(np.float64)
        self.row_s, self.rows = row_s, 0
        self._new_2F = np.empty_like(self.moments_2F)

    def update(self, row_F: FloatArray) -> None:
        """Take in one more row."""
        weight = max(1 / (PRIOR_S / self.row_s + self.rows + 1), self.row_s / MEMORY_S)
        self._new_2F[0] = row_F
        np.square(self._new_2F[0], out=self._new_2F[1])
        self._new_2F -= self.moments_2F
        self._new_2F *= weight
        self.moments_2F += self._new_2F
        self.rows += 1

    def standard(self) -> Standard:
        """Return centre and spread (F,) as they are now."""
        return _of_moments(self.moments_2F)


def running(rows_KF: FloatArray, prior: Standard, row_s: float) -> Standard:
    """Return mean and SD after 0, 1, ..., K rows, each (K + 1, F); see ``Running``.

    Args:
        rows_KF: rows of one recording in time.
        prior: what is expected before the first row.
        row_s: time from row to row.
    """
    state = Running(prior, row_s)
    moments = np.empty((len(rows_KF) + 1, *state.moments_2F.shape))
    moments[0] = state.moments_2F
    for k, row_F in enumerate(rows_KF):
        state.update(row_F)
        moments[k + 1] = state.moments_2F
    return _of_moments(moments.swapaxes(0, 1))


def _of_moments(moments_2XF: FloatArray) -> Standard:
    centre_XF, square_XF = moments_2XF
    spread_XF = np.sqrt(np.maximum(square_XF - centre_XF**2, SMALLEST_SPREAD**2))
    return Standard(centre_XF.astype(np.float32), spread_XF.astype(np.float32))


class Standards:
    """Centre and spread of rows for any window of a store.

    ``recording``: of all files of one session (a file of emg2pose holds one stage, and its own statistics
    would tell which); ``causal``: of what came before the window's end in its file; ``none``: of the training
    users, for everybody.

    Args:
        store: prepared recordings.
        kind: one of the three.
        rows_of: the rows of a recording, one each ``every`` frames from its start.
        every: frames from row to row.
        prior: what ``typical`` returned for the training users.
    """

    def __init__(self, store: Store, kind: Normalisation, rows_of: RowsOf, every: int, prior: Standard) -> None:
        self.store, self.kind, self.every, self.prior = store, kind, every, prior
        self._files = files_worn(store)
        self._worn: dict[int, Standard] = {}
        self._rows_of = rows_of
        self._running = lru_cache(CACHED_RECORDINGS)(self._run)

    def of(self, entry_N: IntArray, end_N: IntArray) -> Standard:
        """Return centre and spread (N, F) for windows that end before frame ``end_N`` of the store."""
        if self.kind == "none":
            return _stacked([self.prior] * len(entry_N))
        if self.kind == "recording":
            return _stacked([self._recording(int(index)) for index in entry_N])
        start_N = np.array([entry.start for entry in self.store.entries])[entry_N]
        row_N = (end_N - start_N) // self.every
        runs = [self._running(int(index)) for index in entry_N]
        return _stacked(
            [Standard(run.centre_F[row], run.spread_F[row]) for run, row in zip(runs, row_N, strict=True)]
        )

    def _recording(self, index: int) -> Standard:
        if index not in self._worn:
            files = self._files[index]
            standard = standard_of(np.concatenate([self._rows_of(file) for file in files]))
            self._worn |= dict.fromkeys(files, standard)
        return self._worn[index]

    def _run(self, index: int) -> Standard:
        return running(self._rows_of(index), self.prior, self.every / self.store.frame_rate)


def _stacked(standards: list[Standard]) -> Standard:
    return Standard(np.stack([one.centre_F for one in standards]), np.stack([one.spread_F for one in standards]))
