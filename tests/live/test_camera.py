"""Poses from a camera, with a fake of MediaPipe and of the camera."""

from __future__ import annotations

import hashlib
import sys
import time
from itertools import islice

import numpy as np
import pytest
import torch

from cpep.hand.joints import JOINTS
from cpep.hand.kinematics import Hand
from cpep.live.poses import landmarker
from cpep.live.poses.source import open_pose
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError
from tests.download.range_server import RangeServer, running
from tests.live import fake_camera

FIST = GESTURES["fist"].pose_J[:20]


def landmarks(pose_J, side="right"):
    """Return the landmarks (21, 3) of a hand as a camera sees it: m, x to the right, y down, somehow turned."""
    point_PC = np.concatenate([np.zeros((1, 3)), Hand()(torch.tensor(pose_J)).numpy()]) / 1000
    turn_33 = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    return point_PC * ((1, 1, 1) if side == "right" else (-1, 1, 1)) @ (turn_33 * np.sign(np.linalg.det(turn_33)))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "hand.task"
    path.write_bytes(b"model")
    return path


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_hand_of_the_side_becomes_joint_angles(monkeypatch, model, side):
    other = {"right": "left", "left": "right"}[side]
    both = lambda n: [  # noqa: E731
        (other.capitalize(), landmarks(np.zeros(20), other)),
        *([(side.capitalize(), landmarks(FIST, side))] if n != 3 else []),
    ]
    asked, _ = fake_camera.install(monkeypatch, both)
    source = open_pose(f"camera:1,model={model},side={side}")
    assert (source.name, source.anchor_names, source.unit, source.rate) == ("camera:1", JOINTS, "rad", 30.0)
    before = time.monotonic()
    frames = list(islice(source.frames(), 6))
    assert before <= frames[0].stamp_s <= frames[-1].stamp_s <= time.monotonic()
    assert [frame.pose_J is None for frame in frames] == [False, False, True, False, False, False]
    np.testing.assert_allclose(frames[0].pose_J, FIST, atol=1e-3)
    image, _ = asked[0]
    assert image[0, 1].tolist() == [1, 1, 1] and image[0, 0].tolist() == [0, 0, 255]  # red first


def test_a_mirrored_camera_is_turned_back(monkeypatch, model):
    asked, camera = fake_camera.install(monkeypatch, lambda n: [("Right", landmarks(FIST))])
    camera.flips = True
    frame = next(open_pose(f"camera,model={model},mirrored=yes").frames())
    assert asked[0][0][0, 0].tolist() == [0, 0, 255] and asked[0][0].flags.c_contiguous
    np.testing.assert_allclose(frame.pose_J, FIST, atol=1e-3)


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        # a mirror image of a right hand, which MediaPipe names left, while the right one is asked for
        (("Left", landmarks(FIST, "left")), "camera:0 sees no right hand, but another one; write camera:0,side=left"),
        # named right, and of the shape of a left one
        (("Right", landmarks(FIST, "left")), "shows no right hand but its mirror image; .*camera:0,mirrored=yes"),
    ],
    ids=["label", "shape"],
)
def test_the_other_hand_is_no_pose_and_ends_with_a_sentence(monkeypatch, model, hand, said):
    _, camera = fake_camera.install(monkeypatch, lambda n: [hand])
    camera.images = 1000
    frames = []
    with pytest.raises(UserError, match=said):
        frames.extend(open_pose(f"camera,model={model}").frames())
    assert len(frames) <= 300


def test_a_camera_that_goes_away_is_opened_again_and_let_go_in_the_end(monkeypatch, model):
    asked, camera = fake_camera.install(monkeypatch, lambda n: [("Right", landmarks(FIST))])
    camera.images = 2
    source, found = open_pose(f"camera,model={model}"), []
    for frame in source.frames():
        found.append(frame.pose_J is not None)
        if len(found) == 5:
            source.close()
    assert found == [True, True, False, True, True]
    assert asked[-1] == "closed"


def test_what_is_missing_is_said(monkeypatch, model, tmp_path):
    _, camera = fake_camera.install(monkeypatch, lambda n: [])
    with pytest.raises(UserError, match=r"none\.task: there is no such file; fetch https://"):
        open_pose(f"camera,model={tmp_path / 'none.task'}")
    bad = tmp_path / "bad.task"
    bad.write_bytes(b"")
    with pytest.raises(UserError, match=r"is no hand landmarker of MediaPipe .*zip archive"):
        open_pose(f"camera,model={bad}")
    camera.opens = False
    with pytest.raises(UserError, match="camera:0 does not open; see that it is plugged in"):
        open_pose(f"camera,model={model}")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[camera\]"'):
        open_pose(f"camera,model={model}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera:front,model=x", "write the number of the camera"),
        ("camera,mirrored=perhaps", "write yes or no"),
        ("camera,side=both", "side both; write right or left"),
        ("camera,colour=red", "camera has no option colour; it has side, model, mirrored"),
        ("camera,mirrored=", "'mirrored=' is no option"),
        ("kinect", "write .*lsl:NAME.*camera"),
        ("lsl", "write .*lsl:NAME"),
    ],
)
def test_a_text_of_another_form_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        open_pose(text)


def test_the_model_is_fetched_once_and_refused_where_it_is_another(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    content = b"weights" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    with running(RangeServer({"hand.task": content, "other.task": content + b"!"})) as server:
        with pytest.raises(UserError, match=r"other.task is not the file that cpep knows .*nothing of it was kept"):
            landmarker.model_file(url=f"{server.url}other.task", sha256=sha256)
        assert not list(tmp_path.rglob("*.task*"))
        path = landmarker.model_file(url=f"{server.url}hand.task", sha256=sha256)
        assert path.read_bytes() == content and path == landmarker.cached_model()
        with pytest.raises(UserError, match=r"cannot be fetched .*camera,model=PATH"):
            path.unlink() or landmarker.model_file(url=f"{server.url}none.task", sha256=sha256)
        landmarker.model_file(url=f"{server.url}hand.task", sha256=sha256)
    assert landmarker.model_file(url=f"{server.url}hand.task", sha256=sha256) == path  # the server is gone
    path.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"is not the file that cpep fetched .*delete it"):
        landmarker.model_file(url=f"{server.url}hand.task", sha256=sha256)
