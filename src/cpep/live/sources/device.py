"""Whether a source delivers what a checkpoint was trained on."""

from __future__ import annotations

from cpep.checkpoints.card import refuse_other_unit
from cpep.data.recording import Device
from cpep.signal.rate import same_rate
from cpep.signal.units import factor
from cpep.types import UserError


def refuse_other(device: Device, name: str, channels: int, rate: float, kind: str = "", unit: str = "") -> float:
    """Check that a source is of the same kind as the device of a checkpoint.

    Args:
        device: of the checkpoint.
        name: of the source, for the sentence of an error.
        channels: of the source.
        rate: of the source, samples per second, which may differ by half a per cent; 0 where it has no regular one.
        kind: ``raw`` or ``envelope``; empty where that is not known.
        unit: of the EMG; empty where that is not known.

    Returns:
        The factor that leads from the source's unit to the checkpoint's; 1 where a unit is not known.

    Raises:
        UserError: other channels, rate or kind, or a unit from which no factor leads to the checkpoint's.
    """
    same = channels == device.channels and same_rate(rate, device.emg_rate) and kind in ("", device.emg_kind)
    if not same:
        raise UserError(
            f"the checkpoint was trained on {_described(device.channels, device.emg_rate, device.emg_kind)}; "
            f"{name} has {_described(channels, rate, kind)}"
        )
    refuse_other_unit("EMG", device.emg_unit, unit, name)
    return (factor(unit, device.emg_unit) if unit and device.emg_unit else None) or 1.0


def refuse_other_pace(name: str, rate: float, measured_rate: float) -> None:
    """Check that a source sends as many samples as it says.

    Args:
        name: of the source, for the sentence of an error.
        rate: what it says, samples per second.
        measured_rate: by the stamps of its samples.

    Raises:
        UserError: they differ by more than half a per cent.
    """
    if not same_rate(rate, measured_rate):
        raise UserError(
            f"{name} says that it has {rate:g} samples a second, and its samples are stamped as {measured_rate:.5g} "
            "a second; correct the rate in the program that sends them, or see why samples are lost on the way"
        )


def _described(channels: int, rate: float, kind: str) -> str:
    what = f"{channels} channels of {kind} EMG" if kind else f"{channels} channels"
    return f"{what} at {rate:g} Hz" if rate else f"{what} at no regular rate"
