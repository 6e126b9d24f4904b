"""Signals on another clock: linear interpolation that never invents a pose."""

from __future__ import annotations

import numpy as np

from cpep.types import BoolArray, FloatArray

SAME_TIME_S = 1e-6
"""Times closer than this are the same: the resolution of a unix clock in float64."""


def resample_anchor(
    pose_SJ: FloatArray, valid_S: BoolArray, rate: float, new_rate: float, frames: int
) -> tuple[FloatArray, BoolArray]:
    """Interpolate an anchor linearly from ``rate`` to ``frames`` frames at ``new_rate``; both start at time 0.

    A new frame is invalid where an old frame that takes part in it is invalid, or where it lies one old frame period
    or more after the last old frame. Until then the last old frame is held.

    Returns:
        the anchor (frames, J) in the dtype of ``pose_SJ``, and valid (frames,).
    """
    if len(pose_SJ) == 0:
        return np.zeros((frames, pose_SJ.shape[1]), pose_SJ.dtype), np.zeros(frames, bool)
    # Multiplied before it is divided: the position of a frame that falls on an old frame is then exact.
    position_M = np.arange(frames) * rate / new_rate
    left_M = np.minimum(position_M.astype(np.intp), len(pose_SJ) - 1)
    right_M = np.minimum(left_M + 1, len(pose_SJ) - 1)
    weight_M = np.where(right_M > left_M, position_M - left_M, 0).astype(pose_SJ.dtype)
    valid_M = valid_S[left_M] & (valid_S[right_M] | (weight_M == 0)) & (position_M < len(pose_SJ))
    clean_SJ = np.where(valid_S[:, None], pose_SJ, 0).astype(pose_SJ.dtype)
    pose_MJ = clean_SJ[left_M] + (clean_SJ[right_M] - clean_SJ[left_M]) * weight_M[:, None]
    return np.where(valid_M[:, None], pose_MJ, 0).astype(pose_SJ.dtype), valid_M


def frame_ratio(emg_rate: float) -> int:
    """Return how many EMG samples make one frame of about 100 Hz.

    The frame rate is the whole divisor of the EMG rate between 50 and 200 Hz that is closest to 100 Hz in
    proportion; a rate without one (a prime, a fraction) is divided by the nearest whole number.

    >>> [frame_ratio(rate) for rate in (2000.0, 1000.0, 250.0, 200.0, 100.0, 1925.925)]
    [20, 10, 2, 2, 1, 19]
    """
    if emg_rate == int(emg_rate):
        rates = [rate for rate in range(50, 201) if emg_rate % rate == 0]
        if rates:
            return round(emg_rate / min(rates, key=lambda rate: max(rate / 100, 100 / rate)))
    return max(1, round(emg_rate / 100))


def interpolate_rows(
    rows_TC: FloatArray, time_T: FloatArray, grid_T: FloatArray, max_gap_s: float
) -> tuple[FloatArray, BoolArray]:
    """Interpolate rows linearly at the times of the grid; rows of one time are averaged first.

    A time of the grid within a microsecond of a row takes that row alone.

    Returns:
        values (grid, C), with the first and last rows held beyond the ends; and for each time of the grid (grid,)
        whether it lies within ``time_T``, in no gap longer than ``max_gap_s``, and between finite rows.
    """
    if len(grid_T) == len(time_T) and (grid_T == time_T).all():
        return rows_TC, _finite(rows_TC)
    once_T, first = np.unique(time_T, return_index=True)
    mean_TC = np.add.reduceat(rows_TC, first, axis=0) / np.diff([*first, len(time_T)])[:, None]
    left = np.clip(np.searchsorted(once_T, grid_T, side="right") - 1, 0, max(len(once_T) - 2, 0))
    right = np.minimum(left + 1, len(once_T) - 1)
    # Beyond the ends, too, a single row is taken.
    left = np.where(once_T[right] - grid_T < SAME_TIME_S, right, left)
    right = np.where(grid_T - once_T[left] < SAME_TIME_S, left, right)
    span_T = once_T[right] - once_T[left]
    weight_T = (grid_T - once_T[left]) / np.where(span_T > 0, span_T, 1) * (span_T > 0)
    values = mean_TC[left] * (1 - weight_T[:, None]) + mean_TC[right] * weight_T[:, None]
    inside_T = (grid_T > once_T[0] - SAME_TIME_S) & (grid_T < once_T[-1] + SAME_TIME_S)
    solid_T: BoolArray = inside_T & (span_T <= max_gap_s) & _finite(values)
    return np.ascontiguousarray(values, dtype=np.float32), solid_T


def _finite(rows: FloatArray) -> BoolArray:
    return np.asarray(np.isfinite(rows).all(axis=1), dtype=np.bool_)
