from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpep.simulate.record import MIRROR, Session, record, wear
from cpep.simulate.sensor import MOCAP_RATE, STEP, capture_pose, measure_emg
from cpep.simulate.variability import Variability, generator


def test_rest_is_at_the_noise_floor_and_filtered(session: Session) -> None:
    placement = replace(session.placement, noise_C=np.ones(16), mains_C=np.zeros(16))
    still_SJ = np.zeros((2000, 22))
    emg_TC = measure_emg(np.zeros((16, 40_000), np.float32), still_SJ, placement, 1.0, generator(0))
    assert emg_TC.shape == (40_000, 16) and emg_TC.dtype == np.float32
    np.testing.assert_allclose(emg_TC / STEP, np.round(emg_TC / STEP), atol=1e-3)
    quiet = np.median(np.abs(emg_TC)) / 0.6745
    assert 0.75 < quiet < 1.2
    power = (np.abs(np.fft.rfft(emg_TC, axis=0)) ** 2).mean(axis=1)
    frequency = np.fft.rfftfreq(40_000, 1 / 2000)
    passed = power[(frequency > 100) & (frequency < 400)].mean()
    assert power[frequency < 20].mean() < 0.05 * passed
    assert power[frequency > 980].mean() < 0.1 * passed


def test_mains_is_where_the_person_lives(session: Session) -> None:
    placement = replace(session.placement, noise_C=0.01 * np.ones(16), mains=60.0, mains_C=np.ones(16))
    emg_TC = measure_emg(np.zeros((16, 40_000), np.float32), np.zeros((2000, 22)), placement, 0.0, generator(0))
    power = (np.abs(np.fft.rfft(emg_TC, axis=0)) ** 2).mean(axis=1)
    frequency = np.fft.rfftfreq(40_000, 1 / 2000)
    assert abs(frequency[power.argmax()] - 60) < 0.2


def test_capture_fails_now_and_then_with_zero_rows() -> None:
    pose_SJ = np.full((60_000, 22), 0.5)
    captured, valid = capture_pose(pose_SJ, 600.0, generator(1))
    assert captured.shape == (600 * MOCAP_RATE + 2, 20)
    assert 0 < (~valid).mean() < 0.05
    assert not captured[~valid].any()
    assert (captured[valid] != 0).any(axis=1).all()
    assert np.abs(captured[valid] - 0.5).std() < 0.012


def test_a_recording_fits_its_layout(session: Session) -> None:
    recording = record(session, "ShakaVulcanPeace", 0, 4.0, "x")
    assert recording.emg_TC.shape == (8000, 16) and len(recording.label_T) == 8000
    assert recording.prompt_T is not None and recording.repetition_T is not None
    assert (recording.prompt_T[recording.label_T > 0] == recording.label_T[recording.label_T > 0]).all()
    assert np.abs(recording.emg_TC).max() < 2700 and recording.mirror == ()


def test_left_recordings_say_how_they_mirror() -> None:
    left = wear(0, "user_00", "s", "left", Variability())
    assert record(left, "FingerFreeform", 0, 1.0, "x").mirror == MIRROR


def test_muscle_off_leaves_noise_alone() -> None:
    loud, silent = (wear(3, "user_00", "user_00_s0", "right", Variability(muscle=m)) for m in (1.0, 0.0))
    stage = "GraspPunchCloseFar"
    one, other = record(loud, stage, 0, 6.0, "x"), record(silent, stage, 0, 6.0, "x")
    np.testing.assert_array_equal(one.label_T, other.label_T)
    np.testing.assert_array_equal(one.anchor_SJ, other.anchor_SJ)
    active = one.label_T > 0
    quiet = other.emg_TC[active].std(axis=0)
    assert one.emg_TC[active].std(axis=0).max() > 4 * np.median(quiet)
    assert np.median(quiet) == pytest.approx(np.median(other.emg_TC[~active].std(axis=0)), rel=0.3)
