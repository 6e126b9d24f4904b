"""Pose of the drawn hand that a person follows: by how much the person is late, and the pose moved by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpep.data.recording import Recording
from cpep.signal.lag import find_lag, pooled


@dataclass(frozen=True)
class Shift:
    """How the drawn hand was moved in time to lie over the EMG of the person who follows it.

    Attributes:
        lag_ms: the EMG changes so much later than the drawn hand moves, ms; 0 where there was no movement.
        low_ms, high_ms: nine of ten draws of movements lie between.
        movements: that the lag was estimated from.
        shifted_ms: the pose was moved later by so much: by the lag where that is clear, else not.
    """

    lag_ms: float
    low_ms: float
    high_ms: float
    movements: int
    shifted_ms: float


def shift_of(recordings: Sequence[Recording]) -> Shift:
    """Estimate the shift from recordings with the pose as it was drawn."""
    found = [
        lag
        for one in recordings
        if one.anchor_SJ is not None
        and one.valid_S.any()
        and (
            lag := find_lag(
                one.emg_TC, one.device.emg_rate, one.device.emg_kind, one.anchor_SJ, one.anchor_rate, one.valid_S
            )
        )
    ]
    if not found:
        return Shift(0.0, 0.0, 0.0, 0, 0.0)
    lag = pooled(found) if len(found) > 1 else found[0]
    late_ms = round(-lag.ms, 1)
    return Shift(late_ms, round(-lag.high, 1), round(-lag.low, 1), lag.movements, late_ms if lag.clear else 0.0)
