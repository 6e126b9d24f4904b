"""The hand that is followed, and how far behind it a person is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cpep.data.recording import Device, Recording
from cpep.hand.joints import JOINTS
from cpep.hand.muscles import HIGHEST_J, LOWEST_J, REST_J
from cpep.live.poses.follow import FOLLOWED, MOVES, USUAL, FollowScript
from cpep.live.poses.lag import EMG_FIRST_MS, lag_of
from cpep.signal.lag import find_lag
from cpep.signal.resampler import resampled
from cpep.simulate.gestures import GESTURES, UNSEEN
from cpep.simulate.live import following_take, live_wearing
from cpep.types import UserError

DEVICE = Device(
    channels=8, emg_rate=500.0, emg_kind="raw", emg_unit="noise_sd", anchor_names=JOINTS, anchor_unit="rad"
)


def recording_of(script, lag_s, seed=1):
    """Return what a simulated person records who follows a script, with the poses that were shown."""
    take = following_take(live_wearing(seed), 0, script.script, lag_s)
    emg_TC = resampled(take.emg_TC[:, ::2], 2000.0, 500.0)
    frame_S = np.arange(0, script.seconds, 1 / 60)
    shown_T = script.script.labels_at(np.arange(len(emg_TC)) / 500).astype(np.int16)
    return Recording(
        name="follow", user="me", session="s0", stage="follow", side="right", device=DEVICE, emg_TC=emg_TC,
        anchor_SJ=script.poses_at(frame_S).astype(np.float32), anchor_rate=60.0, valid_S=np.ones(len(frame_S), bool),
        label_T=shown_T, vocabulary=script.names, prompt_T=shown_T,
    ), take  # fmt: skip


@pytest.fixture(scope="module")
def followed():
    return recording_of(FollowScript(75, seed=1), 0.35)


def test_a_script_follows_from_its_seed_and_begins_and_ends_at_rest():
    one, same, other = FollowScript(60, 1), FollowScript(60, 1), FollowScript(60, 2)
    time_N = np.arange(0, 60, 0.05)
    np.testing.assert_array_equal(one.poses_at(time_N), same.poses_at(time_N))
    assert (one.poses_at(time_N) != other.poses_at(time_N)).any()
    assert [one.label_at(t) for t in time_N] == [same.label_at(t) for t in time_N]
    for t_s in (-1.0, 0.0, 1.9, 59.9, 100.0):
        assert one.label_at(t_s) == "rest"
        np.testing.assert_allclose(one.pose_at(t_s), REST_J[:20])


def test_a_script_can_be_followed():
    script = FollowScript(120, 0)
    pose_NJ = script.poses_at(np.arange(0, 120, 0.01))
    assert np.abs(np.diff(pose_NJ, axis=0)).max() / 0.01 < 6  # rad/s: a person turns a joint by 10
    assert np.abs(np.diff(pose_NJ, n=2, axis=0)).max() / 0.01**2 < 80  # smooth: no corner
    assert (pose_NJ >= LOWEST_J[:20] - 0.25).all() and (pose_NJ <= HIGHEST_J[:20] + 0.25).all()
    steps = script.script.steps
    for step, following in pairwise(steps):
        assert following.begin_s - step.begin_s - step.move_s > 0.7  # held


def test_all_gestures_come_before_one_comes_again_and_every_joint_moves():
    script = FollowScript(150, 3)
    made = [step.name for step in script.script.steps if step.name != "rest"]
    assert sorted(made[: len(USUAL)]) == sorted(USUAL)
    assert np.ptp(script.poses_at(np.arange(0, 150, 0.1)), axis=0).min() > 0.1
    assert not set(made) & set(UNSEEN)
    only = FollowScript(60, 0, ("gun", "index_flex"))
    assert set(only.names) == {"rest", "gun", "index_flex"}


def test_a_label_begins_with_the_way_to_the_gesture_and_ends_with_the_way_back():
    script = FollowScript(30, 0, ("fist",))
    step = script.script.steps[1]
    assert script.label_at(step.begin_s - 0.01) == "rest" and script.label_at(step.begin_s + 0.01) == "fist"
    np.testing.assert_allclose(script.pose_at(step.begin_s + step.move_s), GESTURES["fist"].pose_J[:20], atol=1e-9)
    np.testing.assert_allclose(
        script.pose_at(step.begin_s + step.move_s / 2), (GESTURES["fist"].pose_J + REST_J)[:20] / 2
    )


@pytest.mark.parametrize(
    ("seconds", "gestures", "said"),
    [
        (60, ("fist", "wiggle"), "cannot show wiggle; choose from .*index_flex"),
        (60, (), "cannot show nothing"),
        (5, ("fist",), "no gesture fits in; give 10 s or more"),
    ],
)
def test_what_cannot_be_followed_is_refused(seconds, gestures, said):
    with pytest.raises(UserError, match=said):
        FollowScript(seconds, 0, gestures)
    assert "wiggle" not in FOLLOWED and set(MOVES) < set(FOLLOWED)


def test_the_lag_of_a_person_is_found(followed):
    recording, take = followed
    lag = lag_of(recording)
    assert lag.low <= lag.ms <= lag.high
    assert abs((EMG_FIRST_MS - lag.ms) / 1000 - 0.35) < 0.08  # the pose belongs so much later
    true = find_lag(recording.emg_TC, 500.0, "raw", take.pose_SJ[:, :20], 100.0, np.ones(len(take.pose_SJ), bool))
    assert abs((true.ms - lag.ms) / 1000 - 0.35) < 0.04  # against the movement itself


def test_a_lag_that_cannot_be_told_is_refused(followed):
    recording, _ = followed
    noise_TC = np.random.default_rng(0).normal(0, 1, recording.emg_TC.shape).astype(np.float32)
    with pytest.raises(UserError, match=r"follow: the EMG does not tell how far .*follow the hand closely"):
        lag_of(replace(recording, emg_TC=noise_TC))
    short, _ = recording_of(FollowScript(20, 1), 0.35)
    with pytest.raises(UserError, match="movements with EMG around them are too few"):
        lag_of(short)
    with pytest.raises(UserError, match="holds no pose"):
        lag_of(replace(recording, anchor_SJ=None))
