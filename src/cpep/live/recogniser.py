"""From one embedding after another to gestures: smoothing, rest, rejection, and one event for each gesture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.live.book import REST, UNKNOWN, GestureBook
from cpep.live.signals import Event, Hop, State
from cpep.types import FloatArray, UserError


@dataclass(frozen=True)
class Pace:
    """How quickly a recogniser makes up its mind.

    Attributes:
        smooth_s: time constant of the average over probabilities.
        settle_s: this long after rest nothing is told: the window still holds more rest than gesture.
        hold_s: a gesture leads for so long before it is told.
        switch_s: the same where another gesture was told before and there was no rest.
        forget_s: a gap in the stream after which the average begins anew.
    """

    smooth_s: float = 0.15
    settle_s: float = 0.5
    hold_s: float = 0.1
    switch_s: float = 0.5
    forget_s: float = 0.5


class Recogniser:
    """Names what the hand makes at each hop, and tells each gesture once.

    Probabilities of the book are averaged over time. The hand rests where rest is the likeliest of all; otherwise a
    gesture is told once its average has been above the book's threshold, and ahead of all other gestures, for
    ``hold_s``. It is not told again before rest or another gesture.

    Args:
        book: of gestures; with an entry called ``rest`` if the hand is ever to rest.
        pace: how quickly.

    Raises:
        UserError: the book is empty.
    """

    def __init__(self, book: GestureBook, pace: Pace | None = None) -> None:
        if not book.entries:
            raise UserError("the book is empty; add a gesture first")
        self.book, self.pace = book, pace or Pace()
        self._share_E: FloatArray | None = None
        self._time_s = 0.0
        self._rested_s = float("-inf")
        self._leader, self._leads_s = -1, 0.0
        self._told = -1

    def step(self, hop: Hop) -> State:
        """Take in one embedding, and return what it says."""
        p_E, nearest = self.book.judge(hop.x_D)
        return self.judge(hop.time_s, p_E, nearest)

    def judge(self, time_s: float, p_E: FloatArray, nearest: int) -> State:
        """Take in the probabilities of a hop: of every entry, and of none."""
        share_E = self._averaged(time_s, p_E)
        rest = self.book.rest
        loud_E = share_E[:-1].copy()
        loud_E[rest : rest + 1 if rest >= 0 else 0] = -1
        leader = int(loud_E.argmax())
        if rest >= 0 and share_E[rest] >= share_E.max():
            self._rested_s, self._leader, self._told = time_s, -1, -1
            return State(time_s, REST, float(share_E[rest]), share_E[:-1], nearest, None)
        if loud_E[leader] <= self.book.calibration.threshold:
            self._leader = -1
            return State(time_s, UNKNOWN, float(share_E[-1]), share_E[:-1], nearest, None)
        if leader != self._leader:
            self._leader, self._leads_s = leader, time_s
        event = self._tell(time_s, leader, float(loud_E[leader]))
        name = self.book.names[leader] if self._told == leader else UNKNOWN
        return State(time_s, name, float(loud_E[leader]), share_E[:-1], nearest, event)

    def _tell(self, time_s: float, leader: int, confidence: float) -> Event | None:
        needed_s = self.pace.hold_s if self._told < 0 else self.pace.switch_s
        if self._told == leader or time_s - self._rested_s < self.pace.settle_s or time_s - self._leads_s < needed_s:
            return None
        self._told = leader
        return Event(time_s, self.book.names[leader], confidence)

    def _averaged(self, time_s: float, p_E: FloatArray) -> FloatArray:
        passed_s = time_s - self._time_s
        if self._share_E is None or passed_s > self.pace.forget_s or len(self._share_E) != len(p_E):
            self._share_E, self._leader, self._told = p_E.astype(np.float64), -1, -1
        else:
            weight = 1 - np.exp(-passed_s / self.pace.smooth_s)
            self._share_E = self._share_E + weight * (p_E - self._share_E)
        self._time_s = time_s
        return self._share_E
