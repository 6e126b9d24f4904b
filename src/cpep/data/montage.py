"""Whether the channels of a session lie as in other sessions: swapped plugs, a mirrored or turned band.

Nobody can know it from the signal for sure. It is said only where channels in another order fit plainly better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cpep.data.marks import Mark
from cpep.data.recording import Recording
from cpep.signal.measures import strength
from cpep.types import FloatArray, IntArray

FEWEST_GESTURES, FEWEST_CHANNELS, FEWEST_OTHERS = 4, 6, 3

AGREES, GAIN, MARGIN = 0.8, 0.15, 0.1
"""Another order is told where it agrees with the others so well, so much better than the given order, so much better
than the next best order of its kind, and where it leaves at most half of the disagreement."""

Pattern = Mapping[str, FloatArray]
"""Mean log strength of each channel (C,) by gesture."""


def pattern_of(recording: Recording) -> dict[str, FloatArray]:
    """Return the pattern of one recording, with rest; gestures shorter than half a second are left out."""
    rate = recording.device.emg_rate
    strength_KC = strength(recording.emg_TC, rate, recording.device.emg_kind)
    block = max(round(0.25 * rate), 1)
    label_K = recording.label_T[: len(strength_KC) * block : block][: len(strength_KC)]
    log_KC = np.log(np.maximum(strength_KC, 1e-12))[: len(label_K)]
    found = {}
    for label in np.unique(label_K[label_K >= 0]).tolist():
        mine_K = label_K == label
        if mine_K.sum() >= 2:
            found[recording.vocabulary[label]] = log_KC[mine_K].mean(axis=0)
    return found


def mean_pattern(patterns: Sequence[Pattern]) -> dict[str, FloatArray]:
    """Return the mean of some patterns, gesture by gesture."""
    names = dict.fromkeys(name for pattern in patterns for name in pattern)
    return {name: np.mean([pattern[name] for pattern in patterns if name in pattern], axis=0) for name in names}


def misplaced(own: Pattern, others: Sequence[Pattern], ring: tuple[int, ...]) -> Mark | None:
    """Return a mark where another order of the channels agrees plainly better with the others.

    Args:
        own: pattern of a session.
        others: patterns of other sessions: of the same person, or of other people.
        ring: channels that form a ring, in order; empty where none do. Only a ring can be mirrored or turned.
    """
    reference = mean_pattern(others)
    shared = sorted(set(own) & set(reference))
    if len(shared) < FEWEST_GESTURES or len(others) < FEWEST_OTHERS:
        return None
    own_KC, other_KC = (_centred(np.stack([pattern[name] for name in shared])) for pattern in (own, reference))
    count = own_KC.shape[1]
    if count < FEWEST_CHANNELS or not other_KC.any():
        return None
    alike_CC = own_KC.T @ other_KC / max(float(np.linalg.norm(own_KC) * np.linalg.norm(other_KC)), 1e-30)
    before = float(np.trace(alike_CC))
    after, order = _best(alike_CC, _swaps(count), before)
    mark = None
    if after:
        moved = tuple(int(c) for c in np.flatnonzero(order != np.arange(count)))
        mark = Mark("swapped", moved, before, after)
    if len(ring) >= FEWEST_CHANNELS:
        turned, order = _best(alike_CC, _turns(count, ring), before)
        if turned > after:
            at = ring.index(int(order[ring[0]]))
            if order[ring[1]] == ring[(at + 1) % len(ring)]:
                turn = at if at <= len(ring) // 2 else at - len(ring)
                return Mark("turned_ring", (), before, turned, detail=f"{turn:+d}")
            return Mark("mirrored", (), before, turned)
    return mark


def _best(alike_CC: FloatArray, orders: Sequence[IntArray], before: float) -> tuple[float, IntArray]:
    """Return how well the best order agrees, 0 where it is not plainly better than the given one; and that order."""
    agree = np.array([alike_CC[order, np.arange(len(order))].sum() for order in orders])
    first, second = np.argsort(-agree)[:2]
    plain = agree[first] >= AGREES and agree[first] - before >= GAIN and agree[first] - agree[second] >= MARGIN
    halves = 1 - agree[first] <= 0.5 * (1 - before)
    return (float(agree[first]) if plain and halves else 0.0), orders[first]


def _centred(pattern_KC: FloatArray) -> FloatArray:
    """Take each channel's mean over gestures away, so that only what gestures change is left; then each gesture's."""
    level_KC = pattern_KC - pattern_KC.mean(axis=0)
    return np.asarray(level_KC - level_KC.mean(axis=1, keepdims=True))


def _swaps(count: int) -> list[IntArray]:
    orders: list[IntArray] = []
    for i in range(count):
        for j in range(i + 1, count):
            order = np.arange(count)
            order[[i, j]] = j, i
            orders.append(order)
    return orders


def _turns(count: int, ring: tuple[int, ...]) -> list[IntArray]:
    """Return all orders of a turned ring, and of a turned and mirrored one, but the order as it is."""
    orders: list[IntArray] = []
    for sign in (1, -1):
        for turn in range(len(ring)):
            order = np.arange(count)
            order[list(ring)] = [ring[(turn + sign * k) % len(ring)] for k in range(len(ring))]
            if (sign, turn) != (1, 0):
                orders.append(order)
    return orders
