"""Balanced accuracy, its interval, and the other scores in a row of results.json; ``paired`` compares two.

Resampling ``n`` windows of one person with replacement is the same as a multinomial sample of that person's table of
(gesture, right or wrong). So a bootstrap costs the same for a thousand windows as for a million.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.types import EmbeddingSet, FloatArray, IntArray, StrArray


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of a classifier in one run, over all its folds, which test different people.

    Attributes:
        label_N: true labels.
        predicted_N: predicted labels.
        user_N: person of every window.
    """

    label_N: IntArray
    predicted_N: IntArray
    user_N: StrArray

    @cached_property
    def counts(self) -> tuple[tuple[str, ...], IntArray, IntArray]:
        """People, sorted; and counts by person and label that occurs (U, K), of right windows and of all windows.

        Raises:
            ValueError: there are no windows, or the lengths differ.
        """
        _check(self.label_N, self.predicted_N, self.user_N)
        names_U, person_N = indexed(self.user_N)
        names_K, class_N = np.unique(self.label_N, return_inverse=True)
        cell_N, shape = person_N * len(names_K) + class_N, (len(names_U), len(names_K))
        right_N = self.label_N == self.predicted_N
        right_UK, whole_UK = (np.bincount(n, minlength=shape[0] * shape[1]) for n in (cell_N[right_N], cell_N))
        return tuple(names_U.tolist()), right_UK.reshape(shape), whole_UK.reshape(shape)

    def of(self, people: Collection[str]) -> Answers:
        """Return the answers for windows of these people."""
        if set(self.counts[0]) <= set(people):
            return self
        own_N = np.isin(self.user_N, list(people))
        return Answers(self.label_N[own_N], self.predicted_N[own_N], self.user_N[own_N])


@dataclass(frozen=True, eq=False)
class Score:
    """Scores of a classifier on test windows.

    Attributes:
        balanced_accuracy: mean over gestures of the share of windows that are answered right.
        ci95: its 95 % bootstrap interval (people, then windows within people).
        chance: chance level, one over the number of classes.
        macro_f1: mean F1 of the gestures that occur among the labels.
        n_users: number of people.
        n_windows: number of windows.
        per_user: balanced accuracy on each person's windows.
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

    Every draw takes as many people as there are, with replacement; then, of every person taken, as many windows as
    the person has, with replacement. A gesture without a window in a draw does not count in that draw.

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
    count_DKP = _resample(label_N, wrong_N, user_N, draws, seed)
    low, high = np.percentile(mean_share(count_DKP[:, :, 0], count_DKP.sum(2)), [2.5, 97.5])
    return float(low), float(high)


def confusion_matrix(label_N: IntArray, predicted_N: IntArray, classes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Count windows by true (row) and predicted (column) class, (K, K).

    Args:
        label_N: true labels.
        predicted_N: predicted labels.
        classes: the K labels, in the order of rows and columns.

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
    """Return the scores of predictions.

    Args:
        label_N: true labels.
        predicted_N: predicted labels.
        user_N: person of every window.
        classes: every label that could be predicted (of the gallery, or of the probe); their number gives the chance
            level. Labels that never occur in ``label_N`` count neither in balanced accuracy nor in F1.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Raises:
        ValueError: there are no windows, lengths differ, or a label is not among the classes.
    """
    confusion_KK = confusion_matrix(label_N, predicted_N, classes)
    right_K, true_K, predicted_K = confusion_KK.diagonal(), confusion_KK.sum(1), confusion_KK.sum(0)
    present_K = true_K > 0
    f1_K = 2 * right_K[present_K] / (true_K + predicted_K)[present_K]
    users, right_UK, whole_UK = Answers(label_N, predicted_N, user_N).counts
    return Score(
        balanced_accuracy=balanced_accuracy(label_N, predicted_N),
        ci95=cluster_bootstrap(label_N, predicted_N, user_N, draws=draws, seed=seed),
        chance=1 / len(classes),
        macro_f1=float(f1_K.mean()),
        n_users=len(users),
        n_windows=len(label_N),
        per_user={
            user: float(np.mean(right_K[whole_K > 0] / whole_K[whole_K > 0]))
            for user, right_K, whole_K in zip(users, right_UK, whole_UK, strict=True)
        },
        confusion_KK=confusion_KK,
    )


def _resample(label_N: IntArray, wrong_N: IntArray, user_N: StrArray, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """Return counts of windows in each bootstrap draw: (draws, labels that occur, right and wrong)."""
    rng = np.random.default_rng(seed)
    names_K, class_N = np.unique(label_N, return_inverse=True)
    names_U, person_N = indexed(user_N)
    cells, users = len(names_K) * 2, len(names_U)
    cell_N = (person_N * len(names_K) + class_N) * 2 + wrong_N
    table_UP = np.bincount(cell_N, minlength=users * cells).reshape(users, cells)
    size_U = table_UP.sum(1)
    share_UP = table_UP / size_U[:, None]
    total_DP = np.zeros((draws, cells), np.int64)
    for _ in range(users):
        taken_D = rng.integers(users, size=draws)
        total_DP += rng.multinomial(size_U[taken_D], share_UP[taken_D])
    return total_DP.reshape(draws, len(names_K), 2)


def indexed(name_N: StrArray) -> tuple[StrArray, IntArray]:
    """Return the names that occur, sorted, and the index of each window's name among them.

    Windows of a person or a recording follow each other, so comparing neighbours is faster than sorting all names.
    """
    first_N = np.ones(len(name_N), bool)
    first_N[1:] = name_N[1:] != name_N[:-1]
    names_U, index_R = np.unique(name_N[first_N], return_inverse=True)
    return names_U, index_R[np.cumsum(first_N) - 1]


def described(data: EmbeddingSet) -> EmbeddingSet:
    """Return what is known of windows, with vectors of no dimension, in little memory.

    Names are Python's texts, one for all windows that have it. In NumPy's arrays of texts each window has space for
    the longest name, often 240 bytes.
    """
    empty_ND = np.empty((len(data), 0), np.float32)
    names = (_shared(data.user_N), _shared(data.recording_N), _shared(data.session_N))
    return EmbeddingSet(empty_ND, data.label_N, names[0], names[1], data.time_N, names[2])


def _shared(name_N: StrArray) -> StrArray:
    if name_N.dtype == object:
        return name_N
    names_U, index_N = indexed(name_N)
    found: Any = names_U.astype(object)[index_N]
    return np.asarray(found)


def mean_share(part_DK: IntArray, whole_DK: IntArray) -> FloatArray:
    """Return the mean of part / whole over the classes that occur in a draw, (draws,)."""
    share_DK = part_DK / np.maximum(whole_DK, 1)
    return np.asarray(share_DK.sum(1) / (whole_DK > 0).sum(1))


def _check(label_N: IntArray, predicted_N: IntArray, user_N: StrArray | None = None) -> None:
    if not len(label_N):
        raise ValueError("there are no windows to score")
    if len(predicted_N) != len(label_N):
        raise ValueError(f"{len(predicted_N)} predictions for {len(label_N)} labels")
    if user_N is not None and len(user_N) != len(label_N):
        raise ValueError(f"{len(user_N)} users for {len(label_N)} labels")
