"""Bands that nobody sells: any number of electrodes, anywhere round the arm, at any rate, raw or as an envelope."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import signal

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.simulate.conductor import Band
from cpep.types import EmgKind, FloatArray

FEWEST, MOST = 4, 32
PAIRS = 0.7
"""Share of bands whose channels are pairs; of the others, each is one electrode against the mean of all."""
PAIR_RANGE_MM = (8.0, 25.0)
UNEVEN = 0.08
"""SD of the angle of a channel from its even place, in pitches."""
RATES = (200.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
ENVELOPES = 0.25
"""Share of bands that deliver an envelope."""
ENVELOPE_RATES = (50.0, 100.0, 200.0)
SMOOTH_HZ = (3.0, 10.0)
"""Range of the low-pass of an envelope."""


@dataclass(frozen=True)
class AnyBand:
    """A band, and what it delivers.

    Attributes:
        band: electrodes; the first angle says how the band is turned.
        kind: ``raw`` or ``envelope``.
        rate: samples per second.
        smooth_hz: low-pass of an envelope, Hz.
    """

    band: Band
    kind: EmgKind
    rate: float
    smooth_hz: float


def random_band(rng: np.random.Generator) -> AnyBand:
    """Return a band of random electrodes, turn and rate; small rings are as many as large ones (in octaves)."""
    channels = round(float(np.exp(rng.uniform(np.log(FEWEST), np.log(MOST)))))
    pitch = 2 * np.pi / channels
    angle_C = rng.uniform(0, 2 * np.pi) + pitch * (np.arange(channels) + UNEVEN * rng.standard_normal(channels))
    pair_mm = float(rng.uniform(*PAIR_RANGE_MM)) if rng.random() < PAIRS else 0.0
    kind: EmgKind = "envelope" if rng.random() < ENVELOPES else "raw"
    rate = float(rng.choice(ENVELOPE_RATES if kind == "envelope" else RATES))
    return AnyBand(Band(tuple(angle_C.tolist()), pair_mm), kind, rate, float(rng.uniform(*SMOOTH_HZ)))


def delivered(band: AnyBand, emg_TC: FloatArray) -> FloatArray:
    """Return what a band delivers (T', C), float32, of EMG (T, C) of its electrodes at the simulator's rate."""
    if band.kind == "raw":
        return _resampled(emg_TC, band.rate)
    smooth = signal.butter(2, band.smooth_hz, fs=SAMPLE_RATE, output="sos")
    power_TC = signal.sosfilt(smooth, np.square(emg_TC, dtype=np.float64), axis=0)
    every_T = np.arange(0, len(emg_TC), SAMPLE_RATE / band.rate).astype(int)
    return np.asarray(np.sqrt(np.maximum(power_TC[every_T], 0)), np.float32)


def _resampled(emg_TC: FloatArray, rate: float) -> FloatArray:
    ratio = Fraction(rate / SAMPLE_RATE).limit_denominator(1000)
    return np.asarray(signal.resample_poly(emg_TC, ratio.numerator, ratio.denominator, axis=0), np.float32)
