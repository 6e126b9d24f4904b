from __future__ import annotations

import numpy as np

from cpep.live.quality import mains_share, quality

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


def test_a_channel_without_numbers_is_flat_and_spoils_no_other():
    emg_TC = band()
    emg_TC[:, 2] = np.nan
    emg_TC[:, 4] *= 40
    emg_TC[100, 5] = np.inf
    assert quality(emg_TC, RATE, "raw") == ("", "", "flat", "", "noisy", "", "", "")


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
