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


class PerSession:
    """Centre and spread of each session, found when they are first asked for.

    Their place is made at once: small arrays that are made one by one between large ones, and stay, would leave holes
    in the memory of a process that nothing fits into (``cpep.runtime.memory``).

    Args:
        store: prepared recordings.
        columns: number F of columns.
        find: returns centre and spread (F,) of the recordings of a session, given their indices.
    """

    def __init__(self, store: Store, columns: int, find: Callable[[list[int]], CentreSpread]) -> None:
        self._sessions, self._find = sessions(store), find
        self._of_E = np.empty(len(store.entries), np.int64)
        for number, files in enumerate(self._sessions):
            self._of_E[files] = number
        self._known_S = np.zeros(len(self._sessions), bool)
        self._centre_SF, self._spread_SF = np.empty((2, len(self._sessions), columns), np.float32)

    def of(self, entry_N: IntArray) -> CentreSpread:
        """Return centre and spread (N, F) of the sessions of windows, given the indices of their recordings."""
        session_N = self._of_E[entry_N]
        for number in np.unique(session_N[~self._known_S[session_N]]):
            found = self._find(self._sessions[number])
            self._centre_SF[number], self._spread_SF[number] = found.centre_F, found.spread_F
            self._known_S[number] = True
        return CentreSpread(self._centre_SF[session_N], self._spread_SF[session_N])


def typical(rows: Rows, users: tuple[str, ...]) -> CentreSpread:
    """Return the median centre and spread (F,) over the sessions of users: where a causal recording starts."""
    found: list[CentreSpread] = []
    for files in sessions(rows.store):
        if rows.store.entries[files[0]].user not in users:
            continue
        parts_KF = [rows.of(index) for index in files]
        if any(map(len, parts_KF)):
            found += [rows.statistic.of(*parts_KF)] * (len(files) if rows.statistic.by_recording else 1)
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
        self._sessions = PerSession(rows.store, len(prior.spread_F), self._session)
        self._running = lru_cache(CACHED_RECORDINGS)(self._run)

    def of(self, entry_N: IntArray, end_N: IntArray) -> CentreSpread:
        """Return centre and spread (N, F) for windows that end before frame ``end_N`` of the store."""
        if self.kind == "none":
            return stacked([self.prior] * len(entry_N))
        if self.kind == "recording":
            return self._sessions.of(entry_N)
        store = self.rows.store
        start_N = np.array([entry.start for entry in store.entries])[entry_N]
        ended_N = np.floor((end_N - start_N) / store.frame_rate / self.rows.row_s + 1e-9).astype(int)
        runs = [self._running(int(index)) for index in entry_N]
        return stacked(
            [CentreSpread(run.centre_F[row], run.spread_F[row]) for run, row in zip(runs, ended_N, strict=True)]
        )

    def _session(self, files: list[int]) -> CentreSpread:
        statistic = self.rows.statistic
        found = statistic.of(*(self.rows.of(file) for file in files))
        return statistic.floored(found, self.prior)

    def _run(self, index: int) -> CentreSpread:
        return running(self.rows.of(index), self.rows.statistic, self.prior, self.rows.row_s)
