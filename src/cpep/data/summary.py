"""What one recording holds, in numbers that many recordings are summed up from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.config.schema import DataConfig
from cpep.data.copies import digests
from cpep.data.marks import Mark, marks_of
from cpep.data.montage import Pattern, pattern_of
from cpep.data.recording import Device, Recording
from cpep.data.window_facts import Covered, covered
from cpep.signal.lag import Lag, find_lag
from cpep.signal.measures import measure

WINDOWS = DataConfig()
"""Windows as they are unless a run says otherwise."""


@dataclass(frozen=True)
class Summary:
    """What one recording holds; ``seconds_of`` and ``times_of`` by gesture.

    Attributes:
        marks: what is wrong or odd.
        lag: between EMG and pose; ``None`` where it cannot be looked for.
        covered: how much of it a later step leaves out.
        pattern: strength of the channels by gesture.
        measured_s: seconds that spectra and SDs are from.
        strength: SD of the EMG in its unit, median of the channels that have a signal; 0 where none has.
        digests: of the channels, by which copies are known.
    """

    name: str
    user: str
    session: str
    seconds: float
    device: Device
    anchor_rate: float
    anchor_frames: int
    invalid_frames: int
    seconds_of: dict[str, float]
    times_of: dict[str, int]
    marks: tuple[Mark, ...]
    lag: Lag | None
    covered: Covered
    pattern: Pattern
    measured_s: float
    strength: float
    digests: tuple[str, ...]


def summarise(recording: Recording) -> Summary:
    """Return what one recording holds."""
    label_T, rate = recording.label_T, recording.device.emg_rate
    begins_T = np.diff(label_T, prepend=label_T[:1] - 1) != 0
    samples = np.bincount(label_T[label_T >= 0], minlength=len(recording.vocabulary))
    times = np.bincount(label_T[begins_T & (label_T >= 0)], minlength=len(recording.vocabulary))
    frames = 0 if recording.anchor_SJ is None else len(recording.valid_S)
    measures, lag = measure(recording.emg_TC, rate, recording.device.emg_kind), lag_of(recording)
    return Summary(
        name=recording.name,
        user=recording.user,
        session=recording.session,
        seconds=recording.seconds,
        device=recording.device,
        anchor_rate=recording.anchor_rate,
        anchor_frames=frames,
        invalid_frames=frames - int(recording.valid_S.sum()),
        seconds_of={recording.vocabulary[k]: samples[k] / rate for k in np.flatnonzero(samples)},
        times_of={recording.vocabulary[k]: int(times[k]) for k in np.flatnonzero(samples)},
        marks=marks_of(recording, measures, lag),
        lag=lag,
        covered=covered(recording, WINDOWS),
        pattern=pattern_of(recording),
        measured_s=measures.measured_s,
        strength=float(np.median(measures.sd_C[~measures.flat_C])) if not measures.flat_C.all() else 0.0,
        digests=digests(recording.emg_TC),
    )


def lag_of(recording: Recording) -> Lag | None:
    """Return the lag between EMG and pose of a recording, ``None`` where there is none to look for."""
    device = recording.device
    if recording.anchor_SJ is None or recording.seconds < 5 or not recording.valid_S.any():
        return None
    return find_lag(
        recording.emg_TC,
        device.emg_rate,
        device.emg_kind,
        recording.anchor_SJ,
        recording.anchor_rate,
        recording.valid_S,
    )
