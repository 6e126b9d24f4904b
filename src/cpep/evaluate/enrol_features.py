"""Features of short windows, from which a person's own gestures are told: small, and free of any scale.

They were chosen on development people of a Myo armband and of NinaPro DB1 (docs/results/enrolment.md). No statistic
of a session enters: a window alone gives its features, so that what is enrolled stays what it was.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cpep.data.recording import Device
from cpep.types import FloatArray, UserError

WINDOW_S = 0.3
"""Length of a window."""
BANDS, BAND_HZ = 4, (20.0, 500.0)
"""Bands of the spectrum, of equal width on a logarithmic axis, between these frequencies or up to half the rate."""
LIKE = 1e-2
"""Share of the mean power of the channels that is added to each in a covariance."""
_SILENT = 1e-30
_BLOCK_SAMPLES = 2**20


def enrol_features(emg_NTC: FloatArray, device: Device) -> FloatArray:
    """Return features of windows of EMG that is conditioned (``cpep.signal.conditioning``).

    Raw EMG: log power of each channel in four bands, and the matrix logarithm of the covariance of the channels.
    Envelopes: the root of the mean of each channel, and the logarithm of its share of all channels.
    A gain of the whole device adds a constant to features or multiplies them, so units need not be known.

    Args:
        emg_NTC: windows of ``WINDOW_S`` (see ``window_samples``), finite.
        device: what they were recorded with.

    Returns:
        float32 of shape (N, features); of C channels, 4 C + C (C + 1) / 2 features of raw EMG, fewer where the rate
        is too low for four bands, and 2 C of envelopes.

    Raises:
        ValueError: windows are not finite, or too short.
    """
    if not np.isfinite(emg_NTC).all():
        raise ValueError("EMG windows are not finite")
    windows, samples, channels = emg_NTC.shape
    block = max(1, _BLOCK_SAMPLES // max(samples * channels, 1))
    of_block = _envelope if device.emg_kind == "envelope" else _raw
    starts = range(0, max(windows, 1), block)  # no windows give no rows, of the right width
    parts = [of_block(emg_NTC[at : at + block].astype(np.float64), device.emg_rate) for at in starts]
    return np.concatenate(parts).astype(np.float32)


def enrol_feature_names(samples: int, device: Device) -> list[str]:
    """Return the names of the columns of ``enrol_features``, such as ``log_cov_ch0_ch1``.

    A band is named by its first and last line of the spectrum in Hz.

    Args:
        samples: of a window.
        device: what the windows were recorded with.
    """
    channels = [f"ch{channel}" for channel in range(device.channels)]
    if device.emg_kind == "envelope":
        return [f"{value}_{channel}" for value in ("root_mean", "log_share") for channel in channels]
    line_hz = device.emg_rate / samples
    spans = [(first * line_hz, (stop - 1) * line_hz) for first, stop in _bands(samples, device.emg_rate)]
    powers = [f"log_power_{low:.4g}_{high:.4g}hz_{channel}" for low, high in spans for channel in channels]
    pairs = zip(*np.triu_indices(device.channels), strict=True)
    return powers + [f"log_cov_{channels[row]}_{channels[column]}" for row, column in pairs]


def window_samples(device: Device) -> int:
    """Return the samples of a window, at least four."""
    return max(4, round(WINDOW_S * device.emg_rate))


def _raw(emg_NTC: FloatArray, rate: float) -> FloatArray:
    return np.concatenate([_band_powers(emg_NTC, rate), _log_covariance(emg_NTC)], axis=1)


def _band_powers(emg_NTC: FloatArray, rate: float) -> FloatArray:
    """Return the log power (N, bands x C) of each channel in each band that holds a line of the spectrum."""
    samples = emg_NTC.shape[1]
    power_NLC = np.abs(np.fft.rfft(emg_NTC * np.hanning(samples)[:, None], axis=1)) ** 2
    bands = [power_NLC[:, first:stop].mean(axis=1) for first, stop in _bands(samples, rate)]
    return np.log(np.concatenate(bands, axis=1) + _SILENT)


def _bands(samples: int, rate: float) -> list[tuple[int, int]]:
    """Return the first line of the spectrum of each band, and the one after its last.

    Raises:
        UserError: windows are so short that no line lies in a band.
    """
    top_hz = min(BAND_HZ[1], rate / 2)
    edge_B = np.geomspace(min(BAND_HZ[0], top_hz / 2), top_hz, BANDS + 1)
    hertz_L = np.fft.rfftfreq(samples, 1 / rate)
    line_B = np.searchsorted(hertz_L, edge_B * (1 - 1e-9))
    line_B[-1] += rate / 2 <= BAND_HZ[1]  # the last band holds half the rate itself
    spans = list(pairwise(np.unique(np.minimum(line_B, len(hertz_L))).tolist()))
    if not spans:
        raise UserError(
            f"windows of {samples} samples at {rate:g} samples per second are too short for features: no frequency "
            f"of their spectrum lies between {edge_B[0]:g} and {edge_B[-1]:g} Hz"
        )
    return spans


def _log_covariance(emg_NTC: FloatArray) -> FloatArray:
    """Return the upper triangle (N, C (C + 1) / 2) of the matrix logarithm of the covariance of channels."""
    channels = emg_NTC.shape[2]
    covariance_NCC = emg_NTC.transpose(0, 2, 1) @ emg_NTC / emg_NTC.shape[1]
    mean_N = np.trace(covariance_NCC, axis1=1, axis2=2) / channels + _SILENT
    covariance_NCC += (LIKE * mean_N)[:, None, None] * np.eye(channels)
    value_NC, vector_NCC = np.linalg.eigh(covariance_NCC)
    log_NC = np.log(np.maximum(value_NC, 0.5 * LIKE * mean_N[:, None]))  # rounding may miss the floor
    log_NCC = (vector_NCC * log_NC[:, None, :]) @ vector_NCC.transpose(0, 2, 1)
    row_F, column_F = np.triu_indices(channels)
    return np.asarray(log_NCC[:, row_F, column_F])


def _envelope(emg_NTC: FloatArray, _rate: float) -> FloatArray:
    # The root makes the spread of an envelope about the same at all levels.
    mean_NC = np.maximum(emg_NTC.mean(axis=1), 0)
    share_NC = mean_NC / (mean_NC.mean(axis=1, keepdims=True) + _SILENT)
    return np.concatenate([np.sqrt(mean_NC), np.log(share_NC + 0.1)], axis=1)
