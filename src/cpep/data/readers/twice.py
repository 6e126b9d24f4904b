"""Rows that are written twice: files that were joined, tables that were merged."""

from __future__ import annotations

import numpy as np

from cpep.types import BoolArray, FloatArray

MOSTLY = 0.99
"""Rows are copies where so large a share of those whose time was there before also has the values of that time.
Devices send packets whose samples share a time, and a few of these samples are equal by chance."""


def written_once(time_T: FloatArray, rows_TC: FloatArray) -> BoolArray:
    """Return which rows (T,) are no copies, with time and values, of an earlier one.

    Args:
        time_T: time of each row.
        rows_TC: values.

    >>> written_once(np.array([0, 0, 1, 2, 1, 2]), np.array([[5.0], [5], [6], [7], [6], [7]])).tolist()
    [True, False, True, True, False, False]
    >>> written_once(np.array([0, 0, 1, 1]), np.array([[5.0], [6], [7], [7]])).all()
    np.True_
    """
    every_T = np.ones(len(time_T), bool)
    if (np.diff(time_T) > 0).all():
        return every_T
    key_T, place_T = _keys(time_T[:, None]), _keys(np.column_stack([time_T, rows_TC]))
    again = len(time_T) - len(np.unique(key_T))
    once_T = np.zeros(len(time_T), bool)
    once_T[np.unique(place_T, return_index=True)[1]] = True
    copies = int((~once_T).sum())
    return once_T if copies and copies >= MOSTLY * again else every_T


def _keys(values_TC: FloatArray) -> np.ndarray:
    """Return a number of 64 bits for each row, the same for the same row; others share one by chance of 2^-64."""
    bits_TC = np.ascontiguousarray(values_TC, np.float64).view(np.uint64)
    factor_C = np.random.default_rng(0).integers(0, 2**64, bits_TC.shape[1], np.uint64) | np.uint64(1)
    mixed_TC = (bits_TC ^ (bits_TC >> np.uint64(31))) * factor_C
    return np.asarray((mixed_TC ^ (mixed_TC >> np.uint64(29))).sum(axis=1, dtype=np.uint64))
