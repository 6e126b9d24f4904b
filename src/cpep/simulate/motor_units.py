"""Pools of motor units: at which force each is recruited, and when it fires (Fuglevand et al. 1993)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cpep.hand.muscles import FORCE_A
from cpep.simulate.anatomy import BAND_V
from cpep.simulate.person import Person
from cpep.simulate.variability import CONTROL_RATE, generator
from cpep.types import FloatArray, IntArray

UNITS = 48
"""Motor units of a muscle: fewer than there are, enough for the interference pattern at the skin."""
RECRUITMENT_RANGE, TWITCH_RANGE = 60.0, 100.0
LAST_RECRUITED = 0.65
"""Excitation at which the last unit joins: about 80 % of the maximal force."""
RATE_GAIN = 60.0
"""Firing rate per excitation, Hz."""
INTERVAL_CV = 0.18
SHORTEST_INTERVAL = 0.35
"""Of the mean interval."""
SILENT_DRIVE = 0.0015
"""Drive below which no unit of a muscle fires."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Motor units of all seen muscles of a person, N = V x UNITS, ordered by muscle, then by threshold.

    Attributes:
        muscle_N: index into the seen muscles.
        threshold_N: excitation at recruitment.
        slowest_N: firing rate at recruitment, Hz.
        fastest_N: highest firing rate, Hz.
        amplitude_N: electrical size.
    """

    muscle_N: IntArray
    threshold_N: FloatArray
    slowest_N: FloatArray
    fastest_N: FloatArray
    amplitude_N: FloatArray


def draw_pool(person: Person) -> Pool:
    """Return the motor units that a person has."""
    rng, muscles = generator(person.seed, "pool", person.user), len(BAND_V)
    muscle_N = np.repeat(np.arange(muscles), UNITS)
    rank_N = np.tile(_ranks(), muscles)
    twitch_N = TWITCH_RANGE ** (rank_N - 1)
    bulk_N = (FORCE_A[BAND_V][muscle_N] / 150) ** 0.6 * person.forearm.size_V[muscle_N]
    return Pool(
        muscle_N,
        _thresholds(rank_N),
        8 + 1.2 * rng.standard_normal(len(rank_N)),
        38 - 14 * rank_N + 2 * rng.standard_normal(len(rank_N)),
        twitch_N**0.95 * bulk_N / UNITS,
    )


def _ranks() -> FloatArray:
    return (np.arange(UNITS) + 0.5) / UNITS


def _thresholds(rank_N: FloatArray) -> FloatArray:
    thresholds: FloatArray = LAST_RECRUITED * RECRUITMENT_RANGE ** (rank_N - 1)
    return thresholds


@cache
def force_curve() -> tuple[FloatArray, FloatArray]:
    """Return steady force (0..1) of a mean pool, and the excitation that makes it."""
    rank_N, excitation = _ranks(), np.linspace(0, 1.05, 600)
    threshold_N, over_EN = _thresholds(rank_N), excitation[:, None]
    rate_EN = np.where(
        over_EN > threshold_N, np.minimum(8 + RATE_GAIN * (over_EN - threshold_N), 38 - 14 * rank_N), 0
    )
    peak_N = TWITCH_RANGE**rank_N
    stimulus_EN = rate_EN * 0.09 * peak_N ** (-1 / 4.2)  # rate times contraction time
    share_EN = np.where(stimulus_EN < 0.4, 0.2998 * stimulus_EN, 1 - np.exp(-2 * stimulus_EN**3))
    force_E = (peak_N * share_EN).sum(axis=1)
    return force_E / force_E[-1], excitation


def excitation(drive: FloatArray) -> FloatArray:
    """Return the excitation of a pool whose steady force is ``drive`` (0..1), any shape."""
    force, excitation = force_curve()
    wanted: FloatArray = np.interp(np.maximum(drive - SILENT_DRIVE, 0), force, excitation)
    return wanted


def fire(pool: Pool, drive_SV: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Return the time (s) and the unit of every discharge, units in ascending order.

    Each unit fires by a renewal process in its own operational time, the integral of its rate: intervals of
    mean 1 and ``INTERVAL_CV``, mapped back to seconds.
    """
    frames, muscles = drive_SV.shape
    clock, phase_S = np.arange(frames + 1) / CONTROL_RATE, np.zeros(frames + 1)
    times: list[FloatArray] = []
    counts = np.zeros(len(pool.muscle_N), int)
    for muscle in range(muscles):
        excitation_S = excitation(drive_SV[:, muscle])
        most = excitation_S.max()
        for unit in range(muscle * UNITS, (muscle + 1) * UNITS):  # one at a time: its frames stay in the cache
            if most <= pool.threshold_N[unit]:
                break  # units are ordered by threshold
            above_S = excitation_S - pool.threshold_N[unit]
            rate_S = np.minimum(pool.slowest_N[unit] + RATE_GAIN * above_S, pool.fastest_N[unit])
            rate_S *= above_S > 0
            np.cumsum(rate_S, out=phase_S[1:])
            phase_S[1:] /= CONTROL_RATE
            total = phase_S[-1]
            intervals = 1 + INTERVAL_CV * rng.standard_normal(int(1.05 * total + 12))
            due = np.cumsum(np.maximum(intervals, SHORTEST_INTERVAL)) - rng.random()
            due = due[due.searchsorted(0, "right") : due.searchsorted(total)]
            times.append(np.interp(due, phase_S, clock))
            counts[unit] = len(due)
    return np.concatenate([*times, np.zeros(0)]), np.repeat(np.arange(len(counts)), counts)
