"""What is wrong with a channel of EMG, for the person who wears the electrodes."""

from __future__ import annotations

import numpy as np

from cpep.types import EmgKind, FloatArray

FLAT = 0.02
"""A channel is flat with less than this share of the usual channel's SD."""

CLIPPED = 0.01
"""A channel is clipped if more than this share of its samples repeats its largest magnitude."""

HUM = 0.5
"""A channel hums where powerline frequencies hold more than this share of its power."""

NOISY = 20.0
"""A channel is noisy with more than this many times the usual channel's SD; one muscle at work has less."""

MAINS_HZ, HARMONICS, WIDTH_HZ = (50.0, 60.0), 3, 1.0


def quality(emg_TC: FloatArray, rate: float, kind: EmgKind) -> tuple[str, ...]:
    """Return for each channel ``""`` if it is good, else ``flat``, ``clipped``, ``hum`` or ``noisy``.

    Args:
        emg_TC: EMG of the last seconds.
        rate: samples per second.
        kind: hum is looked for in raw signals alone.
    """
    emg_TC = np.where(np.isfinite(emg_TC), emg_TC, 0)  # a channel that delivers no numbers is flat
    spread_C = emg_TC.std(axis=0)
    usual = float(np.median(spread_C))
    largest_C = np.abs(emg_TC).max(axis=0)
    end_TC = np.abs(emg_TC) >= largest_C
    at_end_C = (end_TC[1:] & end_TC[:-1]).mean(axis=0)  # in a row: a signal of few steps is not clipped
    hum_C = mains_share(emg_TC, rate) if kind == "raw" else np.zeros(emg_TC.shape[1])
    marks = []
    for c, spread in enumerate(spread_C.tolist()):
        if spread <= FLAT * usual or spread == 0:
            marks.append("flat")
        elif at_end_C[c] > CLIPPED:
            marks.append("clipped")
        elif hum_C[c] > HUM:
            marks.append("hum")
        else:
            marks.append("noisy" if spread > NOISY * usual else "")
    return tuple(marks)


def mains_share(emg_TC: FloatArray, rate: float) -> FloatArray:
    """Return the share (C,) of each channel's power at 50 or at 60 Hz and harmonics, whichever is larger."""
    power_FC = np.square(np.abs(np.fft.rfft(emg_TC - emg_TC.mean(axis=0), axis=0)))
    frequency_F = np.fft.rfftfreq(len(emg_TC), 1 / rate)
    total_C = np.maximum(power_FC.sum(axis=0), 1e-30)
    shares = []
    for mains in MAINS_HZ:
        near_F = np.zeros(len(frequency_F), bool)
        for harmonic in range(1, HARMONICS + 1):
            near_F |= np.abs(frequency_F - harmonic * mains) <= WIDTH_HZ
        shares.append(power_FC[near_F].sum(axis=0) / total_C)
    return np.asarray(np.max(shares, axis=0))
