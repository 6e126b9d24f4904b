"""The choice of a source on the page."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from nicegui import run, ui

from cpep.live.sources.lsl import there
from cpep.live.sources.registry import forms
from cpep.types import UserError
from cpep.web.controls import button

LONGEST = 200
FILES = ("replay", "FILE", "MODULE")
"""How forms of a source begin that is a file, which the page does not open."""
SIMULATED = (
    ("sim", "a simulated arm with 16 electrodes"),
    ("sim[1,3,5,7,9,11,13,15]", "a simulated arm with 8 electrodes, without a checkpoint"),
)


class Choosing(Protocol):
    """What has a source, and takes another one."""

    @property
    def text(self) -> str:
        """The source, as the user wrote it."""
        ...

    @property
    def said(self) -> str:
        """What came of the last choice."""
        ...

    def choose(self, text: str) -> None:
        """Take another source; a ``UserError`` says why not."""
        ...


class SourcePanel:
    """The choice in one browser tab.

    Args:
        choosing: takes it.
    """

    def __init__(self, choosing: Choosing) -> None:
        self.choosing = choosing
        self._found: tuple[tuple[str, str], ...] = SIMULATED

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("sources"):
            ui.label(
                f"The source is {self.choosing.text}. Another one is taken at once; gestures, recordings and the "
                "book stay in their files."
            ).classes("asks")
            self.found()
            with ui.element("div").classes("lead"):
                button("Look for bands on the network (LSL)", self._look)
                self.text = ui.input("Another source").props(f'dense outlined maxlength={LONGEST} autocomplete="off"')
                self.text.classes("written").on("keydown.enter", self._written)
                button("Take it", self._written, main=True)
            ui.label(f"You can write {', '.join(form for form in forms() if not form.startswith(FILES))}.").classes(
                "hint"
            )
            ui.label(
                "A recording or a source of your own is a file. It is taken on the command line: "
                "cpep serve --source replay:PATH, or cpep serve --source FILE.py:CLASS."
            ).classes("hint")
            self.said = ui.label(self.choosing.said).classes("said").props('role="status"')

    @ui.refreshable_method
    def found(self) -> None:
        """Build what was found; ``found.refresh()`` builds it anew."""
        with ui.element("ul"):
            for text, says in self._found:
                with ui.element("li"):
                    button(text, partial(self._take, text))
                    ui.label(says)

    async def _look(self) -> None:
        self.said.text = "looking for two seconds…"
        try:
            streams = await run.io_bound(there) or []
        except UserError as error:
            self.said.text = str(error)
            return
        self._found = (*streams, *SIMULATED)
        self.said.text = f"found {len(streams)} on the network" if streams else "no stream of LSL is there now"
        self.found.refresh()

    async def _written(self) -> None:
        await self._take(self.text.value)

    async def _take(self, text: str) -> None:
        self.said.text = f"opening {text}…"
        try:
            await run.io_bound(self.choosing.choose, text)
        except UserError as error:
            self.said.text = str(error)
