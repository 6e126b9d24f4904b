"""From one embedding after another to gestures: smoothing, rest, rejection, and one event for each gesture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from cpep.live.book.calibration import of_gestures
from cpep.live.book.entries import REST, UNKNOWN
from cpep.live.signals import Event, State, StreamStep
from cpep.types import FloatArray, IntArray, UserError

KEPT = 0.5
"""A told gesture goes on while it is above this share of the threshold, so that its name does not flicker."""


@dataclass(frozen=True)
class Pace:
    """How quickly a recogniser makes up its mind; seconds, and ``idle``.

    Chosen on the validation people of the shipped checkpoint, for energies of bins under causal normalisation.

    Attributes:
        smooth_s: time constant of the average over probabilities.
        start_s: energy is high for so long before the hand counts as moving.
        stop_s: energy is low for so long before it counts as resting.
        settle_s: after the hand began to move, nothing is told for so long: the window still holds too much rest.
        hold_s: a gesture leads for so long before it is told.
        switch_s: the same where another gesture was told since the last rest.
        forget_s: a gap in the stream after which all begins anew.
        idle: energy (see ``StreamStep``) up to which the hand rests.
    """

    smooth_s: float = 0.1
    start_s: float = 0.1
    stop_s: float = 0.3
    settle_s: float = 0.7
    hold_s: float = 0.1
    switch_s: float = 0.5
    forget_s: float = 0.5
    idle: float = -0.55


class Judge(Protocol):
    """What tells the gestures of a window: a gesture book, or an enrolment.

    Attributes:
        names: of its entries, in the order of the probabilities.
        rest: index of the entry of rest, or -1.
        threshold: probability from which a gesture is accepted.
        pace: of a recogniser of its steps; ``None`` for the usual one.
    """

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def rest(self) -> int: ...  # noqa: D102

    @property
    def threshold(self) -> float: ...  # noqa: D102

    @property
    def pace(self) -> Pace | None: ...  # noqa: D102

    def judge(self, x_D: FloatArray) -> tuple[FloatArray, int]:
        """Return probabilities (E + 1,) of each entry and of none, and the index of the nearest vector, or -1."""
        ...

    def pose_at(self, nearest: int) -> FloatArray | None:
        """Return the pose (J,) of a vector, rad; ``None`` where it is of EMG."""
        ...


@runtime_checkable
class AtOnce(Protocol):
    """A judge that tells the gestures of many windows sooner than of one after another."""

    def judge_all(self, x_ND: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return what ``judge`` returns of each window, (N, E + 1) and (N,)."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A judge that learns from the person's movements as they go."""

    def hear(self, moving: bool, settled: bool) -> None:
        """Hear of the window that was judged last.

        Args:
            moving: whether the hand moves.
            settled: whether the hand has moved long enough for the window to hold the movement, and still does.
        """
        ...


class Recogniser:
    """Names what the hand makes at each step, and tells each gesture once.

    The hand moves once the EMG's energy is high, until it is low or the entry ``rest`` is the likeliest.
    Probabilities are averaged over time. A gesture is told once the window holds enough of the movement
    and the gesture's average has been the largest, and above the threshold, for ``hold_s``; and not
    again before rest or another gesture.

    Args:
        known: tells the gestures of a window: a book, or an enrolment.
        pace: how quickly; without it, as ``known`` says.

    Raises:
        UserError: it knows no gesture.
    """

    def __init__(self, known: Judge, pace: Pace | None = None) -> None:
        if not known.names:
            raise UserError("the book is empty; add a gesture first")
        self.known, self.pace = known, pace or known.pace or Pace()
        self._learner = known if isinstance(known, Learner) else None
        self._at_once = known if isinstance(known, AtOnce) and self._learner is None else None
        self._share_E: FloatArray | None = None
        self._time_s, self._leader, self._told = 0.0, -1, -1
        self._begin(0.0)

    def step(self, step: StreamStep) -> State:
        """Take in one embedding, and return the state after it."""
        p_E, nearest = self.known.judge(step.x_D)
        state = self.judge(step.time_s, p_E, step.energy, nearest)
        if self._learner is not None:
            old = step.time_s - self._began_s >= self.pace.settle_s
            self._learner.hear(self._moving, self._moving and old and step.energy > self.pace.idle)
        return state

    def states(self, steps: Sequence[StreamStep]) -> Iterator[State]:
        """Take in embeddings one after another, and yield the state after each."""
        if len(steps) < 2 or self._at_once is None:
            yield from map(self.step, steps)
            return
        p_NE, nearest_N = self._at_once.judge_all(np.stack([step.x_D for step in steps]))
        for step, p_E, nearest in zip(steps, p_NE, nearest_N.tolist(), strict=True):
            yield self.judge(step.time_s, p_E, step.energy, nearest)

    def judge(self, time_s: float, p_E: FloatArray, energy: float, nearest: int) -> State:
        """Take in probabilities (E + 1,) of every entry and of none, energy and nearest vector; return the state."""
        share_E = self._averaged(time_s, p_E)
        rest = self.known.rest
        loud_E = of_gestures(share_E, rest)
        leader = int(loud_E.argmax())
        self._feel(time_s, energy, rest >= 0 and share_E[rest] >= share_E.max())
        if not self._moving:
            sure = share_E[rest] if rest >= 0 else 1 - loud_E[leader]
            return State(time_s, REST, float(sure), share_E[:-1], nearest, None, p_E)
        if loud_E[leader] > self.known.threshold:
            if leader != self._leader:
                self._leader, self._leads_s = leader, time_s
            event = self._tell(time_s, leader, float(loud_E[leader]))
        else:
            self._leader, event = -1, None
        if leader == self._told and loud_E[leader] > KEPT * self.known.threshold:
            return State(time_s, self.known.names[leader], float(loud_E[leader]), share_E[:-1], nearest, event, p_E)
        return State(time_s, UNKNOWN, 1 - float(loud_E[leader]), share_E[:-1], nearest, event, p_E)

    def _feel(self, time_s: float, energy: float, rests: bool) -> None:
        """Decide whether the hand moves: energy shows the beginning; energy and the entry of rest show the end."""
        high = energy > self.pace.idle and not (self._moving and rests)
        if high == self._moving:
            self._since_s = time_s
        elif time_s - self._since_s >= (self.pace.start_s if high else self.pace.stop_s):
            began_s = self._since_s
            self._begin(time_s, moving=high)
            self._began_s = began_s

    def _begin(self, time_s: float, moving: bool = False) -> None:
        self._moving, self._since_s, self._began_s = moving, time_s, time_s
        self._leader, self._leads_s, self._told = -1, time_s, -1

    def _tell(self, time_s: float, leader: int, confidence: float) -> Event | None:
        needed_s = self.pace.hold_s if self._told < 0 else self.pace.switch_s
        early = time_s - self._began_s < self.pace.settle_s or time_s - self._leads_s < needed_s
        if early or self._told == leader:
            return None
        self._told = leader
        return Event(time_s, self.known.names[leader], confidence)

    def _averaged(self, time_s: float, p_E: FloatArray) -> FloatArray:
        passed_s = time_s - self._time_s
        if self._share_E is None or passed_s > self.pace.forget_s or len(self._share_E) != len(p_E):
            self._share_E = p_E.astype(np.float64)
            self._begin(time_s)
        else:
            weight = 1 - np.exp(-passed_s / self.pace.smooth_s)
            self._share_E = self._share_E + weight * (p_E - self._share_E)
        self._time_s = time_s
        return self._share_E
