"""What a pose asks of muscles, against an exact solver frame by frame."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from cpep.hand.joints import JOINTS
from cpep.hand.muscles import (
    DAMPING_J,
    EFFORT_PRICE,
    FORCE_A,
    FOREARM_V,
    HIGHEST_J,
    LOWEST_J,
    MOMENT_ARM_AJ,
    MUSCLES,
    REST_J,
    STIFFNESS_J,
    TORQUE_SCALE_J,
    demand,
    passive_torque,
)
from cpep.simulate.anatomy import BAND_V

NAMES = [MUSCLES[v] for v in FOREARM_V]
REST = REST_J[:20]


def exactly(torque_J):
    """Return argmin |D(RFa - torque)|^2 + lambda |a|^2 over 0 <= a <= 1, by active sets."""
    lever_JA = (MOMENT_ARM_AJ * FORCE_A[:, None] / TORQUE_SCALE_J).T
    price_AA = np.sqrt(EFFORT_PRICE) * np.eye(len(MUSCLES))
    target = np.concatenate([torque_J / TORQUE_SCALE_J, np.zeros(len(MUSCLES))])
    return lsq_linear(np.vstack([lever_JA, price_AA]), target, bounds=(0, 1), method="bvls", tol=1e-12).x


def held(**angles):
    """Return the demand (V,) of a hand that is held at rest but for some joints, by name of the muscle."""
    pose_J = REST.copy()
    for joint, angle in angles.items():
        pose_J[JOINTS.index(joint)] = angle
    return dict(zip(NAMES, demand(np.stack([pose_J, pose_J]), np.array([0.0, 1.0]))[1], strict=True))


def test_the_muscles_are_those_that_a_band_can_see():
    assert sorted(FOREARM_V) == sorted(BAND_V) and not {"APB", "OP", "RI2", "PT"} & set(NAMES)


def test_a_movement_asks_what_an_exact_solver_finds_in_every_frame():
    rng, times = np.random.default_rng(0), np.array([0.0, 0.1, 0.2, 0.35])
    pose_BSJ = rng.uniform(LOWEST_J[:20], HIGHEST_J[:20], (2, 4, 20))
    found_BSV = demand(pose_BSJ, times)
    assert found_BSV.shape == (2, 4, 24) and found_BSV.dtype == np.float32
    for window in range(2):
        for frame in range(1, 3):
            full_J = np.concatenate([pose_BSJ[window, frame], REST_J[20:]])
            a, b = times[frame] - times[frame - 1], times[frame + 1] - times[frame]
            before, here, after = pose_BSJ[window, frame - 1 : frame + 2]
            speed_J = (a / b * (after - here) + b / a * (here - before)) / (a + b)  # of the parabola through three
            torque_J = passive_torque(full_J) + DAMPING_J * np.concatenate([speed_J, [0, 0]])
            assert np.abs(found_BSV[window, frame] - exactly(torque_J)[FOREARM_V]).max() < 0.02


def test_joints_spring_back_to_rest_and_stiffen_towards_the_ends_of_their_range():
    assert np.abs(passive_torque(REST_J) / STIFFNESS_J).max() < 0.1
    pose_J = np.random.default_rng(0).uniform(LOWEST_J, HIGHEST_J)
    for joint, (angle, found) in enumerate(zip(pose_J, passive_torque(pose_J), strict=True)):
        above, below = angle - HIGHEST_J[joint] + 0.22, LOWEST_J[joint] + 0.22 - angle
        ends = 0.02 / 0.15 * (np.exp(max(9 * above, -9)) - np.exp(max(9 * below, -9)))  # rad
        assert found == pytest.approx(STIFFNESS_J[joint] * (angle - REST_J[joint] + ends))


def test_a_bent_finger_asks_its_flexors_and_the_extensors_of_the_wrist():
    rest = held()
    ring = held(RING_MCP_FE=1.3, RING_PIP_FE=1.5, RING_DIP_FE=0.9)
    gain = {name: ring[name] - rest[name] for name in NAMES}
    assert min(gain[name] for name in ("FDS4", "FDP4", "ECU", "ECRB")) > 0.01  # without these it bends the wrist
    assert max(gain[name] for name in ("FDS2", "FDP2", "FDS3", "FDP3", "FDS5", "FDP5", "EDC4", "FCR")) < 0.003
    straight = held(RING_MCP_FE=-0.2, RING_PIP_FE=0.0, RING_DIP_FE=0.0)
    gain = {name: straight[name] - rest[name] for name in NAMES}
    assert gain["EDC4"] > 0.05 and min(gain["FCR"], gain["FCU"]) > 0.005
    assert max(gain[name] for name in ("FDS4", "FDP4", "EDC2", "EDC3", "EDC5", "ECU")) < 0.003


@pytest.mark.parametrize("frames", [1, 5])
def test_a_pose_that_does_not_move_asks_the_same_in_every_frame_and_every_batch(frames):
    pose_J = np.random.default_rng(1).uniform(LOWEST_J[:20], HIGHEST_J[:20])
    one = demand(pose_J[None], np.zeros(1))[0]
    assert np.allclose(demand(np.tile(pose_J, (3, frames, 1)), np.arange(frames) / 10), one, atol=1e-6)
