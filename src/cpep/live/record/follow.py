"""Pose of the drawn hand that a person follows: by how much the person is late, and the pose moved by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpep.data.recording import Recording
from cpep.live.poses.lag import EMG_FIRST_MS, lag_of
from cpep.types import UserError


@dataclass(frozen=True)
class Shift:
    """How the drawn hand was moved in time to where the EMG tells that the person made it.

    Attributes:
        shifted_ms: the pose was moved later by so much; 0 where the EMG does not tell how far the person is behind.
        emg_late_ms: the EMG changes so much later than the drawn hand moves.
        low_ms, high_ms: nine of ten draws of movements lie between.
        movements: from which it was estimated.
        unclear: why it could not be, a sentence; empty where it could.
    """

    shifted_ms: float = 0.0
    emg_late_ms: float = 0.0
    low_ms: float = 0.0
    high_ms: float = 0.0
    movements: int = 0
    unclear: str = ""


def shift_of(recordings: Sequence[Recording]) -> Shift:
    """Estimate the shift from the longest of the recordings, which have the pose as it was drawn."""
    try:
        lag = lag_of(max(recordings, key=lambda one: int(one.valid_S.sum())))
    except UserError as error:
        return Shift(unclear=str(error))
    return Shift(
        round(EMG_FIRST_MS - lag.ms, 1), round(-lag.ms, 1), round(-lag.high, 1), round(-lag.low, 1), lag.movements
    )
