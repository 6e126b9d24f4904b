"""What a source delivers in words, and whether it delivers what it says."""

from __future__ import annotations

from collections.abc import Callable

from cpep.data.recording import Device
from cpep.signal.rate import same_rate
from cpep.types import UserError


def in_the_sender(measured_rate: float) -> str:
    """Return what to do where the real rate is another one than a source says."""
    return "correct the rate in the program that sends them"


def channels(number: int) -> str:
    """Return a number of channels in words: ``1 channel``, ``8 channels``."""
    return f"{number} channel{'' if number == 1 else 's'}"


def described(device: Device) -> str:
    """Return what EMG a device delivers, in words.

    >>> described(Device(8, 200.0, "raw", "uV"))
    '8 channels of raw EMG at 200 Hz in uV'
    >>> described(Device(1, 200.0, "raw", ""))
    '1 channel of raw EMG at 200 Hz'
    """
    unit = f" in {device.emg_unit}" if device.emg_unit else ""
    return f"{channels(device.channels)} of {device.emg_kind} EMG at {device.emg_rate:g} Hz{unit}"


def refuse_other_pace(
    name: str, rate: float, measured_rate: float, remedy: Callable[[float], str] = in_the_sender
) -> None:
    """Check that a source sends as many samples as it says.

    Args:
        name: of the source, for the sentence of an error.
        rate: what it says, samples per second.
        measured_rate: by the stamps of its samples.
        remedy: from the measured rate to what can be done.

    Raises:
        UserError: they differ by more than half a per cent.
    """
    if not same_rate(rate, measured_rate):
        raise UserError(
            f"{name} says that it has {rate:g} samples a second, and its samples are stamped as {measured_rate:.5g} "
            f"a second; {remedy(measured_rate)}, or see why samples are lost on the way"
        )
