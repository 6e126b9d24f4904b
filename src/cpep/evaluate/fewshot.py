"""Few-shot: a new person shows each gesture once or a few times, with labels, and is recognised from then on.

Protocols ``few_shot_k`` and ``few_shot_rep`` of docs/results/tables.md: each person alone, among all gestures; mean
over five random choices of the windows that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from cpep.evaluate.metrics import balanced_accuracy, described, indexed
from cpep.types import BoolArray, EmbeddingSet, FloatArray, IntArray

SHOTS: tuple[int | None, ...] = (1, 2, 5, None)
"""Windows of a gesture that are shown; ``None`` for all windows of one repetition."""
DRAWS = 5
_AT_ONCE = 2**15
"""Windows whose vectors are in float64 at once."""
SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the identity in the covariance that are tried."""


def repetitions_of(data: EmbeddingSet, hop_s: float) -> IntArray:
    """Number the repetitions of gestures: windows of one label that follow each other in one recording.

    Args:
        data: labelled windows.
        hop_s: hop of the windows, seconds.

    Returns:
        The number of each window's repetition, from 0.
    """
    recording_N = indexed(data.recording_N)[1]
    order_N = np.lexsort((data.time_N, recording_N))
    label, recording, time = (column[order_N] for column in (data.label_N, recording_N, data.time_N))
    begins = (label[1:] != label[:-1]) | (recording[1:] != recording[:-1]) | (np.diff(time) > 1.5 * hop_s)
    repetition_N = np.empty(len(data), dtype=np.int64)
    repetition_N[order_N] = np.concatenate([[0], np.cumsum(begins)])
    return repetition_N


def distinct(data: EmbeddingSet) -> int:
    """Return how many different windows there are."""
    recording_N = indexed(data.recording_N)[1]
    order_N = np.lexsort((data.time_N, recording_N))
    return 1 + int(((np.diff(recording_N[order_N]) != 0) | (np.diff(data.time_N[order_N]) != 0)).sum())


def draw(
    label_N: IntArray, repetition_N: IntArray, shots: int | None, rng: np.random.Generator
) -> tuple[BoolArray, BoolArray]:
    """Draw the windows of one person that are shown; return masks of the windows that are shown, and asked.

    The shown windows come from different repetitions where there are enough; one repetition is always left to ask. No
    window is asked from a repetition that has a shown window. A gesture with one repetition takes no part.

    Args:
        label_N: labels of the person's windows.
        repetition_N: see ``repetitions_of``.
        shots: windows of each gesture; ``None`` for a whole repetition.
        rng: random generator.
    """
    shown_N, asked_N = np.zeros((2, len(label_N)), dtype=bool)
    for label in np.unique(label_N):
        mine = label_N == label
        repetitions = rng.permutation(np.unique(repetition_N[mine]))
        if len(repetitions) < 2:
            continue
        used = repetitions[: min(shots or 1, len(repetitions) - 1)]
        asked_N |= mine & ~np.isin(repetition_N, used)
        if shots is None:
            shown_N |= mine & (repetition_N == used[0])
            continue
        for index, repetition in enumerate(used):
            of_it = np.flatnonzero(mine & (repetition_N == repetition))
            count = len(range(index, shots, len(used)))  # in turn over the repetitions
            shown_N[rng.choice(of_it, min(count, len(of_it)), replace=False)] = True
    return shown_N, asked_N


class Shots(Protocol):
    """A classifier that labels a person's windows after some of them were shown."""

    def predict(self, shown: EmbeddingSet, x_ND: FloatArray) -> IntArray:
        """Return labels (N,) for vectors of the person who showed windows."""


def scatter(train: EmbeddingSet) -> FloatArray:
    """Return the covariance (D, D) of windows about the mean of their gesture and person, float64."""
    person_N, (names_K, class_N) = indexed(train.user_N)[1], np.unique(train.label_N, return_inverse=True)
    group_N = person_N * len(names_K) + class_N
    sum_GD = np.zeros((int(group_N.max()) + 1, train.x_ND.shape[1]))
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(train), _AT_ONCE)]
    for part in parts:
        own = group_N[part]
        of_group = csr_array((np.ones(len(own)), (own, np.arange(len(own)))), shape=(len(sum_GD), len(own)))
        sum_GD += of_group @ train.x_ND[part].astype(np.float64)
    mean_GD = sum_GD / np.maximum(np.bincount(group_N), 1)[:, None]
    total_DD = np.zeros((train.x_ND.shape[1],) * 2)
    for part in parts:
        rest_ND = train.x_ND[part] - mean_GD[group_N[part]]
        total_DD += rest_ND.T @ rest_ND
    return total_DD / len(train)


class ShotClassifier:
    """Discriminant analysis with the covariance of training people and the means of the shown windows.

    The scatter of one person's windows of one gesture is similar for all people, and one window cannot tell it.

    Args:
        shrinkage: share of the identity in the covariance, which is scaled to a mean variance of 1.
    """

    def __init__(self, shrinkage: float) -> None:
        self.shrinkage = shrinkage

    def fit(self, train: EmbeddingSet) -> Self:
        """Take the covariance of windows about the mean of their gesture and person."""
        return self.take(scatter(train))

    def take(self, covariance_DD: FloatArray) -> Self:
        """Take a covariance, see ``scatter``."""
        scale = float(np.trace(covariance_DD)) / len(covariance_DD) or 1.0  # 0 where each gesture has one window
        covariance_DD = (1 - self.shrinkage) * covariance_DD / scale + self.shrinkage * np.eye(len(covariance_DD))
        self._whitening_DD = np.linalg.cholesky(np.linalg.inv(covariance_DD))
        return self

    def predict(self, shown: EmbeddingSet, x_ND: FloatArray) -> IntArray:
        """Return the label of the nearest mean of shown windows, for each vector."""
        labels = np.unique(shown.label_N)
        mean_KD = np.stack([shown.x_ND[shown.label_N == label].mean(axis=0) for label in labels]) @ self._whitening_DD
        return np.asarray(labels[cdist(x_ND @ self._whitening_DD, mean_KD).argmin(axis=1)])


def answers(
    classifier: Shots, data: EmbeddingSet, hop_s: float, shots: int | None, seed: int
) -> tuple[EmbeddingSet, IntArray]:
    """Ask the windows that people did not show, ``DRAWS`` times; return these windows and the answers.

    A person who showed a single gesture is not asked. The windows come back without their vectors.

    Args:
        classifier: fitted on other people.
        data: labelled windows of the people.
        hop_s: hop of the windows, seconds.
        shots: see ``draw``.
        seed: seed of the random choices.
    """
    repetition_N = repetitions_of(data, hop_s)
    asked, predicted = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=data.label_N.dtype)]
    names_U, person_N = indexed(data.user_N)
    for person in range(len(names_U)):
        mine_N = np.flatnonzero(person_N == person)
        own = data.select(mine_N)
        for number in range(DRAWS):
            rng = np.random.default_rng([seed, number])
            shown_N, asked_N = draw(own.label_N, repetition_N[mine_N], shots, rng)
            if len(np.unique(own.label_N[shown_N])) > 1:
                asked.append(mine_N[asked_N])
                predicted.append(classifier.predict(own.select(shown_N), own.x_ND[asked_N]))
    return described(data).select(np.concatenate(asked)), np.concatenate(predicted)


def choose_classifier(
    train: EmbeddingSet, validation: EmbeddingSet, hop_s: float, seed: int, shrinkages: Sequence[float] = SHRINKAGES
) -> ShotClassifier:
    """Return the classifier with the shrinkage that is best for validation people, who show one repetition.

    Args:
        train: labelled windows of training people, of seen gestures.
        validation: labelled windows of other people, of seen gestures.
        hop_s: hop of the windows, seconds.
        seed: seed of the random choices.
        shrinkages: shrinkages to try.
    """
    train.refuse_shared(validation)
    covariance_DD = scatter(train)

    def accuracy(shrinkage: float) -> float:
        asked, predicted = answers(ShotClassifier(shrinkage).take(covariance_DD), validation, hop_s, None, seed)
        return balanced_accuracy(asked.label_N, predicted) if len(asked) else 0.0

    best = max(sorted(shrinkages, reverse=True), key=accuracy)
    return ShotClassifier(best).take(covariance_DD)
