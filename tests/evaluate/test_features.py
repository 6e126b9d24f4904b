"""Classical features against loops over one window and one channel, and against signals of known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm

from cpep.evaluate import features
from cpep.evaluate.features import classical_features

RATE = 1000.0


def noise(windows: int, samples: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(windows, samples, channels)).astype(np.float32)


def slow_raw(emg_TC: np.ndarray, rate: float) -> np.ndarray:
    samples, channels = emg_TC.shape
    blocks: dict[str, list[float]] = {}

    def put(name: str, value: float) -> None:
        blocks.setdefault(name, []).append(value)

    for c in range(channels):
        x = emg_TC[:, c].astype(np.float64)
        x = x - x.mean()
        put("0 rms", 0.5 * np.log(np.mean(x**2) + 1e-4))
        for q in range(4):
            quarter = x[q * samples // 4 : (q + 1) * samples // 4]
            put(f"1 rms {q}", 0.5 * np.log(np.mean(quarter**2) + 1e-4))
        slope = [x[t + 1] - x[t] for t in range(samples - 1)]
        put("2 length", np.log(np.mean(np.abs(slope)) + 1e-4))
        put("3 zero crossings", rate * np.mean([(x[t] < 0) != (x[t + 1] < 0) for t in range(samples - 1)]))
        turns = [(slope[t] < 0) != (slope[t + 1] < 0) for t in range(samples - 2)]
        put("4 slope sign changes", rate * np.mean(turns))
        length = round(rate / 4)
        power = np.zeros(length // 2 + 1)
        for start in range(0, samples - length + 1, length):
            power += np.abs(np.fft.rfft(x[start : start + length] * np.hanning(length))) ** 2
        power = power / (samples // length) + 1e-6
        hertz = np.arange(len(power)) * rate / length
        mean = np.sum(power * hertz) / power.sum()
        put("5 mean frequency", mean)
        put("6 spread of frequency", np.sqrt(np.sum(power * (hertz - mean) ** 2) / power.sum()))
        half, total, k = power.sum() / 2, 0.0, 0
        while total + power[k] < half:
            total += power[k]
            k += 1
        put("7 median frequency", (k - 0.5 + (half - total) / power[k]) * rate / length)
        bins = [x[i * samples // 40 : (i + 1) * samples // 40] for i in range(40)]
        put("8 spread of envelope", np.std([0.5 * np.log(np.mean(b**2) + 1e-4) for b in bins]))
    centred = emg_TC - emg_TC.mean(0)
    log_covariance = logm(centred.T.astype(np.float64) @ centred / samples + 1e-2 * np.eye(channels))
    triangle = [log_covariance[i, j] for i in range(channels) for j in range(i, channels)]
    return np.concatenate([*(blocks[name] for name in sorted(blocks)), triangle])


def slow_envelope(emg_TC: np.ndarray) -> np.ndarray:
    samples, channels = emg_TC.shape
    root = np.sqrt(np.maximum(emg_TC.astype(np.float64), 0))
    quarters = [root[q * samples // 4 : (q + 1) * samples // 4].mean(0) for q in range(4)]
    centred = root - root.mean(0)
    log_covariance = logm(centred.T @ centred / samples + 1e-3 * np.eye(channels))
    triangle = [log_covariance[i, j] for i in range(channels) for j in range(i, channels)]
    return np.concatenate([np.log(emg_TC.mean(0) + 0.01), *quarters, root.std(0), triangle])


def test_raw_features_agree_with_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_BLOCK_SAMPLES", 13_000)  # two windows a block, the last block partial
    emg = noise(5, 2000, 3).cumsum(axis=1) * 0.1 + noise(5, 2000, 3, 1)
    found = classical_features(emg, RATE, "raw")
    assert found.shape == (5, 12 * 3 + 6) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack([slow_raw(window, RATE) for window in emg]), rtol=2e-3, atol=2e-3)


def test_envelope_features_agree_with_loops() -> None:
    emg = np.abs(noise(4, 200, 10)) * np.linspace(0.1, 2, 10, dtype=np.float32)
    found = classical_features(emg, 100.0, "envelope")
    assert found.shape == (4, 6 * 10 + 55)
    np.testing.assert_allclose(found, np.stack([slow_envelope(window) for window in emg]), rtol=1e-3, atol=1e-3)


def test_a_sine_has_its_frequency() -> None:
    t = np.arange(2000) / RATE
    emg = (np.sqrt(2) * np.sin(2 * np.pi * 100 * t + 0.3)).astype(np.float32)[None, :, None]
    x = classical_features(emg, RATE, "raw")[0]
    assert x[:5] == pytest.approx(0, abs=1e-3)  # log RMS of whole and quarters
    assert x[6] == pytest.approx(200, rel=0.01)  # two zero crossings a cycle
    assert x[7] == pytest.approx(200, rel=0.01)
    assert x[8] == pytest.approx(100, abs=0.5) and x[10] == pytest.approx(100, abs=2)
    assert x[11] == pytest.approx(0, abs=1e-3)  # 50 ms are whole cycles: the envelope is flat


def test_gain_shifts_logs_and_leaves_frequencies() -> None:
    emg = noise(1, 2000, 1)
    one, ten = (classical_features(gain * emg, RATE, "raw")[0] for gain in (1.0, 10.0))
    np.testing.assert_allclose(ten[:6] - one[:6], np.log(10), atol=0.01)
    np.testing.assert_allclose(ten[6:12], one[6:12], rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("kind", ["raw", "envelope"])
def test_silent_and_repeated_channels_stay_finite(kind: str) -> None:
    emg = np.abs(noise(2, 203, 4))  # not a multiple of the quarters
    emg[:, :, 1] = 0
    emg[:, :, 3] = emg[:, :, 2]
    found = classical_features(emg, 200.0, kind)  # type: ignore[arg-type]
    assert np.isfinite(found).all() and np.abs(found).max() < 300


def test_odd_sizes_and_refusals() -> None:
    assert classical_features(np.zeros((0, 100, 4), np.float32), 100.0, "envelope").shape == (0, 34)
    assert classical_features(np.zeros((0, 100, 4), np.float32), 100.0, "raw").shape == (0, 58)
    with pytest.raises(ValueError, match="7 samples are too short"):
        classical_features(np.zeros((1, 7, 2), np.float32), 100.0, "raw")
    bad = np.ones((1, 100, 2), np.float32)
    bad[0, 3, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        classical_features(bad, 100.0, "envelope")
