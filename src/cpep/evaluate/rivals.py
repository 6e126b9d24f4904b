"""A rival without a network: ridge regression from features to pose, then the nearest pose.

The vote is `cpep.evaluate.zeroshot.knn_vote` on standardised poses; cosine does not mind that a strong
penalty shrinks every prediction towards the mean pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from cpep.types import EmbeddingSet, FloatArray

STRENGTHS = (1e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Strengths tried by default."""


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
        self._x = _Standard(x_ND)
        self._pose = _Standard(pose_NP)
        z_ND = self._x(x_ND)
        gram_DD = z_ND.T @ z_ND / len(z_ND) + self.strength * np.eye(z_ND.shape[1])
        self._weight_DP = np.linalg.solve(gram_DD, z_ND.T @ self._pose(pose_NP) / len(z_ND))
        return self

    def predict(self, x_ND: FloatArray) -> FloatArray:
        """Return the expected pose of every window, standardised (see `standardise`), float32."""
        return np.asarray(self._x(x_ND) @ self._weight_DP, np.float32)

    def standardise(self, pose_NP: FloatArray) -> FloatArray:
        """Scale poses by the training poses: the gallery that predictions are compared with, float32."""
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
        train: features of training people's windows (labels are not looked at).
        train_pose: pose of the same windows.
        validation: features of other people's windows.
        validation_pose: pose of the same windows.
        strengths: strengths to try; on a tie the strongest penalty wins.

    Returns:
        The regression of the best strength, fitted on ``train``.
    """
    shared = sorted(set(train.user_N.tolist()) & set(validation.user_N.tolist()))
    assert not shared, f"users {shared} are in both training and validation"
    best: tuple[float, RidgeToPose] | None = None
    for strength in sorted(strengths, reverse=True):
        ridge = RidgeToPose(strength).fit(train.x_ND, train_pose.x_ND)
        residual_NP = ridge.predict(validation.x_ND) - ridge.standardise(validation_pose.x_ND)
        error = float(np.mean(residual_NP.astype(np.float64) ** 2))
        if best is None or error < best[0]:
            best = error, ridge
    assert best is not None, "no strengths to choose from"
    return best[1]


class _Standard:
    """Mean and SD of the columns of training data; a column that never changes stays 0."""

    def __init__(self, x_ND: FloatArray) -> None:
        x_ND = x_ND.astype(np.float64)
        self.mean_D = x_ND.mean(0)
        sd_D = x_ND.std(0)
        self.sd_D = np.where(sd_D > 1e-9 * (1 + np.abs(self.mean_D)), sd_D, 1.0)

    def __call__(self, x_ND: FloatArray) -> FloatArray:
        return np.asarray((x_ND.astype(np.float64) - self.mean_D) / self.sd_D)
