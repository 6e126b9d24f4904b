"""Adaptation to a new person without labels, from training people and from the person's own movements.

People make a gesture in different ways, but each person repeats it alike. Both are modelled by normal distributions,
as in the two-covariance model of speaker recognition (Brummer and de Villiers 2010): a person's mean of a gesture is
distributed about the mean of that gesture over people, and the person's windows about the person's mean. Expectation
maximisation finds the means of a new person from movements without labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.types import EmbeddingSet, FloatArray, IntArray, StrArray

SHRINKAGE = 0.3
"""Share of the identity in a covariance."""
DIMENSIONS = 64
"""Dimensions of a ``GestureSpace``; fewer where fewer exist."""
TEMPERATURE = 2.0
"""Log-likelihoods are divided by this, since dimensions are less independent than the model assumes."""
ROUNDS = 20
"""Rounds of expectation maximisation."""
EVEN_ROUNDS = 30
"""Rounds in which counts of gestures are made equal, each by half of what is missing."""
HALVES = 20
"""How many random halves of the movements answers are averaged over."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Distribution of a new person's means of gestures, before anything is known of the person.

    Attributes:
        mean_KF: mean over people, for each gesture.
        variance_F: variance of a person's mean about it: the same for every gesture, (F,), or one for each, (K, F).
    """

    mean_KF: FloatArray
    variance_F: FloatArray


class GestureSpace:
    """Directions in which one person's gestures differ, scaled so that windows of one gesture have variance 1.

    The directions that separate the gestures of one person best are kept. They are rotated so that people's means of
    a gesture are uncorrelated.

    Args:
        movements: one vector of each movement of training people, labelled.
        windows: windows of the same people and gestures; movements are too few to estimate the scatter of a gesture.

    Attributes:
        variance_F: variance of people's means of a gesture, from a shrunk covariance.
    """

    def __init__(self, movements: EmbeddingSet, windows: EmbeddingSet) -> None:
        x_ED = movements.x_ND.astype(np.float64)
        self._centre_D, self._scale_D = x_ED.mean(axis=0), x_ED.std(axis=0) + 1e-6
        movements, windows = (
            data.with_x((data.x_ND - self._centre_D) / self._scale_D) for data in (movements, windows)
        )
        means = class_means(movements)
        same_ND = apart(windows.x_ND, numbered(windows.user_N, windows.label_N))
        whitening_DD = np.linalg.cholesky(np.linalg.inv(shrunk(same_ND)))
        person_U = numbered(means.user_N)
        apart_UD = apart(means.x_ND, person_U) @ whitening_DD
        count = min(DIMENSIONS, max(1, len(means) - len(np.unique(person_U))))
        best_DF = np.linalg.eigh(apart_UD.T @ apart_UD)[1][:, ::-1][:, :count]
        apart_UF = apart(means.x_ND, numbered(means.label_N)) @ whitening_DD @ best_DF
        self.variance_F, rotation_FF = np.linalg.eigh(shrunk(apart_UF))
        self._projection_DF = whitening_DD @ best_DF @ rotation_FF

    @property
    def dimensions(self) -> int:
        """Number of directions."""
        return len(self.variance_F)

    def __call__(self, x_ND: FloatArray) -> FloatArray:
        """Return vectors in this space, (N, F)."""
        return np.asarray((x_ND - self._centre_D) / self._scale_D @ self._projection_DF)

    def prior(self, movements: EmbeddingSet) -> Prior:
        """Return the prior of the gestures of movements, in ascending order of their labels."""
        means = class_means(movements.with_x(self(movements.x_ND)))
        labels = np.unique(means.label_N)
        return Prior(np.stack([means.x_ND[means.label_N == label].mean(axis=0) for label in labels]), self.variance_F)


def class_means(movements: EmbeddingSet) -> EmbeddingSet:
    """Return one vector for every gesture of every person: the mean of its movements."""
    group_E = numbered(movements.user_N, movements.label_N)
    first = np.unique(group_E, return_index=True)[1]
    return movements.select(first).with_x(grouped_means(movements.x_ND, group_E))


def grouped_means(x_ND: FloatArray, group_N: IntArray) -> FloatArray:
    """Return the mean vector of every group, (groups, D); groups are numbered from 0."""
    sum_GD = np.zeros((int(group_N.max(initial=-1)) + 1, x_ND.shape[1]))
    np.add.at(sum_GD, group_N, x_ND)
    return np.asarray(sum_GD / np.bincount(group_N, minlength=len(sum_GD))[:, None])


def shrunk(deviation_ND: FloatArray) -> FloatArray:
    """Return the covariance of deviations, shrunk by ``SHRINKAGE`` towards the identity times the mean variance."""
    covariance_DD = deviation_ND.T @ deviation_ND / len(deviation_ND)
    identity_DD = np.eye(len(covariance_DD)) * (float(np.trace(covariance_DD)) / len(covariance_DD) or 1.0)
    return np.asarray((1 - SHRINKAGE) * covariance_DD + SHRINKAGE * identity_DD)


def apart(x_ND: FloatArray, group_N: IntArray) -> FloatArray:
    """Return vectors less the mean of their group."""
    return np.asarray(x_ND - grouped_means(x_ND, group_N)[group_N])


def numbered(*columns: StrArray | IntArray | FloatArray) -> IntArray:
    """Return a group number (N,) for each row, from 0; rows that are equal in all columns have the same number."""
    codes = np.stack([np.unique(column, return_inverse=True)[1] for column in columns])
    return np.asarray(np.unique(codes, axis=1, return_inverse=True)[1].reshape(-1))


def personal_shares(
    z_NF: FloatArray,
    movement_EF: FloatArray,
    prior: Prior,
    evidence: tuple[FloatArray, FloatArray] | None = None,
    seed: int = 0,
    even: bool = False,
    halves: int = HALVES,
) -> FloatArray:
    """Return the probability of each gesture for each window of a person, (N, K), mean over halves of the movements.

    A few movements can decide which cluster gets which name; the mean over halves depends less on them.

    Args:
        z_NF: windows in a ``GestureSpace``.
        movement_EF: the person's movements in it; without movements, the prior alone decides.
        prior: prior of the means.
        evidence: further log-likelihoods (from poses), (N, K) of windows and (E, K) of movements.
        seed: seed of the halves.
        even: see ``adapted_means``.
        halves: over so many random halves of the movements answers are averaged.
    """
    of_window, of_movement = evidence or (np.zeros((len(z_NF), 1)), np.zeros((len(movement_EF), 1)))
    if not len(movement_EF):
        return np.asarray(shares_of(scores(z_NF, prior.mean_KF, 1 + prior.variance_F) + of_window))
    half_HE, total_NK = halves_of(len(movement_EF), halves, seed), np.zeros((len(z_NF), len(prior.mean_KF)))
    for mean_KF in adapted_means(movement_EF[half_HE], prior, of_movement[half_HE], even):
        total_NK += shares_of(scores(z_NF, mean_KF) + of_window)
    return total_NK / halves


def halves_of(count: int, halves: int, seed: int = 0) -> IntArray:
    """Return the numbers of the movements in each random half of ``count`` movements, (halves, E)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(count)[: -(-count // 2)] for _ in range(halves)])


def adapted_means(
    z_HEF: FloatArray, prior: Prior, evidence_HEK: FloatArray | float = 0.0, even: bool = False
) -> FloatArray:
    """Return a person's means of gestures, (..., K, F), by expectation maximisation over movements.

    Args:
        z_HEF: the person's movements in a ``GestureSpace``, (..., E, F): one set of them, or several at once.
        prior: prior of the means.
        evidence_HEK: further log-likelihood of each gesture for each movement (from poses).
        even: whether all gestures are taken to be made equally often; see ``evened``.
    """
    score_HEK = scores(z_HEF, prior.mean_KF, 1 + prior.variance_F) + evidence_HEK
    for _ in range(ROUNDS):
        share_HEK = shares_of(evened(score_HEK) if even else score_HEK)
        # posterior mean of a normal mean with prior variance v, given n movements of variance 1:
        # (prior mean + v sum) / (1 + v n)
        sum_HKF, count_HK1 = share_HEK.swapaxes(-1, -2) @ z_HEF, share_HEK.sum(axis=-2)[..., None]
        mean_HKF = (prior.mean_KF + prior.variance_F * sum_HKF) / (1 + prior.variance_F * count_HK1)
        score_HEK = scores(z_HEF, mean_HKF) + evidence_HEK
    return np.asarray(mean_HKF)


def shares_of(score_NK: FloatArray) -> FloatArray:
    """Return the softmax of log-likelihoods; scipy's is slow for the many small arrays here."""
    likely_NK = relative(score_NK)
    return np.asarray(likely_NK / likely_NK.sum(axis=-1, keepdims=True))


def relative(score_NK: FloatArray) -> FloatArray:
    """Return likelihoods over the largest of their row."""
    return np.asarray(np.exp(score_NK - score_NK.max(axis=-1, keepdims=True)))


def evened(score_HEK: FloatArray) -> FloatArray:
    """Return log-likelihoods plus a constant for each gesture, so that expected counts of gestures are about equal.

    Sinkhorn's iteration on the columns alone, with weights in place of constants. Half a movement is added to each
    count, so that no weight runs away where there are fewer movements than gestures.

    Args:
        score_HEK: log-likelihoods, (..., E, K).
    """
    likely_HEK = relative(score_HEK)
    likely_HKE = np.ascontiguousarray(likely_HEK.swapaxes(-1, -2))
    weight_HK1 = np.ones((*likely_HKE.shape[:-1], 1))
    for _ in range(EVEN_ROUNDS):
        count_HK1 = weight_HK1 * (likely_HKE @ (1 / (likely_HEK @ weight_HK1))) + 0.5
        weight_HK1 *= np.sqrt(count_HK1.mean(axis=-2, keepdims=True) / count_HK1)
    return np.asarray(score_HEK + np.log(weight_HK1).swapaxes(-1, -2))


def scores(z_NF: FloatArray, mean_KF: FloatArray, variance_F: FloatArray | float = 1.0) -> FloatArray:
    """Return log-likelihoods of every gesture for every vector over ``TEMPERATURE``, up to a constant, (N, K).

    Args:
        z_NF: vectors, (..., N, F).
        mean_KF: mean of every gesture, (..., K, F).
        variance_F: variance of vectors about it: the same for every gesture, or one for each, (K, F).
    """
    if np.ndim(variance_F) > 1:
        weight_KF = 1 / np.asarray(variance_F)
        square_NK = z_NF**2 @ weight_KF.T - 2 * z_NF @ (weight_KF * mean_KF).T
        square_NK += (weight_KF * mean_KF**2 - np.log(weight_KF)).sum(axis=1)
    else:
        z_NF, mean_KF = z_NF / np.sqrt(variance_F), mean_KF / np.sqrt(variance_F)
        square_NK = (z_NF**2).sum(axis=-1)[..., None] - 2 * z_NF @ mean_KF.swapaxes(-1, -2)
        square_NK += (mean_KF**2).sum(axis=-1)[..., None, :]
    return np.asarray(-0.5 * square_NK / TEMPERATURE)
