"""The recording on the page: who, which arm, what is asked, and where the files are at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from nicegui import run, ui

from cpep.runtime.files import clock
from cpep.types import UserError
from cpep.web.controls import button
from cpep.web.prompt import Prompter

LONGEST_NOTES = 500
LONGEST_WORD = 60


@dataclass(frozen=True)
class Answers:
    """What a person answers before a recording.

    Attributes:
        person: who wears the band.
        session: which wearing of it.
        arm: ``right`` or ``left``.
        notes: anything worth knowing.
        protocol: name of what is asked.
        pose: where the pose comes from, or empty.
    """

    person: str = ""
    session: str = "1"
    arm: str = "right"
    notes: str = ""
    protocol: str = "gestures"
    pose: str = ""


class Recording(Prompter, Protocol):
    """A recording that goes on, or the last one; the same for all tabs."""

    @property
    def version(self) -> int:
        """A number that changes with all that is shown here but the seconds."""
        ...

    @property
    def seconds(self) -> float:
        """Length so far; negative where nothing is recorded now."""
        ...

    @property
    def said(self) -> str:
        """What became of the last recording, or what is going on."""
        ...

    @property
    def protocols(self) -> Mapping[str, str]:
        """Names of what can be asked, each with a sentence."""
        ...

    @property
    def answers(self) -> Answers:
        """What was answered last."""
        ...

    @property
    def place(self) -> str:
        """Folder of the recordings."""
        ...

    def start(self, answers: Answers) -> None:
        """Begin; a ``UserError`` says what is missing."""
        ...

    def stop(self) -> None:
        """End, write the data set and check every file."""
        ...


class RecordPanel:
    """The recording in one browser tab.

    Args:
        recording: of the session.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._shown = -1

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("record"):
            self._fields()
            with ui.element("div").classes("lead"):
                self.begin = button("Record", self._start, main=True).classes("start")
                self.end = button("Stop", self._stop, main=True).classes("start")
                self.time = ui.label().classes("time")
                self.asks = ui.label().classes("asks")
            self.said = ui.label().classes("said").props('role="status"')
        self._follow()
        ui.timer(0.3, self._follow)

    def _fields(self) -> None:
        was = self.recording.answers
        with ui.element("div").classes("fields"):
            self.person = _field("Person", was.person, LONGEST_WORD)
            self.session = _field("Session", was.session, LONGEST_WORD)
            self.arm = ui.select(["right", "left"], label="Arm", value=was.arm).props("dense outlined options-dense")
            names = list(self.recording.protocols)
            chosen = was.protocol if was.protocol in names else names[0]
            self.protocol = ui.select(names, label="Protocol", value=chosen, on_change=self._about)
            self.protocol.props("dense outlined options-dense")
            self.pose = _field("Pose from (empty: none)", was.pose, LONGEST_WORD)
            self.notes = _field("Notes", was.notes, LONGEST_NOTES)

    def _about(self) -> None:
        """Say what the chosen protocol is and where the files go."""
        self.asks.text = f"{self.recording.protocols[self.protocol.value]} Into {self.recording.place}."

    def _follow(self) -> None:
        seconds = self.recording.seconds
        self.time.text = f"● {clock(int(seconds))}" if seconds >= 0 else ""
        if self.recording.version == self._shown:
            return
        self._shown = self.recording.version
        for one in (self.person, self.session, self.arm, self.protocol, self.pose, self.notes):
            one.set_enabled(seconds < 0)
        self.begin.set_visibility(seconds < 0)
        self.end.set_visibility(seconds >= 0)
        self.said.text = self.recording.said
        self._about()

    async def _start(self) -> None:
        answers = Answers(
            self.person.value,
            self.session.value,
            self.arm.value,
            self.notes.value,
            self.protocol.value,
            self.pose.value,
        )
        try:
            await run.io_bound(self.recording.start, answers)
        except UserError as error:
            self.said.text = str(error)
            return
        self._follow()

    async def _stop(self) -> None:
        self.said.text = "writing the recording and checking every file…"
        try:
            await run.io_bound(self.recording.stop)
        except UserError as error:
            self.said.text = str(error)
            return
        self._follow()


def _field(label: str, value: str, longest: int) -> ui.input:
    found = ui.input(label, value=value)
    return found.props(f'dense outlined maxlength={longest} autocomplete="off"')
