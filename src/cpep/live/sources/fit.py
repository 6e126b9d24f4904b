"""A source as a checkpoint needs it: in its unit and at its rate, or a sentence that says what would fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cpep.checkpoints.card import refuse_other_unit
from cpep.data.recording import Device
from cpep.live.signals import Chunk, Source
from cpep.live.sources.device import described
from cpep.signal.rate import same_rate
from cpep.signal.units import factor
from cpep.types import UserError


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

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of the source as they arrive.

        Raises:
            UserError: what is wrong with the source.
        """
        for chunk in self.source.chunks():
            yield replace(chunk, emg_TC=chunk.emg_TC * self._times)

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def fitted(source: Source, device: Device) -> Source:
    """Return a source as a checkpoint needs it.

    Args:
        source: of any device.
        device: of the checkpoint.

    Returns:
        A source of that device; the same one where it fits as it is.

    Raises:
        UserError: other channels, rate or kind of EMG; a unit from which no factor leads to the checkpoint's; or EMG
            that was filtered before, for a checkpoint whose EMG cpep filtered.
    """
    mine = source.device
    same = (mine.channels, mine.emg_kind) == (device.channels, device.emg_kind)
    if not same or not same_rate(mine.emg_rate, device.emg_rate):
        raise UserError(f"the checkpoint was trained on {described(device)}; {source.name} has {described(mine)}")
    refuse_other_unit("EMG", device.emg_unit, mine.emg_unit, source.name)
    if device.highpass_hz and not mine.highpass_hz:
        raise UserError(
            f"{source.name} says that its EMG was filtered before (highpass 0), and the checkpoint was trained on "
            f"EMG that is {device.conditioning}; give EMG as the device delivers it"
        )
    times = (factor(mine.emg_unit, device.emg_unit) if mine.emg_unit and device.emg_unit else None) or 1.0
    return source if times == 1 and mine.emg_rate == device.emg_rate else Fitted(source, device, times)
