"""What a person is asked to do and when: a state machine on the clock of the stream, which knows no EMG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cpep.live.book.entries import REST, checked
from cpep.live.enrol.gestures import SUGGESTED, refuse_other_case
from cpep.types import UserError

Phase = Literal["ready", "hold", "relax", "paused", "done"]

LEAST_HOLD_S, MOST_HOLD_S = 1.0, 30.0
MOST_REPETITIONS = 20
LONGEST = 60
"""Letters of a name, which stands on a screen and in a table."""
LEAST_READY_S, LEAST_RELAX_S = 0.5, 0.1
"""The filters of raw EMG need about half a second before a take."""


@dataclass(frozen=True)
class Plan:
    """What is to be enrolled. Rest comes first, and is put there where it is not named.

    Attributes:
        gestures: names, in the order in which they are asked for.
        repetitions: times that each is made.
        hold_s: length of a take.
        ready_s: countdown before a take.
        relax_s: rest after a take.

    Raises:
        UserError: names or numbers that make no plan.
    """

    gestures: tuple[str, ...] = SUGGESTED
    repetitions: int = 3
    hold_s: float = 3.0
    ready_s: float = 2.0
    relax_s: float = 1.5

    def __post_init__(self) -> None:
        others = [checked(name) for name in self.gestures if name != REST]
        for name in others:
            if len(name) > LONGEST or not name.isprintable():
                raise UserError(
                    f"{name[:20]!r}... is no name for a gesture; give one line of at most {LONGEST} letters"
                )
        twice = sorted({name for name in others if others.count(name) > 1})
        if twice:
            raise UserError(f"{', '.join(twice)} is asked for twice; name each gesture once")
        object.__setattr__(self, "gestures", (REST, *others))
        if not 1 <= self.repetitions <= MOST_REPETITIONS:
            raise UserError(f"{self.repetitions} repetitions; give 1 to {MOST_REPETITIONS}")
        if not LEAST_HOLD_S <= self.hold_s <= MOST_HOLD_S:
            raise UserError(f"takes of {self.hold_s:g} s; give {LEAST_HOLD_S:g} to {MOST_HOLD_S:g} s")
        if self.ready_s < LEAST_READY_S or self.relax_s < LEAST_RELAX_S:
            raise UserError(
                f"{self.ready_s:g} s before a take and {self.relax_s:g} s after it; give at least "
                f"{LEAST_READY_S:g} and {LEAST_RELAX_S:g} s"
            )


@dataclass(frozen=True)
class Prompt:
    """One take that is asked for.

    Attributes:
        gesture: its name.
        repetition: its number, from 1.
    """

    gesture: str
    repetition: int


@dataclass(frozen=True)
class Now:
    """A guide at one moment.

    Attributes:
        phase: ``ready`` is the countdown before a take, ``hold`` the take, ``relax`` the rest after it.
        gesture: that is made, or that comes next; empty when all is done.
        repetition: its number, from 1; 0 when all is done.
        repetitions: of each gesture.
        left_s: seconds until the phase ends.
        phase_s: length of the phase, seconds.
        share: of all takes that is done, 0 to 1; it grows during a take.
        note: why the take is made again, a sentence, until it is whole; empty where all is well.
    """

    phase: Phase
    gesture: str
    repetition: int
    repetitions: int
    left_s: float
    phase_s: float
    share: float
    note: str


class Guide:
    """Leads through a plan. Whoever feeds it tells it of every sample, by ``advance`` and ``lose``.

    Args:
        plan: what is to be made.
        rate: samples per second of the stream.
        made: takes that are there already.
        order: of the takes; gesture after gesture unless given.

    Attributes:
        sample: samples of the stream so far, those lost among them.
        made: takes that are whole, in the order in which they were made.
    """

    def __init__(
        self, plan: Plan, rate: float, made: Sequence[Prompt] = (), order: Sequence[Prompt] | None = None
    ) -> None:
        self.plan, self.sample, self.made = plan, 0, list(made)
        self._rate, self._note = rate, ""
        self._torn, self._missing = False, 0  # whether samples of a take itself are missing, and how many are
        order = order or [one for name in plan.gestures for one in self._prompts(name)]
        self._todo = [one for one in order if one not in self.made]
        self._begin("ready" if self._todo else "done")

    @property
    def now(self) -> Now:
        """The guide as it is now."""
        prompt = self._todo[0] if self._todo else Prompt("", 0)
        total, done = len(self.made) + len(self._todo), float(len(self.made))
        if self.phase == "hold":
            done += self._at / max(self._length, 1)
        return Now(
            self.phase,
            prompt.gesture,
            prompt.repetition,
            self.plan.repetitions,
            self.left / self._rate,
            self._length / self._rate,
            done / total if total else 1.0,
            self._note,
        )

    @property
    def left(self) -> int:
        """Samples until the phase ends; of a phase that waits, 0."""
        return self._length - self._at

    @property
    def waits(self) -> bool:
        """Whether it goes on by itself no more: it is paused, or all is done."""
        return self.phase in ("paused", "done")

    @property
    def gestures(self) -> tuple[str, ...]:
        """Names of all gestures that are made or will be, in the order of the plan."""
        return self.plan.gestures

    def advance(self, samples: int) -> Prompt | None:
        """Let samples pass, at most ``left`` unless it ``waits``; return the take that they complete.

        The take is the last ``plan.hold_s`` of the stream.
        """
        self.sample += samples
        if self.waits:
            return None
        assert samples <= self.left, "a chunk is cut where a phase ends"
        self._at += samples
        if self.left:
            return None
        return self._next()

    def lose(self, samples: int) -> None:
        """Let samples be lost: a take that they are missing in is made again, after another countdown."""
        self.sample += samples
        if self.phase not in ("ready", "hold"):
            return
        again = self.phase == "hold" or self._torn
        self._torn, self._missing = again, self._missing + samples
        lost = f"{self._missing / self._rate:.2g} s of the EMG were lost"
        self._note = f"{lost}; this take is made again" if again else f"{lost}; the countdown begins again"
        self._begin("ready")

    def redo(self, gesture: str = "", note: str = "") -> None:
        """Make something again: all takes of a gesture, the take that is going on, or else the last one.

        Args:
            gesture: whose takes are all made again.
            note: why, to be shown until it is made.

        Raises:
            UserError: there is no gesture of that name.
        """
        if gesture:
            self._refuse_other(gesture)
            self.made = [one for one in self.made if one.gesture != gesture]
            self._todo = self._prompts(gesture) + [one for one in self._todo if one.gesture != gesture]
        elif self.phase != "hold" and self.made:
            self._todo.insert(0, self.made.pop())
        self._say(note)
        self._begin("ready" if self._todo else "done")

    def skip(self) -> None:
        """Go on to the next gesture; takes of this one that are whole are kept.

        Raises:
            UserError: rest was never made, without which there is nothing to tell a gesture from.
        """
        name = self._todo[0].gesture if self._todo else ""
        if name == REST and not any(one.gesture == REST for one in self.made):
            raise UserError("rest cannot be skipped: gestures are told from it; make it once")
        self._todo = [one for one in self._todo if one.gesture != name]
        self._go_on()

    def add(self, gesture: str) -> None:
        """Append a gesture.

        Raises:
            UserError: a name that a gesture cannot have, or one that is there, also in other case.
        """
        if checked(gesture) in self.gestures:
            raise UserError(f"{gesture} is there already; make it again, or give another name")
        refuse_other_case((gesture,), self.gestures)
        self._change((*self.gestures, gesture))
        self._todo += self._prompts(gesture)
        if self.phase == "done":
            self._go_on()

    def remove(self, gesture: str) -> None:
        """Take a gesture out, with its takes.

        Raises:
            UserError: it is rest, or there is none of that name.
        """
        self._refuse_other(gesture)
        if gesture == REST:
            raise UserError("rest cannot be removed: gestures are told from it")
        current = bool(self._todo) and self._todo[0].gesture == gesture
        self._change(tuple(name for name in self.gestures if name != gesture))
        self.made = [one for one in self.made if one.gesture != gesture]
        self._todo = [one for one in self._todo if one.gesture != gesture]
        if current:
            self._go_on()

    def pause(self) -> None:
        """Wait; a take that is going on is made again afterwards."""
        if self.phase != "done":
            self._begin("paused")

    def resume(self) -> None:
        """Go on after a pause, with a countdown."""
        if self.phase == "paused":
            self._go_on()

    def _next(self) -> Prompt | None:
        if self.phase == "ready":
            self._begin("hold")
        elif self.phase == "hold":
            prompt = self._todo.pop(0)
            self._say("")
            self.made.append(prompt)
            self._begin("relax")
            return prompt
        else:
            self._go_on()
        return None

    def _go_on(self) -> None:
        self._say("")
        self._begin("ready" if self._todo else "done")

    def _say(self, note: str) -> None:
        """Say why the next take is made again; nothing of it is lost so far."""
        self._note = note
        self._torn, self._missing = False, 0

    def _begin(self, phase: Phase) -> None:
        seconds = {"ready": self.plan.ready_s, "hold": self.plan.hold_s, "relax": self.plan.relax_s}.get(phase, 0.0)
        self.phase, self._at, self._length = phase, 0, round(seconds * self._rate)

    def _prompts(self, gesture: str) -> list[Prompt]:
        return [Prompt(gesture, number + 1) for number in range(self.plan.repetitions)]

    def _change(self, gestures: tuple[str, ...]) -> None:
        self.plan = replace(self.plan, gestures=gestures)

    def _refuse_other(self, gesture: str) -> None:
        if gesture not in self.gestures:
            raise UserError(f"there is no gesture {gesture!r}; there are {', '.join(self.gestures)}")
