"""By how much EMG comes before the movement that it causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.types import BoolArray, EmgKind, FloatArray

GRID_HZ = 100.0
"""EMG and pose are compared at about this rate."""

SMOOTH_S = 0.05
"""SD of the Gaussian that smooths both alike, so that it moves neither against the other."""

SEARCH_S = 1.0
"""The lag is looked for up to this, either way."""

AROUND_S = 0.75
"""A movement is compared this long before and after its fastest moment."""

FEWEST, MOST = 8, 300
"""Fewer movements tell nothing by themselves; more are not needed."""

DRAWS = 200
"""How often movements, or recordings, are drawn anew to see how sure the lag is."""

CLEAR, SURE_MS = 0.15, 80.0
"""A lag is told where the correlation at its peak is at least this, and nine of ten draws lie within so much."""

LONGEST_S = 300.0
"""No more of a recording is looked at, from its start."""


@dataclass(frozen=True, eq=False)
class Lag:
    """How much later the pose moves than the EMG changes.

    Attributes:
        ms: the lag; positive where EMG comes first.
        low, high: nine of ten draws of movements lie between, ms.
        movements: number of movements.
        curve_L: mean correlation at each of ``lags_L`` (ms).
        clear: whether the lag can be told.
    """

    ms: float
    low: float
    high: float
    movements: int
    lags_L: FloatArray
    curve_L: FloatArray
    clear: bool


def find_lag(
    emg_TC: FloatArray, rate: float, kind: EmgKind, pose_SJ: FloatArray, pose_rate: float, valid_S: BoolArray
) -> Lag | None:
    """Correlate how fast the EMG's envelope changes with how fast the pose moves, around every movement.

    Args:
        emg_TC: EMG, any unit; the first sample is at the time of the first frame.
        rate: samples per second.
        kind: of the EMG.
        pose_SJ: any columns that move with the hand.
        pose_rate: frames per second.
        valid_S: frames that were measured.

    Returns:
        the lag, or ``None`` without a whole movement; with fewer than ``FEWEST`` it is not clear.
    """
    from scipy.signal import find_peaks  # slow to import, and commands that only train know this module, too

    change_G, grid_hz = _change(emg_TC[: int(LONGEST_S * rate)], rate, kind)
    speed_G, valid_G = _speed(pose_SJ, pose_rate, valid_S, len(change_G), grid_hz)
    around, search = round(AROUND_S * grid_hz), round(SEARCH_S * grid_hz)
    reach = around + search
    moved_G = np.where(valid_G, speed_G, 0)
    if not moved_G.any():
        return None
    moving = moved_G[valid_G]
    peaks = find_peaks(moved_G, height=moving.mean() + moving.std(), distance=around)[0]
    whole = [reach <= p < len(speed_G) - reach and valid_G[p - around : p + around].all() for p in peaks]
    peaks = peaks[np.array(whole, bool)]
    if not len(peaks):
        return None
    peaks = peaks[np.linspace(0, len(peaks) - 1, min(MOST, len(peaks))).astype(int)]
    curves_ML = np.array([_correlations(change_G, speed_G, int(peak), around, search) for peak in peaks])
    return _lag(np.arange(-search, search + 1) * 1000 / grid_hz, curves_ML, np.ones(len(peaks)), len(peaks))


def pooled(lags: Sequence[Lag]) -> Lag:
    """Return the lag of several recordings together: recordings are drawn anew to see how sure it is."""
    same = [lag for lag in lags if len(lag.lags_L) == len(lags[0].lags_L)]
    weight_M = np.array([lag.movements for lag in same], float)
    return _lag(same[0].lags_L, np.array([lag.curve_L for lag in same]), weight_M, int(weight_M.sum()))


def _lag(lags_L: FloatArray, curves_ML: FloatArray, weight_M: FloatArray, movements: int) -> Lag:
    """Find the lag of some curves, each with a weight."""
    rng = np.random.default_rng(0)
    draws_DM = rng.integers(0, len(curves_ML), (DRAWS, len(curves_ML)))
    ms_D = [_peak(lags_L, np.average(curves_ML[draw], axis=0, weights=weight_M[draw])) for draw in draws_DM]
    low, high = np.quantile(ms_D, [0.05, 0.95]).tolist()
    curve_L = np.average(curves_ML, axis=0, weights=weight_M)
    ms, edge = _peak(lags_L, curve_L), 1000 * (SEARCH_S - 0.05)
    many = len(curves_ML) >= FEWEST
    clear = bool(many and curve_L.max() >= CLEAR and high - low <= SURE_MS and abs(ms) < edge)
    return Lag(ms, low, high, movements, lags_L, curve_L.astype(np.float32), clear)


def _change(emg_TC: FloatArray, rate: float, kind: EmgKind) -> tuple[FloatArray, float]:
    """Return how fast the envelopes change, all channels together, and the rate of the result."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import butter, sosfiltfilt

    step = max(1, round(rate / GRID_HZ))
    if kind == "raw":
        passed = butter(2, min(20.0, rate / 8), "highpass", fs=rate, output="sos")
        emg_TC = np.square(sosfiltfilt(passed, emg_TC - emg_TC.mean(axis=0), axis=0))
    count = len(emg_TC) // step
    mean_GC = emg_TC[: count * step].reshape(count, step, -1).mean(axis=1)
    level_GC = np.sqrt(mean_GC) if kind == "raw" else mean_GC
    smooth_GC = gaussian_filter1d(level_GC, SMOOTH_S * rate / step, axis=0)
    size_C = np.maximum(np.quantile(smooth_GC, 0.95, axis=0), 1e-30)
    return np.linalg.norm(np.gradient(smooth_GC / size_C, axis=0), axis=1), rate / step


def _speed(
    pose_SJ: FloatArray, rate: float, valid_S: BoolArray, count: int, grid_hz: float
) -> tuple[FloatArray, BoolArray]:
    """Return how fast the pose moves at the middle of each bin of EMG, and where that was measured."""
    from scipy.ndimage import gaussian_filter1d

    good = np.flatnonzero(valid_S)
    time_G = (np.arange(count) + 0.5) / grid_hz
    if len(good) < 2:
        return np.zeros(count), np.zeros(count, bool)
    pose_GJ = np.stack([np.interp(time_G, good / rate, column[good]) for column in pose_SJ.T], axis=1)
    smooth_GJ = gaussian_filter1d(pose_GJ, SMOOTH_S * grid_hz, axis=0)
    size_J = np.quantile(smooth_GJ, 0.95, axis=0) - np.quantile(smooth_GJ, 0.05, axis=0)
    size_J = np.where(size_J > 0.02 * size_J.max(initial=0), size_J, np.inf)  # who does not move has no speed
    frame_G = np.floor(time_G * rate).astype(int)
    valid_G = (frame_G < len(valid_S)) & valid_S[np.minimum(frame_G, len(valid_S) - 1)]
    return np.linalg.norm(np.gradient(smooth_GJ / size_J, axis=0), axis=1), valid_G


def _correlations(change_G: FloatArray, speed_G: FloatArray, peak: int, around: int, search: int) -> FloatArray:
    """Return the correlation of one movement with the EMG's change at each lag; positive where EMG is earlier."""
    moved = speed_G[peak - around : peak + around + 1]
    piece = change_G[peak - around - search : peak + around + search + 1]
    windows_LT = np.lib.stride_tricks.sliding_window_view(piece, len(moved))[::-1]  # lag: EMG that much earlier
    windows_LT = windows_LT - windows_LT.mean(axis=1, keepdims=True)
    moved = moved - moved.mean()
    size_L = np.linalg.norm(windows_LT, axis=1) * np.linalg.norm(moved)
    return np.asarray(windows_LT @ moved / np.maximum(size_L, 1e-30))


def _peak(lags_L: FloatArray, curve_L: FloatArray) -> float:
    """Return where the curve is highest, between its points by a parabola."""
    k = int(curve_L.argmax())
    if not 0 < k < len(curve_L) - 1:
        return float(lags_L[k])
    before, top, after = curve_L[k - 1 : k + 2].tolist()
    bend = before - 2 * top + after
    return float(lags_L[k] + (0.5 * (before - after) / bend if bend < 0 else 0) * (lags_L[1] - lags_L[0]))
