"""Label-free centre and spread of signals, for any window of a store.

People, and two sessions of one band on one person, differ by far more than a gain: which electrode lies over
which muscle sets the mean and the range of every channel's energy. Both are known without a label, and taking
them out is the largest single gain in recognising new people's gestures (LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from cpep.data.statistics import CentreSpread, LoudLevel, Statistic, running, stacked
from cpep.data.store.finite import power_of
from cpep.data.store.store import Store
from cpep.types import FloatArray, IntArray, Normalisation

CACHED_RECORDINGS = 4096
"""Recordings whose causal statistics are held: bounds the memory of a process, whatever the store."""

LEAST_TYPICAL = 1e-6
"""Smallest spread that is typical of people."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of values over a store, and the statistic that normalises them.

    Attributes:
        store: prepared recordings.
        statistic: of the rows.
        of: returns the rows (K, F) of a recording, given its index in ``store.entries``.
        row_s: time from row to row, seconds; the first row ends this long after the recording's start.
    """

    store: Store
    statistic: Statistic
    of: Callable[[int], FloatArray]
    row_s: float


def power_rows(store: Store) -> Rows:
    """Return the mean squares of blocks of raw samples; from them follows the level that divides the samples."""
    return Rows(store, LoudLevel(), partial(power_of, store), store.power_block_s)


def sessions(store: Store) -> list[list[int]]:
    """Return the indices of the recordings of each session: equal user, session and side."""
    worn: dict[tuple[str, str, str], list[int]] = {}
    for index, entry in enumerate(store.entries):
        worn.setdefault((entry.user, entry.session, entry.side), []).append(index)
    return list(worn.values())


def files_worn(store: Store) -> dict[int, list[int]]:
    """Return for the index of each recording the indices of all recordings of its session."""
    return {index: files for files in sessions(store) for index in files}


def typical(rows: Rows, users: tuple[str, ...]) -> CentreSpread:
    """Return the median centre and spread (F,) over the sessions of users: where a causal recording starts."""
    found: list[CentreSpread] = []
    for files in sessions(rows.store):
        if rows.store.entries[files[0]].user not in users:
            continue
        rows_KF = np.concatenate([rows.of(index) for index in files])
        if len(rows_KF):
            found += [rows.statistic.of(rows_KF)] * (len(files) if rows.statistic.by_recording else 1)
    spread_F = np.median([one.spread_F for one in found], axis=0)
    return CentreSpread(np.median([one.centre_F for one in found], axis=0), np.maximum(spread_F, LEAST_TYPICAL))


class Normaliser:
    """Centre and spread of rows for any window of a store.

    ``recording``: of all files of one session (a file of emg2pose holds one stage, and its own statistics
    would tell which); ``causal``: of the rows before the window's end in its file; ``none``: of the training
    users, for everybody.

    Args:
        rows: the rows of the store.
        kind: one of these three.
        prior: what ``typical`` returned for the training users.
    """

    def __init__(self, rows: Rows, kind: Normalisation, prior: CentreSpread) -> None:
        self.rows, self.kind, self.prior = rows, kind, prior
        self._files = files_worn(rows.store)
        self._sessions: dict[int, CentreSpread] = {}
        self._running = lru_cache(CACHED_RECORDINGS)(self._run)

    def of(self, entry_N: IntArray, end_N: IntArray) -> CentreSpread:
        """Return centre and spread (N, F) for windows that end before frame ``end_N`` of the store."""
        if self.kind == "none":
            return stacked([self.prior] * len(entry_N))
        if self.kind == "recording":
            return stacked([self._session(int(index)) for index in entry_N])
        store = self.rows.store
        start_N = np.array([entry.start for entry in store.entries])[entry_N]
        ended_N = np.floor((end_N - start_N) / store.frame_rate / self.rows.row_s + 1e-9).astype(int)
        runs = [self._running(int(index)) for index in entry_N]
        return stacked(
            [CentreSpread(run.centre_F[row], run.spread_F[row]) for run, row in zip(runs, ended_N, strict=True)]
        )

    def _session(self, index: int) -> CentreSpread:
        if index not in self._sessions:
            files, statistic = self._files[index], self.rows.statistic
            found = statistic.of(np.concatenate([self.rows.of(file) for file in files]))
            self._sessions |= dict.fromkeys(files, statistic.floored(found, self.prior))
        return self._sessions[index]

    def _run(self, index: int) -> CentreSpread:
        return running(self.rows.of(index), self.rows.statistic, self.prior, self.rows.row_s)
