"""Follow the hand: a script of poses at a pace that a person can follow, so that a bare band gives pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from cpep.hand.joints import JOINTS
from cpep.hand.muscles import REST_J
from cpep.simulate.freeform import free_form
from cpep.simulate.gestures import FREE, GESTURES, SEEN, Gesture, extend, grip
from cpep.simulate.script import AT_REST, REST_NAME, Script, Step
from cpep.types import FloatArray, UserError

LEAD_S = 2.0
"""Rest before the first gesture and after the last one."""
MOVE_S, MOVE_S_PER_RAD, LONGEST_MOVE_S = 0.35, 0.15, 0.7
"""A move takes so long, and longer by so much for the joint that turns most, but no longer."""
HOLD_S, REST_S = (1.2, 2.0), (0.8, 1.4)
"""A gesture, and a rest, are held so long, uniform."""
RESTS = 0.7
"""Share of gestures after which the hand returns to rest; after the others it goes on to the next one."""


def _bent(**angles: float) -> FloatArray:
    """Return the pose (22,) of a relaxed hand but for some joints."""
    pose_J = REST_J.copy()
    for joint, angle in angles.items():
        pose_J[JOINTS.index(joint)] = angle
    return pose_J


def _finger(name: str) -> FloatArray:
    return _bent(**{f"{name}_MCP_FE": 1.15, f"{name}_PIP_FE": 1.45, f"{name}_DIP_FE": 0.8})


MOVES: dict[str, Gesture] = {
    move.label: move
    for move in (
        Gesture(
            "thumb_flex",
            _bent(THUMB_CMC_FE=0.65, THUMB_CMC_AA=-0.35, THUMB_MCP_FE=0.7, THUMB_IP_FE=0.8),
            0.7 * grip(0.3, 0, 0, 0, 0),
        ),
        Gesture(
            "thumb_out",
            _bent(THUMB_CMC_FE=-0.45, THUMB_CMC_AA=0.4, THUMB_MCP_FE=0.0, THUMB_IP_FE=-0.1),
            np.zeros(22),
        ),
        Gesture("index_flex", _finger("INDEX"), grip(0, 0.3, 0, 0, 0)),
        Gesture("middle_flex", _finger("MIDDLE"), grip(0, 0, 0.3, 0, 0)),
        Gesture("ring_flex", _finger("RING"), grip(0, 0, 0, 0.3, 0)),
        Gesture("pinky_flex", _finger("PINKY"), grip(0, 0, 0, 0, 0.3)),
        Gesture(
            "fingers_apart",
            _bent(
                INDEX_MCP_AA=0.28, MIDDLE_MCP_AA=0.1, RING_MCP_AA=-0.2, PINKY_MCP_AA=-0.4,
                INDEX_MCP_FE=0.1, MIDDLE_MCP_FE=0.1, RING_MCP_FE=0.1, PINKY_MCP_FE=0.1,
            ),
            extend(0.5, 0.5, 0.5, 0.5),
        ),
        Gesture(
            "fingers_together",
            _bent(
                INDEX_MCP_AA=-0.1, MIDDLE_MCP_AA=-0.05, RING_MCP_AA=0.08, PINKY_MCP_AA=0.12,
                INDEX_MCP_FE=0.1, MIDDLE_MCP_FE=0.1, RING_MCP_FE=0.1, PINKY_MCP_FE=0.1,
            ),
            extend(0.5, 0.5, 0.5, 0.5),
        ),
    )
}  # fmt: skip
"""Moves of single fingers, which no gesture has by themselves."""

FOLLOWED = (*(n for n, it in GESTURES.items() if not it.motion and not n.startswith("wrist")), *MOVES, FREE)
"""What a script may hold: gestures that are held still and need no wrist, moves of single fingers, free poses."""

USUAL = (*SEEN, *MOVES, FREE, FREE, FREE)
"""The gestures of a script unless others are asked for: no gesture is in it that evaluation keeps unseen."""


class FollowScript:
    """Poses over time for a person to follow; the same seed gives the same script.

    Every gesture comes by once before one comes again. ``free`` is another pose each time, never one of the unseen
    gestures.

    Args:
        seconds: length; it begins and ends at rest.
        seed: of the order, the durations and the free poses.
        gestures: names from ``FOLLOWED``; one that stands there twice comes twice as often.

    Raises:
        UserError: a gesture that cannot be followed, or too short a script for one.
    """

    def __init__(self, seconds: float, seed: int = 0, gestures: Sequence[str] = USUAL) -> None:
        unknown = sorted(set(gestures) - set(FOLLOWED))
        if unknown or not gestures:
            asked = ", ".join(unknown) or "nothing"
            raise UserError(f"the drawn hand cannot show {asked}; choose from {', '.join(FOLLOWED)}")
        self.seconds, self.seed = float(seconds), seed
        self.script = _script(self.seconds, np.random.default_rng([seed, 18]), tuple(gestures))
        if len(self.script.steps) == 1:
            raise UserError(f"follow the hand for {seconds:g} s: no gesture fits in; give 10 s or more")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it shows, each once, ``rest`` first."""
        return self.script.names

    def pose_at(self, t_s: float) -> FloatArray:
        """Return the angles of ``JOINTS`` (20,), rad, at a time; at rest before the start and after the end."""
        pose_J: FloatArray = self.poses_at(np.array([t_s]))[0]
        return pose_J

    def poses_at(self, t_N: FloatArray) -> FloatArray:
        """Return the angles of ``JOINTS`` (N, 20), rad, at times (N,), s."""
        return self.script.poses_at(t_N)[:, : len(JOINTS)]

    def label_at(self, t_s: float) -> str:
        """Return what is shown at a time: a gesture from the start of the way to it to that of the way back."""
        return self.script.step_at(t_s).name

    def step_at(self, t_s: float) -> Step:
        """Return what is shown at a time, with when it began."""
        return self.script.step_at(t_s)


def _script(seconds: float, rng: np.random.Generator, gestures: tuple[str, ...]) -> Script:
    steps, t_s = [Step(REST_NAME, AT_REST, 0.0, MOVE_S)], LEAD_S
    deck: list[str] = []
    while True:
        deck = deck or [str(name) for name in rng.permutation(gestures)]
        name = deck.pop()
        gesture = free_form(rng) if name == FREE else MOVES.get(name) or GESTURES[name]
        there = _step(name, gesture, t_s, steps[-1])
        until_s = t_s + there.move_s + rng.uniform(*HOLD_S)
        back = _step(REST_NAME, AT_REST, until_s, there)
        if until_s + back.move_s + LEAD_S > seconds:
            break
        steps.append(there)
        t_s = until_s
        if rng.random() < RESTS:
            steps.append(back)
            t_s = until_s + back.move_s + rng.uniform(*REST_S)
    if steps[-1].name != REST_NAME:
        steps.append(_step(REST_NAME, AT_REST, t_s, steps[-1]))
    return Script(tuple(steps), seconds)


def _step(name: str, gesture: Gesture, begin_s: float, before: Step) -> Step:
    turn = float(np.abs(gesture.pose_J - before.gesture.pose_J)[: len(JOINTS)].max())
    return Step(name, gesture, begin_s, min(MOVE_S + MOVE_S_PER_RAD * turn, LONGEST_MOVE_S))
