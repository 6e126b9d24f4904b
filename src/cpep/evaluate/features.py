"""Classical EMG features of a window, as a careful engineer would choose them without a learnt representation.

The sets of features were chosen by the accuracy of a linear probe on people left out (NinaPro DB1 for envelopes, a
Myo armband for raw EMG), so that the baseline is hard to beat. On both data sets the matrix logarithm of the channel
covariance improves on means and spreads alone (log-Euclidean form of the features of Barachant et al. 2012).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from cpep.types import EmgKind, FloatArray

PARTS = 4
"""Number of parts of a window that have an amplitude each."""

_BLOCK_SAMPLES = 2**20  # samples of EMG in one block: it fits the cache, and memory is bounded
_BIN_S = 0.05  # short-time envelope
_SEGMENT_S = 0.25  # length of the spectra that are averaged
_POWER_FLOOR = 1e-4  # of raw EMG, in squares of the recording's scale
_COVARIANCE_FLOOR = {"raw": 1e-2, "envelope": 1e-3}


def classical_features(emg_NTC: FloatArray, rate: float, kind: EmgKind) -> FloatArray:
    """Compute classical features of EMG windows.

    Raw EMG: log RMS (whole window and quarters), log waveform length, zero crossings and slope sign changes
    per second, mean, SD and median of the spectrum, SD over time of the log envelope in 50-ms bins, and the
    logarithm of the channel covariance. Envelopes: log mean, and of the square root of the envelope the
    means of quarter windows, the SD and the logarithm of the channel covariance.

    Args:
        emg_NTC: windows, scaled without labels (by the session) so that amplitudes are of the order of one; floors
            keep silent channels finite.
        rate: samples per second.
        kind: ``raw`` or ``envelope``.

    Returns:
        float32 of shape (N, features); of C channels, 12 C + C (C + 1) / 2 features of raw EMG and
        6 C + C (C + 1) / 2 of envelopes.

    Raises:
        ValueError: windows are shorter than 8 samples, or not finite.
    """
    windows, samples, channels = emg_NTC.shape
    if samples < 2 * PARTS:
        raise ValueError(f"windows of {samples} samples are too short for features, which need {2 * PARTS}")
    of_block = _raw if kind == "raw" else _envelope
    block = max(1, _BLOCK_SAMPLES // (samples * channels))
    # An empty input gives an empty result with the right number of features.
    starts = range(0, max(windows, 1), block)
    features = [of_block(emg_NTC[start : start + block].astype(np.float32), rate) for start in starts]
    x_NF = np.concatenate(features).astype(np.float32)
    if not np.isfinite(x_NF).all():
        raise ValueError("EMG windows are not finite")
    return x_NF


def classical_feature_names(channels: int, kind: EmgKind) -> list[str]:
    """Return the names of the columns of ``classical_features``, such as ``log_rms_ch0`` or ``log_cov_ch0_ch1``."""
    quarters = [str(part + 1) for part in range(PARTS)]
    if kind == "raw":
        of_channel = [
            *("log_rms", *(f"log_rms_part{part}" for part in quarters), "log_length", "zero_crossings_hz"),
            *("slope_changes_hz", "mean_hz", "sd_hz", "median_hz", "sd_log_envelope"),
        ]
    else:
        of_channel = ["log_mean", *(f"mean_root_part{part}" for part in quarters), "sd_root"]
    pairs = zip(*np.triu_indices(channels), strict=True)
    single = [f"{value}_ch{channel}" for value in of_channel for channel in range(channels)]
    return single + [f"log_cov_ch{row}_ch{column}" for row, column in pairs]


def _raw(emg_NTC: FloatArray, rate: float) -> FloatArray:
    centred_NTC = emg_NTC - emg_NTC.mean(1, keepdims=True)
    slope_NTC = np.diff(centred_NTC, axis=1)
    power_NTC = centred_NTC**2
    bins = max(2, round(emg_NTC.shape[1] / (rate * _BIN_S)))
    envelope_NTC = _log_rms(_parts(power_NTC, bins))
    return np.concatenate(
        [
            _log_rms(power_NTC.mean(1)),
            _log_rms(_parts(power_NTC, PARTS)).reshape(-1, PARTS * emg_NTC.shape[2]),
            np.log(np.abs(slope_NTC).mean(1) + _POWER_FLOOR),
            _sign_changes(centred_NTC) * rate,
            _sign_changes(slope_NTC) * rate,
            *_spectral_moments(centred_NTC, rate),
            envelope_NTC.std(1),
            _log_covariance(centred_NTC, _COVARIANCE_FLOOR["raw"]),
        ],
        axis=1,
    )


def _envelope(emg_NTC: FloatArray, rate: float) -> FloatArray:
    # The square root makes the spread of an envelope about the same at all levels.
    root_NTC = np.sqrt(np.maximum(emg_NTC, 0))
    return np.concatenate(
        [
            np.log(np.maximum(emg_NTC.mean(1), 0) + 1e-2),
            _parts(root_NTC, PARTS).reshape(-1, PARTS * emg_NTC.shape[2]),
            root_NTC.std(1),
            _log_covariance(root_NTC - root_NTC.mean(1, keepdims=True), _COVARIANCE_FLOOR["envelope"]),
        ],
        axis=1,
    )


def _log_rms(power: FloatArray) -> FloatArray:
    return np.asarray(0.5 * np.log(power + _POWER_FLOOR))


def _parts(x_NTC: FloatArray, parts: int) -> FloatArray:
    """Return means over ``parts`` parts of time, whose lengths differ by at most one sample: (N, parts, C)."""
    edges = np.linspace(0, x_NTC.shape[1], min(parts, x_NTC.shape[1]) + 1).astype(int)
    return np.asarray(np.add.reduceat(x_NTC, edges[:-1], axis=1) / np.diff(edges)[None, :, None])


def _sign_changes(x_NTC: FloatArray) -> FloatArray:
    """Return the share of samples after which the sign changes, (N, C), float32."""
    return np.asarray(np.diff(np.signbit(x_NTC), axis=1).mean(1, dtype=np.float32))


def _spectral_moments(x_NTC: FloatArray, rate: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, SD and median frequency (Hz) of the power spectrum averaged over segments, each (N, C)."""
    windows, samples, channels = x_NTC.shape
    length = min(max(8, round(_SEGMENT_S * rate)), samples)
    segments = samples // length
    x_NSLC = x_NTC[:, : segments * length].reshape(windows, segments, length, channels)
    taper_L = np.hanning(length).astype(np.float32)[:, None]
    power_NLC = (np.abs(fft.rfft(x_NSLC * taper_L, axis=2)) ** 2).mean(1)
    hertz_L = fft.rfftfreq(length, 1 / rate)[:, None]
    share_NLC = (power_NLC + 1e-6) / (power_NLC + 1e-6).sum(1, keepdims=True)
    mean_NC = (share_NLC * hertz_L).sum(1)
    spread_NC = np.sqrt((share_NLC * (hertz_L - mean_NC[:, None]) ** 2).sum(1))
    # Within the frequency bin that crosses one half, the density of power is taken as constant.
    total_NLC = np.cumsum(share_NLC, axis=1)
    bin_N1C = np.argmax(total_NLC >= 0.5, axis=1)[:, None]
    at_N1C, of_N1C = np.take_along_axis(total_NLC, bin_N1C, 1), np.take_along_axis(share_NLC, bin_N1C, 1)
    median_NC = (bin_N1C + 0.5 - (at_N1C - 0.5) / of_N1C)[:, 0] * (rate / length)
    return mean_NC, spread_NC, median_NC


def _log_covariance(x_NTC: FloatArray, floor: float) -> FloatArray:
    """Return the upper triangle of the matrix logarithm of covariance + floor: (N, C (C + 1) / 2)."""
    channels = x_NTC.shape[2]
    covariance_NCC = (x_NTC.transpose(0, 2, 1) @ x_NTC).astype(np.float64) / x_NTC.shape[1]
    value_NC, vector_NCC = np.linalg.eigh(covariance_NCC + floor * np.eye(channels))
    # Rounding can make the smallest eigenvalue of a rank-deficient covariance miss the floor.
    log_NC = np.log(np.maximum(value_NC, 0.5 * floor))
    log_NCC = (vector_NCC * log_NC[:, None, :]) @ vector_NCC.transpose(0, 2, 1)
    rows, columns = np.triu_indices(channels)
    return np.asarray(log_NCC[:, rows, columns])
