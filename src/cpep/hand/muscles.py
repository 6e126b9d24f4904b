"""The muscles of a hand and forearm: the torque that holds a pose, and the muscles that share it.

Moment arms and maximal forces are of MyoHand (PyPI ``myo-sim``, Apache-2.0, see NOTICE), averaged over pose;
APB, ADP and FPB (thumb base) are additions with textbook-sized lever arms, because MyoHand lacks them.
"""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np

from cpep.hand.joints import JOINTS
from cpep.types import FloatArray

WRIST = ("WRIST_DEV", "WRIST_FE")
ALL_JOINTS = (*JOINTS, *WRIST)
"""The 20 measured joints and two hidden ones of the wrist (radial deviation, flexion)."""


def _load_moment_arms() -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return muscle names (A), maximal forces (A,) in N and moment arms (A, 22) in m."""
    text = resources.files("cpep.hand").joinpath("moment_arms.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert tuple(header[2:]) == ALL_JOINTS
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    return tuple(row[0] for row in rows), values[:, 0], values[:, 1:]


MUSCLES, FORCE_A, MOMENT_ARM_AJ = _load_moment_arms()

FOREARM_V = np.flatnonzero(MOMENT_ARM_AJ[:, len(JOINTS) :].any(axis=1))
"""Index into the muscles (A) of those that cross the wrist (V): they lie in the forearm, where bands are."""

Four = tuple[float, float, float, float]


def per_joint(thumb: Four, finger: Four, wrist: tuple[float, float], little: Four | None = None) -> FloatArray:
    """Return a value for each of the 22 joints; the little finger is as the others unless given."""
    return np.array([*thumb, *finger * 3, *(little or finger), *wrist])


STIFFNESS_J = per_joint((0.20, 0.20, 0.10, 0.05), (0.12, 0.15, 0.06, 0.03), (0.9, 0.7))
"""Passive stiffness, Nm/rad."""
DAMPING_J = per_joint((0.007, 0.007, 0.003, 0.002), (0.004, 0.006, 0.0025, 0.001), (0.03, 0.03))
"""Nm s/rad."""
TORQUE_SCALE_J = per_joint((0.30, 0.30, 0.20, 0.10), (0.15, 0.30, 0.18, 0.08), (0.8, 0.8))
"""Torque of a usual effort, Nm: makes the joints comparable in the optimisation."""

LOWEST_J = per_joint((-0.70, -0.78, -0.10, -0.25), (-0.35, -0.35, 0, 0), (-0.4, -1.0), (-0.45, -0.35, 0, 0))
HIGHEST_J = per_joint((0.78, 0.50, 0.96, 1.05), (0.35, 1.57, 1.75, 1.40), (0.4, 1.0), (0.45, 1.57, 1.75, 1.40))
"""Range of motion, rad.

Base of the thumb: MyoHand (myo-sim, Apache-2.0). Flexion of fingers, thumb and wrist: inside the reference
values of the Electronic Textbook of Hand Surgery (C. Eaton, e-hand.com/nor/nor002.htm; facts, free to use):
MCP up to 45 degrees of hyperextension and 90 of flexion, PIP 0 to 100, DIP 0 to 80, thumb MCP -10 to 55 and
IP -15 to 80, wrist -70 to 75. Spread of fingers (20 to 26 degrees) and deviation of the wrist (23): chosen.
"""

REST_J = np.array(
    [
        *(0.18, -0.02, 0.22, 0.22),
        *(0.03, 0.42, 0.55, 0.28),
        *(0.00, 0.48, 0.62, 0.30),
        *(-0.02, 0.50, 0.62, 0.30),
        *(-0.06, 0.50, 0.58, 0.28),
        *(0.0, -0.15),
    ]
)
"""The relaxed hand, rad."""

EFFORT_PRICE = 0.3
"""lambda of the static optimisation.

The prototype of the simulator had 0.02 and stopped FISTA far from the optimum, which spread the load over more
muscles; 0.3, solved to the end, gives the same cohort by every property in ``cpep.simulate.properties``.
"""
ITERATIONS = 150
"""Of FISTA: activations are then within 0.01 (RMS) of an exact solver's (tested)."""


def passive_torque(
    pose_XJ: FloatArray, stiffness_J: FloatArray = STIFFNESS_J, relaxed_J: FloatArray = REST_J
) -> FloatArray:
    """Return the torque (..., 22) against joints that spring back to the relaxed hand, Nm.

    Args:
        pose_XJ: angles (..., 22) of ``ALL_JOINTS``, rad.
        stiffness_J: Nm/rad.
        relaxed_J: the relaxed hand, rad.
    """
    # Ligaments stiffen exponentially towards the ends of the range.
    above_XJ = np.exp(np.clip(9 * (pose_XJ - (HIGHEST_J - 0.22)), -9, 3))
    below_XJ = np.exp(np.clip(-9 * (pose_XJ - (LOWEST_J + 0.22)), -9, 3))
    ends_XJ = 0.02 * (above_XJ - below_XJ) * (STIFFNESS_J / 0.15)
    torque_XJ: FloatArray = stiffness_J * (pose_XJ - relaxed_J) + ends_XJ
    return torque_XJ


def share_torque(
    torque_SJ: FloatArray,
    moment_arm_AJ: FloatArray = MOMENT_ARM_AJ,
    force_A: FloatArray = FORCE_A,
    cost_A: FloatArray | None = None,
) -> FloatArray:
    """Return activations (S, A) in 0..1: min |D (R F a - torque)|^2 + lambda a'Wa, by FISTA.

    D scales the joints to their usual torques, R are moment arms, F maximal forces, and W the price of each muscle
    (Beck and Teboulle 2009, with one step size per muscle, because muscles differ much in strength). All frames are
    solved at once, as matrix products.

    Args:
        torque_SJ: torque that muscles must produce, Nm.
        moment_arm_AJ: m.
        force_A: maximal forces, N.
        cost_A: price of each muscle; 1 for all unless given.
    """
    cost_A = np.ones(len(force_A)) if cost_A is None else cost_A
    lever_AJ = moment_arm_AJ * force_A[:, None] / TORQUE_SCALE_J
    hessian_AA = lever_AJ @ lever_AJ.T + EFFORT_PRICE * np.diag(cost_A)
    scale_A = 1 / np.sqrt(np.diag(hessian_AA))
    step_A = scale_A**2 / np.linalg.eigvalsh(hessian_AA * scale_A * scale_A[:, None])[-1]
    goal_SA = ((torque_SJ / TORQUE_SCALE_J) @ (lever_AJ.T * step_A)).astype(np.float32)
    keep_AA = (np.eye(len(step_A)) - hessian_AA * step_A).astype(np.float32)
    active_SA: FloatArray = np.zeros_like(goal_SA)
    ahead_SA, momentum = np.zeros_like(goal_SA), 1.0
    for _ in range(ITERATIONS):
        new_SA = ahead_SA @ keep_AA
        new_SA += goal_SA
        np.clip(new_SA, 0, 1, out=new_SA)
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead_SA = np.subtract(new_SA, active_SA, out=ahead_SA)
        ahead_SA *= np.float32((momentum - 1) / faster)
        ahead_SA += new_SA
        active_SA, momentum = new_SA, faster
    return np.asarray(active_SA)


def demand(pose_XSJ: FloatArray, times_S: FloatArray) -> FloatArray:
    """Return what a movement asks of each muscle of an average forearm, (..., S, V), 0..1, float32.

    It is the activation of the muscles ``FOREARM_V`` that holds the pose against the joints' stiffness and moves it
    against their damping, without load, with the wrist at rest. No person is drawn, and there is no noise.

    Args:
        pose_XSJ: angles (..., S, 20) of ``JOINTS``, rad.
        times_S: when, seconds, rising.
    """
    measured = len(JOINTS)
    full_XSJ = np.empty((*pose_XSJ.shape[:-1], len(ALL_JOINTS)))
    full_XSJ[...], full_XSJ[..., :measured] = REST_J, pose_XSJ
    torque_XSJ = passive_torque(full_XSJ)
    if pose_XSJ.shape[-2] > 1:
        torque_XSJ += DAMPING_J * np.gradient(full_XSJ, times_S, axis=-2)
    active_SA = share_torque(torque_XSJ.reshape(-1, len(ALL_JOINTS)))
    return active_SA[:, FOREARM_V].reshape(*pose_XSJ.shape[:-1], len(FOREARM_V))
