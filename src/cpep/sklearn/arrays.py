"""What people give to estimators, checked as scikit-learn checks it: windows, people, sessions, poses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from cpep.data.array_labels import named
from cpep.data.resample import resample_anchor
from cpep.signal.given import array_in, floats_in
from cpep.types import FloatArray, StrArray, UserError

AS_WINDOWS: dict[str, Any] = {"allow_nd": True, "dtype": "numeric", "order": "C"}
"""How scikit-learn checks windows."""
ONE_PERSON = "one"
"""Name of the person where nobody says who it is."""


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
    return _windows(estimator, validate_data(estimator, _readable(X), reset=reset, **AS_WINDOWS), reset)


def examples_in(estimator: BaseEstimator, X: Any, y: Any) -> tuple[FloatArray, npt.NDArray[Any]]:
    """Return EMG windows of ``fit`` as ``windows_in``, and the class of each (windows,)."""
    if hasattr(y, "isna") and np.any(y.isna()):
        raise UserError("y holds missing values; leave out windows without a label")
    labels = y.detach().cpu().numpy() if hasattr(y, "detach") else y
    emg, label_N = validate_data(estimator, _readable(X), labels, **AS_WINDOWS)
    if label_N.dtype == object:
        _refuse_mixed(label_N)
    check_classification_targets(label_N)
    return _windows(estimator, emg, reset=True), label_N


def _windows(estimator: BaseEstimator, emg: FloatArray, reset: bool) -> FloatArray:
    if emg.ndim > 3:
        raise UserError(
            f"X of shape {emg.shape}; give (windows, channels, samples), or (windows, samples) of a channel"
        )
    emg_NCT = emg[:, None] if emg.ndim == 2 else emg
    shape = emg_NCT.shape[1:]
    if shape[1] < 2:
        which = "one sample (n_features=1)" if shape[1] else "no samples"
        raise UserError(f"X of shape {emg.shape} has windows of {which}; give (windows, channels, samples)")
    if reset:
        estimator.n_chans_, estimator.n_times_ = shape
    elif shape != (estimator.n_chans_, estimator.n_times_):
        raise UserError(
            f"X has windows of {shape[0]} channels x {shape[1]} samples; {type(estimator).__name__} was fitted on "
            f"{estimator.n_chans_} x {estimator.n_times_}"
        )
    return emg_NCT if emg_NCT.dtype in (np.float32, np.float64) else emg_NCT.astype(np.float32)


def _readable(given: Any) -> Any:
    """Return tensors, masked arrays, and lists of arrays, as an array; all else as it is, for scikit-learn to judge.

    scikit-learn reads what is masked as if it were not.
    """
    many = isinstance(given, list | tuple) and len(given) > 0 and hasattr(given[0], "__array__")
    ours = many or hasattr(given, "detach") or isinstance(given, np.ma.MaskedArray)
    return array_in(given, "X") if ours else given


def _refuse_mixed(label_N: npt.NDArray[Any]) -> None:
    """Check that labels can be put in an order.

    Raises:
        UserError: there are names and numbers, or no label.
    """
    kinds = {str if isinstance(one, str) else bool if isinstance(one, bool) else type(one) for one in label_N}
    if any(kind is not str for kind in kinds) and len(kinds) > 1:
        called = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise UserError(f"y holds values of {called}; give names or numbers, and leave out windows without a label")


def people_in(groups: Any, windows: int) -> StrArray:
    """Return the name of the person of each window.

    Args:
        groups: one name or number for each window; one alone for all of them; ``None``, and all are of one person.
        windows: how many there are.

    Raises:
        UserError: another number of names, or an empty one.
    """
    return np.array(named(groups, windows, "groups", ONE_PERSON), np.str_)


def poses_in(pose: Any, windows: int) -> FloatArray:
    """Return hand poses (windows, joints, frames), float32.

    Raises:
        UserError: another shape, or another number of windows.
    """
    pose_NJF = floats_in(pose, "pose")
    if pose_NJF.ndim != 3 or len(pose_NJF) != windows:
        raise UserError(f"pose of shape {pose_NJF.shape} for {windows} windows; give (windows, joints, frames)")
    return pose_NJF


def frames_of(pose: Any, frames: int) -> FloatArray:
    """Return what shows a gesture as ``cpep.live.book.poses.pose_windows`` takes it.

    Args:
        pose: a pose (joints,) of a hand held still; or windows (windows, joints, frames), or one (joints, frames), as
            long as windows of EMG and with any number of frames.
        frames: of a window of the checkpoint.

    Returns:
        (joints,), or (windows, frames, joints).

    Raises:
        UserError: another shape, or values that are not finite.
    """
    found = floats_in(pose, "pose")
    if not 1 <= found.ndim <= 3:
        raise UserError(f"pose of shape {found.shape}; give (joints,) or (windows, joints, frames)")
    if not np.isfinite(found).all():
        raise UserError("pose is not finite; leave out windows with values that are NaN or infinite")
    if found.ndim == 1:
        return found
    windows_NSJ = (found if found.ndim == 3 else found[None]).transpose(0, 2, 1)
    valid_S = np.ones(windows_NSJ.shape[1], bool)
    rate = windows_NSJ.shape[1]
    return np.stack([resample_anchor(one_SJ, valid_S, rate, frames, frames)[0] for one_SJ in windows_NSJ])
