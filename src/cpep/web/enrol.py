"""The enrolment on the page: the gestures of the person, how well each is told, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from nicegui import run, ui
from nicegui.element import Element

from cpep.types import UserError
from cpep.web.book_store import LONGEST_NAME
from cpep.web.controls import button, icon_button
from cpep.web.frames import Live
from cpep.web.prompt import Prompter, drawn


@dataclass(frozen=True)
class Card:
    """A gesture of the plan.

    Attributes:
        name: of the gesture.
        takes: repetitions that are kept.
        of: repetitions that are wanted.
        mark: ``good``, ``poor`` or, where nothing is known yet, empty.
        verdict: how well it is told, in a few letters.
        sentence: the same and what to do, in a sentence.
        removable: whether it can be removed.
    """

    name: str
    takes: int
    of: int
    mark: str = ""
    verdict: str = ""
    sentence: str = ""
    removable: bool = True


class Enrolling(Prompter, Protocol):
    """An enrolment that goes on, the same for all tabs."""

    @property
    def running(self) -> bool:
        """Whether somebody is prompted now."""
        ...

    @property
    def said(self) -> str:
        """What came of the last gesture or act, and what to do."""
        ...

    @property
    def asks(self) -> str:
        """What to do now, in a sentence."""
        ...

    def cards(self) -> tuple[Card, ...]:
        """Return the gestures, in the order in which they are asked for."""
        ...

    def start(self, name: str = "") -> None:
        """Ask for all that is missing, or for one gesture again."""
        ...

    def add(self, name: str) -> None:
        """Add a gesture to the plan; a ``UserError`` says what is wrong with its name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a gesture with all its takes."""
        ...


class SmallHand(Element, component="static/small_hand.js"):
    """The drawing of a gesture, mm."""

    def __init__(self, landmarks: list[float]) -> None:
        super().__init__()
        self._props["landmarks"] = landmarks


class EnrolPanel:
    """The enrolment in one browser tab.

    Args:
        live: answers on the session.
        enrolling: the enrolment.
    """

    def __init__(self, live: Live, enrolling: Enrolling) -> None:
        self.live, self.enrolling = live, enrolling
        self._shown: object = None
        self._cards: tuple[Card, ...] = ()

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("enrol"):
            with ui.element("div").classes("lead"):
                self.begin = button("Start", self._start, main=True).classes("start")
                self.asks = ui.label().classes("asks")
            with ui.element("ul").classes("cards"):
                self.cards()
                with ui.element("li").classes("card adding"):
                    self.name = ui.input("Add a gesture").props(
                        f'dense outlined maxlength={LONGEST_NAME} autocomplete="off"'
                    )
                    self.name.classes("name").on("keydown.enter", self._add)
                    button("Add", self._add)
            self.said = ui.label().classes("said").props('role="status"')
        self._follow()
        ui.timer(0.3, self._follow)

    @ui.refreshable_method
    def cards(self) -> None:
        """Build the gestures; ``cards.refresh()`` builds them anew."""
        for card in self.enrolling.cards():
            with ui.element("li").classes(f"card {card.mark}"):
                self._card(card)

    def _card(self, card: Card) -> None:
        pose_J = drawn(card.name)
        if pose_J is not None:
            SmallHand(self.live.landmarks(pose_J))
        else:
            ui.element("div").classes("small-hand none").props('aria-hidden="true"')
        ui.label(_spoken(card.name)).classes("title")
        with ui.element("div").classes("told"):
            if card.takes < card.of:
                dots = ui.label("●" * card.takes + "○" * (card.of - card.takes)).classes("dots")
                dots.props(f'role=img aria-label="{card.takes} of {card.of} made"')
            if card.verdict:
                ui.label(card.verdict).classes("verdict")
        with ui.element("div").classes("row"):
            shown = _spoken(card.name)
            if card.takes:
                icon_button("replay", f"Make {shown} again", partial(self._start, card.name))
            if card.removable:
                icon_button("close", f"Remove {shown}", partial(self._remove, card))
        if card.mark == "poor":
            ui.label(_spoken(card.sentence)).classes("sentence")

    def _follow(self) -> None:
        """Show what has changed, in this tab or another."""
        cards, known = self.enrolling.cards(), self.live.session.known is not None
        shown = (cards, known, self.enrolling.asks, self.enrolling.said, self.enrolling.running)
        if shown == self._shown:
            return
        if self._shown is None or cards != self._cards:
            self._cards = cards
            self.cards.refresh()
        self._shown = shown
        self.asks.text, self.said.text = self.enrolling.asks, _spoken(self.enrolling.said)
        self.begin.text = "Go on" if any(card.takes for card in cards) else "Start"
        self.begin.set_enabled(not self.enrolling.running)
        self.begin.set_visibility(known and any(card.takes < card.of for card in cards))

    async def _start(self, name: str = "") -> None:
        await self._do(partial(self.enrolling.start, name))

    async def _add(self) -> None:
        if await self._do(partial(self.enrolling.add, self.name.value)):
            self.name.value = ""

    async def _remove(self, card: Card) -> None:
        if card.takes:
            with ui.dialog() as dialog, ui.card():
                ui.label(f"Remove {_spoken(card.name)} and its {card.takes} repetitions?")
                with ui.row():
                    button("Remove", lambda: dialog.submit(True), main=True)
                    button("Keep", dialog.close)
            sure = await dialog
            dialog.delete()
            if not sure:
                return
        await self._do(partial(self.enrolling.remove, card.name))

    async def _do(self, what: Callable[[], None]) -> bool:
        """Do something that may take a while or be refused; tell whether it was done."""
        try:
            await run.io_bound(what)
        except UserError as error:
            self.said.text = _spoken(str(error))
            return False
        self._follow()
        return True


def _spoken(text: str) -> str:
    """Return a text in which names are as people say them."""
    return text.replace("_", " ")
