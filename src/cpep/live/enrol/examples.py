"""What an enrolment teaches: windows of the part of each take in which the gesture is held."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import window_samples
from cpep.live.book.entries import REST
from cpep.live.enrol.enrolment import Enrolment, Take
from cpep.live.enrol.stream import energies_at, features_at
from cpep.live.runs import ENERGY_S, HOP_S
from cpep.signal.conditioning import conditioned
from cpep.types import BoolArray, FloatArray, IntArray, StrArray

REACTION_S, SETTLE_S = 0.3, 0.2
"""Nobody moves sooner after a prompt; and so long after the first movement the gesture is reached."""
SURELY_S = 0.5
"""So long after a prompt nearly everybody has begun."""
QUIET = 0.95
"""Share of the windows of rest that are as quiet as rest is."""
LEAST_RISE = 0.1
"""A movement is at least so much louder than rest (log of the RMS, mean over channels)."""
LEAST_MOVING = 0.3
"""Share of a take that must be louder than rest; else nothing was made in it."""
LEAST_WINDOWS = 5


@dataclass(frozen=True, eq=False)
class Part:
    """The windows of one take.

    Attributes:
        take: whose they are.
        end_N: last sample of each, from the start of the take's EMG.
        energy_N: of each, as ``StreamStep.energy``.
        x_NF: features of each.
    """

    take: Take
    end_N: IntArray
    energy_N: FloatArray
    x_NF: FloatArray


@dataclass(frozen=True, eq=False)
class Examples:
    """Windows to learn from.

    Attributes:
        x_NF: features.
        name_N: what each shows.
        group_N: number of its take.
        energy_N: of each.
        session_N: of each.
    """

    x_NF: FloatArray
    name_N: StrArray
    group_N: IntArray
    energy_N: FloatArray
    session_N: IntArray


@lru_cache(maxsize=256)
def part_of(take: Take, device: Device) -> Part:
    """Return the windows of a take that lie behind its prompt, on the grid of a stream; each is computed once."""
    clean_TC = conditioned(take.emg_TC, device.conditioning, device.emg_rate)
    hop = max(round(HOP_S * device.emg_rate), 1)
    first = take.lead + round(REACTION_S * device.emg_rate) + window_samples(device)
    end_N = np.arange(first, len(clean_TC) + 1, hop)
    return Part(take, end_N, energies_at(clean_TC, end_N, device.emg_rate), features_at(clean_TC, end_N, device))


def loudness_of_rest(parts: list[Part]) -> float:
    """Return the energy above which a hand moves, by takes of rest; -inf where there is none."""
    energy_N = np.concatenate([np.zeros(0), *(part.energy_N for part in parts if part.take.name == REST)])
    return float(np.quantile(energy_N, QUIET)) + LEAST_RISE if len(energy_N) else -np.inf


def moves(part: Part, loud: float) -> bool:
    """Tell whether a gesture is made in a take: its energy leaves rest."""
    return bool(np.mean(part.energy_N > loud) >= LEAST_MOVING)


def held(part: Part, loud: float, device: Device) -> BoolArray:
    """Tell in which windows (N,) of a take the gesture is held.

    Rest counts as a whole. A gesture counts from when it is reached, ``SETTLE_S`` after the energy leaves rest, until
    the energy is back at rest for good. Where this leaves next to nothing, it counts from ``SURELY_S`` on.

    Args:
        part: of a take.
        loud: see ``loudness_of_rest``.
        device: of the EMG.
    """
    loud_N, begin_N = part.energy_N > loud, part.end_N - window_samples(device)
    if part.take.name == REST:
        return np.ones(len(loud_N), bool)
    surely_N = begin_N >= part.take.lead + round(SURELY_S * device.emg_rate)
    if not loud_N.any():
        return np.asarray(surely_N)
    first, last = np.flatnonzero(loud_N)[[0, -1]]
    reached = part.end_N[first] + round((SETTLE_S - ENERGY_S / 2) * device.emg_rate) if first else 0
    held_N = (begin_N >= reached) & (np.arange(len(loud_N)) <= last)
    return np.asarray(held_N if held_N.sum() >= LEAST_WINDOWS else surely_N)


def examples_of(enrolment: Enrolment) -> Examples:
    """Return the windows of all takes in which gestures are held.

    Args:
        enrolment: with at least one take.
    """
    device = enrolment.device
    parts = [part_of(take, device) for take in enrolment.takes]
    loud = {
        session: loudness_of_rest([part for part in parts if part.take.session == session])
        for session in {take.session for take in enrolment.takes}
    }
    kept = [held(part, loud[part.take.session], device) for part in parts]
    counts = [int(kept_N.sum()) for kept_N in kept]
    return Examples(
        np.concatenate([part.x_NF[kept_N] for part, kept_N in zip(parts, kept, strict=True)]),
        np.repeat([part.take.name for part in parts], counts),
        np.repeat(np.arange(len(parts)), counts),
        np.concatenate([part.energy_N[kept_N] for part, kept_N in zip(parts, kept, strict=True)]),
        np.repeat([part.take.session for part in parts], counts),
    )
