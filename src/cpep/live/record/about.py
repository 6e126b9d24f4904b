"""What is known of a recording before its first sample: who, what with, when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from cpep.data.readers.bids_pose import FULL_TURN
from cpep.data.recording import Device
from cpep.runtime import checked
from cpep.runtime.files import read_json, write_json
from cpep.types import FloatArray, UserError

FORMAT = 1
WHOLE = "the samples beside it are whole; correct it by hand"
YEARS = range(2000, 2200)
LONGEST_UP_S = 1e9
"""No computer runs for longer without a restart, at which its monotonic clock begins anew."""
ABOUT = "about.json"
LAST = ".cpep_last.json"
"""In the folder of a data set: what was answered for the last recording."""
ARMS = ("right", "left")
FOLLOW = "follow"
"""Source of a pose: the drawn hand, which the person follows."""


@dataclass(frozen=True)
class About:
    """What a person says of a recording.

    Attributes:
        person: who wears the device, such as a name or a number.
        session: one wearing of it; a new one begins when the device is put on again.
        arm: ``right`` or ``left``.
        notes: anything worth knowing.

    Raises:
        UserError: no person, no session, another arm, or text on more than one line.
    """

    person: str
    session: str
    arm: str = "right"
    notes: str = ""

    def __post_init__(self) -> None:
        for what in ("person", "session", "notes"):
            object.__setattr__(self, what, getattr(self, what).strip())
        for what, text in (("person", self.person), ("session", self.session)):
            if not any(letter.isalnum() for letter in text) or text.lower() == "n/a":
                raise UserError(f"the {what} is {text!r}; give a name or a number, such as 01")
        if self.arm not in ARMS:
            raise UserError(f"the arm is {self.arm!r}; it must be right or left")
        for text in (self.person, self.session, self.notes):
            if "${" in text or not text.isprintable():
                raise UserError(f"{text!r} holds ${{ or what cannot be printed; write it in plain text on one line")


@dataclass(frozen=True)
class PoseColumns:
    """What the frames of a pose hold.

    Attributes:
        names: of the columns.
        unit: of the values, such as ``rad``; empty where it is not known.
        kind: of the anchor; empty where the unit says it.
        source: where the pose comes from, as a user writes it: ``lsl:hand``; ``follow`` for the drawn hand.
    """

    names: tuple[str, ...]
    unit: str
    kind: str = ""
    source: str = ""


def beyond(columns: PoseColumns, pose_J: FloatArray) -> str:
    """Say in a sentence that a pose (J,), or one of several (S, J), is no angle; empty where it may be one."""
    most = float(np.nanmax(np.abs(pose_J), initial=0.0))
    if columns.unit != "rad" or most <= FULL_TURN:
        return ""
    return f"{columns.source} reaches {most:.3g} rad, more than a full turn: it is in another unit than it says"


@dataclass(frozen=True)
class Said:
    """All that is known before the first sample; ``about.json`` holds it.

    Attributes:
        about: what the person says.
        device: of the EMG, without an anchor.
        source: of the EMG, as a user writes it: ``lsl:band``.
        protocol: what the person was asked to do: ``free``, ``gestures``, ``follow``, or a name of their own.
        pose: columns of the pose; ``None`` without one.
        started_utc: date and time of the first moment, in ISO 8601.
        started_s: the same moment on the monotonic clock, to which all other times belong.
        version: of cpep.
    """

    about: About
    device: Device
    source: str
    protocol: str
    pose: PoseColumns | None
    started_utc: str
    started_s: float
    version: str

    def write(self, folder: Path) -> None:
        """Write ``about.json``.

        Raises:
            UserError: the folder cannot be written.
        """
        write_json(folder / ABOUT, {"format": FORMAT, **asdict(self)})

    @staticmethod
    def read(folder: Path) -> Said:
        """Read ``about.json``.

        Raises:
            UserError: it is missing, damaged, or of another version.
        """
        path = folder / ABOUT
        value = read_json(path)
        if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
            raise UserError(f"{path} is not of this version of cpep; finish the recording with the one that made it")
        said = checked.convert(value, Said, path, remedy=WHOLE)
        try:
            begun = datetime.fromisoformat(said.started_utc)
        except ValueError as error:
            raise UserError(f"{path}: started_utc: {error}; {WHOLE}") from error
        if begun.year not in YEARS or abs(said.started_s) > LONGEST_UP_S:
            raise UserError(f"{path}: it began at {said.started_utc}, {said.started_s:g} s of the clock; {WHOLE}")
        return said
