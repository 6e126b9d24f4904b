"""A page without a checkpoint whose prompts move by the clock: ``python -m tests.web.fake_enrol`` serves it."""

from __future__ import annotations

import time

from cpep.types import UserError
from cpep.web.enrol import Card, EnrolPanel
from cpep.web.frames import Live
from cpep.web.page import Page
from cpep.web.panels import Panel
from cpep.web.prompt import Prompt, drawn
from cpep.web.record import Answers, RecordPanel
from tests.web.fake import FakeBook, FakeSession

NAMES = ["rest", "fist", "spread", "pinch_index", "point", "thumb_up"]
READY_S, HOLD_S, REPETITIONS = 2.0, 3.0, 3


class FakeEnrolling:
    def __init__(self, session, hold_s=HOLD_S):
        self.session, self.hold_s, self.version, self.said = session, hold_s, 0, ""
        self.names, self.takes, self.since = list(NAMES), {}, None

    @property
    def running(self):
        return self.since is not None

    @property
    def asks(self):
        return "Make each gesture three times, three seconds each: about 2 minutes."

    def cards(self):
        def card(name):
            takes = self.takes.get(name, 0)
            if takes < REPETITIONS:
                return Card(name, takes, 3, removable=name != "rest")
            if name == "point":
                return Card(name, takes, 3, "poor", "71 %: taken for pinch index", True)
            return Card(name, takes, 3, "good", "97 %", name != "rest")

        return tuple(card(name) for name in self.names)

    def start(self, name=""):
        if name:
            self.takes[name] = 0
        self.since = time.monotonic()
        self.version += 1

    def add(self, name):
        if not name.strip() or name in self.names:
            raise UserError("give the gesture a name of 1 to 40 letters")
        self.names.append(name)
        self.version += 1

    def remove(self, name):
        self.names.remove(name)
        self.takes.pop(name, None)
        self.version += 1

    def act(self, what):
        if what == "start":
            return self.start()
        if what == "stop":
            self.since = None
        elif what == "skip":
            self.takes[self.current] = REPETITIONS
        else:
            self.since = time.monotonic()
        self.version += 1

    @property
    def current(self):
        return next((name for name in self.names if self.takes.get(name, 0) < REPETITIONS), None)

    def prompt(self):
        name = self.current
        if self.since is None or name is None:
            if self.since is not None:
                self.since, self.version = None, self.version + 1
                self.session.known = FakeBook()
            return None
        passed = time.monotonic() - self.since
        if passed > READY_S + self.hold_s:
            self.takes[name] = self.takes.get(name, 0) + 1
            self.since, self.version = time.monotonic(), self.version + 1
            if self.takes[name] == REPETITIONS:
                self.said = f"{name.replace('_', ' ')} is told from the others 97 % of the time."
            return self.prompt()
        ready = passed < READY_S
        index = self.names.index(name)
        return Prompt(
            name,
            "ready" if ready else "hold",
            "get ready" if ready else "hold",
            READY_S - passed if ready else READY_S + self.hold_s - passed,
            passed / READY_S if ready else (passed - READY_S) / self.hold_s,
            self.takes.get(name, 0),
            REPETITIONS,
            f"gesture {index + 1} of {len(self.names)}",
            self.names[index + 1] if index + 1 < len(self.names) else "",
            drawn(name),
            {"redo": "Redo", "skip": "Skip", "stop": "Stop"},
        )


class Bookless(FakeSession):
    known = None

    def view(self):
        from dataclasses import replace

        view = super().view()
        if self.known is None:
            return replace(view, state=None, pose_J=None, point=None, made="", events=())
        return replace(view, pose_J=None, point=None, made="")


class FakeRecording:
    """Records nothing."""

    place = "my_recordings"

    def __init__(self):
        self.protocols = {
            "free": "Do as you like.",
            "gestures": "The gestures of the list, three times each.",
            "follow": "A hand is drawn that moves slowly; move yours with it.",
        }
        self.answers, self.version, self.said, self.since = Answers("anna", "2"), 0, "", None

    @property
    def seconds(self):
        return -1.0 if self.since is None else time.monotonic() - self.since

    def start(self, answers):
        if not answers.person:
            raise UserError("the person is ''; give a name or a number, such as 01")
        self.answers, self.since, self.said, self.version = answers, time.monotonic(), "recording", self.version + 1

    def stop(self):
        self.said = f"{self.seconds:.0f} s are in my_recordings/sub-anna/ses-2; all 7 files were checked"
        self.since, self.version = None, self.version + 1

    def act(self, what):
        self.stop()

    def prompt(self):
        if self.since is None or self.answers.protocol == "free":
            return None
        share = self.seconds % 4 / 4
        pose_J = (1 - share) * drawn("spread") + share * drawn("fist")
        return Prompt("", "hold", "move with the hand", -1, self.seconds / 60, pose_J=pose_J, acts={"stop": "Stop"})


def page():
    session = Bookless(FakeBook())
    enrolling, recording = FakeEnrolling(session), FakeRecording()
    live = Live(session, "lsl:band", "uV", "", (recording, enrolling), "Press Start and copy the hand.")
    panels = [
        Panel("Enrol", lambda: EnrolPanel(live, enrolling).show(), "Enrol gestures"),
        Panel("Record", lambda: RecordPanel(recording).show(), "Record"),
    ]
    return Page(live, panels, mapless=True)


if __name__ == "__main__":
    import sys

    from cpep.web.server import serve

    serve(page(), "127.0.0.1", int((sys.argv[1:2] or ["0"])[0]), show=False)
