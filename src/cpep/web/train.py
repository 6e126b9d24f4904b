"""The training on the page: what it does, how far it is, what came out, and how to put it live."""

from __future__ import annotations

from typing import Protocol

from nicegui import run, ui

from cpep.types import UserError
from cpep.web.controls import button


class Training(Protocol):
    """A training that goes on, or the last one; the same for all tabs."""

    @property
    def version(self) -> int:
        """A number that changes with all that is shown here."""
        ...

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        ...

    @property
    def asks(self) -> str:
        """What it will do, in sentences."""
        ...

    @property
    def said(self) -> str:
        """What became of it, in a sentence."""
        ...

    @property
    def command(self) -> str:
        """What to type to put the result live; empty before there is one."""
        ...

    @property
    def lines(self) -> str:
        """All that it has said."""
        ...

    def start(self) -> None:
        """Begin, or go on; a ``UserError`` says what is missing."""
        ...

    def stop(self) -> None:
        """End; the next start goes on from there."""
        ...


class TrainPanel:
    """The training in one browser tab.

    Args:
        training: of the recordings.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self._shown = -1

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("train"):
            with ui.element("div").classes("lead"):
                self.begin = button("Train", self._start, main=True).classes("start")
                self.end = button("Stop", self._stop, main=True).classes("start")
                self.asks = ui.label().classes("asks")
            self.said = ui.label().classes("said").props('role="status"')
            self.command = ui.label().classes("command")
            self.lines = ui.label().classes("lines").props('tabindex=0 role=log aria-label="What the training says"')
        self._follow()
        ui.timer(0.3, self._follow)

    def _follow(self) -> None:
        training = self.training
        if training.version == self._shown:
            return
        self._shown = training.version
        self.begin.set_visibility(not training.running)
        self.end.set_visibility(training.running)
        self.asks.text, self.said.text = training.asks, training.said
        self.command.text, self.lines.text = training.command, training.lines

    async def _start(self) -> None:
        try:
            await run.io_bound(self.training.start)
        except UserError as error:
            self.said.text = str(error)
            return
        self._follow()

    async def _stop(self) -> None:
        self.said.text = "saving what is done…"
        await run.io_bound(self.training.stop)
        self._follow()
