"""Simulated people as arrays in memory, for examples that should run at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.data.window_facts import one_label
from cpep.hand.joints import JOINTS
from cpep.simulate.gestures import GESTURES, SEEN, VOCABULARY
from cpep.simulate.kinematics import Trajectory, make_sequence
from cpep.simulate.record import enact, measure, wear
from cpep.simulate.variability import CONTROL_RATE, Variability
from cpep.types import UNKNOWN, FloatArray, StrArray, UserError

GESTURE_S = 3.7
"""A gesture and the rest after it last about so long."""


class People(NamedTuple):
    """Labelled windows of several people.

    Attributes:
        X: EMG (windows, channels, samples), float32, 16 channels at 2000 samples per second.
        y: name of the gesture that each window shows throughout, or ``rest``.
        groups: name of the person of each window.
        pose: joint angles (windows, joints, frames) at 100 frames per second, rad; joints as ``cpep.hand.JOINTS``.
    """

    X: FloatArray
    y: StrArray
    groups: StrArray
    pose: FloatArray


def people(
    users: int = 4,
    minutes: float = 1.0,
    seed: int = 0,
    *,
    gestures: Sequence[str] = SEEN,
    window_s: float = 1.0,
    hop_s: float = 0.25,
) -> People:
    """Simulate people with a wristband who make gestures, and return windows of what the band delivers.

    No checkpoint was trained on any of these people. Each person wears the band once and makes all gestures in turn,
    with rests between. Windows during which the label changes are left out.

    Args:
        users: number of people.
        minutes: of each person, about; at least one round of the gestures.
        seed: of all random numbers; another seed gives other people.
        gestures: names from ``cpep.simulate.GESTURES``.
        window_s: length of a window, seconds.
        hop_s: time from the start of one window to the start of the next, seconds.

    Raises:
        UserError: a number is too small, or there is no gesture of a name.
    """
    if users < 1 or window_s < 0.1 or hop_s < 0.01 or not gestures:
        raise UserError(
            "give at least one user and one gesture, windows of 0.1 s or more, and a hop of 0.01 s or more"
        )
    if unknown := sorted(set(gestures) - set(GESTURES)):
        raise UserError(f"no gesture {unknown[0]!r}; there are {', '.join(GESTURES)}")
    rounds = max(1, round(minutes * 60 / GESTURE_S / len(gestures)))
    parts = [_person(f"person_{user}", seed, rounds, gestures, window_s, hop_s) for user in range(users)]
    return People(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _person(user: str, seed: int, rounds: int, gestures: Sequence[str], window_s: float, hop_s: float) -> People:
    session = wear(seed, user, f"{user}_s0", "right", Variability())

    def move(rng: np.random.Generator) -> Trajectory:
        names = [str(name) for _ in range(rounds) for name in rng.permutation(list(gestures))]
        return make_sequence(session.person, [(name, GESTURES[name]) for name in names], rng)

    done = enact(session, "arrays", 0, move)
    emg_TC, label_S = measure(session, "arrays", 0, done), done.trajectory.label_S
    frames, hop = round(window_s * CONTROL_RATE), round(hop_s * CONTROL_RATE)
    first_N = np.arange(0, len(label_S) - frames + 1, hop)
    label_N = one_label(label_S, first_N, frames)
    held_N, per_frame = first_N[label_N != UNKNOWN], round(SAMPLE_RATE / CONTROL_RATE)
    return People(
        np.stack([emg_TC[first * per_frame : (first + frames) * per_frame].T for first in held_N]),
        np.array(VOCABULARY)[label_N[label_N != UNKNOWN]],
        np.full(len(held_N), user),
        np.stack([done.trajectory.pose_SJ[first : first + frames, : len(JOINTS)].T for first in held_N]).astype(
            np.float32
        ),
    )
