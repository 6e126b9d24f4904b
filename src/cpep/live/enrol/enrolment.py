"""An enrolment: takes of raw EMG in which one person made gestures, as one file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from cpep.data.recording import Device, check_ring
from cpep.live.book.entries import REST
from cpep.live.book.entries import checked as checked_name
from cpep.live.enrol.guide import LEAST_HOLD_S
from cpep.live.signals import Source
from cpep.live.sources.device import described
from cpep.live.sources.fit import fitted, origin
from cpep.runtime import checked, plain, sums
from cpep.runtime.checked import Count, Name, Size
from cpep.runtime.files import atomic_path, refuse_special, write_tensors
from cpep.runtime.tensors import read_tensors
from cpep.types import FloatArray, UserError

FORMAT, READABLE, CHECKED = 2, (1, 2), 2
"""Format that is written, formats that are read, and the first with a checksum."""
REMEDY = "take a copy that is not damaged, or enrol anew into another file"
OF_DEVICE = ("channels", "emg_rate", "emg_kind", "emg_unit", "ring", "highpass_hz", "notch_hz")
"""What an enrolment says of its device; it has no anchor."""


@dataclass(frozen=True)
class TakeNote:
    """What the note of an enrolment says of a take; see ``Take``."""

    name: Name
    repetition: Size
    session: Size
    made_at: Name
    lead: Count


@dataclass(frozen=True)
class Note:
    """The note of an enrolment."""

    format: int
    device: Device
    takes: tuple[TakeNote, ...]
    planned: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        check_ring(self.device)


@dataclass(frozen=True, eq=False)
class Take:
    """One time that a gesture was made.

    Attributes:
        name: of the gesture, or ``rest``.
        repetition: its number within the session, from 1.
        session: number of the wearing of the band, from 1.
        made_at: when it was made, as ISO 8601 with time zone.
        emg_TC: float32, as the band delivered it, before any filter; finite.
        lead: samples of it that came before the prompt. They bring the filters to where they were in the stream.
    """

    name: str
    repetition: int
    session: int
    made_at: str
    emg_TC: FloatArray
    lead: int

    @property
    def key(self) -> tuple[int, str, int]:
        """What no other take of an enrolment shares with it: session, name and repetition."""
        return self.session, self.name, self.repetition


@dataclass(frozen=True, eq=False)
class Enrolment:
    """Takes of one person with one device.

    Attributes:
        device: without anchor.
        takes: in the order in which they were made.
        planned: gestures that the person asked for, made or not; empty where they asked for none.

    Raises:
        UserError: a name that no gesture can have.
    """

    device: Device
    takes: tuple[Take, ...] = ()
    planned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plain = {name: getattr(self.device, name) for name in OF_DEVICE}
        object.__setattr__(self, "device", Device(**plain))
        for name in (*(take.name for take in self.takes), *self.planned):
            checked_name(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what was made: rest first, then in the order of the takes."""
        found = dict.fromkeys(take.name for take in self.takes)
        return tuple(sorted(found, key=lambda name: name != REST))

    @property
    def session(self) -> int:
        """Number of the last session; 0 before the first take."""
        return max((take.session for take in self.takes), default=0)

    def of(self, name: str) -> tuple[Take, ...]:
        """Return the takes of a gesture."""
        return tuple(take for take in self.takes if take.name == name)

    def with_take(self, take: Take) -> Enrolment:
        """Return it with a take more, which replaces one of the same session, name and repetition."""
        return replace(self, takes=(*(old for old in self.takes if old.key != take.key), take))

    def keeping(self, takes: Sequence[Take]) -> Enrolment:
        """Return it with these of its takes alone."""
        kept = {take.key for take in takes}
        return replace(self, takes=tuple(take for take in self.takes if take.key in kept))

    def fitted(self, source: Source) -> Source:
        """Return a source as its takes were made: in their unit and at their rate. One that does not fit is closed.

        Raises:
            UserError: other channels, another kind of EMG, or what ``live.sources.fit.fitted`` refuses.
        """
        mine, other = self.device, source.device
        if (mine.channels, mine.emg_kind) != (other.channels, other.emg_kind):
            source.close()
            opened = origin(source)
            more = mine.emg_kind == other.emg_kind and opened.device.channels > mine.channels
            some = f", or {mine.channels} of its channels ({opened.name}[1-{mine.channels}])" if more else ""
            raise UserError(
                f"this enrolment was made with {described(mine)}; {source.name} has {described(other)}; take the "
                f"same device{some}, or enrol anew into another file"
            )
        return fitted(source, self.device)

    def save(self, path: Path) -> None:
        """Write it as one file, whole or not at all."""
        note = {
            "format": FORMAT,
            "device": {name: value for name, value in asdict(self.device).items() if name in OF_DEVICE},
            "planned": self.planned,
            "takes": [
                {name: getattr(take, name) for name in ("name", "repetition", "session", "made_at", "lead")}
                for take in self.takes
            ],
        }
        tensors = {f"emg.{i}": np.ascontiguousarray(take.emg_TC, np.float32) for i, take in enumerate(self.takes)}
        with atomic_path(path) as temporary:
            write_tensors(
                save_file, tensors, temporary, {"cpep_enrolment": json.dumps(sums.sealed_note(note, tensors))}
            )

    @staticmethod
    def load(path: Path) -> Enrolment:
        """Open a file.

        Raises:
            UserError: none there, a damaged one, one of another format, or one with a name that no gesture can have.
        """
        if not path.is_file():
            refuse_special(path)
            if path.is_dir():
                raise UserError(f"{path} is a folder; name a file for the enrolment, such as {path / 'me.enrol'}")
            raise UserError(f"{path} does not exist; make it with `cpep enrol {shlex.quote(str(path))}`")
        text, arrays = read_tensors(path, "cpep_enrolment", "enrolment", ("F32",), REMEDY)
        fields = plain.parse(text.encode("utf-8", "surrogatepass"), path, REMEDY)
        number = fields.get("format") if isinstance(fields, dict) else None
        if not isinstance(number, int) or number not in READABLE:
            other = f"format {number}" if isinstance(number, int) else "another format"
            raise UserError(f"{path} is an enrolment of {other}; this version of cpep reads formats 1 and 2")
        sums.refuse_broken_note(fields, arrays, path, REMEDY, required=number >= CHECKED)
        fields.pop(sums.FIELD, None)
        note = checked.convert(fields, Note, path, remedy=REMEDY)
        with checked.at(path):
            return _parsed(note, arrays)


def _parsed(note: Note, arrays: dict[str, FloatArray]) -> Enrolment:
    """Return what a file holds.

    Raises:
        UserError: it does not fit together.
    """
    if differ := arrays.keys() ^ {f"emg.{i}" for i in range(len(note.takes))}:
        raise UserError(f"{min(differ)[:60]!r} is missing, or belongs to no take; {REMEDY}")
    device, takes = note.device, []
    for i, one in enumerate(note.takes):
        emg_TC = arrays[f"emg.{i}"]
        if emg_TC.ndim != 2 or emg_TC.shape[1] != device.channels:
            raise UserError(
                f"take {i + 1} has EMG of shape {emg_TC.shape}, and the device {device.channels} channels; {REMEDY}"
            )
        if one.lead > len(emg_TC) - int(LEAST_HOLD_S * device.emg_rate):
            raise UserError(f"take {i + 1} of {len(emg_TC)} samples begins at {one.lead}, and is too short; {REMEDY}")
        takes.append(Take(one.name, one.repetition, one.session, one.made_at, emg_TC, one.lead))
    found = Enrolment(device, tuple(takes), note.planned)
    if len({take.key for take in takes}) < len(takes):
        raise UserError(f"two takes have one session, name and repetition; {REMEDY}")
    return found
