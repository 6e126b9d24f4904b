"""An enrolment: takes of raw EMG in which one person made gestures, as one file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cpep.data.recording import Device
from cpep.live.book.entries import REST, checked
from cpep.live.enrol.guide import LEAST_HOLD_S
from cpep.live.signals import Source
from cpep.live.sources.device import described
from cpep.live.sources.fit import fitted, origin
from cpep.runtime.files import atomic_path, refuse_special, write_tensors
from cpep.types import FloatArray, UserError, refuse_interpolation

FORMAT = 1
OF_DEVICE = ("channels", "emg_rate", "emg_kind", "emg_unit", "ring", "highpass_hz", "notch_hz")
"""What an enrolment says of its device; it has no anchor."""


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
            checked(name)

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
            write_tensors(save_file, tensors, temporary, {"cpep_enrolment": json.dumps(note)})

    @staticmethod
    def load(path: Path) -> Enrolment:
        """Open a file.

        Raises:
            UserError: none there, a damaged one, one of another format, or one with a name that no gesture can have.
        """
        if not path.is_file():
            refuse_special(path)
            raise UserError(f"{path} does not exist; make it with `cpep enrol {shlex.quote(str(path))}`")
        try:
            with safe_open(path, "numpy") as file:
                note = json.loads(file.metadata()["cpep_enrolment"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            refuse_interpolation(note, path)
            if note["format"] != FORMAT:
                raise UserError(
                    f"{path} is an enrolment of format {note['format']}; this version of cpep reads format {FORMAT}"
                )
            return _parsed(note, tensors)
        except UserError as error:
            raise UserError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
        except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path} is no enrolment, or damaged: {reason}") from error


def _parsed(note: dict[str, Any], tensors: dict[str, FloatArray]) -> Enrolment:
    """Return what a file holds.

    Raises:
        KeyError, TypeError, ValueError, UserError: it does not fit together.
    """
    device = Device(**{name: note["device"][name] for name in OF_DEVICE} | {"ring": tuple(note["device"]["ring"])})
    takes = []
    for i, one in enumerate(note["takes"]):
        emg_TC = tensors[f"emg.{i}"]
        if emg_TC.ndim != 2 or emg_TC.shape[1] != device.channels or not np.isfinite(emg_TC).all():
            raise ValueError(f"take {i + 1} has EMG of shape {emg_TC.shape}, or values that are not finite")
        if not 0 <= int(one["lead"]) <= len(emg_TC) - int(LEAST_HOLD_S * device.emg_rate):
            raise ValueError(f"take {i + 1} of {len(emg_TC)} samples begins at {one['lead']}, and is too short")
        numbers = {name: int(one[name]) for name in ("repetition", "session", "lead")}
        takes.append(Take(str(one["name"]), made_at=str(one["made_at"]), emg_TC=emg_TC, **numbers))
    return Enrolment(device, tuple(takes), tuple(str(name) for name in note.get("planned", ())))
