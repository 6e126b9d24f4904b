"""EMG as clean recordings have it, for tests that plant one fault."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from cpep.types import FloatArray, IntArray

GESTURES = 5


def protocol(rate: float, seconds: float) -> IntArray:
    """Return labels: gestures 1 to 5 in turn, 2 s each, with 1.5 s of rest before each."""
    cycle = np.concatenate(
        [np.repeat([0, gesture], [int(1.5 * rate), int(2 * rate)]) for gesture in range(1, GESTURES + 1)]
    )
    return np.resize(cycle, int(seconds * rate)).astype(np.int16)


def emg_like(rate: float, seconds: float = 30.0, channels: int = 8, seed: int = 0) -> FloatArray:
    """Return raw EMG in mV: band-limited noise whose strength follows the gesture, over the noise of the sensor."""
    rng = np.random.default_rng(seed)
    label_T = protocol(rate, seconds)
    strength_KC = np.vstack([np.full(channels, 0.05), rng.uniform(0.15, 1.0, (GESTURES, channels))])
    high = min(450.0, 0.45 * rate)
    noise_TC = sosfilt(
        butter(2, (20.0, high), "bandpass", fs=rate, output="sos"), rng.normal(size=(len(label_T), channels)), axis=0
    )
    noise_TC /= noise_TC.std()
    emg_TC = 0.3 * noise_TC * strength_KC[label_T] + 0.003 * rng.normal(size=noise_TC.shape)
    return emg_TC.astype(np.float32)


def hum(rate: float, samples: int, mains: float, share: float) -> FloatArray:
    """Return (samples, 1) of powerline hum with a third harmonic, with ``share`` times the SD of ``emg_like``."""
    time_T = np.arange(samples)[:, None] / rate
    line = np.sin(2 * np.pi * mains * time_T)
    if 3 * mains < 0.45 * rate:
        line = line + 0.3 * np.sin(6 * np.pi * mains * time_T)
    return np.asarray(share * 0.15 * np.sqrt(2) * line)
