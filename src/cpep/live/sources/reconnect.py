"""A source that loses its device and finds it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Protocol

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk

SILENCE_S = 2.0
"""A connection without a sample for so long is given up."""
TELL_S = 0.5
"""Without a connection, lost samples are declared this often, s."""
PAUSE_S = 0.2
"""Between two attempts to connect."""


class Lost(Exception):
    """The connection is lost, or there is none yet."""


class Connection(Protocol):
    """A device that is there."""

    def read(self) -> list[Chunk]:
        """Return what has arrived, perhaps nothing; waits a little (at most 0.1 s) where there is nothing.

        Raises:
            Lost: the device is gone.
        """
        ...

    def close(self) -> None:
        """Let go of the device; it may be gone."""
        ...


class Reconnecting:
    """Reads a device, and connects again when it is lost.

    Time without a connection counts as lost samples, by the clock of this machine. They are declared as they pass, in
    chunks without a sample, so that the clock of the stream goes on.

    Args:
        name: what the user calls the source.
        device: what it delivers.
        connection: the first connection.
        connect: connects again, within a second or so; raises ``Lost`` where the device is not there.
        assumed: what the device does not say and is assumed, in words; empty for nothing.
    """

    def __init__(
        self, name: str, device: Device, connection: Connection, connect: Callable[[], Connection], assumed: str = ""
    ) -> None:
        self.name, self.device, self.assumed = name, device, assumed
        self._connection: Connection | None = connection
        self._connect = connect
        self._closed = Event()
        self._heard = self._accounted = 0.0  # when a sample came or a connection was made; up to when all is told
        self._away = self._begun = False

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks as they arrive, until the source is closed.

        Raises:
            UserError: what came back is another device.
        """
        self._heard = self._accounted = time.monotonic()
        self._begun = True
        try:
            while not self._closed.is_set():
                yield from self._step()
        finally:
            self._drop()

    def close(self) -> None:
        """End ``chunks``, which lets go of the device; it is let go at once where nobody reads it."""
        self._closed.set()
        if not self._begun:
            self._drop()

    def _step(self) -> Iterator[Chunk]:
        """Yield what there is: samples, or after a while without connection a loss."""
        found, now = self._read(), time.monotonic()
        if found:
            if self._away:
                samples = sum(len(chunk.emg_TC) + chunk.lost for chunk in found)
                missed = max(round((now - self._accounted) * self.device.emg_rate) - samples, 0)
                found[0] = replace(found[0], lost=found[0].lost + missed)
            yield from found
            self._heard = self._accounted = now
            self._away = False
        elif self._connection is None or now - self._heard > SILENCE_S:
            self._drop()
            self._away = True
        if self._away and now - self._accounted > TELL_S:
            lost = round((now - self._accounted) * self.device.emg_rate)
            yield Chunk(np.zeros((0, self.device.channels), np.float32), lost)
            self._accounted = now

    def _read(self) -> list[Chunk]:
        """Return what has arrived; connect where that is to be done first."""
        try:
            if self._connection is None:
                self._connection = self._connect()
                self._heard = time.monotonic()
            return self._connection.read()
        except Lost:
            self._drop()
            self._closed.wait(PAUSE_S)
            return []

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
