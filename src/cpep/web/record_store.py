"""The recording of a running session, the same for all tabs: it goes on whoever looks, and ends in the data set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil, isfinite, isinf
from pathlib import Path

from cpep.live.poses.source import PoseSource, open_pose
from cpep.live.record.about import FOLLOW, LAST, About, PoseColumns
from cpep.live.record.finish import finish, recover
from cpep.live.record.protocol import Protocol, read_protocol, shipped
from cpep.live.record.recorder import Recorder
from cpep.live.record.taking import DRAWN, Taking, follower
from cpep.live.session import Session
from cpep.live.signals import Chunk, Source
from cpep.runtime.files import clock, read_json, write_json
from cpep.types import UserError
from cpep.web.prompt import OVER, Prompt, drawn
from cpep.web.record import Answers

NAME = "the recording"
ASKS = {"ready": "get ready", "hold": "hold", "rest": "let go", "free": "recording", "follow": "move with the hand"}
PHASES = {"rest": "relax", "free": "hold", "follow": "hold"}
"""Phases of a protocol as those of the page; others have the same names."""
WORDS = {
    "free": "You do as you like until you stop.",
    "gestures": "Gestures are named, and you make each of them several times.",
    "follow": "A drawn hand moves, and you move yours with it: EMG and pose without a camera.",
}


class RecordStore:
    """Records what a session hears, and leads a person through a protocol.

    Args:
        session: that runs.
        home: folder of the data set; it is made with the first recording.
        source: what the user opened, for the recording's notes; a simulated hand follows the prompts.
        text: the source as the user wrote it.
        busy: says why nothing can be recorded now, or nothing.
    """

    def __init__(
        self, session: Session, home: Path, source: Source, text: str, busy: Callable[[], str] = lambda: ""
    ) -> None:
        self.session, self.home, self._source, self._text, self._busy = session, home, source, text, busy
        self.said, self.version, self.answers = "", 0, _last(home)
        self._taking: Taking | None = None
        self._lock, self._turn, self._ended = threading.RLock(), threading.Lock(), threading.Event()
        self._over = False
        self.protocols: Mapping[str, str] = {name: _words(read_protocol(name)) for name in sorted(shipped())}
        if home.is_dir():
            threading.Thread(target=self._recover, name="recover", daemon=True).start()

    @property
    def place(self) -> str:
        """Folder of the recordings."""
        return str(self.home)

    @property
    def seconds(self) -> float:
        """Length so far; negative where nothing is recorded now."""
        taking = self._taking
        return -1.0 if taking is None else taking.recorder.seconds

    def start(self, answers: Answers) -> None:
        """Begin.

        Raises:
            UserError: something is missing or wrong, a recording goes on, the session has ended, or the folder cannot
                be written.
        """
        with self._lock:
            if self._over:
                raise UserError(OVER)
            if self._taking is not None:
                raise UserError("a recording goes on; stop it first")
            if why := self._busy():
                raise UserError(why)
            if answers.protocol not in self.protocols:
                raise UserError(f"there is no protocol {answers.protocol!r}; choose {', '.join(self.protocols)}")
            about = About(*(one.strip() for one in (answers.person, answers.session, answers.arm, answers.notes)))
            protocol = read_protocol(answers.protocol)
            pose, columns = _poses(answers.pose.strip(), protocol, about.arm)
            device = self.session.source.device
            recorder = Recorder(self.home, about, device, source=self._text, protocol=protocol.name, pose=columns)
            self._taking = Taking(recorder, protocol, pose, follower(self._source))
            self._ended.clear()
            self.answers, self.said = answers, ""
            self.version += 1
        with suppress(UserError):  # the recording matters more than the answers of the next one
            write_json(self.home / LAST, {key: getattr(about, key) for key in ("person", "session", "arm", "notes")})
        self.session.join(NAME, self)

    def hear(self, chunk: Chunk) -> None:
        """Record a chunk; at the end of the protocol the recording is finished by a thread of its own."""
        taking = self._taking
        if taking is None or self._ended.is_set():
            return
        try:
            with self._turn:
                taking.take(chunk)
        except UserError as error:
            self._end(f"{error} ")
            return
        if taking.done:
            self._end("")

    def stop(self) -> None:
        """End, add the recording to the data set, read it back, and say where it is."""
        self._finish("")

    def prompt(self) -> Prompt | None:
        """Return what is asked now; ``None`` where nothing is recorded."""
        taking = self._taking
        if taking is None or taking.done:
            return None
        shown = taking.shown()
        timed = isfinite(shown.phase_s) and shown.phase_s > 0
        relaxed = shown.phase == "rest"
        return Prompt(
            name="" if relaxed else shown.name,
            phase=PHASES.get(shown.phase, shown.phase),
            ask=ASKS.get(shown.phase, shown.phase),
            how=shown.words,
            note=shown.note,
            left_s=shown.left_s if timed and shown.phase in ("ready", "hold", "rest") else -1.0,
            share=1 - shown.left_s / shown.phase_s if timed else shown.share,
            done=max(shown.repetition - 1, 0),
            of=shown.repetitions,
            place=f"recording, {clock(int(taking.recorder.seconds))}",
            pose_J=drawn(shown.name) if shown.pose_J is None else shown.pose_J,
            acts={"redo": "Redo", "stop": "Stop"} if shown.phase in ("ready", "hold", "rest") else {"stop": "Stop"},
        )

    def act(self, what: str) -> None:
        """Do what was pressed: ``redo`` or ``stop``; what fails is said."""
        taking = self._taking
        if what == "redo" and taking is not None:
            with self._turn:
                taking.redo()
        elif what == "stop":
            with suppress(UserError):  # ``said`` has it
                self.stop()

    def close(self) -> None:
        """End what is recorded, when the session ends."""
        with self._lock:
            self._over = True
        with suppress(UserError):
            self.stop()

    def _end(self, why: str) -> None:
        self._ended.set()
        threading.Thread(target=self._quietly, args=(why,), name="finish").start()

    def _quietly(self, why: str) -> None:
        with suppress(UserError):  # ``said`` has it
            self._finish(why)

    def _finish(self, why: str) -> None:
        with self._lock:
            taking = self._taking
            if taking is None:
                return
            self._ended.set()
            self.session.leave(NAME)
            try:
                taking.close()
                self.said = why + finish(taking.recorder.folder).sentence
            except UserError as error:
                self.said = why + str(error)
                raise
            finally:
                self._taking = None
                self.version += 1

    def _recover(self) -> None:
        """Add what a kill left in the folder, and say so."""
        done, failed = recover(self.home)
        found = [f"A recording that was cut off is added now: {one.sentence}" for one in done]
        self.said = ". ".join([*found, *failed])
        self.version += 1


def _last(home: Path) -> Answers:
    """Return what was answered for the last recording of a folder."""
    try:
        last = read_json(home / LAST)
        return Answers(**{key: str(last[key]) for key in ("person", "session", "arm", "notes") if key in last})
    except (UserError, TypeError):
        return Answers()


def _words(protocol: Protocol) -> str:
    words = WORDS.get(protocol.name, "")
    if isinf(protocol.seconds):
        return words
    return f"{words} {ceil(protocol.seconds / 60)} minutes.".strip()


def _poses(text: str, protocol: Protocol, arm: str) -> tuple[PoseSource | None, PoseColumns | None]:
    """Return where the pose comes from, and its columns; the drawn hand has no source."""
    if text in ("", FOLLOW):
        if text and not protocol.follows:
            raise UserError(f"protocol {protocol.name} has no drawn hand; choose follow, or leave out the pose")
        return None, DRAWN if protocol.follows else None
    if "model=" in text:  # whoever has the page may not have any file of this machine opened
        raise UserError("a model of your own is named on the command line: cpep record --pose camera,model=PATH")
    source = open_pose(text, arm)
    return source, PoseColumns(source.anchor_names, source.unit, "", text)
