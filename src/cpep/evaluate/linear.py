"""Linear baselines: ridge regression or canonical correlation of features and pose, then the nearest pose.

The vote is `cpep.evaluate.knn.knn_vote` on standardised poses, or on features and poses in the canonical space. A
strong penalty shrinks every prediction towards the mean pose; this does not change the cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np

from cpep.types import EmbeddingSet, FloatArray

STRENGTHS = (1e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Strengths tried by default."""
CCA_STRENGTHS = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Strengths tried by default for canonical correlation."""
CCA_COMPONENTS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
"""Numbers of components tried by default."""
SAME_ERROR = 1.02
"""Errors up to this many times the lowest count as equal, as validation losses do (``loop.KEPT_WITHIN``)."""


class RidgeToPose:
    """Ridge regression from EMG features to pose, both standardised by the training data.

    Args:
        strength: weight of the squared coefficients against the mean squared error of a window.
    """

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def fit(self, x_ND: FloatArray, pose_NP: FloatArray) -> Self:
        """Fit on pairs of features and pose.

        Args:
            x_ND: features of EMG windows.
            pose_NP: pose of the same windows, flattened.

        Raises:
            ValueError: lengths differ, or there are no windows.
        """
        if len(x_ND) != len(pose_NP) or not len(x_ND):
            raise ValueError(f"{len(x_ND)} windows of features and {len(pose_NP)} of pose")
        self._x = ColumnStandard(x_ND)
        self._pose = ColumnStandard(pose_NP)
        z_ND = self._x(x_ND)
        gram_DD = z_ND.T @ z_ND / len(z_ND) + self.strength * np.eye(z_ND.shape[1])
        self._weight_DP = np.linalg.solve(gram_DD, z_ND.T @ self._pose(pose_NP) / len(z_ND))
        return self

    def predict(self, x_ND: FloatArray) -> FloatArray:
        """Return the expected pose of every window, standardised (see `standardise`), float32."""
        return np.asarray(self._x(x_ND) @ self._weight_DP, np.float32)

    def standardise(self, pose_NP: FloatArray) -> FloatArray:
        """Return poses standardised by the training poses, as a gallery for predictions, float32."""
        return self._pose(pose_NP).astype(np.float32)


def choose_ridge(
    train: EmbeddingSet,
    train_pose: EmbeddingSet,
    validation: EmbeddingSet,
    validation_pose: EmbeddingSet,
    strengths: Sequence[float] = STRENGTHS,
) -> RidgeToPose:
    """Fit ridge regressions of several strengths and return the one nearest to validation people's poses.

    The mean squared error chooses, not the accuracy of the nearest pose: on NinaPro DB1 the two choices are
    as good on seen gestures, and the error's choice is better on unseen ones (.41 against .35).

    Args:
        train: features of training people's windows (labels are not read).
        train_pose: pose of the same windows.
        validation: features of other people's windows.
        validation_pose: pose of the same windows.
        strengths: strengths to try; on a tie the strongest penalty wins.

    Returns:
        The regression of the best strength, fitted on ``train``.
    """
    train.refuse_shared(validation)
    best: tuple[float, RidgeToPose] | None = None
    for strength in sorted(strengths, reverse=True):
        ridge = RidgeToPose(strength).fit(train.x_ND, train_pose.x_ND)
        residual_NP = ridge.predict(validation.x_ND) - ridge.standardise(validation_pose.x_ND)
        error = float(np.mean(residual_NP.astype(np.float64) ** 2))
        if best is None or error < best[0]:
            best = error, ridge
    assert best is not None, "no strengths to choose from"
    return best[1]


class CcaToPose:
    """Canonical correlation of EMG features and pose, both standardised by the training data.

    Features and poses are projected on the directions in which they correlate most; each direction is weighted by its
    correlation. With ``strength`` 0 this is the canonical correlation analysis of Hotelling (1936). A strength is
    added to the variances of the features (Vinod 1976), because there are many features and they are correlated.

    Args:
        components: number of canonical directions that are kept; all, if there are fewer.
        strength: added to the variance of each standardised feature.
    """

    def __init__(self, components: int, strength: float = 1.0) -> None:
        self.components, self.strength = components, strength

    def fit(self, x_ND: FloatArray, pose_NP: FloatArray) -> Self:
        """Fit on pairs of features and pose.

        Args:
            x_ND: features of EMG windows.
            pose_NP: pose of the same windows, flattened.

        Raises:
            ValueError: lengths differ, or there are no windows.
        """
        if len(x_ND) != len(pose_NP) or not len(x_ND):
            raise ValueError(f"{len(x_ND)} windows of features and {len(pose_NP)} of pose")
        self._x, self._pose = ColumnStandard(x_ND), ColumnStandard(pose_NP)
        z_ND, y_NP = self._x(x_ND), self._pose(pose_NP)
        white_DD, _ = _whitening(z_ND, self.strength)
        white_PP, back_PP = _whitening(y_NP, 0.0)
        left_DK, correlation_K, right_KP = np.linalg.svd(
            white_DD.T @ (z_ND.T @ y_NP / len(z_ND)) @ white_PP, full_matrices=False
        )
        self._weight_DK, self._pose_PK = white_DD @ left_DK, white_PP @ right_KP.T
        self._back_KP = right_KP @ back_PP
        self.correlation_K = correlation_K
        return self

    def keep(self, components: int) -> CcaToPose:
        """Return the same fit with another number of components."""
        other = copy(self)
        other.components = components
        return other

    def predict(self, x_ND: FloatArray) -> FloatArray:
        """Return features projected into the canonical space, (N, components), float32."""
        return self._scaled(self._x(x_ND) @ self._weight_DK)

    def standardise(self, pose_NP: FloatArray) -> FloatArray:
        """Return poses projected into the canonical space, as a gallery for EMG, float32."""
        return self._scaled(self._pose(pose_NP) @ self._pose_PK)

    def pose_error(self, x_ND: FloatArray, pose_NP: FloatArray) -> float:
        """Return the mean squared error of the standardised pose that the kept components predict."""
        expected_NP = self.predict(x_ND).astype(np.float64) @ self._back_KP[: self.components]
        return float(np.mean((expected_NP - self._pose(pose_NP)) ** 2))

    def _scaled(self, x_NK: FloatArray) -> FloatArray:
        return np.asarray((x_NK * self.correlation_K)[:, : self.components], np.float32)


def choose_cca(
    train: EmbeddingSet,
    train_pose: EmbeddingSet,
    validation: EmbeddingSet,
    validation_pose: EmbeddingSet,
    strengths: Sequence[float] = CCA_STRENGTHS,
    components: Sequence[int] = CCA_COMPONENTS,
) -> CcaToPose:
    """Fit canonical correlations and return the best one by the error of validation people's poses.

    As in `choose_ridge`, the mean squared error of the pose chooses, not the accuracy of the nearest pose: the
    projection of a window is its expected pose in the canonical space, and is mapped back to a pose. The lowest error
    chooses the strength. With that strength, the largest number of components whose error is within 2 % of the lowest
    is kept: the error hardly differs, but the last components separate gestures (on NinaPro DB1 .56 against .53 in
    zero-shot on seen gestures, .41 against .37 on unseen ones).

    Args:
        train: features of training people's windows (labels are not read).
        train_pose: pose of the same windows.
        validation: features of other people's windows.
        validation_pose: pose of the same windows.
        strengths: strengths to try.
        components: numbers of components to try.

    Returns:
        The one chosen, fitted on ``train``.
    """
    train.refuse_shared(validation)
    tried: list[tuple[float, CcaToPose]] = []
    for strength in sorted(strengths, reverse=True):
        fitted = CcaToPose(1, strength).fit(train.x_ND, train_pose.x_ND)
        for count in sorted({min(count, len(fitted.correlation_K)) for count in components}):
            cca = fitted.keep(count)
            tried.append((cca.pose_error(validation.x_ND, validation_pose.x_ND), cca))
    assert tried, "nothing to choose from"
    lowest, best = min(tried, key=lambda one: one[0])
    return [cca for error, cca in tried if cca.strength == best.strength and error <= SAME_ERROR * lowest][-1]


def _whitening(z_ND: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
    """Return the matrix that whitens centred columns, ``(covariance + strength)^-1/2``, and its inverse.

    Both leave out directions without variance, such as a column that never changes.
    """
    variance_D, axis_DD = np.linalg.eigh(z_ND.T @ z_ND / len(z_ND))
    variance_D = np.where(variance_D > 1e-9 * variance_D.max(), variance_D + strength, 0.0)
    sd_D = np.sqrt(variance_D)
    inverse_D = np.divide(1.0, sd_D, out=np.zeros_like(sd_D), where=sd_D > 0)
    return (axis_DD * inverse_D) @ axis_DD.T, (axis_DD * sd_D) @ axis_DD.T


class ColumnStandard:
    """Mean and SD of the columns of training data; a column that never changes stays 0."""

    def __init__(self, x_ND: FloatArray) -> None:
        x_ND = x_ND.astype(np.float64)
        self.mean_D = x_ND.mean(0)
        sd_D = x_ND.std(0)
        self.sd_D = np.where(sd_D > 1e-9 * (1 + np.abs(self.mean_D)), sd_D, 1.0)

    def __call__(self, x_ND: FloatArray) -> FloatArray:
        """Return columns less the mean and over the SD."""
        return np.asarray((x_ND.astype(np.float64) - self.mean_D) / self.sd_D)
