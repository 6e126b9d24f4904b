"""The hand moves as MyoHand does, and as hands do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cpep.data.readers import emg2pose
from cpep.hand.joints import JOINTS, LANDMARKS, TIPS, understands
from cpep.hand.kinematics import Hand
from cpep.simulate.gestures import GESTURES

FINGERS = ("INDEX", "MIDDLE", "RING", "PINKY")
LIMITS = {
    "THUMB_CMC_FE": (-0.70, 0.78),
    "THUMB_CMC_AA": (-0.78, 0.50),
    "THUMB_MCP_FE": (-0.69, 0.78),
    "THUMB_IP_FE": (-0.43, 1.30),
}
NEEDS_MUJOCO = "needs mujoco and myo-sim (pip install 'cpep[sim]')"


def random_poses(count):
    """Return poses (N, 20) within the limits of MyoHand's joints."""
    usual = {"AA": (-0.26, 0.26), "FE": (0.00, 1.57)}
    low, high = torch.tensor([LIMITS.get(name, usual[name[-2:]]) for name in JOINTS]).T
    return low + (high - low) * torch.rand(count, 20, generator=torch.Generator().manual_seed(0))


def pose(**angles):
    return torch.tensor([angles.get(name, 0.0) for name in JOINTS])


def moved(**angles):
    """Return by how much each landmark differs from the flat hand (20, 3), mm."""
    hand = Hand()
    return hand(pose(**angles)) - hand(pose())


def at(name):
    return LANDMARKS.index(name)


def test_agrees_with_mujoco():
    mujoco = pytest.importorskip("mujoco", reason=NEEDS_MUJOCO)
    pytest.importorskip("myo_sim", reason=NEEDS_MUJOCO)
    from tests.hand.make_hand_table import CHAINS, WRIST, load_hand

    model = load_hand()
    data = mujoco.MjData(model)
    links = [link for chain in CHAINS for link in chain]
    poses = random_poses(50)
    for angles, ours in zip(poses.tolist(), Hand()(poses).numpy(), strict=True):
        for name, source, sign in links:
            if sign:
                data.joint(source).qpos[0] = sign * angles[JOINTS.index(name)]
        mujoco.mj_forward(model, data)
        places = {
            name.rpartition("_")[0] if sign else name: data.joint(source).xanchor if sign else data.site(source).xpos
            for name, source, sign in links
        }
        assert tuple(places) == LANDMARKS
        wrist = data.body(WRIST)
        theirs = 1000 * (np.array(list(places.values())) - wrist.xpos) @ wrist.xmat.reshape(3, 3)
        assert np.abs(theirs - ours).max() < 0.01


def test_table_is_what_its_script_writes():
    pytest.importorskip("mujoco", reason=NEEDS_MUJOCO)
    pytest.importorskip("myo_sim", reason=NEEDS_MUJOCO)
    from tests.hand.make_hand_table import TABLE, make_table

    assert TABLE.read_text(encoding="utf-8") == make_table()


def test_joints_are_those_of_emg2pose():
    fingers = [f"{finger}_{joint}" for finger in FINGERS for joint in ("MCP_AA", "MCP_FE", "PIP_FE", "DIP_FE")]
    assert ("THUMB_CMC_FE", "THUMB_CMC_AA", "THUMB_MCP_FE", "THUMB_IP_FE", *fingers) == JOINTS
    assert emg2pose.DEVICE.anchor.is_hand
    assert not understands(JOINTS[::-1], "rad")
    assert not understands(JOINTS, "degree")
    assert not understands((), "")


def test_landmarks_and_tips_have_names():
    assert len(LANDMARKS) == 20
    assert [LANDMARKS[tip] for tip in TIPS] == [f"{finger}_TIP" for finger in ("THUMB", *FINGERS)]


@pytest.mark.parametrize("shape", [(20,), (3, 20), (2, 3, 20), (0, 20)])
def test_any_leading_shape(shape):
    poses = random_poses(6).flatten()[: int(np.prod(shape))].view(shape)
    landmarks = Hand()(poses)
    assert landmarks.shape == (*shape[:-1], 20, 3)
    each = [Hand()(row) for row in poses.view(-1, 20)]
    assert torch.allclose(landmarks.view(-1, 20, 3), torch.stack(each) if each else torch.empty(0, 20, 3), atol=1e-4)


def test_gradients():
    hand = Hand().double()
    assert torch.autograd.gradcheck(hand, random_poses(2).double().requires_grad_())
    flat = torch.zeros(20, requires_grad=True)
    Hand()(flat).square().sum().backward()
    assert flat.grad.isfinite().all()


def test_nothing_to_train_or_to_save():
    assert not list(Hand().parameters())
    assert not Hand().state_dict()


def test_autocast_keeps_the_millimetres():
    poses = random_poses(4)
    exact = Hand()(poses)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(Hand()(poses), exact)


def test_a_joint_moves_only_what_is_beyond_it():
    distance = moved(INDEX_PIP_FE=1.0).norm(dim=-1)
    still = [name for name, mm in zip(LANDMARKS, distance.tolist(), strict=True) if mm < 1e-3]
    assert sorted(set(LANDMARKS) - set(still)) == ["INDEX_DIP", "INDEX_TIP"]
    assert distance[at("INDEX_TIP")] > distance[at("INDEX_DIP")] > 10


@pytest.mark.parametrize("finger", FINGERS)
@pytest.mark.parametrize("joint", ["MCP", "PIP", "DIP"])
def test_flexion_is_towards_the_palm(finger, joint):
    _, y, z = moved(**{f"{finger}_{joint}_FE": 0.5})[at(f"{finger}_TIP")].tolist()
    assert z < -5
    assert y > 0


@pytest.mark.parametrize("finger", FINGERS)
def test_abduction_is_towards_the_thumb(finger):
    assert moved(**{f"{finger}_MCP_AA": 0.2})[at(f"{finger}_TIP")][0] > 10


@pytest.mark.parametrize("joint", ["CMC", "MCP", "IP"])
def test_thumb_flexes_across_the_palm(joint):
    hand, little = Hand(), at("PINKY_MCP")
    before, after = (hand(x)[at("THUMB_TIP")] - hand(x)[little] for x in (pose(), pose(**{f"THUMB_{joint}_FE": 0.5})))
    assert after.norm() < before.norm() - 3


def test_flat_hand_is_of_the_size_of_a_hand():
    flat = Hand()(pose())
    length = {f: (flat[at(f"{f}_MCP") : at(f"{f}_TIP") + 1].diff(dim=0).norm(dim=-1).sum()).item() for f in FINGERS}
    assert 60 < length["INDEX"] < 110
    assert max(length, key=length.get) == "MIDDLE"
    assert min(length, key=length.get) == "PINKY"
    assert 150 < flat[at("MIDDLE_TIP")].norm() < 210  # from the wrist
    knuckles = flat[[at(f"{finger}_MCP") for finger in FINGERS], 0]
    assert (knuckles.diff() < -8).all()  # radial to ulnar


def test_bones_keep_their_length():
    bones = Hand()(random_poses(20)).view(20, 5, 4, 3).diff(dim=2).norm(dim=-1)
    assert (bones - bones[0]).abs().max() < 1e-3


@pytest.mark.parametrize("finger", FINGERS)
def test_a_pinch_brings_the_tips_together(finger):
    gesture = next(g for g in GESTURES.values() if g.label == f"pinch_{finger.lower()}")
    tips = Hand()(torch.tensor(gesture.pose_J[:20]))[list(TIPS)]
    distance = (tips[1:] - tips[0]).norm(dim=-1)
    assert FINGERS[int(distance.argmin())] == finger
    assert distance.min() < 16


def test_moves_to_a_device():
    assert Hand().to("meta")(random_poses(2).to("meta")).device.type == "meta"
    if torch.cuda.is_available():
        poses = random_poses(8)
        assert torch.allclose(Hand().cuda()(poses.cuda()).cpu(), Hand()(poses), atol=1e-3)
