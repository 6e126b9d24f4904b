"""Sharing of torque among muscles, against exact solvers."""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

from cpep.hand.muscles import (
    ALL_JOINTS,
    EFFORT_PRICE,
    FORCE_A,
    HIGHEST_J,
    LOWEST_J,
    MOMENT_ARM_AJ,
    MUSCLES,
    TORQUE_SCALE_J,
    share_torque,
)
from cpep.simulate.anatomy import BAND_V, PLACES
from cpep.simulate.kinematics import make_trajectory
from cpep.simulate.muscles import joint_torque, neural_drive
from cpep.simulate.person import Person, draw_person
from cpep.simulate.variability import Variability, generator


def exact(person: Person, torque_J: np.ndarray) -> np.ndarray:
    """Return argmin |D(RFa - torque)|^2 + lambda a'Wa over 0 <= a <= 1, by active sets."""
    lever_JA = (person.body.moment_arm_AJ * person.body.force_A[:, None] / TORQUE_SCALE_J).T
    price_AA = np.diag(np.sqrt(EFFORT_PRICE * person.habits.cost_A))
    target = np.concatenate([torque_J / TORQUE_SCALE_J, np.zeros(len(MUSCLES))])
    return lsq_linear(np.vstack([lever_JA, price_AA]), target, bounds=(0, 1), method="bvls", tol=1e-12).x


def shared(person: Person, torque_SJ: np.ndarray) -> np.ndarray:
    return share_torque(torque_SJ, person.body.moment_arm_AJ, person.body.force_A, person.habits.cost_A)


def test_tables_fit_each_other() -> None:
    assert len(MUSCLES) == 42 and len(PLACES) == len(BAND_V) == 24
    assert MOMENT_ARM_AJ.shape == (42, 22) and FORCE_A.shape == (42,)
    assert len(ALL_JOINTS) == len(LOWEST_J) == len(HIGHEST_J) == 22 and (LOWEST_J < HIGHEST_J).all()
    assert [MUSCLES[v] for v in BAND_V] == list(PLACES)


def test_fista_agrees_with_an_exact_solver() -> None:
    person = draw_person(0, "user_00", Variability())
    trajectory = make_trajectory(person, "GraspPunchCloseFar", 20.0, generator(0))
    torque_SJ = joint_torque(person, trajectory)[::150]
    found_SA = shared(person, torque_SJ)
    best_SA = np.stack([exact(person, torque_J) for torque_J in torque_SJ])
    assert found_SA.min() >= 0 and found_SA.max() <= 1
    assert np.abs(found_SA - best_SA).max() < 0.05
    assert np.sqrt(((found_SA - best_SA) ** 2).mean()) < 0.01
    assert np.corrcoef(found_SA.ravel(), best_SA.ravel())[0, 1] > 0.998


def test_bounds_hold_when_the_torque_is_impossible() -> None:
    person = draw_person(0, "user_00", Variability())
    torque_SJ = 50 * TORQUE_SCALE_J[None] * np.random.default_rng(0).choice([-1, 1], (4, 22))
    found_SA = shared(person, torque_SJ)
    best_SA = np.stack([exact(person, torque_J) for torque_J in torque_SJ])
    assert found_SA.min() >= 0 and found_SA.max() <= 1
    assert np.abs(found_SA - best_SA).mean() < 0.02


def test_no_torque_needs_no_muscle() -> None:
    person = draw_person(0, "user_00", Variability())
    assert not shared(person, np.zeros((3, 22))).any()


def test_a_dear_muscle_is_spared() -> None:
    person = draw_person(0, "user_00", Variability())
    torque_SJ = np.zeros((1, 22))
    torque_SJ[:, ALL_JOINTS.index("INDEX_PIP_FE")] = 0.2
    cheap = shared(person, torque_SJ)[0]
    used = int(cheap.argmax())
    person.habits.cost_A[used] *= 20
    assert shared(person, torque_SJ)[0, used] < 0.7 * cheap[used]


def test_drive_leads_the_movement() -> None:
    """The flexors' drive rises before the fingers flex, by the electromechanical delay."""
    person = draw_person(0, "user_00", Variability(repetition=0.2, style=0.3))
    trajectory = make_trajectory(person, "DoorknobFingerGraspFistGrab", 60.0, generator(1))
    drive = neural_drive(person, trajectory, 0.0, generator(2))
    assert drive.drive_SV.shape == drive.shortening_SV.shape == (6000, 24)
    assert drive.drive_SV.min() >= 0 and drive.drive_SV.max() <= 1
    assert drive.shortening_SV.min() >= 0 and drive.shortening_SV.max() <= 1
    names = list(PLACES)
    flexors_S = drive.drive_SV[:, [names.index(n) for n in ("FDS3", "FDP3", "FDS4", "FDP4")]].sum(axis=1)
    flexion_S = trajectory.pose_SJ[:, [9, 10, 13, 14]].sum(axis=1)
    rise, bend = np.diff(flexors_S), np.diff(flexion_S)
    lags = range(-30, 31)  # frames of 10 ms by which the drive leads
    overlap = [float(np.dot(rise[100:-100], np.roll(bend, -lag)[100:-100])) for lag in lags]
    assert lags[int(np.argmax(overlap))] > 0


def test_muscles_shorten_when_they_flex_their_joint() -> None:
    person = draw_person(0, "user_00", Variability(anatomy=0))
    trajectory = make_trajectory(person, "WristFlexionAbduction", 30.0, generator(3))
    shortening_SV = neural_drive(person, trajectory, 0.0, generator(4)).shortening_SV
    wrist_S = trajectory.pose_SJ[:, 21]
    assert np.corrcoef(shortening_SV[:, list(PLACES).index("FCR")], wrist_S)[0, 1] > 0.9
    assert np.corrcoef(shortening_SV[:, list(PLACES).index("ECRB")], wrist_S)[0, 1] < -0.9
