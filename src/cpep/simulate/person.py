"""A person: body, muscles under the band, habits. All drawn from (seed, user)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.hand.muscles import FORCE_A, MOMENT_ARM_AJ, MUSCLES, REST_J, STIFFNESS_J
from cpep.simulate.anatomy import PLACES
from cpep.simulate.gestures import GESTURES
from cpep.simulate.variability import Variability, generator
from cpep.types import FloatArray

_STYLE_SD_J = np.array([0.14, 0.12, 0.12, 0.14, *(0.06, 0.12, 0.14, 0.10) * 4, 0.05, 0.15])


@dataclass(frozen=True, eq=False)
class Forearm:
    """What the band lies on; one entry per muscle that it sees (V).

    Attributes:
        radius: mean radius of the wrist, mm.
        aspect: width over thickness.
        fat: skin and fat, mm.
        theta_V: angle around the forearm, rad; 0 volar, positive radial.
        depth_V: below the muscle surface, mm.
        width_V: half-width, rad.
        end_V: most distal fibre ends, mm from the wrist crease.
        spread_V: of fibre ends along the arm, mm.
        size_V: electrical size, 1 on average; 0 for a muscle that the person lacks.
        velocity: conduction velocity of muscle fibres, m/s.
    """

    radius: float
    aspect: float
    fat: float
    theta_V: FloatArray
    depth_V: FloatArray
    width_V: FloatArray
    end_V: FloatArray
    spread_V: FloatArray
    size_V: FloatArray
    velocity: float


@dataclass(frozen=True, eq=False)
class Body:
    """Mechanics: moment arms (A, J) in m, maximal forces in N, stiffness in Nm/rad, relaxed pose in rad."""

    moment_arm_AJ: FloatArray
    force_A: FloatArray
    stiffness_J: FloatArray
    relaxed_J: FloatArray


@dataclass(frozen=True, eq=False)
class Habits:
    """How a person moves.

    Attributes:
        cost_A: price of activating a muscle: it decides which muscles share a torque.
        co_contraction: level, and its share of each muscle (A).
        tone_A: activation at rest.
        lead: electromechanical delay, s: EMG leads force.
        enslaving: how much a finger drags its neighbours.
        tempo: duration of moves relative to the mean.
        reach: range of moves relative to the mean.
        vigour: effort relative to the mean.
        tremor: rad.
        wear_angle: how the person tends to turn the band, rad; ``wear_shift`` along the arm, mm.
        mains: powerline frequency where the person lives, Hz.
        posture: offset from the usual pose (J) of each gesture, rad.
        effort: effort of each gesture relative to the usual.
    """

    cost_A: FloatArray
    co_contraction: float
    co_share_A: FloatArray
    tone_A: FloatArray
    lead: float
    enslaving: float
    tempo: float
    reach: float
    vigour: float
    tremor: float
    wear_angle: float
    wear_shift: float
    mains: float
    posture: dict[str, FloatArray]
    effort: dict[str, float]


@dataclass(frozen=True, eq=False)
class Person:
    """One user of a cohort."""

    seed: int
    user: str
    variability: Variability
    forearm: Forearm
    body: Body
    habits: Habits


def draw_person(seed: int, user: str, variability: Variability) -> Person:
    """Return the person that (seed, user) stands for."""
    return Person(
        seed,
        user,
        variability,
        _draw_forearm(generator(seed, "forearm", user), variability.anatomy),
        _draw_body(generator(seed, "body", user), variability),
        _draw_habits(generator(seed, "habits", user), variability),
    )


def _draw_forearm(rng: np.random.Generator, spread: float) -> Forearm:
    places, count = list(PLACES.values()), len(PLACES)

    def normal(scale: float, shape: int | None = None) -> FloatArray:
        return np.asarray(spread * scale * rng.standard_normal(shape))

    def column(name: str) -> FloatArray:
        return np.array([getattr(place, name) for place in places], dtype=float)

    size_V = np.exp(normal(0.22, count))
    if rng.random() < 0.14 * min(spread, 1):
        size_V[list(PLACES).index("PL")] = 0  # palmaris longus is absent in about one person of seven
    if rng.random() < 0.06 * min(spread, 1):
        size_V[list(PLACES).index("FDS5")] *= 0.15
    return Forearm(
        radius=float(np.clip(27 + normal(2.2), 22, 33)),
        aspect=float(np.clip(1.28 + normal(0.06), 1.1, 1.45)),
        fat=float(np.clip(2.2 * np.exp(normal(0.33)), 1, 5)),
        theta_V=np.deg2rad(column("angle") + normal(6) + normal(7, count)),
        depth_V=column("depth") * np.exp(normal(0.15, count)),
        width_V=np.deg2rad(column("half_width")) * np.exp(normal(0.15, count)),
        end_V=column("end") * np.exp(normal(0.08)) + normal(7, count),
        spread_V=column("spread") * np.exp(normal(0.15, count)),
        size_V=size_V,
        velocity=float(4 + normal(0.25)),
    )


def _draw_body(rng: np.random.Generator, variability: Variability) -> Body:
    anatomy, joints, muscles = variability.anatomy, len(REST_J), len(MUSCLES)
    strength, stiffness = anatomy * rng.standard_normal(2)
    return Body(
        moment_arm_AJ=MOMENT_ARM_AJ * np.exp(0.12 * anatomy * rng.standard_normal(MOMENT_ARM_AJ.shape)),
        force_A=FORCE_A * np.exp(0.25 * strength + 0.15 * anatomy * rng.standard_normal(muscles)),
        stiffness_J=STIFFNESS_J * np.exp(0.2 * stiffness + 0.15 * anatomy * rng.standard_normal(joints)),
        relaxed_J=REST_J + 0.07 * variability.style * rng.standard_normal(joints),
    )


def _draw_habits(rng: np.random.Generator, variability: Variability) -> Habits:
    style, session, muscles = variability.style, variability.session, len(MUSCLES)

    def log_normal(sd: float, shape: int | None = None) -> FloatArray:
        return np.asarray(np.exp(style * sd * rng.standard_normal(shape)))

    posture: dict[str, FloatArray] = {}
    effort: dict[str, float] = {}
    for name in GESTURES:  # a whole-hand style and one of each joint
        hand, joint_J = rng.standard_normal(), rng.standard_normal(len(REST_J))
        posture[name] = style * _STYLE_SD_J * (0.75 * joint_J + 0.5 * hand)
        effort[name] = float(log_normal(0.40))
    return Habits(
        cost_A=log_normal(0.45, muscles),
        co_contraction=0.05 * float(log_normal(0.6)),
        co_share_A=log_normal(0.5, muscles),
        tone_A=0.003 * log_normal(0.5, muscles),
        lead=float(np.clip(0.055 + 0.015 * style * rng.standard_normal(), 0.03, 0.10)),
        enslaving=0.12 * float(log_normal(0.4)),
        tempo=float(log_normal(0.2)),
        reach=float(np.clip(1 + 0.07 * style * rng.standard_normal(), 0.8, 1.12)),
        vigour=float(log_normal(0.28)),
        tremor=0.006 * float(log_normal(0.4)),
        wear_angle=float(np.deg2rad(7 * session * rng.standard_normal())),
        wear_shift=float(4 * session * rng.standard_normal()),
        mains=60.0 if rng.random() < 0.7 else 50.0,
        posture=posture,
        effort=effort,
    )
