"""What is wrong with a channel of EMG that is worn now; and the thresholds that the quality of recordings shares.

Channels are numbered from 0 here, and from 1 in every sentence for people.
"""

from __future__ import annotations

import numpy as np

from cpep.types import BoolArray, EmgKind, FloatArray

FLAT = 0.02
"""A channel is flat with less than this share of the usual channel's SD."""

CLIPPED = 0.01
"""A channel is clipped if more than this share of its samples lies at an end where they pile up."""

HUM = 0.5
"""A channel hums where powerline frequencies hold more than this share of its power, and their SD is more than
``LOUD`` times the usual channel's without hum: a hand at rest has little EMG, and as little hum does no harm."""

LOUD = 2.0

NOISY = 20.0
"""A channel is noisy with more than this many times the usual channel's SD; one muscle at work has less."""

MAINS_HZ, HARMONICS, WIDTH_HZ = (50.0, 60.0), 3, 1.0

LOW_HZ = 10.0
"""Raw EMG is judged from here on (a tenth of the rate, where that is less): below are drift and movement."""

TINY = 1e-12
"""An SD below this, in any unit, is rounding."""

PILE = 5
"""Fewer samples than this at an end of the range are no pile."""


def quality(emg_TC: FloatArray, rate: float, kind: EmgKind) -> tuple[str, ...]:
    """Return for each channel ``""`` if it is good, else ``flat``, ``clipped``, ``hum`` or ``noisy``.

    Args:
        emg_TC: EMG of the last seconds; a channel without a finite value is flat.
        rate: samples per second.
        kind: hum is looked for in raw signals alone.
    """
    emg_TC = _filled(emg_TC)
    hum_C = mains_share(emg_TC, rate) if kind == "raw" else np.zeros(emg_TC.shape[1])
    whole_C = spread(emg_TC, rate, kind)
    spread_C = whole_C * np.sqrt(np.maximum(1 - hum_C, 0))
    usual = _usual(spread_C)
    flat_C, clipped_C = is_flat(whole_C, spread_C), clipped_share(emg_TC, kind)
    marks = []
    for c in range(emg_TC.shape[1]):
        if flat_C[c]:
            marks.append("flat")
        elif clipped_C[c] > CLIPPED:
            marks.append("clipped")
        elif hum_C[c] > HUM and whole_C[c] * np.sqrt(hum_C[c]) > LOUD * usual:
            marks.append("hum")
        else:
            marks.append("noisy" if spread_C[c] > NOISY * usual else "")
    return tuple(marks)


def mains_share(emg_TC: FloatArray, rate: float) -> FloatArray:
    """Return the share (C,) of each channel's power at 50 or at 60 Hz and harmonics, whichever is larger."""
    power_FC, frequency_F = power(emg_TC, rate)
    power_FC = power_FC * (frequency_F >= low_hz(rate))[:, None]
    return np.asarray(np.max([_share(power_FC, frequency_F, mains) for mains in MAINS_HZ], axis=0))


def spread(emg_TC: FloatArray, rate: float, kind: EmgKind) -> FloatArray:
    """Return the SD (C,) of each channel; of raw EMG from ``LOW_HZ`` on."""
    if kind != "raw":
        return np.asarray(emg_TC.std(axis=0))
    power_FC, frequency_F = power(emg_TC, rate)
    return np.asarray(np.sqrt(2 * power_FC[frequency_F >= low_hz(rate)].sum(axis=0)))


def is_flat(whole_C: FloatArray, spread_C: FloatArray) -> BoolArray:
    """Tell which channels have no signal (C,), or next to none beside the usual channel that has one.

    Args:
        whole_C: SD of each channel; hum is a signal.
        spread_C: SD without hum.
    """
    return np.asarray((whole_C <= FLAT * _usual(spread_C)) | (whole_C < TINY))


def clipped_share(emg_TC: FloatArray, kind: EmgKind) -> FloatArray:
    """Return the share (C,) of each channel's samples at an end of its range where they pile up.

    Samples pile up where more than twice as many have the largest value as the next values, a fiftieth of the range.
    Of an envelope only the upper end counts: its lower one is rest.
    """
    ends = (1, -1) if kind == "raw" else (1,)
    shares_C = [sum(_pile(sign * emg_T) for sign in ends) / len(emg_T) for emg_T in emg_TC.T]
    return np.array(shares_C)


def low_hz(rate: float) -> float:
    """Return the frequency from which raw EMG is judged."""
    return min(LOW_HZ, rate / 10)


def _filled(emg_TC: FloatArray) -> FloatArray:
    """Return the EMG with each channel's mean in place of what is not finite, 0 where nothing is."""
    finite_TC = np.isfinite(emg_TC)
    if finite_TC.all():
        return emg_TC
    mean_C = np.where(finite_TC, emg_TC, 0).sum(axis=0) / np.maximum(finite_TC.sum(axis=0), 1)
    return np.where(finite_TC, emg_TC, mean_C)


def _usual(spread_C: FloatArray) -> float:
    """Return the median SD of the channels that have any signal."""
    alive_C = spread_C[spread_C > TINY]
    return float(np.median(alive_C)) if len(alive_C) else 0.0


def detrended(emg_TC: FloatArray) -> FloatArray:
    """Take the straight line through each channel away; its slope is by least squares."""
    time_T = np.arange(len(emg_TC)) - (len(emg_TC) - 1) / 2
    level_TC = emg_TC - emg_TC.mean(axis=0, dtype=np.float64)
    slope_C = time_T @ level_TC / max(float(np.square(time_T).sum()), 1.0)
    return np.asarray(level_TC - time_T[:, None] * slope_C)


def power(emg_TC: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Return the power of a window (F, C) whose sum is half the mean square, and its frequencies (F,)."""
    taper_T = np.hanning(len(emg_TC) + 2)[1:-1]
    line_FC = np.fft.rfft(detrended(emg_TC) * taper_T[:, None], axis=0)
    power_FC = np.square(np.abs(line_FC)) / (len(emg_TC) * np.square(taper_T).sum())
    return np.asarray(power_FC), np.fft.rfftfreq(len(emg_TC), 1 / rate)


def _share(power_FC: FloatArray, frequency_F: FloatArray, mains: float) -> FloatArray:
    near_F = _near(frequency_F, mains, HARMONICS, WIDTH_HZ)
    return np.asarray(power_FC[near_F].sum(axis=0) / np.maximum(power_FC.sum(axis=0), 1e-60))


def _near(frequency_F: FloatArray, mains: float, harmonics: int, width: float) -> BoolArray:
    order_F = np.clip(np.rint(frequency_F / mains), 1, max(harmonics, 1))
    return np.asarray(np.abs(frequency_F - order_F * mains) <= width)


def _pile(emg_T: FloatArray) -> int:
    """Return how many samples have the largest value, 0 where they do not pile up there."""
    top, bottom = emg_T.max(), emg_T.min()
    at_top = int(np.count_nonzero(emg_T == top))
    if at_top < PILE or top == bottom:
        return 0
    below_T = emg_T[emg_T < top]
    reach = min(float(below_T.max()), float(top) - 0.02 * float(top - bottom))
    return at_top if at_top > 2 * np.count_nonzero(below_T >= reach) else 0
