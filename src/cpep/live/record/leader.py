"""Leads a person through a protocol on the clock of the stream, and says what to record as prompts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Protocol as Interface

from cpep.live.book.entries import REST
from cpep.live.enrol.gestures import described
from cpep.live.enrol.guide import Guide
from cpep.live.enrol.guide import Phase as GuidePhase
from cpep.live.record.protocol import Follow, Free, Gestures, Protocol, Step
from cpep.simulate.gestures import FREE
from cpep.types import FloatArray

COUNTED = ("ready", "hold")
"""Phases of a guide that belong to a take."""


@dataclass(frozen=True)
class Cue:
    """A prompt that begins.

    Attributes:
        phase: one of ``rows.PHASES``.
        name: of the gesture; empty where there is none.
        repetition: its number, from 1; 0 where there is none.
        after: samples of what was told last that come before it.
        hold_s: how long the hold lasts, for a simulated hand; 0 where it is none.
        pose_J: pose that the drawn hand takes, for a simulated hand; ``None`` where it is not followed.
    """

    phase: str
    name: str = ""
    repetition: int = 0
    after: int = 0
    hold_s: float = field(default=0.0, compare=False)
    pose_J: FloatArray | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a person is shown now.

    Attributes:
        phase: ``ready`` (the countdown before a hold), ``hold``, ``rest``, ``free``, ``follow``, ``paused``, ``end``.
        name: of the gesture that is made, or got ready for; empty where there is none.
        repetition, repetitions: number of the hold, from 1, and of all of that gesture; 0 where there is none.
        left_s, phase_s: seconds until the phase ends, and its length; infinite where it goes on until it is stopped.
        share: of the protocol that is done, 0 to 1.
        words: what to do, a sentence.
        note: why a hold is made again, a sentence; empty where all is well.
        pose_J: the drawn hand, angles of ``hand.joints.JOINTS`` in rad; ``None`` where it is not followed.
    """

    phase: str
    name: str
    repetition: int
    repetitions: int
    left_s: float
    phase_s: float
    share: float
    words: str
    note: str = ""
    pose_J: FloatArray | None = None


class _Running(Interface):
    """A step that is being made.

    Attributes:
        left: samples until something begins; infinite where nothing does by itself.
        over: whether it is made.
    """

    @property
    def left(self) -> float: ...

    @property
    def over(self) -> bool: ...

    def begin(self) -> Cue:
        """Return the first prompt."""
        ...

    def advance(self, samples: int, *, lost: bool) -> list[Cue]:
        """Let samples pass, at most ``left`` where they are not lost; return the prompts that begin then."""
        ...

    def shown(self) -> Shown:
        """Return what the person is shown, with the share of this step that is done."""
        ...


class Leader:
    """Leads through a protocol. Whoever feeds it tells it of every sample, by ``advance``.

    Args:
        protocol: what the person is asked to do.
        rate: samples per second of the stream.
    """

    def __init__(self, protocol: Protocol, rate: float) -> None:
        self.protocol, self._rate = protocol, rate
        self._at, self._run = 0, _running(protocol.steps[0], rate)

    @property
    def done(self) -> bool:
        """Whether the protocol is over."""
        return self._at == len(self.protocol.steps)

    def begin(self) -> Cue:
        """Return the first prompt."""
        return self._run.begin()

    def advance(self, samples: int, lost: int = 0) -> list[Cue]:
        """Let samples pass, before which others were lost; return the prompts that begin meanwhile."""
        cues: list[Cue] = []
        passed = 0
        for count, is_lost in ((lost, True), (samples, False)):
            while count and not self.done:
                part = count if is_lost else int(min(count, self._run.left))
                found = self._run.advance(part, lost=is_lost)
                passed, count = passed + part, count - part
                found += [self._next()] if self._run.over else []
                cues += [replace(cue, after=passed) for cue in found]
            passed += count
        return cues

    def redo(self) -> list[Cue]:
        """Make the hold that is going on, or else the last one, again; return the prompts that begin."""
        return self._run.redo() if isinstance(self._run, _MakingGestures) and not self.done else []

    def shown(self) -> Shown:
        """Return what the person is shown now."""
        if self.done:
            return Shown("end", "", 0, 0, 0.0, 0.0, 1.0, "All is recorded.")
        steps, shown = self.protocol.steps, self._run.shown()
        if math.isinf(self.protocol.seconds):
            return replace(shown, share=0.0)
        passed_s = sum(step.seconds for step in steps[: self._at]) + shown.share * steps[self._at].seconds
        return replace(shown, share=passed_s / self.protocol.seconds)

    def _next(self) -> Cue:
        self._at += 1
        if self.done:
            return Cue("end")
        self._run = _running(self.protocol.steps[self._at], self._rate)
        return self._run.begin()


class _DoingAsOneLikes:
    def __init__(self, step: Free, rate: float) -> None:
        self._step, self._rate, self._passed = step, rate, 0

    @property
    def left(self) -> float:
        return self._whole - self._passed

    @property
    def over(self) -> bool:
        return self._passed >= self._whole

    @property
    def _whole(self) -> float:
        return math.inf if math.isinf(self._step.seconds) else round(self._step.seconds * self._rate)

    def begin(self) -> Cue:
        return Cue("free")

    def advance(self, samples: int, *, lost: bool) -> list[Cue]:
        self._passed += samples
        return []

    def shown(self) -> Shown:
        share = min(self._passed / self._whole, 1.0)
        return Shown(
            "free", "", 0, 0, (self._whole - self._passed) / self._rate, self._step.seconds, share, self._step.words
        )


class _MakingGestures:
    def __init__(self, step: Gestures, rate: float) -> None:
        self._guide = Guide(step.plan, rate, order=step.order)

    @property
    def left(self) -> float:
        return math.inf if self._guide.waits else self._guide.left

    @property
    def over(self) -> bool:
        return self._guide.phase == "done"

    def begin(self) -> Cue:
        return self._cue()

    def advance(self, samples: int, *, lost: bool) -> list[Cue]:
        before = self._guide.phase
        if lost:
            self._guide.lose(samples)
        else:
            self._guide.advance(samples)
        return self._changed(before)

    def redo(self) -> list[Cue]:
        self._guide.redo()
        now = self._guide.now
        return [Cue("redo", now.gesture, now.repetition), self._cue()]

    def shown(self) -> Shown:
        now = self._guide.now
        times = (now.left_s, now.phase_s, now.share)
        if now.phase == "relax":
            coming = f" Next: {now.gesture.replace('_', ' ')}." if now.gesture else ""
            return Shown("rest", "", 0, 0, *times, f"Let go, and rest.{coming}")
        return Shown(
            now.phase, now.gesture, now.repetition, now.repetitions, *times, described(now.gesture), now.note
        )

    def _changed(self, before: GuidePhase) -> list[Cue]:
        """Return the prompts of a phase that began; a hold that was broken off does not count."""
        if self._guide.phase == before or self.over:
            return []
        cue = self._cue()
        broken = before == "hold" and self._guide.phase != "relax"
        return [Cue("redo", cue.name, cue.repetition), cue] if broken else [cue]

    def _cue(self) -> Cue:
        now = self._guide.now
        if now.phase == "relax":
            return Cue("rest")
        hold_s = now.phase_s if now.phase == "hold" else 0.0
        return Cue(now.phase, now.gesture, now.repetition, hold_s=hold_s) if now.phase in COUNTED else Cue("free")


class _Following:
    def __init__(self, step: Follow, rate: float) -> None:
        self._script, self._rate, self._passed = step.script, rate, 0
        self._begins = [round(one.begin_s * rate) for one in step.script.script.steps[1:]]
        self._whole = round(step.seconds * rate)
        self._made: Counter[str] = Counter()

    @property
    def left(self) -> float:
        return next((begin for begin in self._begins if begin > self._passed), self._whole) - self._passed

    @property
    def over(self) -> bool:
        return self._passed >= self._whole

    def begin(self) -> Cue:
        return self._cue()

    def advance(self, samples: int, *, lost: bool) -> list[Cue]:
        before, self._passed = self._passed, self._passed + samples
        new = not self.over and any(before < begin <= self._passed for begin in self._begins)
        return [self._cue()] if new else []

    def shown(self) -> Shown:
        now_s = self._passed / self._rate
        name = self._script.label_at(now_s)
        return Shown(
            "follow",
            "" if name == FREE else name,
            0,
            0,
            self._script.seconds - now_s,
            self._script.seconds,
            min(self._passed / self._whole, 1.0),
            "Follow the drawn hand with your own, as closely as you can.",
            pose_J=self._script.pose_at(now_s),
        )

    def _cue(self) -> Cue:
        now_s = (self._passed + 0.5) / self._rate
        step, until_s = self._script.step_at(now_s), now_s + self.left / self._rate
        if step.name == REST:
            return Cue("rest")
        there = (max(until_s - step.begin_s - step.move_s, 0.1), self._script.pose_at(step.begin_s + step.move_s))
        if step.name == FREE:  # another pose each time, which has no name
            return Cue("free", hold_s=there[0], pose_J=there[1])
        self._made[step.name] += 1
        return Cue("hold", step.name, self._made[step.name], hold_s=there[0], pose_J=there[1])


def _running(step: Step, rate: float) -> _Running:
    if isinstance(step, Gestures):
        return _MakingGestures(step, rate)
    return _Following(step, rate) if isinstance(step, Follow) else _DoingAsOneLikes(step, rate)
