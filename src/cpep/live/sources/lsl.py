"""Lab Streaming Layer: a stream on the network as a source, and events as a stream of markers."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.live.lsl import UNSTATED, monotonic, pylsl_module
from cpep.live.signals import Chunk, Event
from cpep.live.sources.clock import CHUNK_S
from cpep.live.sources.device import described, in_the_sender
from cpep.live.sources.lsl_find import AGAIN_S, FIND_S, Asked, Finder, parse, way
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.live.sources.stamps import LossFinder
from cpep.signal.units import OF_EMG, canonical
from cpep.types import UserError

WAIT_S = 0.1
BUFFERED_S = 10
MEASURE_S = 2.0
"""The rate of a stream that states none is measured for so long."""
MNE_UNITS = {"0": "V", "-3": "mV", "-6": "uV"}
"""Units as MNE-LSL writes them: a power of ten of a volt."""


def open_lsl(what: str) -> Reconnecting:
    """Connect to a stream.

    Args:
        what: its name, or ``type=EMG``; and what it does not say, as ``NAME,unit=uV,kind=envelope``.

    Raises:
        UserError: no such stream within 5 s, two of them, one of something else than EMG, or pylsl is missing.
    """
    asked = parse(what)
    finder = Finder(pylsl_module(), asked)
    found = finder.first()
    name = f"lsl:{found.name()}"

    def connect() -> Inlet:
        again = finder.again(found)
        if again is None:
            raise Lost
        inlet = Inlet(again, name, asked, AGAIN_S)
        if inlet.device != first.device:
            inlet.close()
            raise UserError(
                f"{name} came back with {described(inlet.device)}; it had {described(first.device)}; start this again"
            )
        return inlet

    try:
        first = Inlet(found, name, asked, FIND_S)
    except Lost as error:
        raise UserError(f"{name} was there and does not answer; start it again, and then this") from error
    return Reconnecting(name, first.device, first, connect, _assumed(asked, first.device, name))


def _assumed(asked: Asked, device: Device, name: str) -> str:
    """Return what is assumed of a stream that does not say it."""
    taken = [] if asked.kind else [f"taken as raw EMG (if it is an envelope, write {name},kind=envelope)"]
    if not device.emg_unit:
        taken.append(f"its unit is not known (write it, as {name},unit=uV)")
    return "; ".join(taken)


def there(wait_s: float = 1.5) -> list[tuple[str, str]]:
    """Return each stream of numbers on the network: what to write, and what the stream says of itself.

    Raises:
        UserError: pylsl is missing.
    """
    pylsl = pylsl_module()
    found = [info for info in pylsl.resolve_streams(wait_s) if info.channel_format() != pylsl.cf_string]
    streams = []
    for info in found:
        same = [one for one in found if one.name() == info.name()]
        written = f"lsl:{info.name()}" if len(same) == 1 else way(info.name(), info, same)
        inlet = pylsl.StreamInlet(info, recover=False)
        with suppress(pylsl.util.LostError, pylsl.util.TimeoutError):  # of one that has ended
            streams.append((written, _says(inlet.info(timeout=AGAIN_S))))
        inlet.close_stream()
    return sorted(streams)


def _says(info: Any) -> str:
    """Return what a stream says of itself, in words."""
    rate = f"{info.nominal_srate():g} Hz" if info.nominal_srate() else "no regular rate"
    try:
        unit = _unit(info, "the stream") or "no unit"
    except UserError:
        unit = "a unit that is not known"
    return f"{info.type() or 'no type'}, {info.channel_count()} channels, {rate}, {unit}, on {info.hostname()}"


class Inlet:
    """One connection to a stream.

    Args:
        info: what pylsl found.
        name: of the source.
        asked: what the user says of it.
        wait_s: for an answer; a stream that has just ended is still found for a moment.

    Attributes:
        device: what the stream and the user say of it.

    Raises:
        UserError: the stream holds no numbers, has no regular rate, or says what is not understood, or what the user
            says is something else.
        Lost: no answer.
    """

    def __init__(self, info: Any, name: str, asked: Asked, wait_s: float) -> None:
        pylsl = pylsl_module()
        if info.channel_format() == pylsl.cf_string:
            raise UserError(f"{name} is a stream of texts, not of EMG; name another one")
        rate, channels = asked.rate or info.nominal_srate(), info.channel_count()
        # As the sender stamped them: smoothing by liblsl would hide what was lost.
        self._inlet = pylsl.StreamInlet(info, max_buflen=BUFFERED_S, recover=False)
        self._lost = pylsl.util.LostError
        try:
            self._inlet.open_stream(timeout=wait_s)
            unit = _unit(self._inlet.info(timeout=wait_s), name)
        except (pylsl.util.LostError, pylsl.util.TimeoutError) as error:
            raise Lost from error
        if not rate:
            raise UserError(self._without_rate(name))
        if asked.unit and unit not in ("", asked.unit):
            raise UserError(f"{name} states {unit} as its unit; leave out unit={asked.unit}, or correct the stream")
        self.device = Device(channels, rate, "envelope" if asked.kind == "envelope" else "raw", unit or asked.unit)
        self._finder = LossFinder(
            rate,
            channels,
            name,
            lambda real: f"{in_the_sender(real)}, or write the real one, as {name},rate={real:.5g}",
        )
        self._most = max(round(CHUNK_S * rate), 1)
        self._late = (pylsl.util.LostError, pylsl.util.TimeoutError)
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
        later_s = monotonic(self._correction_s)
        return [replace(chunk, stamp_s=chunk.stamp_s + later_s) for chunk in found]

    def _without_rate(self, name: str) -> str:
        """Say what to do with a stream that states no rate."""
        stamps, until = [0.0][:0], time.monotonic() + MEASURE_S
        while time.monotonic() < until:
            stamps += self._inlet.pull_chunk(timeout=WAIT_S)[1]
        self.close()
        if len(stamps) < 2 or stamps[-1] <= stamps[0]:
            return f"{name} states no rate and sends nothing; it may be a stream of events; name one of EMG"
        rate = (len(stamps) - 1) / (stamps[-1] - stamps[0])
        return (
            f"{name} states no regular rate; about {rate:.4g} samples a second came in {MEASURE_S:g} s; if it "
            f"measures evenly, write the rate of the device, as {name},rate={rate:.0f}; an uneven signal is of no use"
        )

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
        pylsl = pylsl_module()
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


SOURCES.add(
    "lsl",
    SourceKind(
        ("lsl:NAME", "lsl:type=EMG"),
        lambda text, speed: open_lsl(text),
        own_pace=True,
    ),
)
