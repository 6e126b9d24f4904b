from __future__ import annotations

import numpy as np
import pytest

from cpep.signal.measures import measure
from cpep.signal.quality import mains_share, quality

RATE = 2000.0


def band(seconds=2.0, channels=8):
    return np.random.default_rng(0).normal(size=(round(seconds * RATE), channels)).astype(np.float32)


def test_good_channels_have_no_mark():
    assert quality(band(), RATE, "raw") == ("",) * 8


def test_each_fault_is_marked_on_its_channel():
    emg_TC, second_T = band(), np.arange(4000) / RATE
    emg_TC[:, 0] = 3.0
    emg_TC[:, 1] = np.clip(4 * emg_TC[:, 1], -3, 3)
    emg_TC[:, 2] += 5 * np.sin(2 * np.pi * 50 * second_T)
    emg_TC[:, 3] += 5 * np.sin(2 * np.pi * 60 * second_T)
    emg_TC[:, 4] *= 40
    emg_TC[:, 5] *= 1e-3
    assert quality(emg_TC, RATE, "raw") == ("flat", "clipped", "hum", "hum", "noisy", "flat", "", "")


def test_a_small_signal_of_few_steps_is_not_clipped():
    emg_TC = np.rint(1.2 * np.random.default_rng(1).normal(size=(400, 8))).astype(np.float32)
    assert set(quality(emg_TC, 200.0, "raw")) == {""}


def test_an_envelope_does_not_hum():
    emg_TC = np.abs(band())
    emg_TC[:, 2] += 5 + 5 * np.sin(2 * np.pi * 50 * np.arange(4000) / RATE).astype(np.float32)
    assert quality(emg_TC, RATE, "envelope")[2] == ""


def test_the_share_of_the_mains_is_that_of_the_power():
    second_T = np.arange(4000) / RATE
    emg_TC = np.stack([np.sin(2 * np.pi * 50 * second_T) + np.sin(2 * np.pi * 333 * second_T)], axis=1)
    np.testing.assert_allclose(mains_share(emg_TC, RATE), [0.5], atol=0.01)


def test_a_channel_without_a_finite_value_is_flat_and_the_others_are_judged():
    emg_TC, second_T = band(), np.arange(4000) / RATE
    emg_TC[:, 3] = np.nan
    emg_TC[100:200, 4] = np.nan
    emg_TC[:, 5] += 5 * np.sin(2 * np.pi * 60 * second_T)
    assert quality(emg_TC, RATE, "raw") == ("", "", "", "flat", "", "hum", "", "")
    assert quality(np.full((400, 2), np.nan, np.float32), 200.0, "raw") == ("flat", "flat")


def test_where_most_channels_are_dead_the_living_ones_are_good():
    emg_TC = band()
    emg_TC[:, :6] = 0
    assert quality(emg_TC, RATE, "raw") == (*["flat"] * 6, "", "")


def test_an_offset_and_its_drift_hide_no_fault():
    emg_TC, second_T = band().astype(np.float64), np.arange(4000) / RATE
    emg_TC += np.linspace(-40_000, 40_000, 8) + 300 * second_T[:, None]
    emg_TC[:, 2] += 5 * np.sin(2 * np.pi * 50 * second_T)
    emg_TC[:, 5] = np.clip(emg_TC[:, 5], np.quantile(emg_TC[:, 5], 0.1), np.quantile(emg_TC[:, 5], 0.9))
    assert quality(emg_TC, RATE, "raw") == ("", "", "hum", "", "", "clipped", "", "")


@pytest.mark.parametrize("kind", ["raw", "envelope"])
@pytest.mark.parametrize("samples", [1, 2, 3, 7, 40, 250])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_shortest_recordings_are_measured(kind, samples, channels):
    emg_TC = np.random.default_rng(0).normal(size=(samples, channels)).astype(np.float32)
    found = measure(emg_TC, 200.0, kind)
    assert len(found.sd_C) == channels and np.isfinite(found.hum_C).all()
    assert len(quality(emg_TC, 200.0, kind)) == channels
