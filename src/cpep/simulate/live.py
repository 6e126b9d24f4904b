"""One simulated hand that goes on for ever, and makes what it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from cpep.simulate.gestures import EXTRA, FREE, GESTURES, SEEN, UNSEEN, VOCABULARY, Gesture
from cpep.simulate.kinematics import Trajectory, make_following, make_sequence
from cpep.simulate.record import Session, enact, measure, wear
from cpep.simulate.script import Script
from cpep.simulate.variability import Variability, generator
from cpep.types import FloatArray, IntArray

USER = "live"
"""No cohort has a user of this name, so that no model was trained on this person."""
REST = 4.0
"""Rests are so many times longer than in a cohort: a recogniser, and a person who watches, sees each rest."""
GESTURES_PER_TAKE = 4
"""With its rests, a take lasts about 20 s."""
OTHERS = 4
"""Unseen gestures and extras that come with the eight seen ones: most gestures are in the shipped book."""
STILL_S = 10.0


@dataclass(frozen=True, eq=False)
class LiveTake:
    """A stretch of a live stream that begins and ends at rest.

    Attributes:
        emg_TC: what the band delivers, float32.
        label_S: what the hand does, at 100 Hz, index into ``names``.
        names: of the labels.
        pose_SJ: true angles of the 22 joints, at 100 Hz, rad.
    """

    emg_TC: FloatArray
    label_S: IntArray
    names: tuple[str, ...]
    pose_SJ: FloatArray

    @property
    def samples_per_label(self) -> int:
        """EMG samples that share a label."""
        return len(self.emg_TC) // len(self.label_S)


def live_wearing(seed: int) -> Session:
    """Return the person of a seed, who wears the band on the right arm."""
    return wear(seed, USER, f"{USER}_s0", "right", Variability(rest=REST))


def live_takes(session: Session) -> Iterator[LiveTake]:
    """Yield takes without end.

    Every seen gesture is made before one is made again, and with them ``OTHERS`` of the others in turn.
    """
    rng, deck, others = generator(session.person.seed, "deck", session.person.user), list[str](), list[str]()
    for number in count():
        while len(deck) < GESTURES_PER_TAKE:
            if len(others) < OTHERS:
                others += [str(name) for name in rng.permutation([*UNSEEN, *EXTRA])]
            deck += [str(name) for name in rng.permutation([*SEEN, *others[:OTHERS]])]
            others = others[OTHERS:]
        names, deck = deck[:GESTURES_PER_TAKE], deck[GESTURES_PER_TAKE:]
        yield _take(session, "live", number, [(name, GESTURES[name]) for name in names], VOCABULARY)


def wished_take(session: Session, number: int, name: str, gesture: Gesture, hold_s: float | None = None) -> LiveTake:
    """Return a take of one gesture.

    Args:
        session: who, and how the band sits.
        number: counts the wishes; each is another execution.
        name: what the labels call it.
        gesture: one of ``GESTURES``, or free.
        hold_s: how long it is held; as it happens where it is not given.
    """
    names = tuple(name if label == gesture.label else label for label in VOCABULARY)
    habits = FREE if gesture.label == FREE else name
    return _take(session, "wish", number, [(habits, gesture)], names, hold_s)


def still_take(session: Session, number: int) -> LiveTake:
    """Return a take of nothing but rest; ``number`` counts them."""
    return _take(session, "still", number, [], VOCABULARY, STILL_S)


def _take(
    session: Session,
    stage: str,
    number: int,
    gestures: Sequence[tuple[str, Gesture]],
    names: tuple[str, ...],
    hold_s: float | None = None,
) -> LiveTake:
    return _enacted(session, stage, number, lambda rng: make_sequence(session.person, gestures, rng, hold_s), names)


def following_take(session: Session, number: int, script: Script, lag_s: float = 0.0) -> LiveTake:
    """Return a take of a person who does what a script shows.

    Args:
        session: who, and how the band sits.
        number: counts the takes; each is another execution.
        script: what is shown.
        lag_s: how much later the person is, on average.
    """
    return _enacted(
        session, "follow", number, lambda rng: make_following(session.person, script, lag_s, rng), script.names
    )


def _enacted(
    session: Session,
    stage: str,
    number: int,
    move: Callable[[np.random.Generator], Trajectory],
    names: tuple[str, ...],
) -> LiveTake:
    done = enact(session, stage, number, move)
    emg_TC = measure(session, stage, number, done)
    return LiveTake(emg_TC, done.trajectory.label_S, names, done.trajectory.pose_SJ)
