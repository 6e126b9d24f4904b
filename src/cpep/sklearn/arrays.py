"""EMG windows as people have them, checked as scikit-learn checks its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from cpep.types import FloatArray, UserError


def windows_in(estimator: BaseEstimator, X: Any, *, reset: bool) -> FloatArray:
    """Return EMG windows (windows, channels, samples) as finite floats.

    Args:
        estimator: who reads them; it keeps the shape of a window as ``n_chans_`` and ``n_times_``, and scikit-learn's
            ``n_features_in_``: the second axis of X.
        X: windows x channels x samples, or windows x samples of a single channel: lists, arrays or tensors of any
            kind of number.
        reset: whether to keep their shape (in ``fit``) or to compare them with what was kept.

    Raises:
        ValueError: another number of axes, another shape than in ``fit``, or values that are not finite.
    """
    emg: FloatArray = validate_data(estimator, X, reset=reset, allow_nd=True, dtype="numeric", order="C")
    if emg.ndim > 3:
        raise UserError(
            f"X of shape {emg.shape}; give (windows, channels, samples), or (windows, samples) of a channel"
        )
    emg_NCT = emg[:, None] if emg.ndim == 2 else emg
    shape = emg_NCT.shape[1:]
    if not shape[1]:
        raise UserError(f"X of shape {emg.shape} has windows without samples")
    if reset:
        estimator.n_chans_, estimator.n_times_ = shape
    elif shape != (estimator.n_chans_, estimator.n_times_):
        raise UserError(
            f"X has windows of {shape[0]} channels x {shape[1]} samples; {type(estimator).__name__} was fitted on "
            f"{estimator.n_chans_} x {estimator.n_times_}"
        )
    return emg_NCT if emg_NCT.dtype in (np.float32, np.float64) else emg_NCT.astype(np.float32)
