"""The two statistics that signals are normalised by, over a whole session or from the past alone.

``MeanSd`` is taken of rows such as bins or feature vectors, ``LoudLevel`` of the power of raw samples. Both need no
label. Over a session a statistic is ``of`` all rows; from the past alone it follows from moments of the rows so far,
which ``Running`` keeps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cpep.types import FloatArray

PRIOR_S = 10.0
"""Seconds that the training users' statistics count for at the start of a causal recording."""

MEMORY_S = 120.0
"""Time constant of causal statistics once that much has passed, seconds."""

SMALLEST_SPREAD = 1e-3
"""Spread of a column that does not change."""

SUMMED_ROWS = 4096
"""Rows of which sums are taken at once: sessions may last for hours."""

LEAST_LEVEL = 1e-3
"""Smallest level of a channel that is divided by, in units of the training users' level: a channel may be silent."""


@dataclass(frozen=True, eq=False)
class CentreSpread:
    """Centre and spread of the signal of one session, or of each window.

    Attributes:
        centre_F: what is subtracted: (F,), or (N, F) of N windows.
        spread_F: what divides then, of the same shape.
    """

    centre_F: FloatArray
    spread_F: FloatArray


def stacked(found: Sequence[CentreSpread]) -> CentreSpread:
    """Return centre and spread of N windows, each (F,), as one (N, F)."""
    return CentreSpread(np.stack([one.centre_F for one in found]), np.stack([one.spread_F for one in found]))


class Statistic(ABC):
    """Centre and spread of rows.

    Attributes:
        moments: number M of running means that the causal form keeps of every column.
        by_recording: whether ``typical`` counts a session once for each of its recordings; else it counts it once.
    """

    moments: int
    by_recording: bool

    @abstractmethod
    def of(self, *parts_KF: FloatArray) -> CentreSpread:
        """Return centre and spread (F,) of all rows of a session, float32, given those (K, F) of its recordings."""

    @abstractmethod
    def least(self, prior: CentreSpread) -> FloatArray | float:
        """Return the smallest spread that is divided by, where ``prior`` is typical of the training users."""

    @abstractmethod
    def start(self, prior: CentreSpread) -> FloatArray:
        """Return the moments (M, F) before the first row, as ``prior`` expects them."""

    @abstractmethod
    def write(self, row_F: FloatArray, out_MF: FloatArray) -> None:
        """Write the moments of one row into a float64 array."""

    @abstractmethod
    def at(self, moments_MXF: FloatArray) -> CentreSpread:
        """Return centre and spread (..., F) that follow from moments (M, ..., F), float32."""

    def floored(self, found: CentreSpread, prior: CentreSpread) -> CentreSpread:
        """Return centre and spread, with a spread that is nowhere smaller than ``least``."""
        return CentreSpread(found.centre_F, np.maximum(found.spread_F, self.least(prior)))


class MeanSd(Statistic):
    """Mean and SD over time; the moments are the means of a row and of its square."""

    moments = 2
    by_recording = False

    def of(self, *parts_KF: FloatArray) -> CentreSpread:
        """Return mean and SD, computed in float64."""
        count = sum(map(len, parts_KF))
        mean_F = _total(parts_KF, lambda block_KF: block_KF) / count
        variance_F = _total(parts_KF, lambda block_KF: np.square(block_KF - mean_F)) / count
        spread_F = np.maximum(np.sqrt(variance_F), SMALLEST_SPREAD)
        return CentreSpread(mean_F.astype(np.float32), spread_F.astype(np.float32))

    def least(self, prior: CentreSpread) -> float:
        """Return ``SMALLEST_SPREAD`` for all columns."""
        return SMALLEST_SPREAD

    def start(self, prior: CentreSpread) -> FloatArray:
        """Return mean and mean square."""
        return np.stack([prior.centre_F, np.square(prior.centre_F) + np.square(prior.spread_F)]).astype(np.float64)

    def write(self, row_F: FloatArray, out_MF: FloatArray) -> None:
        """Write the row and its square."""
        out_MF[0] = row_F
        np.square(out_MF[0], out=out_MF[1])

    def at(self, moments_MXF: FloatArray) -> CentreSpread:
        """Return mean and SD."""
        centre_XF, square_XF = moments_MXF
        spread_XF = np.sqrt(np.maximum(square_XF - centre_XF**2, SMALLEST_SPREAD**2))
        return CentreSpread(centre_XF.astype(np.float32), spread_XF.astype(np.float32))


def _total(parts_KF: Sequence[FloatArray], of: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Sum a function of rows over them (F,), row after row in float64, without an array as large as they are."""
    total_1F = np.zeros((1, parts_KF[0].shape[1]))
    for rows_KF in parts_KF:
        for start in range(0, len(rows_KF), SUMMED_ROWS):
            block_KF = of(rows_KF[start : start + SUMMED_ROWS])
            total_1F = np.concatenate([total_1F, block_KF]).sum(axis=0, keepdims=True)
    return np.asarray(total_1F[0])


class LoudLevel(Statistic):
    """Level of raw samples while a channel is loud; the rows are mean squares of blocks, the centre is zero.

    Rest says little about a channel's gain, and how much rest there is differs between recordings. Over a session the
    level is the RMS of the loudest quarter of blocks. From the past alone it is the power mean of order 4 of the
    blocks' RMS, which also follows activity more than rest.
    """

    moments = 1
    by_recording = True

    def of(self, *parts_KF: FloatArray) -> CentreSpread:
        """Return zero and the RMS of the loudest quarter of blocks."""
        rows_KF = np.concatenate(parts_KF)
        loud = np.sort(rows_KF, axis=0)[-max(1, len(rows_KF) // 4) :]
        return _level(np.sqrt(loud.mean(axis=0)))

    def least(self, prior: CentreSpread) -> FloatArray:
        """Return a share of the training users' level of each channel."""
        return np.asarray(LEAST_LEVEL * prior.spread_F.astype(np.float32))

    def start(self, prior: CentreSpread) -> FloatArray:
        """Return the fourth power of the level."""
        return prior.spread_F[None].astype(np.float64) ** 4

    def write(self, row_F: FloatArray, out_MF: FloatArray) -> None:
        """Write the square of the mean square."""
        out_MF[0] = row_F
        np.square(out_MF[0], out=out_MF[0])

    def at(self, moments_MXF: FloatArray) -> CentreSpread:
        """Return zero and the level."""
        return _level(moments_MXF[0] ** 0.25)


def _level(level_XC: FloatArray) -> CentreSpread:
    return CentreSpread(np.zeros(level_XC.shape, np.float32), level_XC.astype(np.float32))


class Running:
    """A statistic of the rows so far, from the past alone: the state of a causal stream.

    Its moments start from ``prior``, which counts like ``PRIOR_S`` of EMG, and forget with the time constant
    ``MEMORY_S``.

    Args:
        statistic: of the rows.
        prior: centre and spread that are expected before the first row.
        row_s: time from row to row, seconds.
    """

    def __init__(self, statistic: Statistic, prior: CentreSpread, row_s: float) -> None:
        self.statistic, self.prior, self.row_s, self.rows = statistic, prior, row_s, 0
        self.moments_MF = statistic.start(prior)
        self._new_MF = np.empty_like(self.moments_MF)

    def update(self, row_F: FloatArray) -> None:
        """Take in one more row."""
        weight = max(1 / (PRIOR_S / self.row_s + self.rows + 1), self.row_s / MEMORY_S)
        self.statistic.write(row_F, self._new_MF)
        self._new_MF -= self.moments_MF
        self._new_MF *= weight
        self.moments_MF += self._new_MF
        self.rows += 1

    def now(self) -> CentreSpread:
        """Return centre and spread (F,) as they are now."""
        return self.at(self.moments_MF)

    def at(self, moments_MXF: FloatArray) -> CentreSpread:
        """Return centre and spread (..., F) as they were when the moments were (M, ..., F)."""
        return self.statistic.floored(self.statistic.at(moments_MXF), self.prior)


def running(rows_KF: FloatArray, statistic: Statistic, prior: CentreSpread, row_s: float) -> CentreSpread:
    """Return centre and spread after 0, 1, ..., K rows, each (K + 1, F); see ``Running``.

    Args:
        rows_KF: rows of one recording in time.
        statistic: of the rows.
        prior: centre and spread that are expected before the first row.
        row_s: time from row to row, seconds.
    """
    state = Running(statistic, prior, row_s)
    moments = np.empty((len(rows_KF) + 1, *state.moments_MF.shape))
    moments[0] = state.moments_MF
    for k, row_F in enumerate(rows_KF):
        state.update(row_F)
        moments[k + 1] = state.moments_MF
    return state.at(moments.swapaxes(0, 1))
