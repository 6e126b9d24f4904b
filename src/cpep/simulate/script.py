"""A script: which pose a hand is to have at which time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cpep.hand.muscles import REST_J
from cpep.simulate.gestures import Gesture
from cpep.simulate.variability import minimum_jerk
from cpep.types import FloatArray, IntArray

REST_NAME = "rest"
AT_REST = Gesture(REST_NAME, REST_J, np.zeros(22))


@dataclass(frozen=True, eq=False)
class Step:
    """One gesture, or rest, of a script; it lasts until the next one begins.

    Attributes:
        name: what is made.
        gesture: its pose, and the effort of holding it; no motion.
        begin_s: when the hand starts to move to it, seconds of the script.
        move_s: how long that takes.
    """

    name: str
    gesture: Gesture
    begin_s: float
    move_s: float


@dataclass(frozen=True, eq=False)
class Script:
    """Steps one after another, with smooth moves between.

    Attributes:
        steps: in order, the first at 0; the hand is in its pose from the start.
        seconds: length.
    """

    steps: tuple[Step, ...]
    seconds: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all steps, each once: rest, then in order."""
        return tuple(dict.fromkeys((REST_NAME, *(step.name for step in self.steps))))

    def step_at(self, t_s: float) -> Step:
        """Return the step at a time."""
        return self.steps[int(self._index(np.array([t_s]))[0])]

    def labels_at(self, t_N: FloatArray) -> IntArray:
        """Return what is to be made at times (N,), s: index into ``names``."""
        names = self.names
        return np.array([names.index(step.name) for step in self.steps], np.int16)[self._index(t_N)]

    def poses_at(self, t_N: FloatArray) -> FloatArray:
        """Return the poses (N, 22), rad, at times (N,), s; the hand holds still before and after."""
        return self._between(t_N, np.array([step.gesture.pose_J for step in self.steps]))

    def efforts_at(self, t_N: FloatArray) -> FloatArray:
        """Return the efforts (N, 22), Nm, at times (N,), s; they come when half of a move is done."""
        return self._between(t_N, np.array([step.gesture.effort_J for step in self.steps]), 0.5, 0.8)

    def own(self, gestures: tuple[Gesture, ...]) -> Script:
        """Return the script with other gestures in its steps."""
        steps = (replace(step, gesture=gesture) for step, gesture in zip(self.steps, gestures, strict=True))
        return Script(tuple(steps), self.seconds)

    @cached_property
    def _begin_K(self) -> FloatArray:
        return np.array([step.begin_s for step in self.steps])

    def _index(self, t_N: FloatArray) -> IntArray:
        return np.maximum(np.searchsorted(self._begin_K, t_N, side="right") - 1, 0)

    def _between(self, t_N: FloatArray, value_KJ: FloatArray, later: float = 0.0, share: float = 1.0) -> FloatArray:
        """Return values (N, J) that go from that of each step to that of the next, within a share of the move."""
        index_N = self._index(t_N)
        move_N = np.array([step.move_s for step in self.steps])[index_N]
        course_N = minimum_jerk(((t_N - self._begin_K[index_N]) / move_N - later) / share)
        before_NJ = value_KJ[np.maximum(index_N - 1, 0)]
        between_NJ: FloatArray = before_NJ + (value_KJ[index_N] - before_NJ) * course_N[:, None]
        return between_NJ
