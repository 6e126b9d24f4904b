"""The columns of the anchor that models read, against loops; and that no part of a model passes them by."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.embed import embed_anchor
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.config.schema import AnchorView
from cpep.data.anchor import ANCHORS, Anchor
from cpep.data.anchor_view import GLOVE, LAST_JOINT, SENSORS, ViewedAnchor, joints_of_glove
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import AnchorReader, list_windows
from cpep.hand.joints import JOINTS
from cpep.hand.muscles import HIGHEST_J, LOWEST_J, REST_J, demand
from cpep.types import UserError
from tests.synthetic import write_db1

HAND = Anchor(ANCHORS.get("joint_angles"), JOINTS, "rad")
CYBERGLOVE = Anchor(ANCHORS.get("glove"), GLOVE, "count")


def poses(frames, windows=2):
    return np.random.default_rng(0).uniform(LOWEST_J[:20], HIGHEST_J[:20], (windows, frames, 20)).astype(np.float32)


def test_recorded_columns_stay_the_same_object_and_others_say_how_many_they_are():
    pose = torch.from_numpy(poses(9))
    assert ViewedAnchor(HAND, AnchorView.recorded, 100).__call__(pose) is pose
    for anchor, view, columns in (
        (HAND, AnchorView.muscles, 24),
        (HAND, AnchorView.both, 44),
        (CYBERGLOVE, AnchorView.muscles, 24),
        (CYBERGLOVE, AnchorView.both, 46),
    ):
        viewed = ViewedAnchor(anchor, view, 100)
        assert viewed.columns == columns == viewed(torch.zeros(1, 3, len(anchor.names))).shape[-1]


@pytest.mark.parametrize("frames", [1, 2, 11, 25])
def test_muscles_are_those_of_a_tenth_of_a_second_and_linear_in_between(frames):
    pose_BSJ = poses(frames)
    found = ViewedAnchor(HAND, AnchorView.both, 100)(torch.from_numpy(pose_BSJ))
    assert torch.equal(found[..., :20], torch.from_numpy(pose_BSJ)) and found.dtype == torch.float32
    at = {1: [0], 2: [0, 1], 11: [0, 10], 25: [0, 10, 20, 24]}[frames]
    for window in range(2):
        knots_KV = demand(pose_BSJ[window, at], np.array(at) / 100)
        for column in range(24):
            wanted = np.interp(np.arange(frames), at, knots_KV[:, column])
            assert np.allclose(found[window, :, 20 + column], wanted, atol=1e-6)


def test_a_glove_at_its_median_is_the_relaxed_hand_and_its_sensors_bend_their_joints():
    assert np.allclose(joints_of_glove(np.zeros(22)), REST_J[:20])
    rng = np.random.default_rng(0)
    for glove_J in rng.uniform(-2, 2, (20, 22)):
        found = dict(zip(JOINTS, joints_of_glove(glove_J), strict=True))
        for joint, (low, rest, high) in zip(JOINTS, zip(LOWEST_J, REST_J, HIGHEST_J, strict=True), strict=False):
            finger, bone, _ = joint.split("_")
            sensor = {("THUMB", "CMC"): 1, ("THUMB", "MCP"): 2, ("THUMB", "IP"): 3}.get((finger, bone))
            if finger != "THUMB" and bone in ("MCP", "PIP"):
                sensor = {"INDEX": 5, "MIDDLE": 8, "RING": 12, "PINKY": 16}[finger] + (bone == "PIP")
            bend = (high - low) / 2 * glove_J[sensor - 1] if sensor else 0.0
            if joint == "THUMB_CMC_AA":
                bend = -(high - low) / 2 * glove_J[3]
            elif joint.endswith("_AA"):
                bend = 0.0
            elif bone == "DIP":
                before = JOINTS.index(f"{finger}_PIP_FE")
                bend = LAST_JOINT * (HIGHEST_J - LOWEST_J)[before] / 2 * glove_J[SENSORS[f"{finger}_PIP_FE"] - 1]
            assert found[joint] == pytest.approx(np.clip(rest + bend, low, high)), joint


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor(ANCHORS.get("glove"), GLOVE[:18], "count"),
        Anchor(ANCHORS.get("glove"), tuple(f"s{k}" for k in range(22)), "count"),
        Anchor(ANCHORS.get("features"), GLOVE, ""),
        Anchor(ANCHORS.get("joint_angles"), JOINTS[::-1], "rad"),
    ],
)
def test_an_anchor_from_which_no_muscles_follow_is_refused_with_a_sentence(anchor):
    with pytest.raises(UserError, match=r"data\.anchor_view=both computes muscles from .*; here the anchor is"):
        ViewedAnchor(anchor, AnchorView.both, 100)
    assert ViewedAnchor(anchor, AnchorView.recorded, 100).columns == len(anchor.names)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewed")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


@pytest.mark.parametrize("view", ["muscles", "both"])
def test_a_checkpoint_views_given_anchors_as_those_of_a_store(store, view, tmp_path):
    (split,) = make_splits(store, unseen=("3",))
    config = preset("tiny", [f"data.anchor_view={view}"])
    save(Model(make_card("cpep", store, split, config, 0)).eval(), tmp_path / "one")
    model = load(tmp_path / "one")
    assert model.net.anchor.columns == {"muscles": 24, "both": 46}[view]
    windows = list_windows(store, 2.0, 0.25).select(np.arange(4))
    read_BSJ = AnchorReader(store, windows.frames)(windows)
    given = model.encode_anchor(read_BSJ.transpose(1, 2))
    assert torch.allclose(given, torch.from_numpy(embed_anchor(model, store, windows).x_ND), atol=1e-6)
    viewed_BSK = ViewedAnchor(store.device.anchor, AnchorView(view), store.frame_rate)(read_BSJ)
    assert torch.allclose(given, model.net.embed_anchor(viewed_BSK), atol=1e-6)
    with pytest.raises(UserError, match="22"):
        model.encode_anchor(read_BSJ[..., :20].transpose(1, 2))


def test_a_model_of_another_glove_is_refused_before_it_is_built(store):
    (split,) = make_splits(store, unseen=("3",))
    other = replace(store, device=replace(store.device, anchor_names=tuple(f"s{k}" for k in range(22))))
    with pytest.raises(UserError, match=r"leave data\.anchor_view=recorded"):
        make_card("pose_mae", other, split, preset("tiny", ["data.anchor_view=muscles"]), 0)
