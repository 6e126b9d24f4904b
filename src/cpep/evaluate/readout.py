"""The read-out of a person's own gestures: discriminant analysis with a calibrated confidence.

One object serves evaluation and live use. It takes features of windows or embeddings, whatever their scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit, log_expit, log_softmax

from cpep.types import FloatArray, IntArray, StrArray, UserError

REST_NAME = "rest"
OVERLAP = 6
"""Windows that share samples: so many count as one where the covariance is shrunk (0.3 s every 0.05 s)."""
LEAST_SHRINKAGE = 1e-3
OUTSIDE_SHARE = 0.2
"""Share of windows that is expected to show none of the names, as far as confidence goes."""
LATER = 0.15
"""Log distance by which another repetition is farther away than the other half of the same one."""
THRESHOLD = 0.5


@dataclass(frozen=True)
class Usual:
    """What development people had of a value: mean and SD over people (docs/results/enrolment.md)."""

    mean: float
    sd: float

    def penalty(self, value: float) -> float:
        """Return the negative log-density of a normal distribution, up to a constant."""
        return 0.5 * ((value - self.mean) / self.sd) ** 2


HEAT, MARGIN, SLOPE = Usual(-2.0, 0.6), Usual(0.3, 0.12), Usual(2.5, 0.25)
"""Of the log of the temperature over the number of features, of the border less the median log distance of windows
of a repetition that was left out, and of the log of the slope."""


@dataclass(frozen=True)
class Checked:
    """What cross-validation says: each repetition of each gesture told by the others.

    Attributes:
        names: in the order of the read-out.
        recall: share of the windows of each name that got it, nan where it has one repetition only.
        taken: for each name the other one that its windows got most often, and their share; "" and 0 where none did.
        accuracy: mean of the recalls that are known.
    """

    names: tuple[str, ...]
    recall: tuple[float, ...]
    taken: tuple[tuple[str, float], ...]
    accuracy: float


@dataclass(frozen=True)
class Confidence:
    """From distances to probabilities.

    The names compete by a softmax of -d²/2 over a temperature. "None of them" is a logistic function of the log
    distance to the nearest name.

    Attributes:
        temperature: of the softmax, ``heat`` times the number of features.
        border: log distance at which "none of them" has a probability of one half; distances are root mean squares
            over the features.
        slope: of the logistic function.
    """

    temperature: float
    border: float
    slope: float

    def shares(self, square_NE: FloatArray, features: int, near_NE: FloatArray | None = None) -> FloatArray:
        """Return the probability of each name and, last, of none, (N, E + 1).

        Args:
            square_NE: squared distances by which the names compete.
            features: F of them.
            near_NE: squared distances by which "none of them" is told; the same where they are not given.
        """
        distance_N = log_distance(square_NE if near_NE is None else near_NE, features)
        none_N1 = expit(self.slope * (distance_N - self.border))[:, None]
        named_NE = np.exp(-0.5 * (square_NE - square_NE.min(axis=1, keepdims=True)) / self.temperature)
        named_NE /= named_NE.sum(axis=1, keepdims=True)
        return np.concatenate([(1 - none_N1) * named_NE, none_N1], axis=1)


def log_distance(square_NE: FloatArray, features: int) -> FloatArray:
    """Return the log root-mean-square distance (N,) to the nearest name."""
    return np.asarray(0.5 * np.log(square_NE.min(axis=1) / features + 1e-12))


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Linear discriminant analysis with a shrunk covariance that all names share.

    Attributes:
        whitening_DF: maps features to a space in which windows about the mean of their name have variance 1;
            those that never vary within a name are left out.
        mean_EF: mean of each name in it.
        features: F, at least 1.
        shrinkage: share of the identity in the covariance.
    """

    whitening_DF: FloatArray
    mean_EF: FloatArray
    features: int
    shrinkage: float

    @classmethod
    def fit(cls, x_ND: FloatArray, target_N: IntArray, shrinkage: float | None = None) -> Discriminant:
        """Fit on windows of names 0 .. E - 1; every name weighs the same, however many windows it has.

        Args:
            x_ND: windows.
            target_N: name of each.
            shrinkage: share of the identity in the covariance; that of Ledoit and Wolf (2004) where none is given.
        """
        count_E = np.bincount(target_N)
        mean_ED = np.stack([x_ND[target_N == e].mean(axis=0) for e in range(len(count_E))])
        weight_N = (len(target_N) / len(count_E) / count_E)[target_N]
        apart_ND = x_ND - mean_ED[target_N]
        sd_D = np.sqrt(weight_N @ apart_ND**2 / len(x_ND))
        varies_D = sd_D > 1e-9 * (1 + np.abs(mean_ED).max(axis=0))
        apart_NF = apart_ND[:, varies_D] / sd_D[varies_D]
        width = apart_NF.shape[1]
        whitening_DF = np.zeros((len(sd_D), width))
        if shrinkage is None:
            from sklearn.covariance import ledoit_wolf_shrinkage  # slow to import, and a stream of poses has no fit

            estimate = ledoit_wolf_shrinkage(apart_NF, True) if width else 1.0
            shrinkage = float(np.clip(OVERLAP * estimate, LEAST_SHRINKAGE, 1))
        if width:
            covariance_FF = (apart_NF * weight_N[:, None]).T @ apart_NF / len(x_ND)
            covariance_FF = (1 - shrinkage) * covariance_FF + shrinkage * np.eye(width)
            lower_FF = np.linalg.cholesky(covariance_FF)
            whitening_FF = solve_triangular(lower_FF, np.eye(width), lower=True, check_finite=False).T
            whitening_DF[varies_D] = whitening_FF / sd_D[varies_D, None]
        return cls(whitening_DF, mean_ED @ whitening_DF, max(width, 1), shrinkage)

    def squares(self, x_ND: FloatArray) -> FloatArray:
        """Return the squared Mahalanobis distance to the mean of each name, (N, E)."""
        z_NF = x_ND @ self.whitening_DF - self.mean_EF[0]  # near zero, where sums of squares are exact
        mean_EF = self.mean_EF - self.mean_EF[0]
        square_NE = np.square(z_NF).sum(axis=1)[:, None] - 2 * z_NF @ mean_EF.T + np.square(mean_EF).sum(axis=1)
        return np.asarray(np.maximum(square_NE, 0.0))


@dataclass(frozen=True, eq=False)
class ReadOut:
    """Tells a person's own gestures. Make it with ``fit``.

    Attributes:
        names: of gestures, and "rest" where it was shown, in the order of the alphabet.
        threshold: probability from which a gesture is accepted.
        checked: what cross-validation says; ``None`` where no name has two repetitions.
        discriminant: distances.
        confidence: probabilities.
    """

    names: tuple[str, ...]
    threshold: float
    checked: Checked | None
    discriminant: Discriminant
    confidence: Confidence

    @classmethod
    def fit(cls, x_ND: FloatArray, name_N: StrArray | Sequence[str], group_N: IntArray | Sequence[int]) -> ReadOut:
        """Fit on the windows that a person showed, and calibrate on them.

        Whole repetitions are left out to calibrate. Where no name has two, halves of repetitions are left out, and
        the distance to a new repetition is put on top. "None of them" learns from gestures that are left out.

        Args:
            x_ND: features or embeddings of windows, finite, in the order of time within each repetition.
            name_N: what each window shows.
            group_N: number of the repetition of each window; a repetition has one name.

        Raises:
            UserError: no windows, a repetition of two names, or windows that are not finite.
        """
        names, target_N, fold_N = _checked_input(x_ND, name_N, group_N)
        x_ND = np.asarray(x_ND, np.float64)
        discriminant = Discriminant.fit(x_ND, target_N)
        repeated = bool((fold_N > 0).any())
        shown_N = fold_N if repeated else _halves(group_N)
        told = _left_out(x_ND, target_N, shown_N, discriminant.shrinkage)
        outside_N = _outside(x_ND, target_N, names, discriminant.shrinkage)
        confidence = _confidence(told, outside_N, discriminant.features, 0.0 if repeated else LATER)
        checked = _check(told, names) if repeated else None
        return cls(names, THRESHOLD, checked, discriminant, confidence)

    def shares(self, x_ND: FloatArray) -> FloatArray:
        """Return the calibrated probability of each name and, last, of none of them, (N, E + 1)."""
        square_NE = self.discriminant.squares(np.asarray(x_ND, np.float64))
        return self.confidence.shares(square_NE, self.discriminant.features)


@dataclass(frozen=True, eq=False)
class _Told:
    """Windows told by a read-out that never met their repetition."""

    square_NE: FloatArray
    target_N: IntArray


def _checked_input(
    x_ND: FloatArray, name_N: StrArray | Sequence[str], group_N: IntArray | Sequence[int]
) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Return names, name of each window, and for each window how many repetitions of its name came before its own."""
    if not len(x_ND):
        raise UserError("there are no windows to learn from; hold each gesture for at least a second")
    if not np.isfinite(x_ND).all():
        raise UserError("windows that are not finite; leave out what was lost")
    found, target_N = np.unique(np.asarray(name_N), return_inverse=True)
    group_N, fold_N = np.asarray(group_N), np.zeros(len(target_N), int)
    seen: dict[int, int] = {}
    for e in range(len(found)):
        for number, group in enumerate(np.unique(group_N[target_N == e]).tolist()):
            if group in seen:
                raise UserError(f"repetition {group} is of both {found[seen[group]]!r} and {found[e]!r}; give it one")
            seen[group] = e
            fold_N[group_N == group] = number
    return tuple(str(name) for name in found), target_N, fold_N


def _halves(group_N: IntArray | Sequence[int]) -> IntArray:
    """Return for each window in which half of its repetition it lies, 0 or 1."""
    half_N = np.zeros(len(group_N), int)
    for group in np.unique(group_N):
        own = np.flatnonzero(np.asarray(group_N) == group)
        half_N[own[(len(own) + 1) // 2 :]] = 1
    return half_N


def _left_out(x_ND: FloatArray, target_N: IntArray, fold_N: IntArray, shrinkage: float) -> _Told:
    """Tell the windows of each fold by the others; a name that lies in one fold alone is not told."""
    entries = int(target_N.max()) + 1
    several_E = np.array([len(np.unique(fold_N[target_N == e])) > 1 for e in range(entries)])
    parts = [_Told(np.zeros((0, entries)), np.zeros(0, int))]
    for fold in np.unique(fold_N):
        asked_N = (fold_N == fold) & several_E[target_N]
        if asked_N.any():
            fitted = Discriminant.fit(x_ND[~asked_N], target_N[~asked_N], shrinkage)
            parts.append(_Told(fitted.squares(x_ND[asked_N]), target_N[asked_N]))
    return _Told(np.concatenate([p.square_NE for p in parts]), np.concatenate([p.target_N for p in parts]))


def _outside(x_ND: FloatArray, target_N: IntArray, names: Sequence[str], shrinkage: float) -> FloatArray:
    """Return the log distance of the windows of each gesture, left out, to the nearest of the other names."""
    parts: list[FloatArray] = [np.zeros(0)]
    for e, name in enumerate(names):
        if name == REST_NAME or len(names) < 2:
            continue
        out_N = target_N == e
        others_N = target_N[~out_N]
        fitted = Discriminant.fit(x_ND[~out_N], others_N - (others_N > e), shrinkage)
        parts.append(log_distance(fitted.squares(x_ND[out_N]), fitted.features))
    return np.concatenate(parts)


def _check(told: _Told, names: tuple[str, ...]) -> Checked:
    counts_EE = np.zeros((len(names), len(names)))
    np.add.at(counts_EE, (told.target_N, told.square_NE.argmin(axis=1)), 1)
    total_E = counts_EE.sum(axis=1)
    share_EE = np.divide(counts_EE, total_E[:, None], out=np.full_like(counts_EE, np.nan), where=total_E[:, None] > 0)
    recall_E = np.diag(share_EE)
    wrong_EE = np.nan_to_num(share_EE - np.diag(recall_E))
    most_E = wrong_EE.argmax(axis=1)
    taken = tuple(
        (names[other], float(wrong_E[other])) if wrong_E[other] > 0 else ("", 0.0)
        for other, wrong_E in zip(most_E.tolist(), wrong_EE, strict=True)
    )
    return Checked(names, tuple(recall_E.tolist()), taken, float(np.nanmean(recall_E)))


def _confidence(told: _Told, outside_N: FloatArray, features: int, later: float) -> Confidence:
    """Fit temperature and "none of them": the most probable values, given what is usual and these windows."""
    from scipy.optimize import minimize, minimize_scalar  # slow to import, as above

    near_N = log_distance(told.square_NE, features) + later if len(told.target_N) else np.zeros(1)
    centre = float(np.median(near_N))
    evidence_NE, rows_N = -0.5 * told.square_NE / features, np.arange(len(told.target_N))
    near_weight, out_weight = _weights(len(near_N), len(outside_N))

    def heat_loss(log_heat: float) -> float:
        log_NE = log_softmax(evidence_NE / np.exp(log_heat), axis=1)
        return HEAT.penalty(log_heat) - float(log_NE[rows_N, told.target_N].sum()) / OVERLAP

    def none_loss(value: FloatArray) -> float:
        margin, slope = float(value[0]), float(np.exp(value[1]))
        right = log_expit(slope * (centre + margin - near_N)).sum() * near_weight
        right += log_expit(slope * (outside_N - centre - margin)).sum() * out_weight
        return MARGIN.penalty(margin) + SLOPE.penalty(float(value[1])) - float(right)

    log_heat = float(minimize_scalar(heat_loss, bounds=(-6.0, 6.0), method="bounded").x)
    margin, log_slope = minimize(none_loss, np.array([MARGIN.mean, SLOPE.mean]), method="Nelder-Mead").x
    return Confidence(features * float(np.exp(log_heat)), centre + float(margin), float(np.exp(log_slope)))


def _weights(inside: int, outside: int) -> tuple[float, float]:
    """Return the weight of a window that shows a name and of one that shows none, whose share is then the usual."""
    if not outside:
        return 1 / OVERLAP, 0.0
    total = (inside + outside) / OVERLAP
    return (1 - OUTSIDE_SHARE) * total / inside, OUTSIDE_SHARE * total / outside
