"""Poses from LSL streams over loopback, and what their columns are taken for."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from cpep.hand.joints import JOINTS
from cpep.hand.kinematics import Hand
from cpep.live.poses.columns import WRONG_SIDE, Columns, Landmarks, understood
from cpep.live.poses.source import open_pose
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError
from tests.live.loopback import Sender, pylsl_on_loopback

FIST = GESTURES["fist"].pose_J[:20]


def landmark_columns(pose_NJ, side="right"):
    landmark_NPC = Hand()(torch.tensor(np.asarray(pose_NJ))).numpy() * np.array([1 if side == "right" else -1, 1, 1])
    return np.concatenate([np.zeros((len(landmark_NPC), 3)), landmark_NPC.reshape(len(landmark_NPC), 60)], axis=1)


@pytest.mark.parametrize(("unit", "times"), [("deg", np.pi / 180), ("radians", 1.0)])
@pytest.mark.parametrize("wrist", [(), ("WRIST_DEV", "WRIST_FE")])
def test_joint_angles_are_told_by_their_labels_in_any_order(unit, times, wrist):
    labels = [name.lower() for name in (*wrist, *reversed(JOINTS))]
    columns = understood("lsl:hand", labels, [unit] * len(labels), "right", "")
    value_NX = np.arange(len(labels))[None].astype(np.float32)
    (pose_J,) = columns.poses(value_NX)
    assert (columns.names, columns.unit) == (JOINTS, "rad")
    np.testing.assert_allclose(pose_J, times * np.arange(len(wrist), len(labels))[::-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "units", "names", "unit"),
    [
        (["a", "b"], ["counts", ""], ("a", "b"), "count"),
        (["", " "], ["", "none"], ("column_1", "column_2"), ""),
        ([""] * 20, ["deg"] * 20, tuple(f"column_{n}" for n in range(1, 21)), "rad"),  # nobody says which joints
        (["x", "y"], ["mm", "millimetre"], ("x", "y"), "mm"),
    ],
)
def test_all_else_is_a_glove_of_its_own(labels, units, names, unit):
    columns = understood("lsl:glove", labels, units, "right", "")
    assert isinstance(columns, Columns) and (columns.names, columns.unit) == (names, unit)
    good, bad = columns.poses(np.array([[1.0] * len(labels), [np.nan] + [1.0] * (len(labels) - 1)], np.float32))
    assert good is not None and bad is None


@pytest.mark.parametrize(
    ("labels", "units", "said"),
    [
        (["a"], ["furlong"], "lsl:glove: the unit 'furlong' is not known here; .*correct the description"),
        (["a", "b"], ["deg", "rad"], "columns in deg and rad; send all of them in one unit"),
        (JOINTS, [""] * 20, "joint angles without a unit; state rad or deg"),
        (JOINTS, ["count"] * 20, "joint angles in count; state rad or deg"),
        (["a", "b", "a"], [""] * 3, "two columns called a"),
    ],
)
def test_what_is_not_understood_is_refused(labels, units, said):
    with pytest.raises(UserError, match=said):
        understood("lsl:glove", labels, units, "right", "")


@pytest.mark.parametrize("side", ["right", "left"])
def test_63_columns_are_landmarks(side):
    columns = understood("lsl:hand", [""] * 63, [""] * 63, side, "")
    value_NX = landmark_columns([FIST, np.zeros(20), FIST], side)
    value_NX[1, 40] = np.nan
    first, unseen, last = columns.poses(value_NX)
    assert (columns.names, columns.unit, unseen) == (JOINTS, "rad", None)
    np.testing.assert_allclose([first, last], [FIST, FIST], atol=1e-3)


def test_landmarks_of_the_other_hand_end_with_a_sentence_and_now_and_then_one_does_not():
    wrong_NX = landmark_columns([FIST] * 10, "left")
    landmarks = Landmarks("lsl:hand", "right", "write lsl:hand,side=left")
    with pytest.raises(
        UserError, match="lsl:hand shows no right hand but its mirror image; write lsl:hand,side=left"
    ):
        for _ in range(WRONG_SIDE // 10):
            assert landmarks.poses(wrong_NX) == [None] * 10
    mixed = Landmarks("lsl:hand", "right", "")
    for _ in range(2 * WRONG_SIDE // 10):
        mixed.poses(np.concatenate([wrong_NX, landmark_columns([FIST] * 10)]))


@pytest.fixture(scope="module")
def pylsl():
    return pylsl_on_loopback()


def test_a_glove_goes_away_and_comes_back(pylsl):
    name = f"glove-{time.monotonic_ns()}"
    begun = time.monotonic()
    gloves = [Sender(pylsl, name, rate=50, channels=3, uid="one", kind="MoCap", units=["deg"] * 3)]
    source = open_pose(f"lsl:{name}")
    assert (source.name, source.unit, source.rate) == (f"lsl:{name}", "rad", 50)
    assert source.anchor_names == ("column_1", "column_2", "column_3")
    seen, stamps, away = [], [], 0
    for frame in source.frames():
        assert time.monotonic() < begun + 20
        if frame.pose_J is None:
            away += 1
            if len(gloves) == 1:
                gloves.append(Sender(pylsl, name, 50, 3, first=1000, uid="two", kind="MoCap", units=["deg"] * 3))
            continue
        seen.append(round(float(np.rad2deg(frame.pose_J[0]))))
        stamps.append(frame.stamp_s)
        if len(seen) == 20:
            gloves[0].stop()
        if seen[-1] > 1000:
            source.close()
    gloves[1].stop()
    assert seen[:20] == list(range(20)) and seen[-1] > 1000 and away
    assert np.diff(stamps).min() > 0 and begun < stamps[0] and stamps[-1] < time.monotonic()


def test_landmarks_of_a_side_that_the_stream_says(pylsl):
    name = f"hand-{time.monotonic_ns()}"
    info = pylsl.StreamInfo(name, "MoCap", 63, 0, "float32", name)
    info.desc().append_child_value("side", "Left")
    outlet = pylsl.StreamOutlet(info)
    source = open_pose(f"lsl:{name}", side="right")  # the stream knows better
    frames = source.frames()
    for pose_J in (FIST, np.zeros(20)):
        outlet.push_sample(landmark_columns([pose_J], "left")[0].tolist())
        np.testing.assert_allclose(next(frames).pose_J, pose_J, atol=1e-3)
    frames.close()


def test_joints_in_a_unit_that_the_user_says_of_one_of_two_streams(pylsl):
    name = f"joints-{time.monotonic_ns()}"
    outlets = []
    for uid in ("one", "two"):
        info = pylsl.StreamInfo(name, "MoCap", 20, 50, "float32", uid)
        channels = info.desc().append_child("channels")
        for joint in JOINTS:
            channels.append_child("channel").append_child_value("label", joint)
        outlets.append(pylsl.StreamOutlet(info))
    with pytest.raises(UserError, match=f"2 streams of LSL have name {name}: .*write lsl:{name},source_id=one or"):
        open_pose(f"lsl:{name}")
    with pytest.raises(UserError, match=f"joint angles without a unit; .*write lsl:{name},unit=rad"):
        open_pose(f"lsl:{name},source_id=two")
    frames = open_pose(f"lsl:{name},source_id=two,unit=deg").frames()
    for outlet, angle in zip(outlets, (90.0, 180.0), strict=True):
        outlet.push_sample([angle] * 20)
    np.testing.assert_allclose(next(frames).pose_J, np.pi, rtol=1e-6)
    frames.close()


def test_no_stream_and_a_stream_of_texts_are_refused(pylsl, monkeypatch):
    monkeypatch.setattr("cpep.live.sources.lsl_find.FIND_S", 0.3)
    with pytest.raises(UserError, match=r"no LSL stream with name nobody within 0.3 s; there "):
        open_pose("lsl:nobody")
    name = f"texts-{time.monotonic_ns()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    monkeypatch.setattr("cpep.live.sources.lsl_find.FIND_S", 3.0)
    with pytest.raises(UserError, match="is a stream of texts, not of poses"):
        open_pose(f"lsl:{name}")
    del outlet
