"""What is wrong or odd about one recording, as marks with numbers; ``cpep.data.findings`` makes sentences of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cpep.data.anchor import FULL_TURN
from cpep.data.recording import Recording
from cpep.signal import quality
from cpep.signal.lag import Lag
from cpep.signal.measures import Measures
from cpep.types import UNKNOWN, FloatArray

SHORT_S = 2.0
"""Length of the paper's window, seconds: a shorter recording gives no window."""

LOUD_FLOOR = 5.0
"""A channel is noisy whose quiet moments are so many times as strong as the usual channel's."""

OFFSET = 3.0
"""An offset of raw EMG is told from this many SDs on."""

WORST_CLIPPED = 0.2
"""A channel of which this share is clipped is not usable."""

EMG_LEADS_MS = (0.0, 200.0)
"""EMG comes 30 to 100 ms before the movement, and filters on either side add to it; a lag outside this is odd."""

RATE_OFF = 0.002
"""A measured rate that differs by less than this share from the declared one is what clocks do."""


WEAKEST_UV, STRONGEST_UV = 0.3, 10_000.0
"""SD of raw EMG, median of the channels: an amplifier alone has more than the one, and no muscle gives the other."""


@dataclass(frozen=True)
class Mark:
    """One thing that is wrong or odd about a recording.

    Attributes:
        kind: a key of ``cpep.data.findings.KINDS``.
        channels: numbers of the EMG channels it is about, from 0; empty for the recording as a whole.
        low, high: range of the value that goes with it, over these channels.
        detail: a text or another number that goes with it; marks with different details are told apart.
        place: where it is in this recording, in words; not compared.
    """

    kind: str
    channels: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 0.0
    detail: str = ""
    place: str = ""


def marks_of(recording: Recording, measures: Measures, lag: Lag | None) -> tuple[Mark, ...]:
    """Return the marks of a recording, the signal's first."""
    return (
        *_signal(recording, measures),
        *_time(recording, measures),
        *_anchor(recording, lag),
        *_labels(recording),
    )


def _readable(value_C: FloatArray, unit: str) -> tuple[FloatArray, str]:
    """Return values in mV where they are thousands of uV."""
    large = unit == "uV" and np.abs(value_C).max(initial=0) >= 1000
    return (value_C / 1000, "mV") if large else (value_C, unit)


def _signal(recording: Recording, measures: Measures) -> Iterator[Mark]:
    if measures.flat_C.all():
        yield Mark("silent")
        return
    raw = recording.device.emg_kind == "raw"
    alive_C = ~measures.flat_C
    if raw and recording.device.emg_unit == "uV":
        yield from _unit(float(np.median(measures.sd_C[alive_C])))
    yield from _channels("flat", measures.flat_C & (measures.sd_C == 0), measures.sd_C, "no")
    yield from _channels("flat", measures.flat_C & (measures.sd_C > 0), measures.sd_C, "next to no")
    for i, j, sign in measures.copies:
        yield Mark("copies" if sign > 0 else "turned", (i, j))
    clipped_C = measures.clipped_C * alive_C
    yield from _channels("clipped", (clipped_C > quality.CLIPPED) & (clipped_C <= WORST_CLIPPED), 100 * clipped_C)
    yield from _channels("saturated", clipped_C > WORST_CLIPPED, 100 * clipped_C)
    detail = f"{measures.mains_hz:g}"
    yield from _channels("hum", alive_C & (measures.hum_C > quality.HUM), 100 * measures.hum_C, detail)
    yield from _strength(measures, alive_C, raw)
    yield from _spells(recording, measures)
    if measures.bursts:
        yield Mark("bursts", low=measures.burst, high=measures.burst, place=_moments(measures.bursts))
    if raw:
        away_C = alive_C & (np.abs(measures.offset_C) > OFFSET * measures.sd_C)
        kind = "offset" if recording.device.highpass_hz else "offset_left"
        yield from _channels(kind, away_C, *_readable(measures.offset_C, recording.device.emg_unit))
    if measures.looks and measures.looks != recording.device.emg_kind:
        yield Mark("looks", detail=measures.looks)


def _unit(strength: float) -> Iterator[Mark]:
    """Mark EMG that is too weak or too strong to be in the unit that is given, uV."""
    if not WEAKEST_UV <= strength <= STRONGEST_UV:
        unit, times = ("nV", 1e3) if strength < WEAKEST_UV else ("mV", 1e-3) if strength < 1e6 else ("V", 1e-6)
        yield Mark("unit", low=times * strength, high=times * strength, detail=unit)


def _strength(measures: Measures, alive_C: np.ndarray, raw: bool) -> Iterator[Mark]:
    """Mark channels that are far stronger than the others, always or when the others are quiet."""
    if alive_C.sum() < 3:
        return
    times_C = measures.sd_C / max(float(np.median(measures.sd_C[alive_C])), 1e-30)
    loud_C = alive_C & (times_C > quality.NOISY)
    yield from _channels("loud", loud_C, times_C)
    quiet = float(np.median(measures.floor_C[alive_C]))
    if quiet <= 0 or not raw:  # an envelope at rest is what its smoothing leaves
        return
    floor_C = measures.floor_C / quiet
    contrast_C = measures.peak_C / np.maximum(measures.floor_C, 1e-30)
    poor_C = contrast_C < 0.5 * np.median(contrast_C[alive_C])
    yield from _channels("noisy", alive_C & ~loud_C & poor_C & (floor_C > LOUD_FLOOR), floor_C)


def _spells(recording: Recording, measures: Measures) -> Iterator[Mark]:
    for channel in sorted({spell.channel for spell in measures.spells}):
        mine = [spell for spell in measures.spells if spell.channel == channel]
        seconds = sum(spell.end - spell.start for spell in mine)
        to_end = mine[-1].end > recording.seconds - 1.5 / recording.device.emg_rate - 1e-9
        if len(mine) == 1:
            place = f"from {mine[0].start:.1f} s " + ("on" if to_end else f"to {mine[0].end:.1f} s")
        else:
            place = f"{len(mine)} times, the first at {mine[0].start:.1f} s"
        kind, channels = ("held", ()) if channel < 0 else ("dead", (channel,))
        yield Mark(kind, channels, seconds, seconds, place=place)


def _time(recording: Recording, measures: Measures) -> Iterator[Mark]:
    rate = recording.device.emg_rate
    if recording.seconds < SHORT_S:
        yield Mark("short", low=recording.seconds, high=recording.seconds)
    if measures.repeats > 1:
        yield Mark("repeats", detail=str(measures.repeats))
    elif measures.top_hz < 0.8 * rate / 2:
        yield Mark("empty_band", low=measures.top_hz, high=measures.top_hz, detail=f"{rate:,.7g}")
    measured = recording.measured_rate
    if measured and abs(measured / rate - 1) > RATE_OFF:
        yield Mark("rate", low=measured, high=measured, detail=f"{rate:,.7g}")
    for repair in recording.repairs:
        yield Mark("repair", low=repair.count, high=repair.count, detail=repair.what)
    for note in recording.notes:
        yield Mark("note", detail=note)


def _anchor(recording: Recording, lag: Lag | None) -> Iterator[Mark]:
    if recording.anchor_SJ is None:
        yield Mark("no_anchor")
        return
    if not recording.valid_S.any():
        yield Mark("no_valid")
        return
    invalid = 100 * (1 - float(recording.valid_S.mean()))
    if invalid > 50:
        yield Mark("invalid", low=invalid, high=invalid)
    valid_SJ = recording.anchor_SJ[recording.valid_S]
    if len(valid_SJ) >= 10 and recording.device.anchor_unit == "rad":
        largest = float(np.abs(valid_SJ).max())
        if largest > FULL_TURN:
            yield Mark("degrees", low=largest, high=largest)
    still = np.flatnonzero(np.ptp(valid_SJ, axis=0) == 0)
    if len(valid_SJ) >= 10 and len(still):
        yield Mark("still", detail=_names([recording.device.anchor_names[k] for k in still]))
    if lag and lag.clear and not EMG_LEADS_MS[0] - 10 <= lag.ms <= EMG_LEADS_MS[1]:
        yield Mark("lag_late" if lag.ms > 0 else "lag_early", low=abs(lag.ms), high=abs(lag.ms))


def _labels(recording: Recording) -> Iterator[Mark]:
    if (recording.label_T == UNKNOWN).all():
        yield Mark("no_labels")
    elif not (recording.label_T > 0).any():
        yield Mark("no_gesture")


def _channels(kind: str, mask_C: np.ndarray, value_C: FloatArray, detail: str = "") -> Iterator[Mark]:
    """Mark the channels of a mask together, with the range of their values."""
    if mask_C.any():
        mine = value_C[mask_C]
        yield Mark(kind, tuple(np.flatnonzero(mask_C).tolist()), float(mine.min()), float(mine.max()), detail)


def _moments(seconds: Sequence[float]) -> str:
    shown = ", ".join(f"{second:.1f}" for second in seconds[:3])
    return f"at {shown} s" + (f" and {len(seconds) - 3} more times" if len(seconds) > 3 else "")


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
