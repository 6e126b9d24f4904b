"""Rates at which a store holds EMG: tokens and bins of the wished length must be whole numbers of samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpep.data.recording import JUMPS, Recording, Repair
from cpep.data.resample import frame_ratio
from cpep.signal.conditioning import without_jumps
from cpep.signal.resampler import resampled
from cpep.types import IntArray

TOKEN_S = 0.2
"""A rate is kept if this time, the usual token, is a whole number of its frames."""
SLOWEST = 50.0
"""Signals below this rate, Hz, are kept as they are."""


def even_rate(rate: float) -> float:
    """Return the rate at which a store holds EMG of a rate, in samples per second.

    It is the same rate where ``TOKEN_S`` is a whole number of frames. Else it is the multiple of 100 Hz (below 300 Hz
    of 50 Hz) that is nearest in proportion.

    >>> [even_rate(rate) for rate in (2000.0, 250.0, 200.0, 1111.111, 1259.259, 1925.926, 2148.148, 2048.0)]
    [2000.0, 250.0, 200.0, 1100.0, 1300.0, 1900.0, 2100.0, 2000.0]
    """
    frames = TOKEN_S * rate / frame_ratio(rate)
    if rate < SLOWEST or abs(frames - round(frames)) < 1e-9:
        return rate
    step = 100.0 if rate >= 300 else 50.0
    low = max(rate // step, 1) * step
    return low if rate / low <= (low + step) / rate else low + step


def at_even_rate(recording: Recording) -> Recording:
    """Return a recording at its ``even_rate``, resampled where that is another one; the anchor keeps its own rate."""
    rate = recording.device.emg_rate
    new_rate = even_rate(rate)
    if new_rate == rate or len(recording.emg_TC) == 0:
        return recording
    free_TC, jumps = without_jumps(recording.emg_TC, rate) if recording.device.highpass_hz else (recording.emg_TC, 0)
    emg_TC = resampled(free_TC, rate, new_rate)
    row_T = np.minimum(np.round(np.arange(len(emg_TC)) * rate / new_rate).astype(np.intp), len(recording.emg_TC) - 1)

    def along(array_T: IntArray | None) -> IntArray | None:
        return None if array_T is None else array_T[row_T]

    mended = [Repair(JUMPS, jumps)] if jumps else []
    repair = Repair(f"samples resampled from {rate:g} to {new_rate:g} Hz, of which tokens are whole", len(row_T))
    return replace(
        recording,
        device=replace(recording.device, emg_rate=new_rate),
        emg_TC=emg_TC,
        label_T=recording.label_T[row_T],
        prompt_T=along(recording.prompt_T),
        repetition_T=along(recording.repetition_T),
        repairs=(*recording.repairs, *mended, repair),
        measured_rate=recording.measured_rate * new_rate / rate,
    )
