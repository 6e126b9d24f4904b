"""The resampler against scipy's, and against sines whose samples are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from cpep.signal.resampler import Resampler, resampled

DELSYS = (1111.111, 1259.259, 1925.926, 2148.148)


def noise(samples: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, channels))


@pytest.mark.parametrize("rate", DELSYS)
@pytest.mark.parametrize("new_rate", [1000.0, 2000.0, 2048.0])
def test_a_sine_keeps_its_frequency_phase_and_size(rate: float, new_rate: float) -> None:
    hertz = np.array([20.0, 130.0, 350.0])
    emg_TC = np.sin(2 * np.pi * hertz * np.arange(int(2 * rate))[:, None] / rate) + 50_000.0
    found_TC = resampled(emg_TC, rate, new_rate) - 50_000.0
    true_TC = np.sin(2 * np.pi * hertz * np.arange(len(found_TC))[:, None] / new_rate)
    assert len(found_TC) == int((len(emg_TC) - 1) / rate * new_rate + 1e-6) + 1
    inner = slice(200, -200)
    assert np.abs(found_TC - true_TC)[inner].max() < 0.01


def test_agrees_with_scipy_below_the_cut_off() -> None:
    rng = np.random.default_rng(1)
    time_T = np.arange(4000)[:, None] / 1000
    emg_TC = sum(np.sin(2 * np.pi * h * time_T + rng.uniform(0, 6)) for h in (7, 33, 91, 160, 202))
    found_TC, theirs_TC = resampled(emg_TC, 1000, 500), resample_poly(emg_TC, 1, 2, window=("kaiser", 8.0))
    inner = slice(100, 1900)
    assert np.abs(found_TC[inner] - theirs_TC[inner]).max() < 0.01


def test_what_lies_above_half_of_the_new_rate_is_taken_out() -> None:
    emg_TC = np.sin(2 * np.pi * 700 * np.arange(4000)[:, None] / 2000)
    assert np.abs(resampled(emg_TC, 2000, 1000)[200:-200]).max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from((200.0, 250.0, *DELSYS)),
    new_rate=st.sampled_from((200.0, 1000.0, 1300.0, 1900.0)),
    cuts=st.lists(st.integers(0, 900), max_size=6),
)
def test_chunks_do_not_matter(rate: float, new_rate: float, cuts: list[int]) -> None:
    emg_TC = noise(900) + 1000
    stream = Resampler(rate, new_rate, 3)
    chunks = np.split(emg_TC, sorted(cuts))
    parts = [stream.push(chunk) for chunk in chunks]
    early = sum(map(len, parts))
    found_TC = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(found_TC, resampled(emg_TC, rate, new_rate), rtol=1e-6)
    assert early >= (900 - 2 * stream.reach - 2) / stream.step - 1, "a stream waits for the reach alone"


def test_an_offset_makes_no_transient_and_nothing_is_nothing() -> None:
    np.testing.assert_allclose(resampled(np.full((300, 2), -40_000.0), 1111.111, 1100), -40_000.0)
    assert resampled(np.zeros((0, 2)), 1000, 500).shape == (0, 2)
    assert resampled(np.ones((1, 2)), 1000, 500).shape == (1, 2)
