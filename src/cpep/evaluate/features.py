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
    # NumPy adds along the last axis fastest
    features = [
        of_block(emg_NTC[start : start + block].transpose(0, 2, 1).astype(np.float32, "C"), rate) for start in starts
    ]
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


def _raw(emg_NCT: FloatArray, rate: float) -> FloatArray:
    centred_NCT = emg_NCT - emg_NCT.mean(2, keepdims=True)
    slope_NCT = np.diff(centred_NCT, axis=2)
    power_NCT = centred_NCT**2
    bins = max(2, round(emg_NCT.shape[2] / (rate * _BIN_S)))
    envelope_NCP = _log_rms(_parts(power_NCT, bins))
    return np.concatenate(
        [
            _log_rms(power_NCT.mean(2)),
            _by_part(_log_rms(_parts(power_NCT, PARTS))),
            np.log(np.abs(slope_NCT).mean(2) + _POWER_FLOOR),
            _sign_changes(centred_NCT) * rate,
            _sign_changes(slope_NCT) * rate,
            *_spectral_moments(centred_NCT, rate),
            envelope_NCP.std(2),
            _log_covariance(centred_NCT, _COVARIANCE_FLOOR["raw"]),
        ],
        axis=1,
    )


def _envelope(emg_NCT: FloatArray, rate: float) -> FloatArray:
    # The square root makes the spread of an envelope about the same at all levels.
    root_NCT = np.sqrt(np.maximum(emg_NCT, 0))
    return np.concatenate(
        [
            np.log(np.maximum(emg_NCT.mean(2), 0) + 1e-2),
            _by_part(_parts(root_NCT, PARTS)),
            root_NCT.std(2),
            _log_covariance(root_NCT - root_NCT.mean(2, keepdims=True), _COVARIANCE_FLOOR["envelope"]),
        ],
        axis=1,
    )


def _log_rms(power: FloatArray) -> FloatArray:
    return np.asarray(0.5 * np.log(power + _POWER_FLOOR))


def _parts(x_NCT: FloatArray, parts: int) -> FloatArray:
    """Return means over ``parts`` parts of time, whose lengths differ by at most one sample: (N, C, parts)."""
    edges = np.linspace(0, x_NCT.shape[2], min(parts, x_NCT.shape[2]) + 1).astype(int)
    return np.asarray(np.add.reduceat(x_NCT, edges[:-1], axis=2) / np.diff(edges))


def _by_part(x_NCP: FloatArray) -> FloatArray:
    """Return columns (N, P C): all channels of the first part, then those of the next."""
    return x_NCP.transpose(0, 2, 1).reshape(len(x_NCP), PARTS * x_NCP.shape[1])


def _sign_changes(x_NCT: FloatArray) -> FloatArray:
    """Return the share of samples after which the sign changes, (N, C), float32."""
    sign_NCT = np.signbit(x_NCT)
    changes_NC = np.count_nonzero(sign_NCT[..., 1:] != sign_NCT[..., :-1], axis=2)
    return np.asarray(changes_NC / (x_NCT.shape[2] - 1), np.float32)


def _spectral_moments(x_NCT: FloatArray, rate: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, SD and median frequency (Hz) of the power spectrum averaged over segments, each (N, C)."""
    windows, channels, samples = x_NCT.shape
    length = min(max(8, round(_SEGMENT_S * rate)), samples)
    segments = samples // length
    x_NCSL = x_NCT[..., : segments * length].reshape(windows, channels, segments, length)
    taper_L = np.hanning(length).astype(np.float32)
    spectrum_NCSL = fft.rfft(x_NCSL * taper_L)
    power_NCL = (spectrum_NCSL.real**2 + spectrum_NCSL.imag**2).mean(2)
    hertz_L = fft.rfftfreq(length, 1 / rate)
    share_NCL = (power_NCL + 1e-6) / (power_NCL + 1e-6).sum(2, keepdims=True)
    mean_NC = (share_NCL * hertz_L).sum(2)
    spread_NC = np.sqrt((share_NCL * (hertz_L - mean_NC[..., None]) ** 2).sum(2))
    # Within the frequency bin that crosses one half, the density of power is taken as constant.
    total_NCL = np.cumsum(share_NCL, axis=2)
    bin_NC1 = np.argmax(total_NCL >= 0.5, axis=2)[..., None]
    at_NC1, of_NC1 = np.take_along_axis(total_NCL, bin_NC1, 2), np.take_along_axis(share_NCL, bin_NC1, 2)
    median_NC = (bin_NC1 + 0.5 - (at_NC1 - 0.5) / of_NC1)[..., 0] * (rate / length)
    return mean_NC, spread_NC, median_NC


def _log_covariance(x_NCT: FloatArray, floor: float) -> FloatArray:
    """Return the upper triangle of the matrix logarithm of covariance + floor: (N, C (C + 1) / 2)."""
    channels = x_NCT.shape[1]
    covariance_NCC = (x_NCT @ x_NCT.transpose(0, 2, 1)).astype(np.float64) / x_NCT.shape[2]
    value_NC, vector_NCC = np.linalg.eigh(covariance_NCC + floor * np.eye(channels))
    # Rounding can make the smallest eigenvalue of a rank-deficient covariance miss the floor.
    log_NC = np.log(np.maximum(value_NC, 0.5 * floor))
    log_NCC = (vector_NCC * log_NC[:, None, :]) @ vector_NCC.transpose(0, 2, 1)
    rows, columns = np.triu_indices(channels)
    return np.asarray(log_NCC[:, rows, columns])
