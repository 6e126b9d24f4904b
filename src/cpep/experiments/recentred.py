"""Recentred covariances of the windows of a store: the mean is the session's, or causally that of its past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpep.data.normalise import sessions
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.evaluate.recentring import geometric_mean, recentred, running_means
from cpep.types import FloatArray, IntArray, Normalisation

START_WINDOWS = 15
"""Training people's mean counts as this many windows that do not overlap, before a causal recording begins."""


@dataclass(frozen=True, eq=False)
class Recentred:
    """Recentres the covariances of windows; call it with windows, for their vectors (N, F).

    Attributes:
        store: prepared recordings.
        kind: ``recording`` whitens by the mean of all files of a session, ``causal`` by the mean of what came before
            the window's end in its file, ``none`` by that of the training people.
        users_train: training people.
        apart: all windows of the store that do not overlap: means are made of these.
        covariances: from windows to the logarithms of their covariances, (N, F).
    """

    store: Store
    kind: Normalisation
    users_train: tuple[str, ...]
    apart: Windows
    covariances: Callable[[Windows], FloatArray]

    def __call__(self, windows: Windows) -> FloatArray:
        """Return the recentred covariances of windows, (N, F)."""
        return recentred(self.covariances(windows), self._mean(windows))

    def _mean(self, windows: Windows) -> FloatArray:
        if self.kind == "none":
            return np.tile(self._typical_F, (len(windows), 1))
        if self.kind == "recording":
            return np.stack([self._sessions[int(index)] for index in windows.entry_N])
        starts_E = np.array([entry.start for entry in self.store.entries])
        ended_N = (windows.start_N + windows.frames - starts_E[windows.entry_N]) // windows.frames
        running = self._running
        return np.stack([running[int(e)][row] for e, row in zip(windows.entry_N, ended_N, strict=True)])

    @cached_property
    def _apart_NF(self) -> FloatArray:
        return self.covariances(self.apart)

    def _rows(self, entries: IntArray | list[int]) -> FloatArray:
        return np.asarray(self._apart_NF[np.isin(self.apart.entry_N, entries)])

    @cached_property
    def _sessions(self) -> dict[int, FloatArray]:
        """The mean of the session of each recording; a session without a window has the typical one."""
        found: dict[int, FloatArray] = {}
        for files in sessions(self.store):
            rows = self._rows(files)
            found |= dict.fromkeys(files, geometric_mean(rows) if len(rows) else self._typical_F)
        return found

    @cached_property
    def _typical_F(self) -> FloatArray:
        """The geometric mean of training people's sessions."""
        own = [files for files in sessions(self.store) if self.store.entries[files[0]].user in self.users_train]
        means = [geometric_mean(rows) for files in own if len(rows := self._rows(files))]
        return geometric_mean(np.stack(means))

    @cached_property
    def _running(self) -> dict[int, FloatArray]:
        """Means after each window of each recording, (K + 1, F)."""
        count = len(self.store.entries)
        return {index: running_means(self._rows([index]), self._typical_F, START_WINDOWS) for index in range(count)}
