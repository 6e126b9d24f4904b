"""Features of enrolment against loops over one window and one channel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm

from cpep.data.recording import Device
from cpep.evaluate import enrol_features as module
from cpep.evaluate.enrol_features import WINDOW_S, enrol_features, window_samples


def noise(device: Device, windows: int = 3, seed: int = 0) -> np.ndarray:
    shape = windows, window_samples(device), device.channels
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.abs(x) if device.emg_kind == "envelope" else x


@pytest.mark.parametrize(("rate", "bands"), [(200, 4), (500, 4), (1000, 4), (2000, 4), (4000, 4)])
def test_raw_is_band_powers_and_the_log_covariance(rate, bands):
    device = Device(channels=3, emg_rate=rate, emg_kind="raw", emg_unit="")
    emg_NTC = noise(device)
    samples, top = emg_NTC.shape[1], min(500, rate / 2)
    assert samples == round(WINDOW_S * rate)
    edges = [20 * (top / 20) ** (b / bands) for b in range(bands + 1)]
    for x_F, window_TC in zip(enrol_features(emg_NTC, device), emg_NTC.astype(float), strict=True):
        wanted = []
        for b in range(bands):
            for c in range(3):
                power = np.abs(np.fft.rfft(window_TC[:, c] * np.hanning(samples))) ** 2
                inside = []
                for line, value in enumerate(power):
                    hertz = line * rate / samples
                    last = b == bands - 1 and rate / 2 <= 500
                    if edges[b] - 1e-6 <= hertz < edges[b + 1] - 1e-6 or (last and hertz >= edges[b]):
                        inside.append(value)
                wanted.append(np.log(np.mean(inside)))
        covariance = window_TC.T @ window_TC / samples
        log = logm(covariance + 0.01 * np.trace(covariance) / 3 * np.eye(3)).real
        wanted += [log[i, j] for i in range(3) for j in range(i, 3)]
        np.testing.assert_allclose(x_F, wanted, rtol=1e-4, atol=1e-4)


def test_envelope_is_roots_of_means_and_logs_of_shares():
    device = Device(channels=3, emg_rate=100, emg_kind="envelope", emg_unit="")
    emg_NTC = noise(device)
    for x_F, window_TC in zip(enrol_features(emg_NTC, device), emg_NTC.astype(float), strict=True):
        mean = [window_TC[:, c].sum() / 30 for c in range(3)]
        wanted = [m**0.5 for m in mean] + [np.log(m / (sum(mean) / 3) + 0.1) for m in mean]
        np.testing.assert_allclose(x_F, wanted, rtol=1e-5)


@pytest.mark.parametrize("kind", ["raw", "envelope"])
def test_the_unit_shifts_or_scales_features(kind):
    device = Device(channels=4, emg_rate=200, emg_kind=kind, emg_unit="uV")
    emg_NTC = noise(device, windows=6)
    one, other = (enrol_features(gain * emg_NTC, device).astype(float) for gain in (1.0, 1e-6))
    if kind == "raw":
        np.testing.assert_allclose(other - one, np.broadcast_to((other - one)[0], one.shape), atol=2e-3)
    else:
        np.testing.assert_allclose(other, one * np.repeat([1e-3, 1], 4), rtol=1e-4, atol=1e-6)


def test_a_window_alone_gives_its_features(monkeypatch):
    device = Device(channels=2, emg_rate=200, emg_kind="raw", emg_unit="")
    emg_NTC = noise(device, windows=5)
    whole = enrol_features(emg_NTC, device)
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", 1)
    np.testing.assert_allclose(enrol_features(emg_NTC, device), whole, rtol=1e-6)
    assert enrol_features(emg_NTC[:0], device).shape == (0, whole.shape[1])


@pytest.mark.parametrize("kind", ["raw", "envelope"])
def test_a_dead_channel_gives_finite_features(kind):
    device = Device(channels=2, emg_rate=200, emg_kind=kind, emg_unit="")
    emg_NTC = noise(device)
    emg_NTC[:, :, 1] = 0
    assert np.isfinite(enrol_features(emg_NTC, device)).all()
    assert np.isfinite(enrol_features(0 * emg_NTC, device)).all()


def test_a_slow_device_has_what_bands_it_has():
    device = Device(channels=2, emg_rate=20, emg_kind="raw", emg_unit="")
    assert np.isfinite(enrol_features(noise(device), device)).all()


def test_refusal():
    device = Device(channels=2, emg_rate=200, emg_kind="raw", emg_unit="")
    emg_NTC = noise(device)
    emg_NTC[1, 2, 1] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        enrol_features(emg_NTC, device)
