"""A source as a checkpoint needs it: in its unit and at its rate, or a sentence that says what would fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from cpep.checkpoints.card import refuse_other_unit
from cpep.data.recording import Device
from cpep.live.signals import Chunk, Source
from cpep.live.sources.device import channels, described
from cpep.live.sources.pace import Pace, refuse_narrow
from cpep.signal.rate import same_rate
from cpep.signal.units import factor
from cpep.types import UserError


@runtime_checkable
class Wrapper(Protocol):
    """A source that changes what another one delivers."""

    source: Source


@runtime_checkable
class Assuming(Protocol):
    """A source that does not know all of its device, and says in a sentence what it assumes; empty for nothing."""

    assumed: str


class Fitted:
    """A source whose EMG is brought to the unit and the rate of a checkpoint.

    Args:
        source: of the same channels and kind of EMG.
        device: of the checkpoint.
        times: factor from the unit of the source to the checkpoint's.
    """

    def __init__(self, source: Source, device: Device, times: float) -> None:
        self.name, self.source, self.device = source.name, source, device
        self._times = np.float32(times)
        other = not same_rate(source.device.emg_rate, device.emg_rate)
        self.pace = Pace(source.device, device.emg_rate) if other else None

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of the source as they arrive; at another rate, those that they complete.

        Raises:
            UserError: what is wrong with the source.
        """
        for chunk in self.source.chunks():
            scaled = chunk if self._times == 1 else replace(chunk, emg_TC=chunk.emg_TC * self._times)
            yield from self.pace.take(scaled) if self.pace else (scaled,)
        yield from self.pace.end() if self.pace else ()

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def fitted(source: Source, device: Device) -> Source:
    """Return a source as a checkpoint needs it; one that does not fit is closed.

    Args:
        source: of any device.
        device: of the checkpoint.

    Returns:
        A source of that device; the same one where it fits as it is. A rate within half a per cent is taken as it
        is, any other is resampled.

    Raises:
        UserError: other channels or kind of EMG; a rate that is too low (``refuse_narrow``); a unit from which no
            factor leads to the checkpoint's; or EMG that was filtered before, for a checkpoint whose EMG cpep
            filtered.
    """
    mine = source.device
    try:
        _refuse_other(source, device)
    except UserError:
        source.close()
        raise
    times = (factor(mine.emg_unit, device.emg_unit) if mine.emg_unit and device.emg_unit else None) or 1.0
    return source if times == 1 and mine.emg_rate == device.emg_rate else Fitted(source, device, times)


def origin(source: Source) -> Source:
    """Return the source that was opened, without what chooses its channels and makes it fit."""
    while isinstance(source, Wrapper):
        source = source.source
    return source


def told(source: Source) -> str:
    """Return one line for a user: what a source delivers, what is done to it, and what it assumes."""
    first = source.source if isinstance(source, Fitted) else source
    line = f"{source.name}: {described(first.device)}"
    if isinstance(source, Fitted) and source.pace:
        line += f", resampled to {source.pace.rate:g} Hz ({1000 * source.pace.delay_s:.0f} ms later)"
    assumed = opened.assumed if isinstance(opened := origin(source), Assuming) else ""
    return f"{line}; {assumed}" if assumed else line


def _refuse_other(source: Source, device: Device) -> None:
    mine, name = source.device, source.name
    if (mine.channels, mine.emg_kind) != (device.channels, device.emg_kind):
        raise UserError(
            f"the checkpoint was trained on {described(device)}; {name} has {described(mine)}; "
            f"{_instead(source, device)}"
        )
    if not same_rate(mine.emg_rate, device.emg_rate):
        refuse_narrow(name, mine, device)
    refuse_other_unit("EMG", device.emg_unit, mine.emg_unit, name)
    if device.highpass_hz and not mine.highpass_hz:
        raise UserError(
            f"{name} says that its EMG was filtered before (highpass 0), and the checkpoint was trained on "
            f"EMG that is {device.conditioning}; give EMG as the device delivers it"
        )


def _instead(source: Source, device: Device) -> str:
    """Return what would fit in place of a source of other channels or of another kind."""
    mine, opened = source.device, origin(source)
    if mine.emg_kind != device.emg_kind:
        assumed = opened.assumed if isinstance(opened, Assuming) else ""
        return assumed or f"take a device that sends {device.emg_kind} EMG, or a checkpoint of {mine.emg_kind} EMG"
    if opened.device.channels == device.channels:
        return f"take all of its channels: {opened.name}"
    if opened.device.channels > device.channels:
        return f"choose {device.channels} of its {opened.device.channels} with {opened.name}[1-{device.channels}]"
    return (
        f"take a checkpoint of {channels(mine.channels)}, or enrol gestures without one, which any band can do "
        "(cpep enrol)"
    )
