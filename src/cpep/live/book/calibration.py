"""How sure a gesture book may be: a probability for each entry, and for none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.types import FloatArray, IntArray, StrArray

NEIGHBOURS = 10
OUTSIDE_SHARE = 0.1
"""Share of windows that is expected to be in no entry in use; in the background it is much larger."""
FEWEST = 20
"""Two entries are compared if each has at least so many windows."""

SMALLEST = 1e-3
COLD_AND_HOT = -7.0, 3.0
"""Bounds of the logarithm of a temperature."""

OUTSIDE = -1
"""Target of a window that shows what is in no entry."""


@dataclass(frozen=True)
class Calibration:
    """From similarities to probabilities: softmax of (similarity, unknown) over temperature.

    ``fit`` finds the values. The defaults serve where there are no windows to fit on: they are for cosines, and close
    to what is fitted on simulated people.

    Attributes:
        temperature: of the softmax.
        unknown: similarity that "none of them" competes with.
        threshold: probability from which a gesture is accepted.
        false_alarms: share of the windows outside the book, of people not trained on, that are accepted by this
            threshold; nan where no such windows are known.
        accepted: share of the windows of the book's gestures, of the same people, that are accepted.
    """

    temperature: float = 0.04
    unknown: float = 0.15
    threshold: float = 0.5
    false_alarms: float = float("nan")
    accepted: float = float("nan")

    def probabilities(self, similarity_NE: FloatArray) -> FloatArray:
        """Return the probability of every entry, and in the last column of none, (N, E + 1)."""
        return softmax(with_unknown(similarity_NE, self.unknown) / self.temperature)


def cosines(x_ND: FloatArray, vector_GD: FloatArray) -> FloatArray:
    """Return cosines (N, G) of unit vectors; of Q vectors a window (N, Q, D), the nearest one counts."""
    cosine = x_ND @ vector_GD.T
    return np.asarray(cosine if cosine.ndim == 2 else cosine.max(axis=1))


def by_entry(cosine_NG: FloatArray, entry_G: IntArray, entries: int, left_out: int = 0) -> FloatArray:
    """Return the mean cosine to the ``NEIGHBOURS`` nearest vectors of each entry, (N, E).

    Each entry has neighbours of its own, so that an entry of many vectors does not outvote one of few.

    Args:
        cosine_NG: to every vector of the gallery.
        entry_G: entry of each, sorted.
        entries: how many there are.
        left_out: vectors of each entry that do not count: 1 if the windows are the gallery's own, whose cosine
            to themselves is -1.
    """
    out_NE = np.full((len(cosine_NG), entries), -1.0, np.float32)
    edges = np.searchsorted(entry_G, np.arange(entries + 1))
    for entry in range(entries):
        own_NG = cosine_NG[:, edges[entry] : edges[entry + 1]]
        k = min(NEIGHBOURS, own_NG.shape[1] - left_out)
        if k > 0:
            sorted_NG = own_NG.copy()
            sorted_NG.partition(own_NG.shape[1] - k, axis=1)
            out_NE[:, entry] = np.add.reduce(sorted_NG[:, -k:], axis=1) / np.float32(k)
    return out_NE


def among_themselves(vector_GD: FloatArray, entry_G: IntArray, entries: int) -> FloatArray:
    """Return ``by_entry`` of the gallery's own vectors, each left out of its own neighbours."""
    parts = [np.zeros((0, entries), np.float32)]
    for entry in range(entries):  # one after the other: all against all would be large
        own = np.flatnonzero(entry_G == entry)
        cosine_NG = cosines(vector_GD[own], vector_GD)
        cosine_NG[np.arange(len(own)), own] = -1
        parts.append(by_entry(cosine_NG, entry_G, entries, left_out=1))
    return np.concatenate(parts)


def with_unknown(similarity_NE: FloatArray, unknown: float) -> FloatArray:
    """Append the similarity of "none of them"."""
    return np.column_stack([similarity_NE, np.full(len(similarity_NE), unknown)])


def softmax(x_NE: FloatArray) -> FloatArray:
    """Return the softmax of each row."""
    e_NE = np.exp(x_NE - x_NE.max(axis=1, keepdims=True))
    return np.asarray(e_NE / e_NE.sum(axis=1, keepdims=True))


def usual(near_NE: FloatArray, rest: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and SD (E,) of ``by_entry`` over windows in which hands move.

    Some entries are near to most EMG, others far from it. Relative to the mean and SD of each, an entry of one pose
    set by hand can be compared with one of hundreds of recorded poses. No label is needed.

    Args:
        near_NE: of EMG windows of people on whom nothing was trained.
        rest: entry of rest, whose windows do not count; -1 for none.
    """
    moving_N = near_NE.argmax(axis=1) != rest
    kept_NE = near_NE[moving_N] if moving_N.sum() > 1 else near_NE
    return kept_NE.mean(axis=0), np.maximum(kept_NE.std(axis=0), SMALLEST)


def shown(near_NE: FloatArray, own_GE: FloatArray, entry_G: IntArray) -> IntArray:
    """Return the entry (N,) that the pose of each window shows, or ``OUTSIDE``.

    A pose shows the nearest entry if it is at least as near as the border of the entry: 95 % of the entry's own
    vectors are nearer to the other vectors of the entry than the border. The vectors of an entry that has few are far
    from each other, so its border is at least the median border of the other entries.

    Args:
        near_NE: ``by_entry`` of the poses.
        own_GE: ``among_themselves`` of the gallery.
        entry_G: entry of each vector of the gallery.
    """
    border_E = np.array([np.quantile(own_GE[entry_G == entry, entry], 0.05) for entry in range(near_NE.shape[1])])
    few_E = np.bincount(entry_G, minlength=len(border_E)) <= NEIGHBOURS
    if few_E.any() and not few_E.all():
        border_E[few_E] = np.maximum(border_E[few_E], np.median(border_E[~few_E]))
    best_N = near_NE.argmax(axis=1)
    return np.where(near_NE[np.arange(len(near_NE)), best_N] >= border_E[best_N], best_N, OUTSIDE)


def named(name_N: StrArray, names: Sequence[str]) -> IntArray:
    """Return the entry (N,) of each name, or ``OUTSIDE``."""
    place = {name: index for index, name in enumerate(names)}
    return np.array([place.get(name, OUTSIDE) for name in name_N.tolist()])


def told_right(similarity_NE: FloatArray, target_N: IntArray, a: int, b: int) -> float:
    """Return the mean share of two entries' windows that are more similar to their own; 1 where they are few."""
    shares = [
        float((similarity_NE[target_N == one, one] > similarity_NE[target_N == one, other]).mean())
        for one, other in ((a, b), (b, a))
        if (target_N == one).sum() >= FEWEST
    ]
    return float(np.mean(shares)) if len(shares) == 2 else 1.0


def fit(similarity_NE: FloatArray, target_N: IntArray, rest: int, false_alarms: float) -> Calibration:
    """Fit temperature and unknown by maximum likelihood, and the threshold by the rate of false alarms.

    Args:
        similarity_NE: of windows of people on whom nothing was trained.
        target_N: entry that each shows, or ``OUTSIDE``.
        rest: entry that never raises an alarm; -1 for none.
        false_alarms: share of the windows outside the book that may be accepted; where none are known, the
            threshold is 0 and only rest is kept from being told.
    """
    from scipy.optimize import minimize  # half a second, which who opens a checkpoint need not wait for

    target_N = np.where(target_N == OUTSIDE, similarity_NE.shape[1], target_N)
    rows_N = np.arange(len(target_N))
    outside_N = target_N == similarity_NE.shape[1]
    share = max(float(outside_N.mean()), 1e-9)
    weight_N = np.where(outside_N, OUTSIDE_SHARE / share, (1 - OUTSIDE_SHARE) / max(1 - share, 1e-9))

    def loss(x: FloatArray) -> float:
        p_NE = softmax(with_unknown(similarity_NE, x[1]) / np.exp(np.clip(x[0], *COLD_AND_HOT)))
        return -float((weight_N * np.log(np.maximum(p_NE[rows_N, target_N], 1e-12))).mean())

    top_N = similarity_NE.max(axis=1)
    start = np.array([np.log(max(float(top_N.std()), 1e-3)), float(np.median(top_N))])
    log_temperature, unknown = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 200}).x
    temperature = float(np.exp(np.clip(log_temperature, *COLD_AND_HOT)))
    p_NE = softmax(with_unknown(similarity_NE, float(unknown)) / temperature)
    inside_N = ~outside_N & (target_N != rest)
    top_N = alarm(p_NE, rest)
    threshold = float(np.quantile(top_N[outside_N], 1 - false_alarms)) if outside_N.any() else 0.0
    return Calibration(
        temperature=temperature,
        unknown=float(unknown),
        threshold=threshold,
        false_alarms=float((top_N[outside_N] > threshold).mean()) if outside_N.any() else float("nan"),
        accepted=float((top_N[inside_N] > threshold).mean()) if inside_N.any() else float("nan"),
    )


def alarm(p_NE: FloatArray, rest: int) -> FloatArray:
    """Return the largest probability of a gesture, (N,); 0 where rest (its index, -1 for none) is likeliest."""
    return np.asarray(np.where(p_NE[:, :-1].argmax(axis=1) == rest, 0, of_gestures(p_NE, rest).max(axis=1)))


def of_gestures(p_XE: FloatArray, rest: int) -> FloatArray:
    """Return the probabilities of the entries (..., E), with 0 for rest (its index, -1 for none)."""
    loud_XE = p_XE[..., :-1].copy()
    if rest >= 0:
        loud_XE[..., rest] = 0
    return np.asarray(loud_XE)
