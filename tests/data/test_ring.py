"""Values of any ring: what they are of signals that are known, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from cpep.data.ring import PLACES, TOKEN_BINS, VALUES, WINDOW_BINS, Ring, RingScale, ring_bins


def noise(samples: int, channels: int, rate: float) -> np.ndarray:
    """Return noise of 20 to 80 Hz whose strength changes, and that neighbours share in part."""
    rng = np.random.default_rng(0)
    own_TC = rng.standard_normal((samples, channels))
    band = signal.butter(4, [20, 80], "band", fs=rate, output="sos")
    loud_T1 = 1 + np.sin(2 * np.pi * 0.7 * np.arange(samples) / rate)[:, None]
    return loud_T1 * signal.sosfilt(band, own_TC + 0.7 * np.roll(own_TC, 1, axis=1), axis=0)


def tokens(emg_TC: np.ndarray, rate: float) -> torch.Tensor:
    bins_K3C = torch.from_numpy(ring_bins(emg_TC, rate, "raw"))
    windows_BN3C = torch.stack([bins_K3C[at : at + WINDOW_BINS] for at in range(0, len(bins_K3C) - WINDOW_BINS, 7)])
    return RingScale.of(bins_K3C, "raw").tokens(windows_BN3C)


@pytest.mark.parametrize("rate", [200.0, 250.0, 1111.0])
def test_bins_against_a_loop(rate: float) -> None:
    emg_TC = np.random.default_rng(1).standard_normal((int(0.5 * rate) + 3, 3))
    bins_K3C = ring_bins(emg_TC, rate, "raw")
    assert bins_K3C.shape == (10, 3, 3)
    for k in range(10):
        first, stop = round(k * rate * 0.05), round((k + 1) * rate * 0.05)
        for c in range(3):
            steps = [emg_TC[t, c] - emg_TC[t - 1, c] if t else 0.0 for t in range(first, stop)]
            products = [emg_TC[t, c] * emg_TC[t, (c + 1) % 3] for t in range(first, stop)]
            want = [np.mean(emg_TC[first:stop, c] ** 2), np.mean(np.square(steps)), np.mean(products)]
            np.testing.assert_allclose(bins_K3C[k, :, c], want, rtol=1e-5, atol=1e-6)


def test_an_envelope_has_the_square_of_its_mean_alone() -> None:
    envelope_TC = np.abs(np.random.default_rng(2).standard_normal((100, 4)))
    bins_K3C = ring_bins(envelope_TC, 100.0, "envelope")
    np.testing.assert_allclose(bins_K3C[:, 0], envelope_TC.reshape(20, 5, 4).mean(axis=1) ** 2, rtol=1e-5)
    assert not bins_K3C[:, 1:].any()
    value_BSCV = RingScale.of(torch.from_numpy(bins_K3C), "envelope").tokens(torch.from_numpy(bins_K3C)[None])
    assert value_BSCV.shape == (1, 2, 4, VALUES) and not value_BSCV[..., TOKEN_BINS:].any()


def test_the_gain_of_a_channel_is_taken_out() -> None:
    emg_TC = noise(4000, 6, 500.0)
    louder_TC = emg_TC * np.array([1, 10, 0.1, 3, 1, 1e4])
    torch.testing.assert_close(tokens(louder_TC, 500.0), tokens(emg_TC, 500.0), atol=1e-3, rtol=1e-3)


def test_the_rate_hardly_matters() -> None:
    emg_TC = noise(16_000, 4, 2000.0)
    fast, slow = tokens(emg_TC, 2000.0), tokens(signal.resample_poly(emg_TC, 1, 4, axis=0), 500.0)
    assert len(fast) == len(slow)
    for value in range(VALUES):
        assert np.corrcoef(fast[..., value].flatten(), slow[..., value].flatten())[0, 1] > 0.95


def test_channels_that_are_rolled_roll_their_values() -> None:
    emg_TC = noise(3000, 5, 500.0)
    torch.testing.assert_close(tokens(np.roll(emg_TC, 2, axis=1), 500.0), tokens(emg_TC, 500.0).roll(2, dims=2))


def test_a_silent_channel_is_finite() -> None:
    emg_TC = noise(3000, 4, 500.0)
    emg_TC[:, 1] = 0
    assert torch.isfinite(tokens(emg_TC, 500.0)).all()


def test_where_the_turn_is_not_known_only_differences_of_angles_matter() -> None:
    angles = tuple(2 * np.pi * np.arange(8) / 8)
    turned = tuple(angle + 0.3 for angle in angles)
    assert Ring(angles, "raw").places().shape == (8, PLACES)
    torch.testing.assert_close(Ring(angles, "raw").places(), Ring(turned, "raw").places())
    torch.testing.assert_close(Ring(angles, "raw").places(3), Ring(angles, "raw").places().roll(3, dims=0))
    known, other = (Ring(some, "raw", turn_known=True).places() for some in (angles, turned))
    assert (known - other).abs().max() > 0.2
