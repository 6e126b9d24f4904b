"""Lab Streaming Layer: a stream on the network as a source, and events as a stream of markers."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk, Event
from cpep.live.sources.clock import CHUNK_S
from cpep.live.sources.device import described
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.live.sources.stamps import LossFinder
from cpep.signal.units import OF_EMG, canonical
from cpep.types import UserError

FIND_S = 5.0
"""A stream that has not been found for so long is not there."""
AGAIN_S, FORGET_S = 0.5, 2.0
WAIT_S = 0.1
BUFFERED_S = 10
UNSTATED = ("", "none", "unknown", "n/a")
MNE_UNITS = {"0": "V", "-3": "mV", "-6": "uV"}
"""Units as MNE-LSL writes them: a power of ten of a volt."""
PROPERTIES = ("name", "type", "source_id")


def open_lsl(what: str) -> Reconnecting:
    """Connect to a stream.

    Args:
        what: its name, or ``type=EMG``.

    Raises:
        UserError: no such stream within 5 s, one of something else than EMG, or pylsl is missing.
    """
    pylsl = _pylsl()
    key, value = _property(what)
    # One that goes on looking: resolve_byprop now and then takes 5 s longer than it is given.
    resolver = pylsl.ContinuousResolver(prop=key, value=value, forget_after=FORGET_S)
    found = _newest(resolver, FIND_S)
    if found is None:
        raise UserError(
            f"no LSL stream with {key} {value} within {FIND_S:g} s; there {_listed(pylsl.resolve_streams(1.0))}"
        )
    name = f"lsl:{found.name()}"

    def connect() -> Inlet:
        again = _newest(resolver, AGAIN_S)
        if again is None:
            raise Lost
        inlet = Inlet(again, name, AGAIN_S)
        if inlet.device != first.device:
            inlet.close()
            raise UserError(
                f"{name} came back with {described(inlet.device)}; it had {described(first.device)}; start this again"
            )
        return inlet

    try:
        first = Inlet(found, name, FIND_S)
    except Lost as error:
        raise UserError(f"{name} was there and does not answer; start it again, and then this") from error
    return Reconnecting(name, first.device, first, connect)


def _newest(resolver: Any, wait_s: float) -> Any | None:
    """Return the stream that began last; one that has ended may still be listed for a while."""
    until = time.monotonic() + wait_s
    while not (found := resolver.results()) and time.monotonic() < until:
        time.sleep(0.02)
    return max(found, key=lambda info: info.created_at(), default=None)


class Inlet:
    """One connection to a stream.

    Args:
        info: what pylsl found.
        name: of the source.
        wait_s: for an answer; a stream that has just ended is still found for a moment.

    Attributes:
        device: what the stream says of itself; it is taken as raw EMG.

    Raises:
        UserError: the stream holds no numbers, has no regular rate, or says what is not understood.
        Lost: no answer.
    """

    def __init__(self, info: Any, name: str, wait_s: float) -> None:
        pylsl = _pylsl()
        if info.channel_format() == pylsl.cf_string:
            raise UserError(f"{name} is a stream of texts, not of EMG; name another one")
        rate, channels = info.nominal_srate(), info.channel_count()
        if not rate:
            raise UserError(f"{name} has no regular rate; let the program that sends it state one")
        self._finder = LossFinder(rate, channels, name)
        self._most = max(round(CHUNK_S * rate), 1)
        # As the sender stamped them: smoothing by liblsl would hide what was lost.
        self._inlet = pylsl.StreamInlet(info, max_buflen=BUFFERED_S, recover=False)
        self._lost = pylsl.util.LostError
        try:
            self._inlet.open_stream(timeout=wait_s)
            self.device = Device(channels, rate, "raw", _unit(self._inlet.info(timeout=wait_s), name))
        except (pylsl.util.LostError, pylsl.util.TimeoutError) as error:
            raise Lost from error
        self._now, self._late = pylsl.local_clock, (pylsl.util.LostError, pylsl.util.TimeoutError)
        self._correction_s = nan
        self._correct()

    def read(self) -> list[Chunk]:
        """Return what has arrived within 0.1 s, about 20 ms of it.

        Raises:
            Lost: the stream is gone.
            UserError: its real rate is another one than it says.
        """
        try:
            emg_TC, stamp_T = self._inlet.pull_chunk(timeout=WAIT_S, max_samples=self._most)
        except self._lost as error:
            raise Lost from error
        if not stamp_T:
            return []
        found = self._finder.add(np.array(emg_TC, np.float32), np.array(stamp_T))
        self._correct()
        later_s = self._correction_s + time.monotonic() - self._now()  # liblsl's clock, and Python's
        return [replace(chunk, stamp_s=chunk.stamp_s + later_s) for chunk in found]

    def _correct(self) -> None:
        """Ask what leads from the clock of the sender to that of this machine.

        liblsl measures it beside, at first for half a second; until then, and behind some firewalls, it is not known.
        """
        with suppress(*self._late):  # then the last one holds
            self._correction_s = self._inlet.time_correction(timeout=0.0)

    def close(self) -> None:
        """Close the stream."""
        self._inlet.close_stream()


class Markers:
    """Publishes events as a stream of markers: the name of each gesture when it begins.

    Args:
        name: of the stream.

    Raises:
        UserError: pylsl is missing.
    """

    def __init__(self, name: str) -> None:
        pylsl = _pylsl()
        info = pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, "string", f"cpep-{name}")
        self._outlet = pylsl.StreamOutlet(info)

    def publish(self, event: Event) -> None:
        """Send an event to whoever listens."""
        self._outlet.push_sample([event.name])


def _unit(info: Any, name: str) -> str:
    """Return the unit that a stream's description states, empty where it states none.

    Raises:
        UserError: the unit is not known, or differs between channels.
    """
    stated: set[str] = set()
    channel = info.desc().child("channels").child("channel")
    while not channel.empty():
        text = channel.child_value("unit").strip()
        try:
            stated |= {canonical(MNE_UNITS.get(text, text), OF_EMG)} if text.lower() not in UNSTATED else set()
        except UserError as error:
            raise UserError(f"{name}: {error}; correct the description of the stream") from error
        channel = channel.next_sibling("channel")
    if len(stated) > 1:
        raise UserError(f"{name} has channels in {' and '.join(sorted(stated))}; send all of them in one unit")
    return stated.pop() if stated else ""


def _property(what: str) -> tuple[str, str]:
    key, equals, value = what.partition("=")
    if not equals:
        key, value = "name", what
    if key not in PROPERTIES or not value:
        raise UserError(f"lsl:{what}: write lsl:NAME, or lsl:type=EMG for any stream of a type")
    return key, value


def _listed(found: list[Any]) -> str:
    if not found:
        return "are no streams"
    rows = [
        f"{info.name()} ({info.type()}, {info.channel_count()} channels, {info.nominal_srate():g} Hz)"
        for info in found
    ]
    return ("is " if len(rows) == 1 else "are ") + ", ".join(sorted(set(rows)))


def _pylsl() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # RuntimeError: the package is there, the library is not
        raise UserError('LSL needs pylsl; install it with pip install "cpep[live]"') from error
    return pylsl


SOURCES.add(
    "lsl",
    SourceKind(
        ("lsl:NAME", "lsl:type=EMG"),
        lambda text, speed: open_lsl(text),
        own_pace=True,
    ),
)
