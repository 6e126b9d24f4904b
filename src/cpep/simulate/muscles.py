"""From movement to neural drive: torque, the muscles that share it, and how early their drive must come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from cpep.hand.muscles import DAMPING_J, HIGHEST_J, LOWEST_J, MOMENT_ARM_AJ, passive_torque, share_torque
from cpep.simulate.anatomy import BAND_V, COMPARTMENTS, INERTIA_J
from cpep.simulate.kinematics import Trajectory
from cpep.simulate.person import Person
from cpep.simulate.variability import CONTROL_RATE, smooth_noise
from cpep.types import FloatArray

ACTIVATION_S, DEACTIVATION_S = 0.015, 0.045
_MOVEMENT: tuple[FloatArray, FloatArray] = signal.butter(2, 8 / (CONTROL_RATE / 2))
_ACTIVATION: tuple[FloatArray, FloatArray] = signal.butter(2, 12 / (CONTROL_RATE / 2))


@dataclass(frozen=True, eq=False)
class Drive:
    """Neural drive and length of the muscles that the band sees.

    Attributes:
        drive_SV: neural drive 0..1, float32; leads the movement by the electromechanical delay.
        shortening_SV: 0 where the muscle is as long as it gets, 1 where as short, float32.
    """

    drive_SV: FloatArray
    shortening_SV: FloatArray


def joint_torque(person: Person, trajectory: Trajectory) -> FloatArray:
    """Return the torque (S, J) that muscles must produce, Nm."""
    pose_SJ = trajectory.pose_SJ
    speed_SJ = np.gradient(pose_SJ, 1 / CONTROL_RATE, axis=0)
    acceleration_SJ = _both_ways(_MOVEMENT, np.gradient(speed_SJ, 1 / CONTROL_RATE, axis=0))
    passive_SJ = passive_torque(pose_SJ, person.body.stiffness_J, person.body.relaxed_J)
    torque_SJ: FloatArray = passive_SJ + DAMPING_J * speed_SJ + INERTIA_J * acceleration_SJ + trajectory.torque_SJ
    return torque_SJ


def _both_ways(low_pass: tuple[FloatArray, FloatArray], x_SJ: FloatArray) -> FloatArray:
    filtered: FloatArray = signal.filtfilt(*low_pass, x_SJ, axis=0, padlen=min(9, len(x_SJ) - 1))
    return filtered


def neural_drive(person: Person, trajectory: Trajectory, fatigue: float, rng: np.random.Generator) -> Drive:
    """Return drive and length of the muscles that the band sees."""
    frames = len(trajectory.pose_SJ)
    # Torque has no content beyond a few hertz, so half the frames are enough for the optimisation.
    active_SA = np.repeat(_shared(person, joint_torque(person, trajectory)[::2]), 2, axis=0)[:frames]
    active_SA = _both_ways(_ACTIVATION, active_SA.astype(float))
    active_SA = _with_co_contraction(person, active_SA, trajectory.co_contraction_S)
    # Inverse of first-order activation dynamics: what must be sent so that this activation results.
    change_SA = np.gradient(active_SA, 1 / CONTROL_RATE, axis=0)
    drive_SA = active_SA + np.where(change_SA > 0, ACTIVATION_S, DEACTIVATION_S) * change_SA
    early = round(person.habits.lead * CONTROL_RATE)
    drive_SV = drive_SA[np.minimum(np.arange(frames) + early, frames - 1)][:, BAND_V]
    own_SV, shared_S1 = smooth_noise(rng, frames, 2.5, len(BAND_V)), smooth_noise(rng, frames, 2.0, 1)
    drive_SV = drive_SV * np.exp(0.12 * own_SV + 0.10 * shared_S1) * (1 + 0.25 * fatigue)
    return Drive(np.clip(drive_SV, 0, 1).astype(np.float32), _shortening(person, trajectory.pose_SJ))


def _shared(person: Person, torque_SJ: FloatArray) -> FloatArray:
    """Return the activations (S, A) by which a person makes a torque."""
    body = person.body
    return share_torque(torque_SJ, body.moment_arm_AJ, body.force_A, person.habits.cost_A)


def _with_co_contraction(person: Person, active_SA: FloatArray, stiffening_S: FloatArray) -> FloatArray:
    """Add co-contraction, tone, and activation that spills over between compartments of one muscle."""
    habits = person.habits
    effort_S1 = np.sqrt((active_SA**2).mean(axis=1, keepdims=True))
    level_S1 = 0.5 * habits.co_contraction * (0.6 * effort_S1 / 0.08 + 0.5 * stiffening_S[:, None])
    active_SA = active_SA + level_S1 * habits.co_share_A + habits.tone_A
    for muscles in COMPARTMENTS:
        size = len(muscles)
        spill = np.eye(size) + habits.enslaving * (np.eye(size, k=1) + np.eye(size, k=-1))
        active_SA[:, muscles] = active_SA[:, muscles] @ spill
    return np.asarray(active_SA)


def _shortening(person: Person, pose_SJ: FloatArray) -> FloatArray:
    """Return how short each seen muscle is (S, V), over the range that the mean body allows."""
    arm_VJ = MOMENT_ARM_AJ[BAND_V]
    excursion_SV = pose_SJ @ person.body.moment_arm_AJ[BAND_V].T
    most_V = np.maximum(arm_VJ, 0) @ HIGHEST_J + np.minimum(arm_VJ, 0) @ LOWEST_J
    least_V = np.maximum(arm_VJ, 0) @ LOWEST_J + np.minimum(arm_VJ, 0) @ HIGHEST_J
    shortening_SV: FloatArray = np.clip((excursion_SV - least_V) / (most_V - least_V), 0, 1)
    return shortening_SV.astype(np.float32)
