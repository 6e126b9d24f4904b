"""Recordings as a source: one person's, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event

import numpy as np

from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device, Recording
from cpep.live.signals import Chunk
from cpep.live.sources.clock import AT_ONCE_S, PlaybackClock
from cpep.live.sources.device import described
from cpep.live.sources.fit import fitted
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.signal.conditioning import Conditioner
from cpep.signal.rate import same_rate
from cpep.signal.units import factor
from cpep.types import FloatArray, UserError

GAP_S = 1.0
"""Between two recordings, declared as lost: windows must not reach from one into the other."""


class Replay:
    """Plays the recordings of one person, in the order of their names.

    Args:
        path: a recording, or a folder of them in any layout.
        speed: 1 for real time, more for faster, 0 for as fast as possible.
        user: whose recordings; if empty, the person of the first one.

    Raises:
        UserError: no recordings there, or none of this user.
    """

    def __init__(self, path: Path, speed: float = 1.0, user: str = "") -> None:
        found = _of_one(path, user)
        first = next(found, None)
        if first is None:
            raise UserError(f"{path} holds no recording of {user}")
        self.name, self.device = f"replay:{path}", first.device
        self._closed = Event()
        self._clock = PlaybackClock(self.device.emg_rate, speed, self._closed, AT_ONCE_S)
        self._recordings = chain([first], found)

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks of about 20 ms, each with what the label of its last sample says, to the end.

        What is due already comes in longer chunks, of one label each.

        Raises:
            UserError: a later recording cannot be read or comes from another device.
        """
        gap = 0
        for recording in self._recordings:
            yield from self._clock.deal(_emg(recording), recording.label_T, recording.vocabulary, gap)
            if self._closed.is_set():
                return
            gap = round(GAP_S * self.device.emg_rate)

    def close(self) -> None:
        """End ``chunks``."""
        self._closed.set()


def emg_of_person(path: Path, device: Device) -> FloatArray:
    """Return the EMG (T, C) of all that ``Replay`` plays of this path, one after another, as a checkpoint reads it.

    Args:
        path: as ``Replay``.
        device: of the checkpoint; the EMG is brought to it (``fitted``) and conditioned.

    Raises:
        UserError: as ``Replay`` and ``fitted``.
    """
    source = fitted(Replay(path, speed=0), device)
    conditioner = Conditioner(device.conditioning, device.emg_rate, device.channels)
    parts = []
    for chunk in source.chunks():
        if chunk.lost:
            conditioner.reset()
        parts.append(conditioner.push(chunk.emg_TC))
    return np.concatenate(parts)


def _emg(recording: Recording) -> FloatArray:
    """Return EMG (T, C), float32; channels of a left band in the order of a right one, as in training."""
    emg_TC = np.asarray(recording.emg_TC, np.float32)
    return emg_TC[:, recording.mirror] if recording.mirror else emg_TC


def _of_one(path: Path, user: str) -> Iterator[Recording]:
    """Read the recordings of one user, one at a time, with EMG in the unit of the first."""
    sources, device = find_recordings(path), None
    for source, recording in ((one, part) for one in sources for part in one.parts()):
        user = user or recording.user
        if recording.user == user:
            device = device or recording.device
            times = _factor(device, recording.device, f"{source.path} of {user}")
            yield recording if times == 1 else replace(recording, emg_TC=recording.emg_TC * np.float32(times))


def _factor(first: Device, other: Device, name: str) -> float:
    """Return the factor from the unit of a recording to that of the first one of a person.

    Raises:
        UserError: it is of another device.
    """
    times = factor(other.emg_unit, first.emg_unit)
    same = other.channels == first.channels and other.emg_kind == first.emg_kind
    same &= other.conditioning == first.conditioning and same_rate(other.emg_rate, first.emg_rate)
    if not same or times is None:
        raise UserError(
            f"{name} has {described(other)}, {other.conditioning}; the recording before it has {described(first)}, "
            f"{first.conditioning}; replay one that agrees with the others, or name the file alone"
        )
    return times


def _open(text: str, speed: float) -> Replay:
    path, comma, user = text.rpartition(",user=")
    return Replay(Path(path if comma else text), speed, user if comma else "")


SOURCES.add("replay", SourceKind(("replay:PATH", "replay:PATH,user=NAME"), _open))
