"""An enrolment that goes on: prompts, takes that are kept, and what they are worth."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Protocol, runtime_checkable

import numpy as np

from cpep.data.recording import Device
from cpep.live.book.entries import REST
from cpep.live.enrol.advice import Advice, advice_of, of_band
from cpep.live.enrol.enrolled import Enrolled
from cpep.live.enrol.enrolment import Enrolment, Take
from cpep.live.enrol.examples import loudness_of_rest, moves, part_of
from cpep.live.enrol.guide import Guide, Now, Plan, Prompt
from cpep.live.runs import finite_runs
from cpep.live.signals import Chunk
from cpep.simulate.freeform import free_form
from cpep.simulate.gestures import GESTURES
from cpep.simulate.variability import generator
from cpep.types import FloatArray, UserError

SAME_SITTING = timedelta(hours=1)
"""Who goes on within this time still wears the band; later it was put on anew, which begins a new session."""
ASKED_AGAIN = 2
"""A take without movement is asked for again so many times; then it is kept as it is."""
LEAD_S = 1.0
"""A simulated hand is asked so long before a take: it needs that to get there."""


@runtime_checkable
class Hand(Protocol):
    """A simulated hand, which follows prompts."""

    def attend(self, prompts: bool) -> None:
        """Rest from now on but for what ``make`` asks for; or go on by itself again."""
        ...

    def make(self, name: str, pose_J: FloatArray | None = None, hold_s: float | None = None) -> None:
        """Make a gesture, or a pose (20,) in rad."""
        ...


class Enroller:
    """Hears a stream, prompts, and keeps whole takes; each is in the file as soon as it is made.

    All methods may be called from any thread.

    Args:
        path: of the file; it is written after every take.
        device: of the stream; of an enrolment that is gone on with, its own.
        plan: what to enrol.
        enrolment: to go on with; takes of this sitting are not asked for again.
        again: whether the band was put on anew, so that all of the plan is asked for.
        paused: whether it waits for ``resume`` at first.
        hand: a simulated one, which is told what to make.
        tell: called with what is enrolled whenever a gesture has come in.
        now: the time.

    Attributes:
        enrolment: all takes so far.
        enrolled: what recognises them; ``None`` before rest and a gesture are made.
        advice: what is known of each gesture; empty before ``enrolled``.
        said: what came of the last take or gesture, sentences; empty where nothing is to be said.
        version: a number that changes with all of this.
    """

    def __init__(
        self,
        path: Path,
        device: Device,
        plan: Plan,
        enrolment: Enrolment | None = None,
        *,
        again: bool = False,
        paused: bool = False,
        hand: Hand | None = None,
        tell: Callable[[Enrolled], None] = lambda enrolled: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path, self.enrolment = path, enrolment or Enrolment(device)
        self._hand, self._tell, self._clock, self._lock = hand, tell, now, RLock()
        self.session = self.enrolment.session + (again or not self._goes_on())
        mine = [take for take in self._mine() if take.name in plan.gestures]
        self._guide = Guide(plan, device.emg_rate, [Prompt(take.name, take.repetition) for take in mine])
        self._kept: deque[FloatArray] = deque()
        self._refused = 0
        self.enrolled: Enrolled | None = None
        self.advice: tuple[Advice, ...] = ()
        self.said, self.version, self._attends, self._prompted = "", 0, False, False
        self._keep_plan()
        if paused:
            self._guide.pause()
        self._lead_hand()
        self._fit()

    @property
    def now(self) -> Now:
        """What the person is asked to do."""
        with self._lock:
            return self._guide.now

    @property
    def plan(self) -> Plan:
        """What is to be enrolled, with gestures that were added and without those that were removed."""
        return self._guide.plan

    @property
    def made(self) -> dict[str, int]:
        """Takes of this session of each gesture."""
        with self._lock:
            return dict(Counter(one.gesture for one in self._guide.made))

    def hear(self, chunk: Chunk) -> None:
        """Take in a chunk. Samples that are not finite count as lost."""
        with self._lock:
            if chunk.lost:
                self._lose(chunk.lost)
            for part_TC, good in finite_runs(chunk.emg_TC):
                if good:
                    self._add(part_TC)
                else:
                    self._lose(len(part_TC))

    def redo(self, gesture: str = "") -> None:
        """Make a gesture again, or the take that goes on, or the last one; see ``Guide.redo``.

        A last take is dropped at once. Those of a gesture that is made again stay until others take their places.
        """
        with self._lock:
            before = {(self.session, one.gesture, one.repetition) for one in self._guide.made}
            self._guide.redo(gesture)
            made = {(self.session, one.gesture, one.repetition) for one in self._guide.made}
            if not gesture:
                self._drop([take for take in self.enrolment.takes if take.key in before - made])
            self._follow()

    def skip(self) -> None:
        """Go on to the next gesture; see ``Guide.skip``."""
        with self._lock:
            self._guide.skip()
            self._follow()
            self._fit()

    def add(self, gesture: str) -> None:
        """Append a gesture; see ``Guide.add``."""
        with self._lock:
            self._guide.add(gesture)
            self._follow()
            self._keep_plan()
            self.enrolment.save(self.path)

    def remove(self, gesture: str) -> None:
        """Take a gesture out, with its takes of all sessions; see ``Guide.remove``."""
        with self._lock:
            self._guide.remove(gesture)
            self._drop(self.enrolment.of(gesture))
            self._follow()
            self._keep_plan(gone=gesture)
            self.enrolment.save(self.path)
            self._fit()

    def pause(self) -> None:
        """Wait until ``resume``."""
        with self._lock:
            self._guide.pause()
            self._lead_hand()
            self.version += 1

    def resume(self) -> None:
        """Go on after a pause."""
        with self._lock:
            self._guide.resume()
            self._lead_hand()
            self.version += 1

    def say(self, sentence: str) -> None:
        """Show a sentence until something else is to be said."""
        with self._lock:
            self.said, self.version = sentence, self.version + 1

    def _goes_on(self) -> bool:
        """Tell whether the last take is of this sitting."""
        if not self.enrolment.takes:
            return False
        return self._clock() - datetime.fromisoformat(self.enrolment.takes[-1].made_at) < SAME_SITTING

    def _mine(self) -> list[Take]:
        return [take for take in self.enrolment.takes if take.session == self.session]

    def _lose(self, samples: int) -> None:
        self._kept.clear()
        self._guide.lose(samples)

    def _add(self, emg_TC: FloatArray) -> None:
        while len(emg_TC):
            phase = self._guide.now.phase
            part_TC = emg_TC if self._guide.waits else emg_TC[: self._guide.left]
            emg_TC = emg_TC[len(part_TC) :]
            if phase in ("ready", "hold"):
                self._kept.append(part_TC)
            done = self._guide.advance(len(part_TC))
            if done:
                self._finish(done)
            elif self._guide.now.phase != phase:
                self._entered()
            self._lead_hand()

    def _entered(self) -> None:
        """Act on a phase that has begun."""
        now = self._guide.now
        if now.phase == "ready":
            self._kept.clear()
        self._lead_hand()
        self.version += 1

    def _lead_hand(self) -> None:
        """Let a simulated hand attend to prompts while there are some, and make what comes."""
        now = self._guide.now
        attends = now.phase not in ("done", "paused")
        if self._hand and attends != self._attends:
            self._hand.attend(attends)
        self._attends = attends
        if now.phase != "ready":
            self._prompted = False
        elif self._hand and not self._prompted and now.left_s <= LEAD_S and now.gesture != REST:
            self._prompted = True
            pose_J = None if now.gesture in GESTURES else free_form(generator(0, now.gesture)).pose_J
            self._hand.make(now.gesture, pose_J, self.plan.hold_s)

    def _finish(self, prompt: Prompt) -> None:
        """Keep a take, or ask for it again."""
        emg_TC = np.concatenate(self._kept)
        self._kept.clear()
        hold = round(self.plan.hold_s * self.enrolment.device.emg_rate)
        made_at = self._clock().isoformat(timespec="seconds")
        take = Take(prompt.gesture, prompt.repetition, self.session, made_at, emg_TC, len(emg_TC) - hold)
        self.version += 1
        if not self._moved(take) and self._refused < ASKED_AGAIN:
            self._refused += 1
            self._guide.redo(note="no movement seen; hold the gesture until the bar is full")
            return
        self._refused = 0
        self.enrolment = self.enrolment.with_take(take)
        self.enrolment.save(self.path)
        if self._guide.now.gesture != prompt.gesture:
            self._fit()
            self.said = self._verdict(take)

    def _moved(self, take: Take) -> bool:
        device = self.enrolment.device
        rests = [part_of(one, device) for one in self._mine() if one.name == REST]
        return take.name == REST or not rests or moves(part_of(take, device), loudness_of_rest(rests))

    def _drop(self, takes: Sequence[Take]) -> None:
        """Keep all takes but these."""
        gone = {take.key for take in takes}
        if gone:
            self.enrolment = self.enrolment.keeping([take for take in self.enrolment.takes if take.key not in gone])
            self.enrolment.save(self.path)

    def _follow(self) -> None:
        """Take note of what the guide asks for now."""
        self._kept.clear()
        self._refused, self.said = 0, ""
        self._lead_hand()
        self.version += 1

    def _keep_plan(self, gone: str = "") -> None:
        """Note what is asked for, so that it is asked for after a restart too."""
        planned = dict.fromkeys((*self.enrolment.planned, *self.plan.gestures))
        planned.pop(gone, None)
        self.enrolment = replace(self.enrolment, planned=tuple(planned))

    def _fit(self) -> None:
        try:
            self.enrolled = Enrolled(self.enrolment)
        except UserError:  # rest or a gesture is still missing
            self.enrolled, self.advice = None, ()
            return
        self.advice = advice_of(self.enrolled)
        self.version += 1
        self._tell(self.enrolled)

    def _verdict(self, take: Take) -> str:
        known = [f"{one.gesture}: {one.sentence}" for one in self.advice if one.gesture == take.name]
        return ". ".join([*known, *of_band(take, self.enrolment.device)])
