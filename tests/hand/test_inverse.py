"""Landmarks become the joint angles that made them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cpep.hand.inverse import FINGER_HIGH, FINGER_LOW, MOST_DEG, THUMB_HIGH, THUMB_LOW, joint_angles
from cpep.hand.joints import JOINTS, LANDMARKS
from cpep.hand.kinematics import Hand
from cpep.hand.muscles import HIGHEST_J, LOWEST_J
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError

LOW_J, HIGH_J = np.array([*THUMB_LOW, *FINGER_LOW * 4]), np.array([*THUMB_HIGH, *FINGER_HIGH * 4])
BENT = np.array([GESTURES[name].pose_J[:20] for name in ("fist", "point", "peace", "gun", "claw", "thumb_up")])


def random_poses(count, low_J=LOW_J, high_J=HIGH_J):
    return np.random.default_rng(0).uniform(low_J, high_J, (count, 20))


def points(pose_NJ):
    """Return the wrist and the landmarks of MyoHand (N, 21, 3), mm: the oracle."""
    landmark_NPC = Hand().double()(torch.tensor(np.asarray(pose_NJ, float))).numpy()
    return np.concatenate([np.zeros((len(landmark_NPC), 1, 3)), landmark_NPC], axis=1)


def placed(point_NPC, seed=1):
    """Turn, scale and move each hand at random."""
    rng, N = np.random.default_rng(seed), len(point_NPC)
    turn_N33 = Rotation.random(N, rng=rng).as_matrix()
    moved_NPC = np.einsum("nij,npj->npi", turn_N33, point_NPC) * rng.uniform(0.001, 10, (N, 1, 1))
    return moved_NPC + rng.normal(0, 300, (N, 1, 3))


def other_bones(point_NPC, seed=2):
    """Make each bone longer or shorter by up to a third, the palm's too; directions stay."""
    rng, N = np.random.default_rng(seed), len(point_NPC)
    chain_NFLC = np.concatenate(
        [np.repeat(point_NPC[:, None, :1], 5, 1), point_NPC[:, 1:].reshape(N, 5, 4, 3)], axis=2
    )
    bone_NFLC = np.diff(chain_NFLC, axis=2) * rng.uniform(0.67, 1.33, (N, 5, 4, 1))
    return np.concatenate([point_NPC[:, :1], bone_NFLC.cumsum(axis=2).reshape(N, 20, 3)], axis=1)


def degrees_off(angles, pose_NJ):
    return np.rad2deg(np.abs(angles.pose_NJ - pose_NJ))


def test_the_limits_hold_the_range_of_motion():
    assert (LOWEST_J[:20] >= LOW_J).all() and (HIGHEST_J[:20] <= HIGH_J).all()


@pytest.mark.parametrize("change", [lambda x: x, placed, other_bones, lambda x: placed(other_bones(x))])
def test_there_and_back(change):
    pose_NJ = random_poses(300)
    angles = joint_angles(change(points(pose_NJ)))
    assert angles.valid_N.all() and angles.pose_NJ.dtype == np.float32
    assert degrees_off(angles, pose_NJ).max() < 0.01
    assert np.linalg.norm(points(angles.pose_NJ) - points(pose_NJ), axis=2).max() < 0.02  # mm
    assert angles.error_N.max() < 0.01


def test_gestures_and_the_flat_hand_there_and_back():
    pose_NJ = np.array([np.zeros(20), *(gesture.pose_J[:20] for gesture in GESTURES.values())])
    pose_NJ = np.clip(pose_NJ, LOW_J, HIGH_J)
    assert degrees_off(joint_angles(placed(points(pose_NJ))), pose_NJ).max() < 0.01


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    pose_NJ = random_poses(100)
    left_NPC = placed(points(pose_NJ) * (-1, 1, 1))
    assert degrees_off(joint_angles(left_NPC, "left"), pose_NJ).max() < 0.01


def test_a_bent_hand_taken_for_the_other_side_is_no_hand():
    angles = joint_angles(points(BENT) * (-1, 1, 1), "right")
    assert not angles.valid_N.any() and np.isnan(angles.pose_NJ).all()
    assert angles.error_N.min() > MOST_DEG


def test_noise_of_2_mm_leaves_joints_within_5_degrees_in_the_median_and_10_rms():
    pose_NJ = random_poses(500, LOWEST_J[:20], HIGHEST_J[:20])
    noisy_NPC = points(pose_NJ) + np.random.default_rng(3).normal(0, 2, (500, 21, 3))
    angles = joint_angles(noisy_NPC)
    off_NJ = degrees_off(angles, pose_NJ)
    assert angles.valid_N.all()
    assert np.median(off_NJ) < 5 and np.sqrt((off_NJ**2).mean()) < 10
    assert (angles.pose_NJ >= LOW_J - 1e-6).all() and (angles.pose_NJ <= HIGH_J + 1e-6).all()
    assert 3 < np.median(angles.error_N) < 8 < MOST_DEG


def test_landmarks_in_another_order_or_of_nothing_are_no_hand():
    rng = np.random.default_rng(4)
    scrambled = np.array([hand[rng.permutation(21)] for hand in points(random_poses(200))])
    for nothing in (scrambled, rng.normal(0, 50, (200, 21, 3))):
        angles = joint_angles(nothing)
        assert not angles.valid_N.any() and np.isnan(angles.pose_NJ).all()
        assert angles.error_N.min() > 1.5 * MOST_DEG


def test_a_finger_that_was_not_seen_is_nan_and_its_frame_invalid():
    pose_NJ = random_poses(4)
    point_NPC = points(pose_NJ)
    point_NPC[1, 1 + LANDMARKS.index("RING_DIP")] = np.nan
    point_NPC[2, 1 + LANDMARKS.index("INDEX_TIP"), 1] = np.inf
    angles = joint_angles(point_NPC)
    assert angles.valid_N.tolist() == [True, False, False, True]
    for frame, finger in ((1, "RING"), (2, "INDEX")):
        unseen_J = np.array([name.startswith(finger) for name in JOINTS])
        assert np.isnan(angles.pose_NJ[frame, unseen_J]).all()
        assert degrees_off(angles, pose_NJ)[frame, ~unseen_J].max() < 0.01
    assert np.isfinite(angles.error_N).all()


@pytest.mark.parametrize("name", ["WRIST", "INDEX_MCP", "PINKY_MCP"])
def test_without_a_palm_there_is_no_pose(name):
    point_NPC = points(random_poses(2))
    point_NPC[0, ("WRIST", *LANDMARKS).index(name)] = np.nan
    angles = joint_angles(point_NPC)
    assert angles.valid_N.tolist() == [False, True]
    assert np.isnan(angles.pose_NJ[0]).all() and np.isnan(angles.error_N[0])


def test_landmarks_at_one_place_are_not_a_hand_with_angles_of_zero():
    angles = joint_angles(np.zeros((2, 21, 3)))
    assert not angles.valid_N.any() and np.isnan(angles.pose_NJ).all() and np.isnan(angles.error_N).all()


def test_frames_are_fitted_by_themselves():
    point_NPC = placed(points(random_poses(20)))
    together = joint_angles(point_NPC)
    alone = np.concatenate([joint_angles(point_NPC[n : n + 1]).pose_NJ for n in range(20)])
    np.testing.assert_allclose(together.pose_NJ, alone, atol=1e-6)
    assert joint_angles(point_NPC[:0]).pose_NJ.shape == (0, 20)


@pytest.mark.parametrize(
    ("shape", "side", "said"),
    [
        ((5, 20, 3), "right", r"\(5, 20, 3\); give \(frames, 21, 3\)"),
        ((5, 21, 3), "both", "'both'; write right or left"),
    ],
)
def test_what_is_no_frames_of_21_landmarks_of_a_side_is_refused(shape, side, said):
    with pytest.raises(UserError, match=said):
        joint_angles(np.zeros(shape), side)
