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
from cpep.live.sources.clock import PlaybackClock
from cpep.live.sources.device import refuse_other
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.signal.conditioning import conditioned
from cpep.types import FloatArray, UserError

GAP_S = 1.0
"""Between two recordings, declared as lost: windows must not reach from one into the other."""


class Replay:
    """Plays the recordings of one person, in the order of their names.

    Args:
        path: a recording, or a folder of them in any layout.
        device: of the checkpoint.
        speed: 1 for real time, more for faster, 0 for as fast as possible.
        user: whose recordings; if empty, the person of the first one.

    Raises:
        UserError: no recordings there, none of this user, or another device.
    """

    def __init__(self, path: Path, device: Device, speed: float = 1.0, user: str = "") -> None:
        self.name, self.channels, self.rate = f"replay:{path}", device.channels, device.emg_rate
        self._closed = Event()
        self._clock = PlaybackClock(self.rate, speed, self._closed)
        found = _of_one(path, device, user)
        first = next(found, None)
        if first is None:
            raise UserError(f"{path} holds no recording of {user}")
        self._recordings = chain([first], found)

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks of about 20 ms, each with what the label of its last sample says, to the end.

        Raises:
            UserError: a later recording cannot be read or comes from another device.
        """
        gap = 0
        for recording in self._recordings:
            yield from self._clock.deal(_emg(recording), recording.label_T, recording.vocabulary, gap)
            if self._closed.is_set():
                return
            gap = round(GAP_S * self.rate)

    def close(self) -> None:
        """End ``chunks``."""
        self._closed.set()


def emg_of_person(path: Path, device: Device) -> FloatArray:
    """Return the EMG (T, C) of all recordings that ``Replay`` plays of this path, conditioned, one after another.

    Raises:
        UserError: as ``Replay``.
    """
    whole = (conditioned(_emg(one), device.conditioning, device.emg_rate) for one in _of_one(path, device, ""))
    return np.concatenate(list(whole))


def _emg(recording: Recording) -> FloatArray:
    """Return EMG (T, C), float32; channels of a left band in the order of a right one, as in training."""
    emg_TC = np.asarray(recording.emg_TC, np.float32)
    return emg_TC[:, recording.mirror] if recording.mirror else emg_TC


def _of_one(path: Path, device: Device, user: str) -> Iterator[Recording]:
    """Read the recordings of one user, one at a time, with EMG in the checkpoint's unit."""
    sources = find_recordings(path)
    for source, recording in ((one, part) for one in sources for part in one.parts()):
        user = user or recording.user
        if recording.user == user:
            mine = recording.device
            times = refuse_other(device, str(source.path), mine.channels, mine.emg_rate, mine.emg_kind, mine.emg_unit)
            _refuse_filtered(device, mine, str(source.path))
            yield recording if times == 1 else replace(recording, emg_TC=recording.emg_TC * np.float32(times))


def _refuse_filtered(device: Device, mine: Device, name: str) -> None:
    """Refuse EMG that somebody filtered before where the checkpoint was trained on EMG that cpep filtered."""
    if device.highpass_hz and not mine.highpass_hz:
        raise UserError(
            f"{name} says that its EMG was filtered before it was saved (highpass 0), and the checkpoint was trained "
            f"on EMG that is {device.conditioning}; give EMG as the device delivers it"
        )


def _open(text: str, device: Device, speed: float) -> Replay:
    path, comma, user = text.rpartition(",user=")
    return Replay(Path(path if comma else text), device, speed, user if comma else "")


SOURCES.add("replay", SourceKind(("replay:PATH", "replay:PATH,user=NAME"), _open))
