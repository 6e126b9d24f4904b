"""EMG to pose as NeuralBench scores it: mean absolute angular error over 5-s windows of new people in new stages.

NeuralBench's task ``emg pose`` (also a track of the NeurIPS 2026 EEG/EMG challenge) tests emg2pose's
``user_stage`` part: held-out people in stages that training has not. Its windows do not overlap; one with any pose
that is not valid is left out, and so is a recording shorter than 5.895 s, whose first 0.895 s are context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cpep.types import FloatArray, IntArray, StrArray

COLLAPSED = 0.1
"""Poses whose SD is below this share of that of the measured ones are told as collapsed: close to a constant."""


@dataclass(frozen=True)
class ChallengeError:
    """The error of one model.

    Attributes:
        error_rad: mean over windows of the mean absolute angular error over joints and times, rad.
        ci95: its 95 % bootstrap interval (people, then windows within people).
        mean_pose_rad: the error of the training people's mean pose.
        spread: SD of predicted poses over that of measured ones; see ``COLLAPSED``.
        per_user: the error of each person.
        n_windows: windows that were scored.
        n_excluded: windows left out, since a pose in them is not valid.
        n_short: recordings left out, since they are too short.
    """

    error_rad: float
    ci95: tuple[float, float]
    mean_pose_rad: float
    spread: float
    per_user: dict[str, float]
    n_windows: int
    n_excluded: int = 0
    n_short: int = 0
    protocol: ClassVar[str] = "challenge"

    def plain(self) -> dict[str, Any]:
        """Return the error as part of a row of results.json."""
        return {
            "gestures": "user_stage",
            "angular_error_rad": round(self.error_rad, 5),
            "error_ci95": [round(bound, 5) for bound in self.ci95],
            "mean_pose": {"angular_error_rad": round(self.mean_pose_rad, 5)},
            "spread": round(self.spread, 4),
            "n_users": len(self.per_user),
            "n_windows": self.n_windows,
            "n_excluded": self.n_excluded,
            "n_short": self.n_short,
            "per_user": {user: round(value, 5) for user, value in self.per_user.items()},
        }


def offsets(frames: int, first: int, length: int, lead: int) -> IntArray:
    """Return where windows of a model begin, in frames from the begin of a longer window, so that they cover it.

    They follow each other without a gap between their outputs; the last one ends with the longer window.

    >>> offsets(200, 0, 500, 90), offsets(200, 92, 500, 90)
    (array([  0, 200, 300]), array([-90,  18, 126, 234, 300]))

    Args:
        frames: length of a window of the model.
        first: first frame of it for which the model has an output.
        length: of the longer window.
        lead: frames before the longer window that may be read.
    """
    begin = -min(first, lead)
    return np.unique(np.minimum(np.arange(begin, length - first, frames - first), length - frames))


def at_times(pose_NSJ: FloatArray, times_S: FloatArray, wanted_F: FloatArray) -> FloatArray:
    """Return poses (N, F, J) at other times, interpolated linearly; they stay before the first and after the last."""
    place_F = np.interp(wanted_F, times_S, np.arange(len(times_S)))
    low_F = np.minimum(place_F.astype(int), max(len(times_S) - 2, 0))
    high_F = np.minimum(low_F + 1, len(times_S) - 1)
    share_F1 = (place_F - low_F)[:, None].astype(pose_NSJ.dtype)
    found: FloatArray = pose_NSJ[:, low_F] * (1 - share_F1) + pose_NSJ[:, high_F] * share_F1
    return found


def scored(
    predicted_NSJ: FloatArray,
    measured_NSJ: FloatArray,
    mean_J: FloatArray,
    user_N: StrArray,
    *,
    draws: int,
    seed: int,
) -> ChallengeError:
    """Return the error of predicted poses, rad.

    Args:
        predicted_NSJ: predicted poses at every frame of windows, rad.
        measured_NSJ: measured poses.
        mean_J: the prediction of a model that knows nothing.
        user_N: person of each window.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    error_N, mean_N = (
        np.abs(poses - measured_NSJ).mean(axis=(1, 2), dtype=np.float64) for poses in (predicted_NSJ, mean_J)
    )
    variance, wanted = (poses.var(axis=(0, 1), dtype=np.float64).sum() for poses in (predicted_NSJ, measured_NSJ))
    return ChallengeError(
        error_rad=float(error_N.mean()),
        ci95=interval(error_N, user_N, draws, seed),
        mean_pose_rad=float(mean_N.mean()),
        spread=float(np.sqrt(variance / max(wanted, 1e-12))),
        per_user={str(user): float(error_N[user_N == user].mean()) for user in np.unique(user_N)},
        n_windows=len(error_N),
    )


def interval(error_N: FloatArray, user_N: StrArray, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean over windows: people are drawn again, then windows within people."""
    rng, own = np.random.default_rng(seed), [error_N[user_N == user] for user in np.unique(user_N)]
    means = []
    for _ in range(draws):
        people = [own[index] for index in rng.integers(len(own), size=len(own))]
        means.append(np.concatenate([rng.choice(errors, len(errors)) for errors in people]).mean())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
