"""Balanced accuracy, its uncertainty over people, and everything else that a row of results.json holds.

Resampling ``n`` windows of one person with replacement is a multinomial draw over that person's table of
(gesture, right or wrong), so a bootstrap costs the same for a thousand windows as for a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cpep.types import FloatArray, IntArray, StrArray


@dataclass(frozen=True)
class Difference:
    """How much better ``a`` is than ``b`` on the same windows, with a 95 % interval over people."""

    mean: float
    low: float
    high: float

    def sentence(self, a: str, b: str, where: str) -> str:
        """Say it in words.

        >>> Difference(0.081, 0.035, 0.12).sentence("cpep", "ridge", "zero-shot on unseen gestures")
        'cpep is better than ridge in zero-shot on unseen gestures: +0.081 (95 % interval +0.035 to +0.120).'
        """
        verdict = "better than" if self.low > 0 else "worse than" if self.high < 0 else "not told apart from"
        return (
            f"{a} is {verdict} {b} in {where}: {self.mean:+.3f} (95 % interval {self.low:+.3f} to {self.high:+.3f})."
        )


@dataclass(frozen=True, eq=False)
class Score:
    """What a classifier did on test windows.

    Attributes:
        balanced_accuracy: mean over gestures of the share of its windows that are right.
        ci95: bootstrap interval of it (people, then windows within people).
        chance: what guessing would reach, one over the number of classes to choose from.
        macro_f1: mean F1 of the gestures that occur among the labels.
        n_users: number of people.
        n_windows: number of windows.
        per_user: balanced accuracy of every person's own windows.
        confusion_KK: windows by true (row) and predicted (column) class, in the order of ``classes``.
    """

    balanced_accuracy: float
    ci95: tuple[float, float]
    chance: float
    macro_f1: float
    n_users: int
    n_windows: int
    per_user: dict[str, float]
    confusion_KK: npt.NDArray[np.int64]


def balanced_accuracy(label_N: IntArray, predicted_N: IntArray) -> float:
    """Return the mean over the labels that occur of the share of their windows that are predicted right.

    Args:
        label_N: true labels.
        predicted_N: predicted labels.

    Raises:
        ValueError: there are no windows, or the lengths differ.

    >>> balanced_accuracy(np.array([1, 1, 1, 2]), np.array([1, 1, 1, 1]))
    0.5
    """
    _check(label_N, predicted_N)
    class_N = np.unique(label_N, return_inverse=True)[1]
    right_K = np.bincount(class_N, weights=label_N == predicted_N)
    return float(np.mean(right_K / np.bincount(class_N)))


def cluster_bootstrap(
    label_N: IntArray, predicted_N: IntArray, user_N: StrArray, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the balanced accuracy.

    Every draw takes as many people as there are, with replacement, then of every person taken as many
    windows as they have, with replacement. A gesture that a draw misses does not count in that draw.

    Args:
        label_N: true labels.
        predicted_N: predicted labels.
        user_N: person of every window.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        The 2.5th and 97.5th percentile.
    """
    _check(label_N, predicted_N, user_N)
    wrong_N = (label_N != predicted_N).astype(np.int64)
    count_DKP = _resample(label_N, wrong_N, 2, user_N, draws, seed)
    low, high = np.percentile(_mean_share(count_DKP[:, :, 0], count_DKP.sum(2)), [2.5, 97.5])
    return float(low), float(high)


def paired_bootstrap(
    label_N: IntArray,
    a_N: IntArray,
    b_N: IntArray,
    user_N: StrArray,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Difference:
    """Compare two classifiers on the same windows: balanced accuracy of ``a`` minus that of ``b``.

    Both are scored on the same draws of people and windows (see `cluster_bootstrap`), so what is hard for
    both cancels.

    Args:
        label_N: true labels.
        a_N: labels predicted by the one.
        b_N: labels predicted by the other.
        user_N: person of every window.
        draws: number of bootstrap draws.
        seed: seed of the draws.
    """
    _check(label_N, a_N, user_N)
    _check(label_N, b_N)
    outcome_N = 2 * (a_N != label_N) + (b_N != label_N)  # 0 both right, 1 a alone, 2 b alone, 3 neither
    count_DKP = _resample(label_N, outcome_N, 4, user_N, draws, seed)
    difference_D = _mean_share(count_DKP[:, :, 1] - count_DKP[:, :, 2], count_DKP.sum(2))
    low, high = np.percentile(difference_D, [2.5, 97.5])
    mean = balanced_accuracy(label_N, a_N) - balanced_accuracy(label_N, b_N)
    return Difference(mean, float(low), float(high))


def confusion_matrix(label_N: IntArray, predicted_N: IntArray, classes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Count windows by true (row) and predicted (column) class.

    Raises:
        ValueError: a label or a prediction is not among ``classes``.
    """
    _check(label_N, predicted_N)
    order_K = np.argsort(classes)
    sorted_K = np.asarray(classes)[order_K]

    def position(value_N: IntArray) -> IntArray:
        found_N = np.searchsorted(sorted_K, value_N).clip(max=len(sorted_K) - 1)
        if (sorted_K[found_N] != value_N).any():
            strange = sorted(set(value_N.tolist()) - set(classes))
            raise ValueError(f"labels {strange} are not among the classes")
        return np.asarray(order_K[found_N])

    cell_N = position(label_N) * len(classes) + position(predicted_N)
    return np.bincount(cell_N, minlength=len(classes) ** 2).reshape(len(classes), -1).astype(np.int64)


def score(
    label_N: IntArray,
    predicted_N: IntArray,
    user_N: StrArray,
    classes: Sequence[int],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Score:
    """Score predictions.

    Args:
        label_N: true labels.
        predicted_N: predicted labels.
        user_N: person of every window.
        classes: every label that could be predicted (the gallery's, or the probe's): they set chance. Labels
            that never occur in ``label_N`` count neither in balanced accuracy nor in F1.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Raises:
        ValueError: there are no windows, lengths differ, or a label is not among the classes.
    """
    confusion_KK = confusion_matrix(label_N, predicted_N, classes)
    right_K, true_K, predicted_K = confusion_KK.diagonal(), confusion_KK.sum(1), confusion_KK.sum(0)
    present_K = true_K > 0
    f1_K = 2 * right_K[present_K] / (true_K + predicted_K)[present_K]
    users = [str(user) for user in np.unique(user_N)]
    return Score(
        balanced_accuracy=balanced_accuracy(label_N, predicted_N),
        ci95=cluster_bootstrap(label_N, predicted_N, user_N, draws=draws, seed=seed),
        chance=1 / len(classes),
        macro_f1=float(f1_K.mean()),
        n_users=len(users),
        n_windows=len(label_N),
        per_user={u: balanced_accuracy(label_N[user_N == u], predicted_N[user_N == u]) for u in users},
        confusion_KK=confusion_KK,
    )


def _resample(
    label_N: IntArray, outcome_N: IntArray, outcomes: int, user_N: StrArray, draws: int, seed: int
) -> npt.NDArray[np.int64]:
    """Draw bootstrap tables of windows: (draws, labels that occur, outcomes)."""
    rng = np.random.default_rng(seed)
    names_K, class_N = np.unique(label_N, return_inverse=True)
    names_U, person_N = np.unique(user_N, return_inverse=True)
    cells, users = len(names_K) * outcomes, len(names_U)
    cell_N = (person_N * len(names_K) + class_N) * outcomes + outcome_N
    table_UP = np.bincount(cell_N, minlength=users * cells).reshape(users, cells)
    size_U = table_UP.sum(1)
    share_UP = table_UP / size_U[:, None]
    total_DP = np.zeros((draws, cells), np.int64)
    for _ in range(users):
        taken_D = rng.integers(users, size=draws)
        total_DP += rng.multinomial(size_U[taken_D], share_UP[taken_D])
    return total_DP.reshape(draws, len(names_K), outcomes)


def _mean_share(part_DK: IntArray, whole_DK: IntArray) -> FloatArray:
    """Average part / whole over the classes that a draw holds."""
    share_DK = part_DK / np.maximum(whole_DK, 1)
    return np.asarray(share_DK.sum(1) / (whole_DK > 0).sum(1))


def _check(label_N: IntArray, predicted_N: IntArray, user_N: StrArray | None = None) -> None:
    if not len(label_N):
        raise ValueError("there are no windows to score")
    if len(predicted_N) != len(label_N):
        raise ValueError(f"{len(predicted_N)} predictions for {len(label_N)} labels")
    if user_N is not None and len(user_N) != len(label_N):
        raise ValueError(f"{len(user_N)} users for {len(label_N)} labels")
