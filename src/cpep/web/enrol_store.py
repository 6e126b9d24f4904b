"""The enrolment of a running session, the same for all tabs: every take is on disk before the next is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil, isnan
from pathlib import Path

from cpep.live.book.entries import REST
from cpep.live.enrol.enroller import Enroller, Hand
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.enrol.gestures import described
from cpep.live.enrol.guide import Plan
from cpep.live.session import Session
from cpep.live.signals import Chunk
from cpep.runtime.locks import hold_file
from cpep.types import UserError
from cpep.web.book_store import name_of
from cpep.web.enrol import Card
from cpep.web.prompt import OVER, Prompt, drawn

NAME = "the enrolment"
ASKS = {"ready": "get ready", "hold": "hold", "relax": "let go"}
ACTS = {"redo": "Redo", "skip": "Skip", "stop": "Stop"}


class EnrolStore:
    """Leads a person through an enrolment, and lets the session recognise what is enrolled.

    Args:
        session: the recogniser that runs.
        path: of the enrolment's file; it goes on where it ended.
        hand: a simulated one, which follows the prompts; ``None`` where the hand is a real one.
        plan: which gestures, how often and how long; as usual unless it is given.
        busy: says why nobody can be prompted now, or nothing.

    Raises:
        UserError: the file is damaged, of another band, or used by another program.
    """

    def __init__(
        self,
        session: Session,
        path: Path,
        hand: Hand | None = None,
        plan: Plan | None = None,
        busy: Callable[[], str] = lambda: "",
    ) -> None:
        self.session, self._busy, self._hold = session, busy, hold_file(path)
        try:
            enrolment = Enrolment.load(path) if path.exists() else Enrolment(session.source.device)
            plan = plan or Plan()
            names = enrolment.planned or tuple(dict.fromkeys((*enrolment.names, *plan.gestures)))
            self._enroller = Enroller(
                path,
                session.source.device,
                replace(plan, gestures=names),
                enrolment,
                paused=True,
                hand=hand,
                tell=session.enrolled,
            )
        except UserError:
            self._hold.close()
            raise
        self._refused, self._over = "", False
        session.join(NAME, self)

    def hear(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        self._enroller.hear(chunk)

    @property
    def running(self) -> bool:
        """Whether somebody is prompted now."""
        return self._enroller.now.phase not in ("paused", "done")

    @property
    def said(self) -> str:
        """What came of the last gesture or act, and what to do."""
        return self._refused or self._enroller.said

    @property
    def asks(self) -> str:
        """What to do now, in a sentence."""
        plan, cards = self._enroller.plan, self.cards()
        left = sum(max(card.of - card.takes, 0) for card in cards)
        if not left:
            return "All is enrolled. Add a gesture, or make one again."
        minutes = ceil(left * (plan.ready_s + plan.hold_s + plan.relax_s) / 60)
        much = f"about {minutes} minute{'s' if minutes > 1 else ''}"
        return f"Each gesture {plan.repetitions} times, {plan.hold_s:g} seconds each: {much}."

    def cards(self) -> tuple[Card, ...]:
        """Return the gestures, in the order in which they are asked for."""
        advice = {one.gesture: one for one in self._enroller.advice}
        made = self._enroller.made
        found = []
        for name in self._enroller.plan.gestures:
            known = advice.get(name)
            share = known.share if known else float("nan")
            mark = "" if known is None or known.good is None else "good" if known.good else "poor"
            verdict = "" if isnan(share) else f"{100 * share:.0f} %"
            sentence = known.sentence if known else ""
            of = self._enroller.plan.repetitions
            found.append(Card(name, made.get(name, 0), of, mark, verdict, sentence, name != REST))
        return tuple(found)

    def prompt(self) -> Prompt | None:
        """Return what is asked now."""
        now = self._enroller.now
        if now.phase in ("paused", "done"):
            return None
        plan = self._enroller.plan
        relaxed = now.phase == "relax"
        return Prompt(
            name="" if relaxed else now.gesture,
            phase=now.phase,
            ask=ASKS[now.phase],
            how="" if relaxed else described(now.gesture),
            note=now.note,
            left_s=now.left_s,
            share=1 - now.left_s / max(now.phase_s, 1e-9),
            done=now.repetition - 1 if now.gesture else now.repetitions,
            of=now.repetitions,
            place=f"gesture {plan.gestures.index(now.gesture) + 1} of {len(plan.gestures)}" if now.gesture else "",
            next=now.gesture if relaxed else "",
            pose_J=drawn(REST if relaxed else now.gesture),
            acts=ACTS,
        )

    def act(self, what: str) -> None:
        """Do what was pressed: ``start``, ``redo``, ``skip`` or ``stop``; what is refused is said."""
        acts = {"start": self.start, "redo": self._enroller.redo, "skip": self._skip, "stop": self._enroller.pause}
        if what not in acts:
            return
        try:
            self._refused = ""
            self._refuse_over()
            acts[what]()
        except UserError as error:
            self._refused = str(error)

    def start(self, name: str = "") -> None:
        """Ask for all that is missing, or for one gesture again.

        Raises:
            UserError: there is no gesture of that name, the session has ended, or a recording goes on, whose prompts
                are shown.
        """
        self._refuse_over()
        if why := self._busy():
            raise UserError(why)
        self._refused = ""
        self.session.join(NAME, self)  # again, if something such as a full disk ended it
        self._enroller.resume()
        if name:
            self._enroller.redo(name)

    def add(self, name: str) -> None:
        """Add a gesture to the plan.

        Raises:
            UserError: an empty, long or unprintable name, one that is there, one that no gesture can have, or the
                session has ended.
        """
        self._change(lambda: self._enroller.add(name_of(name)))

    def remove(self, name: str) -> None:
        """Remove a gesture with all its takes.

        Raises:
            UserError: it is rest, is not there, or the session has ended.
        """
        self._change(lambda: self._enroller.remove(name))
        self._forget()

    def close(self) -> None:
        """Let others use the file."""
        self._over = True
        self._hold.close()

    def _refuse_over(self) -> None:
        """Refuse to write the file, which others may use by now."""
        if self._over:
            raise UserError(OVER)

    def _skip(self) -> None:
        self._enroller.skip()
        self._forget()

    def _change(self, change: Callable[[], None]) -> None:
        """Change the plan; nobody is prompted because of it who was not before."""
        self._refuse_over()
        running, self._refused = self.running, ""
        change()
        if not running:
            self._enroller.pause()

    def _forget(self) -> None:
        if self._enroller.enrolled is None:
            self.session.enrolled(None)
