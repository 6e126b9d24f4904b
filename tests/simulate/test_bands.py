"""Random bands: what they may be, and what they deliver of a signal that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpep.simulate.band_cohort import GESTURES, read_worn, simulate_bands
from cpep.simulate.bands import FEWEST, MOST, AnyBand, delivered, random_band
from cpep.simulate.conductor import WRIST, Band, make_bank
from cpep.simulate.gestures import STAGES, UNSEEN, VOCABULARY
from cpep.simulate.record import Session
from cpep.simulate.variability import generator


def test_bands_cover_what_is_asked_for_and_stay_with_the_seed() -> None:
    bands = [random_band(generator(0, number)) for number in range(400)]
    channels = np.array([len(band.band.angles) for band in bands])
    assert channels.min() == FEWEST and channels.max() == MOST
    assert np.median(channels) == pytest.approx(np.sqrt(FEWEST * MOST), rel=0.2)
    assert {band.rate for band in bands if band.kind == "raw"} == {200, 250, 500, 1000, 2000, 4000}
    assert {band.kind for band in bands} == {"raw", "envelope"}
    assert any(band.band.pair_mm for band in bands) and not all(band.band.pair_mm for band in bands)
    assert bands[7] == random_band(generator(0, 7)) != random_band(generator(1, 7))


@pytest.mark.parametrize("rate", [200.0, 1000.0, 4000.0])
def test_a_raw_band_delivers_the_tones_below_half_its_rate(rate: float) -> None:
    time_T = np.arange(4000) / 2000
    emg_TC = np.stack([np.sin(2 * np.pi * hz * time_T) for hz in (40, 700)], axis=1).astype(np.float32)
    got_TC = delivered(AnyBand(WRIST, "raw", rate, 5.0), emg_TC)
    assert len(got_TC) == 2 * rate
    middle_TC = got_TC[round(0.5 * rate) : round(1.5 * rate)]
    want = np.sqrt(0.5) * np.array([1.0, rate > 1400])
    np.testing.assert_allclose(middle_TC.std(axis=0), want, atol=0.02)


def test_an_envelope_is_the_rms_of_a_tone() -> None:
    emg_T1 = 3 * np.sin(2 * np.pi * 90 * np.arange(6000) / 2000)[:, None].astype(np.float32)
    got_T1 = delivered(AnyBand(WRIST, "envelope", 100.0, 5.0), emg_T1)
    assert got_T1.shape == (300, 1)
    np.testing.assert_allclose(got_T1[100:], 3 / np.sqrt(2), rtol=0.02)


def test_electrodes_against_their_mean_sum_to_nothing(session: Session) -> None:
    band = Band(WRIST.angles[::2], 0.0)
    placement = replace(session.placement, gain_C=np.ones(8), bad=None, band=band)
    weight_XCK = make_bank(session.person, placement).weight_XCK
    assert weight_XCK.shape[1] == 8
    assert np.abs(weight_XCK.sum(axis=1)).max() < 1e-3 * np.abs(weight_XCK).max()


def test_pairs_of_half_the_distance_are_about_half_as_strong(session: Session) -> None:
    size = []
    for pair_mm in (10.0, 5.0):
        placement = replace(session.placement, band=Band(WRIST.angles, pair_mm))
        size.append(np.linalg.norm(make_bank(session.person, placement).weight_XCK))
    assert 0.4 < size[1] / size[0] < 0.6


def test_a_cohort_holds_no_unseen_gesture() -> None:
    assert not any(set(STAGES[stage]) & set(UNSEEN) for stage in GESTURES)
    assert len(GESTURES) >= 10


def test_a_cohort_of_bands_is_written_once_and_read_as_it_was_made(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("cpep.simulate.band_cohort.SECONDS", (2.0, 2.0, 1.2, 2.0))
    simulate_bands(tmp_path, 1, 5)
    before = (tmp_path / "0000.npz").stat().st_mtime_ns
    simulate_bands(tmp_path, 1, 5)
    assert (tmp_path / "0000.npz").stat().st_mtime_ns == before
    worn = read_worn(tmp_path / "0000.npz")
    bins, channels = worn.part_R.sum(), len(worn.ring.angles)
    assert worn.bins_K3C.shape == (bins, 3, channels) and worn.ring.turn_known
    assert worn.pose_SJ.shape == (5 * bins, 20) and worn.drive_KV.shape == (bins, 24)
    assert worn.label_K.shape == (bins,) and VOCABULARY[worn.label_K[0]] == "rest" and worn.label_K.max() > 0
    assert worn.part_R.tolist() == [40, 40, 24, 40]
    assert worn.starts(20, 10).tolist() == [0, 10, 20, 40, 50, 60, 80, 104, 114, 124]
