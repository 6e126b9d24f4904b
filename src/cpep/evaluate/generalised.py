"""Generalised zero-shot: windows of seen and of unseen gestures, with all gestures as answers, in two numbers.

- ``harmonic_mean`` H of the accuracies on seen and on unseen gestures (Xian et al. 2017, arXiv 1707.00600). Both
  accuracies are means over people of balanced accuracy; H is made of these means.
- ``ausuc``, the area under the seen-unseen curve (Chao et al. 2016, arXiv 1605.04253): the curve that the two
  accuracies run through while a constant, from minus to plus infinity, is taken from the scores of seen gestures.

A constant decides one thing of a window: whether the best seen gesture or the best unseen one is the answer. It
changes at the window's border, which is the best score among seen gestures less the best among unseen ones. A window
of a seen gesture is right at constants below its border, one of an unseen gesture above it, if its label is the best
of its own kind; otherwise never. So the area is the weighted share of pairs of a seen and an unseen window, both the
best of their kind, whose borders are in this order, and pairs with equal borders count half. That is exact, without a
grid of constants, and needs memory for windows and for people squared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpep.evaluate.metrics import indexed
from cpep.evaluate.paired import Difference, people_drawn
from cpep.types import BoolArray, FloatArray, IntArray, StrArray

FIGURES = ("harmonic_mean", "ausuc")
CURVE_POINTS = 101
"""Most points of a curve that is drawn."""


@dataclass(frozen=True, eq=False)
class Borders:
    """What constants decide of windows.

    Attributes:
        border_N: the constant up to which the best seen gesture is the answer.
        right_N: whether the best gesture of the window's own kind, seen or unseen, is its label.
    """

    border_N: FloatArray
    right_N: BoolArray


@dataclass(frozen=True, eq=False)
class Both:
    """Answers of one run to windows of seen and of unseen gestures, over all its folds.

    Attributes:
        label_N: true labels.
        predicted_N: answers, among all gestures.
        user_N: person of every window.
        unseen_N: whether the label is an unseen gesture.
        borders: see ``Borders``.
    """

    label_N: IntArray
    predicted_N: IntArray
    user_N: StrArray
    unseen_N: BoolArray
    borders: Borders

    @cached_property
    def users(self) -> tuple[str, ...]:
        """People, sorted."""
        return tuple(indexed(self.user_N)[0].tolist())

    @cached_property
    def accuracies(self) -> tuple[FloatArray, FloatArray]:
        """Balanced accuracy of every person on seen and on unseen gestures, (U,); NaN where there is no window."""
        person_N, right_N = indexed(self.user_N)[1], self.label_N == self.predicted_N
        found = []
        for own_N in (~self.unseen_N, self.unseen_N):
            sum_U = np.bincount(person_N[own_N], (self._weight_N * right_N)[own_N], len(self.users))
            made_U = np.bincount(person_N[own_N], minlength=len(self.users)) > 0
            found.append(np.where(made_U, sum_U, np.nan))
        return found[0], found[1]

    @cached_property
    def area_UU(self) -> FloatArray:
        """Area that seen windows of one person (row) span with unseen windows of another (column)."""
        person_N, users = indexed(self.user_N)[1], len(self.users)
        rank_N = np.unique(self.borders.border_N, return_inverse=True)[1]
        seen_N, unseen_N = ~self.unseen_N & self.borders.right_N, self.unseen_N & self.borders.right_N
        area_UU = np.zeros((users, users))
        for person in range(users):
            own_N = unseen_N & (person_N == person)
            at_R = np.bincount(rank_N[own_N], self._weight_N[own_N], int(rank_N.max()) + 1)
            below_R = np.cumsum(at_R) - at_R / 2
            area_UU[:, person] = np.bincount(
                person_N[seen_N], self._weight_N[seen_N] * below_R[rank_N[seen_N]], users
            )
        return area_UU

    def of(self, people: Collection[str]) -> Both:
        """Return the answers for windows of these people."""
        if set(self.users) <= set(people):
            return self
        own_N = np.isin(self.user_N, list(people))
        borders = Borders(self.borders.border_N[own_N], self.borders.right_N[own_N])
        kept = (self.label_N[own_N], self.predicted_N[own_N], self.user_N[own_N], self.unseen_N[own_N])
        return Both(*kept, borders)

    def harmonic_mean(self, times_DU: IntArray) -> FloatArray:
        """Return H where person u counts ``times_DU`` times, (D,); NaN where a draw lacks seen or unseen windows."""
        seen_D, unseen_D = (_mean(accuracy_U, times_DU) for accuracy_U in self.accuracies)
        return harmonic(seen_D, unseen_D)

    def ausuc(self, times_DU: IntArray) -> FloatArray:
        """Return the area where person u counts ``times_DU`` times, (D,); NaN as in ``harmonic_mean``."""
        seen_D, unseen_D = (times_DU @ np.isfinite(accuracy_U) for accuracy_U in self.accuracies)
        pairs_D, area_D = seen_D * unseen_D, ((times_DU @ self.area_UU) * times_DU).sum(axis=1)
        return np.asarray(np.divide(area_D, pairs_D, out=np.full(len(pairs_D), np.nan), where=pairs_D > 0))

    @property
    def per_user(self) -> dict[str, dict[str, float]]:
        """The figures of each person who has windows of both kinds, by figure and person."""
        alone_UU = np.eye(len(self.users), dtype=np.int64)
        found = {name: getattr(self, name)(alone_UU) for name in FIGURES}
        return {
            name: {user: float(value) for user, value in zip(self.users, value_U, strict=True) if np.isfinite(value)}
            for name, value_U in found.items()
        }

    @cached_property
    def _weight_N(self) -> FloatArray:
        """Weight of each window in its person's balanced accuracy on its own kind of gestures."""
        person_N = indexed(self.user_N)[1]
        names_K, class_N = np.unique(self.label_N, return_inverse=True)
        cell_N = person_N * len(names_K) + class_N
        count_UK = np.bincount(cell_N, minlength=len(self.users) * len(names_K)).reshape(-1, len(names_K))
        unseen_K = np.zeros(len(names_K), bool)
        unseen_K[class_N] = self.unseen_N
        kinds_U2 = np.stack([(count_UK[:, kind] > 0).sum(axis=1) for kind in (~unseen_K, unseen_K)], axis=1)
        return np.asarray(1 / (count_UK[person_N, class_N] * kinds_U2[person_N, self.unseen_N.astype(int)]))

    def curve(self) -> FloatArray:
        """Return points of seen and unseen accuracy, (P, 2), from constant minus infinity to plus infinity.

        Accuracies are means over people. The curve is exact at its points; there are at most ``CURVE_POINTS``, at
        about equal distances along it.
        """
        parts = [np.isfinite(accuracy_U).sum() for accuracy_U in self.accuracies]
        weight_N = self._weight_N * self.borders.right_N / np.where(self.unseen_N, parts[1], parts[0])
        at_R, rank_N = np.unique(self.borders.border_N, return_inverse=True)
        change_R2 = np.stack([np.bincount(rank_N, weight_N * own_N, len(at_R)) for own_N in self._kinds], axis=1)
        path_P2 = np.concatenate([np.zeros((1, 2)), np.cumsum(change_R2, axis=0)])
        path_P2[:, 0] = path_P2[-1, 0] - path_P2[:, 0]
        along_P = np.concatenate([[0.0], np.cumsum(change_R2.sum(axis=1))])
        places = np.searchsorted(along_P, np.linspace(0, along_P[-1], CURVE_POINTS))
        return np.asarray(path_P2[np.unique([0, *places.clip(max=len(path_P2) - 1), len(path_P2) - 1])])

    @property
    def _kinds(self) -> tuple[BoolArray, BoolArray]:
        return ~self.unseen_N, self.unseen_N


@dataclass(frozen=True, eq=False)
class Estimate:
    """One figure of test people.

    Attributes:
        value: over all people.
        ci95: 95 % interval over people; ``None`` of one person.
        chance: what answers without regard to the window are expected to reach.
        per_user: by person who has windows of both kinds.
    """

    value: float
    ci95: tuple[float, float] | None
    chance: float
    per_user: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Generalised:
    """Both figures.

    Attributes:
        harmonic_mean: of the mean accuracies on seen and on unseen gestures, at the constant ``calibration``. Chance
            is that of answers that are spread evenly, one over the number of gestures.
        ausuc: area under the curve. Chance is half of one over the numbers of seen and of unseen gestures, whatever
            gestures are preferred.
        calibration: what is taken from the scores of seen gestures.
        both: the windows and their answers.
    """

    harmonic_mean: Estimate
    ausuc: Estimate
    calibration: float
    both: Both


def answers(score_NK: FloatArray, labels_K: IntArray, seen: Sequence[int] = (), calibration: float = 0.0) -> IntArray:
    """Return the labels with the highest scores, (N,), after a constant was taken from the scores of seen gestures.

    Args:
        score_NK: score of each label for each window.
        labels_K: the labels; of equal scores the first wins.
        seen: labels of seen gestures.
        calibration: the constant.
    """
    return np.asarray(labels_K[(score_NK - calibration * np.isin(labels_K, seen)).argmax(axis=1)])


def borders(score_NK: FloatArray, labels_K: IntArray, label_N: IntArray, seen: Sequence[int]) -> Borders:
    """Return what constants decide of windows.

    Args:
        score_NK: score of each label for each window.
        labels_K: the labels; of equal scores the first wins.
        label_N: true labels.
        seen: labels of seen gestures.

    Raises:
        ValueError: a score is not finite, shapes do not fit, or the labels are all seen, or none is.
    """
    if score_NK.shape != (len(label_N), len(labels_K)):
        raise ValueError(f"scores {score_NK.shape}, {len(label_N)} windows and {len(labels_K)} labels do not fit")
    if not np.isfinite(score_NK).all():
        raise ValueError("scores are not finite")
    seen_K = np.isin(labels_K, seen)
    if seen_K.all() or not seen_K.any():
        raise ValueError("answers have to be both seen and unseen gestures")
    (best_N, seen_N), (other_N, unseen_N) = (
        (score_NK[:, kind].max(axis=1), labels_K[kind][score_NK[:, kind].argmax(axis=1)])
        for kind in (seen_K, ~seen_K)
    )
    own_N = np.where(np.isin(label_N, seen), seen_N, unseen_N)
    return Borders(best_N - other_N, own_N == label_N)


def generalised(
    score_NK: FloatArray,
    labels_K: IntArray,
    label_N: IntArray,
    user_N: StrArray,
    seen: Sequence[int],
    *,
    calibration: float = 0.0,
    draws: int = 1000,
    seed: int = 0,
) -> Generalised:
    """Return both figures of windows of seen and of unseen gestures.

    Args:
        score_NK: score of each label for each window.
        labels_K: labels that can be answered; of equal scores the first wins.
        label_N: true labels.
        user_N: person of every window.
        seen: labels of seen gestures.
        calibration: constant that is taken from the scores of seen gestures, for H.
        draws: number of draws of people.
        seed: seed of the draws; both accuracies have the same draws.

    Raises:
        ValueError: as ``borders``; or no window is of a seen gesture, or none of an unseen one.
    """
    unseen_N = ~np.isin(label_N, seen)
    if unseen_N.all() or not unseen_N.any():
        raise ValueError("there have to be windows of seen and of unseen gestures")
    changes = borders(score_NK, labels_K, label_N, seen)
    both = Both(label_N, answers(score_NK, labels_K, seen, calibration), user_N, unseen_N, changes)
    count = int(np.isin(labels_K, seen).sum())
    chance = {"harmonic_mean": 1 / len(labels_K), "ausuc": 0.5 / count / (len(labels_K) - count)}
    found = {}
    for name in FIGURES:
        if len(both.users) > 1:
            value, *ends = interval([both], name, draws=draws, seed=seed)
            found[name] = Estimate(value, (ends[0], ends[1]), chance[name], both.per_user[name])
        else:
            value = float(getattr(both, name)(np.ones((1, 1), dtype=np.int64))[0])
            found[name] = Estimate(value, None, chance[name], both.per_user[name])
    return Generalised(**found, calibration=calibration, both=both)


def interval(runs: Sequence[Both], figure: str, *, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Return a figure over all people, mean over runs, with its 95 % interval over people.

    The draws are those of ``people_interval``; draws in which nobody has seen, or unseen, windows do not count.

    Args:
        runs: runs (seeds) of one model, on the same people.
        figure: one of ``FIGURES``.
        draws: number of draws of people.
        seed: seed of the draws.

    Raises:
        ValueError: fewer than two people.
    """
    once_1U, times_DU = people_drawn(len(runs[0].users), draws, seed)
    low, high = np.nanpercentile(_over(runs, figure, times_DU), [2.5, 97.5])
    return float(_over(runs, figure, once_1U)[0]), float(low), float(high)


def paired_figures(
    a: Sequence[Both], b: Sequence[Both], figure: str, *, draws: int = 1000, seed: int = 0
) -> Difference:
    """Compare two models on the same people: a figure of ``a`` minus that of ``b``; see ``paired_bootstrap``.

    Args:
        a: runs (seeds) of the first model.
        b: runs of the second model.
        figure: one of ``FIGURES``.
        draws: number of draws of people, the same for both.
        seed: seed of the draws.

    Raises:
        ValueError: there are fewer than two people, or the runs test different people.
    """
    if len({run.users for run in (*a, *b)}) != 1:
        raise ValueError("the runs test different people")
    once_1U, times_DU = people_drawn(len(a[0].users), draws, seed)
    mean, difference_D = (_over(a, figure, times) - _over(b, figure, times) for times in (once_1U, times_DU))
    low, high = np.nanpercentile(difference_D, [2.5, 97.5])
    return Difference(float(mean[0]), float(low), float(high))


def harmonic(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the harmonic mean of shares; 0 where both are 0."""
    sum_D = a + b
    return np.asarray(2 * a * b / np.where(sum_D == 0, 1, sum_D))


def _over(runs: Sequence[Both], figure: str, times_DU: IntArray) -> FloatArray:
    return np.asarray(np.mean([getattr(run, figure)(times_DU) for run in runs], axis=0))


def _mean(value_U: FloatArray, times_DU: IntArray) -> FloatArray:
    """Return the mean over people who have a value, (D,); NaN where nobody has one."""
    known_U = np.isfinite(value_U)
    count_D = times_DU @ known_U
    sum_D = times_DU @ np.where(known_U, value_U, 0.0)
    return np.asarray(np.divide(sum_D, count_D, out=np.full(len(count_D), np.nan), where=count_D > 0))
