"""Errors of predicted poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from cpep.hand.kinematics import Hand
from cpep.types import FloatArray, StrArray

_BLOCK_WINDOWS = 256


@dataclass(frozen=True)
class PoseError:
    """Errors of one model on one set of gestures.

    Attributes:
        gestures: ``seen`` or ``unseen``.
        values: ``angular_error_deg`` and, where the hand is known, ``landmark_mm``; where poses are not in rad
            ``pose_nrmse``.
        mean_pose: the same errors where every prediction is the training people's mean pose.
        per_user: the first of ``values`` for each person.
        n_windows: number of windows.
    """

    gestures: str
    values: dict[str, float]
    mean_pose: dict[str, float]
    per_user: dict[str, float]
    n_windows: int
    protocol: ClassVar[str] = "pose_error"

    def plain(self) -> dict[str, Any]:
        """Return the errors as part of a row of results.json."""
        return {
            "gestures": self.gestures,
            **self.values,
            "mean_pose": self.mean_pose,
            "n_users": len(self.per_user),
            "n_windows": self.n_windows,
            "per_user": self.per_user,
        }


def pose_error(
    predicted_NSJ: FloatArray,
    measured_NSJ: FloatArray,
    mean_J: FloatArray,
    user_N: StrArray,
    *,
    gestures: str,
    unit: str,
    hand: Hand | None,
) -> PoseError:
    """Return the errors of predicted poses.

    Args:
        predicted_NSJ: predicted poses over the times of windows.
        measured_NSJ: measured poses at the same times.
        mean_J: training people's mean pose, the prediction of a model that knows nothing.
        user_N: person of each window.
        gestures: ``seen`` or ``unseen``.
        unit: unit of the poses; for ``rad`` errors are in degrees.
        hand: forward kinematics, for poses of a known hand; else ``None``.
    """
    spread_J = measured_NSJ.std(axis=(0, 1), dtype=np.float64)

    def values(mine_N: FloatArray | slice, poses_NSJ: FloatArray) -> dict[str, float]:
        predicted, measured = poses_NSJ[mine_N], measured_NSJ[mine_N]
        if unit != "rad":
            return {"pose_nrmse": round(normalised_rmse(predicted, measured, spread_J), 4)}
        found = {"angular_error_deg": round(angular_error_deg(predicted, measured), 3)}
        return found | ({"landmark_mm": round(landmark_mm(hand, predicted, measured), 3)} if hand else {})

    constant_NSJ = np.broadcast_to(mean_J, predicted_NSJ.shape)
    first = {str(user): values(user_N == user, predicted_NSJ) for user in np.unique(user_N)}
    return PoseError(
        gestures=gestures,
        values=values(slice(None), predicted_NSJ),
        mean_pose=values(slice(None), constant_NSJ),
        per_user={user: next(iter(found.values())) for user, found in first.items()},
        n_windows=len(predicted_NSJ),
    )


def angular_error_deg(predicted_NSJ: FloatArray, measured_NSJ: FloatArray) -> float:
    """Return the mean absolute error of joint angles, degrees, of poses in rad (emg2pose, arXiv 2412.02725)."""
    return float(np.rad2deg(np.abs(predicted_NSJ - measured_NSJ).mean(dtype=np.float64)))


@torch.no_grad()
def landmark_mm(hand: Hand, predicted_NSJ: FloatArray, measured_NSJ: FloatArray) -> float:
    """Return the mean distance of 20 landmarks of the hand, mm, of poses in rad (emg2pose, arXiv 2412.02725)."""
    total = 0.0
    for start in range(0, len(predicted_NSJ), _BLOCK_WINDOWS):
        block = slice(start, start + _BLOCK_WINDOWS)
        one, other = (hand(torch.tensor(x[block], dtype=torch.float32)) for x in (predicted_NSJ, measured_NSJ))
        total += float((one - other).norm(dim=-1).mean(dim=(1, 2)).sum())
    return total / len(predicted_NSJ)


def normalised_rmse(predicted_NSJ: FloatArray, measured_NSJ: FloatArray, spread_J: FloatArray) -> float:
    """Return the mean over columns of RMSE over SD; the mean pose of the set has an error of 1.

    Args:
        predicted_NSJ: predicted poses.
        measured_NSJ: measured poses.
        spread_J: SD of every column over all windows of the set.
    """
    error_J = np.sqrt(((predicted_NSJ - measured_NSJ) ** 2).mean(axis=(0, 1), dtype=np.float64))
    moving_J = spread_J > 1e-6
    return float((error_J[moving_J] / spread_J[moving_J]).mean())
