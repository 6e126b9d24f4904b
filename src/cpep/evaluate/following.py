"""Adaptation to a person from the first movement on, without labels and from the past alone.

What ``person`` finds in a whole recording, found in a stream: each movement that has ended is kept as one vector, and
expectation maximisation over the movements so far finds the person's means of gestures, by which the next windows are
told. What cannot go wrong for long: a movement counts once, by its first seconds, however long it is held; the names
stay those of the prior; the answer without adaptation keeps its weight until several different movements were made.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from cpep.evaluate.person import Prior, adapted_means, halves_of, scores
from cpep.types import FloatArray, IntArray

MOST = 200
"""Movements that are kept; of more, the oldest of the commonest kind goes."""
HALVES = 5
"""Random halves of the movements that answers are averaged over; ``person.HALVES`` of a whole recording."""
ALIKE = 1.0
"""Two movements are of one kind if their squared distance, mean over the dimensions of the space, is smaller. The
variance of one person's windows of one gesture is 1 there."""
EACH = 3
"""Of each kind so many movements count."""
FIRST, PULL = 1.5, 2.5
"""For each name: so many movements that count change no answer; then the answer without adaptation weighs as much as
so many."""


class Following:
    """Tells windows one after the other and learns from each movement when it has ended.

    Args:
        prior: of the person's means of gestures.
        least: windows without which a movement does not count.
        held: windows of a movement that count, its first ones.
    """

    def __init__(self, prior: Prior, least: int, held: int) -> None:
        self.prior, self.least, self.held = prior, least, held
        self._sum_F: FloatArray
        self._sum_K: FloatArray
        self._count: int
        self.forget()

    def forget(self) -> None:
        """Forget the person: begin anew."""
        names, features = self.prior.mean_KF.shape
        self._movement_EF: FloatArray = np.zeros((0, features))
        self._evidence_EK: FloatArray = np.zeros((0, names))
        self._kind_E: IntArray = np.zeros(0, int)
        self._mean_HKF: FloatArray = np.zeros((0, names, features))
        self._end()

    @property
    def movements(self) -> int:
        """Number of movements that are kept."""
        return len(self._kind_E)

    @property
    def kinds(self) -> int:
        """Number of different movements among them."""
        return len(np.unique(self._kind_E))

    @property
    def weight(self) -> float:
        """Weight of the adapted answer, from 0 to 1; the rest is that of the answer without adaptation."""
        count_K = np.unique(self._kind_E, return_counts=True)[1]
        names = len(self.prior.mean_KF)
        count = max(float(np.minimum(count_K, EACH).sum()) - FIRST * names, 0.0)
        return count / (count + PULL * names)

    def shares(self, z_F: FloatArray, evidence_K: FloatArray) -> FloatArray:
        """Return the probability of each gesture (K,) for a window, from the movements so far.

        Args:
            z_F: the window in a ``GestureSpace``.
            evidence_K: log-likelihood of each gesture without adaptation.
        """
        own_K = softmax(evidence_K)
        if not len(self._mean_HKF):
            return np.asarray(own_K)
        adapted_HK = softmax([scores(z_F[None], mean_KF)[0] + evidence_K for mean_KF in self._mean_HKF], axis=1)
        return np.asarray((1 - self.weight) * own_K + self.weight * adapted_HK.mean(axis=0))

    def hear(self, z_F: FloatArray, evidence_K: FloatArray, moving: bool, settled: bool) -> None:
        """Take in a window after it was told.

        Args:
            z_F: the window in a ``GestureSpace``.
            evidence_K: log-likelihood of each gesture without adaptation.
            moving: whether the hand moves; where it does not, the movement has ended.
            settled: whether the window holds the movement, and not its beginning.
        """
        if moving and settled and self._count < self.held:
            self._sum_F, self._sum_K = self._sum_F + z_F, self._sum_K + evidence_K
            self._count += 1
        elif not moving and self._count:
            if self._count >= self.least:
                self._learn(self._sum_F / self._count, self._sum_K / self._count)
            self._end()

    def _end(self) -> None:
        names, features = self.prior.mean_KF.shape
        self._sum_F, self._sum_K, self._count = np.zeros(features), np.zeros(names), 0

    def _learn(self, movement_F: FloatArray, evidence_K: FloatArray) -> None:
        kind = self._kind_of(movement_F)
        self._movement_EF = np.concatenate([self._movement_EF, movement_F[None]])
        self._evidence_EK = np.concatenate([self._evidence_EK, evidence_K[None]])
        self._kind_E = np.append(self._kind_E, kind)
        if len(self._kind_E) > MOST:
            left = np.arange(len(self._kind_E)) != np.argmax(self._kind_E == np.bincount(self._kind_E).argmax())
            self._movement_EF, self._evidence_EK = self._movement_EF[left], self._evidence_EK[left]
            self._kind_E = self._kind_E[left]
        self._mean_HKF = means_of_halves(self._movement_EF, self.prior, self._evidence_EK)

    def _kind_of(self, movement_F: FloatArray) -> int:
        """Return the number of the nearest kind, or a new number where none is near."""
        kinds = np.unique(self._kind_E)
        if not len(kinds):
            return 0
        centre_KF = np.stack([self._movement_EF[self._kind_E == kind].mean(axis=0) for kind in kinds])
        away_K = np.square(centre_KF - movement_F).mean(axis=1)
        return int(kinds[away_K.argmin()]) if away_K.min() < ALIKE else int(kinds.max()) + 1


def means_of_halves(movement_EF: FloatArray, prior: Prior, evidence_EK: FloatArray, seed: int = 0) -> FloatArray:
    """Return the person's means (halves, K, F) by each of ``HALVES`` random halves of the movements."""
    half_HE = halves_of(len(movement_EF), HALVES, seed)
    return adapted_means(movement_EF[half_HE], prior, evidence_EK[half_HE])
