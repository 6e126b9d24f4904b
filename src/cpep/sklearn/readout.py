"""The linear read-out of embeddings; it is as sure of an answer as it was right on people left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cpep.evaluate.probe import LinearProbe
from cpep.types import BoolArray, FloatArray, IntArray, StrArray

FOLDS = 5
"""Most parts of the windows that are told by the others."""
HOTTEST = 4.0
"""Largest logarithm of a temperature. The smallest is 0: a few windows that are all told right prove no certainty."""


@dataclass(frozen=True, eq=False)
class ReadOut:
    """A linear probe whose logarithms of probabilities are divided by a temperature.

    Attributes:
        probe: fitted on all windows.
        temperature: the one of the least cross-entropy on windows of people left out (Guo et al. 2017); of one
            person, on blocks of time left out. It changes no answer, only how sure it is.
    """

    probe: LinearProbe
    temperature: float

    @classmethod
    def fit(cls, x_ND: FloatArray, target_N: IntArray, group_N: StrArray, strength: float) -> ReadOut:
        """Fit on labelled vectors.

        Args:
            x_ND: vectors.
            target_N: number of the class of each, from 0 without a gap.
            group_N: person of each.
            strength: see ``LinearProbe``.
        """
        return cls(LinearProbe(strength).fit(x_ND, target_N), _temperature(x_ND, target_N, group_N, strength))

    def log_shares(self, x_ND: FloatArray) -> FloatArray:
        """Return the logarithm of the probability of each class, (N, K)."""
        return np.asarray(log_softmax(self.probe.log_shares(x_ND) / self.temperature, axis=1))


def _temperature(x_ND: FloatArray, target_N: IntArray, group_N: StrArray, strength: float) -> float:
    told = []
    for out_N in left_out(target_N, group_N):
        known = np.unique(target_N[~out_N])
        asked_N = out_N & np.isin(target_N, known)
        if len(known) > 1 and asked_N.any():
            log_NK = LinearProbe(strength).fit(x_ND[~out_N], target_N[~out_N]).log_shares(x_ND[asked_N])
            told.append((log_NK, np.searchsorted(known, target_N[asked_N])))
    if not told:
        return 1.0

    def loss(log_temperature: float) -> float:
        scale = np.exp(log_temperature)
        parts = [log_softmax(log_NK / scale, axis=1)[np.arange(len(right)), right] for log_NK, right in told]
        return -float(np.concatenate(parts).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(0.0, HOTTEST), method="bounded").x))


def left_out(target_N: IntArray, group_N: StrArray) -> Iterator[BoolArray]:
    """Yield which windows to leave out, (N,): some people, or of one person a block of time of each class."""
    people = np.unique(group_N)
    folds = min(FOLDS, len(people))
    if folds > 1:
        for fold in range(folds):
            yield np.isin(group_N, people[fold::folds])
        return
    part_N = np.zeros(len(target_N), int)
    for target in np.unique(target_N):
        own = np.flatnonzero(target_N == target)
        part_N[own] = np.arange(len(own)) * FOLDS // len(own)
    for fold in range(FOLDS):
        yield part_N == fold
