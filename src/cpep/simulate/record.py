"""One recording: a person wears the band and goes through a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from cpep.data.readers.emg2pose import DEVICE, SAMPLE_RATE
from cpep.data.recording import Recording
from cpep.simulate.conductor import CHANNELS, WRIST, Band, Bank, Placement, draw_placement, make_bank, surface_emg
from cpep.simulate.gestures import VOCABULARY
from cpep.simulate.kinematics import Trajectory, make_trajectory
from cpep.simulate.muscles import Drive, neural_drive
from cpep.simulate.person import Person, draw_person
from cpep.simulate.sensor import MOCAP_RATE, capture_pose, measure_emg
from cpep.simulate.variability import CONTROL_RATE, Variability, generator
from cpep.types import FloatArray

MIRROR = tuple(-channel % CHANNELS for channel in range(CHANNELS))
"""Channel of a left band that sits where a channel of a right band does."""


@dataclass(frozen=True, eq=False)
class Session:
    """A person with the band on: one session and side."""

    person: Person
    name: str
    placement: Placement
    bank: Bank


@dataclass(frozen=True, eq=False)
class Performance:
    """What happens in a recording, before any instrument measures it.

    Attributes:
        trajectory: the movement.
        drive: of the muscles.
        emg_CT: muscle signal at the electrodes.
        discharges: of all motor units together.
    """

    trajectory: Trajectory
    drive: Drive
    emg_CT: FloatArray
    discharges: int


@cache
def _libraries() -> ThreadpoolController:
    """Return the controller of the number of threads; looking for the libraries takes milliseconds."""
    return ThreadpoolController()


def wear(seed: int, user: str, session: str, side: str, variability: Variability, band: Band = WRIST) -> Session:
    """Return the person of (seed, user) with a band put on for a session."""
    return put_on(draw_person(seed, user, variability), session, side, band)


def put_on(person: Person, session: str, side: str, band: Band) -> Session:
    """Return a person with a band put on for a session."""
    with _libraries().limit(limits=1):  # the order of a sum depends on the number of threads, and bytes on it
        placement = draw_placement(person, session, side, band)
        return Session(person, session, placement, make_bank(person, placement))


def perform(session: Session, stage: str, repetition: int, seconds: float) -> Performance:
    """Return what happens in one recording of a stage."""
    return enact(session, stage, repetition, lambda rng: make_trajectory(session.person, stage, seconds, rng))


def enact(
    session: Session, stage: str, repetition: int, move: Callable[[np.random.Generator], Trajectory]
) -> Performance:
    """Return what happens while a person moves.

    Args:
        session: who, and how the band sits.
        stage: with ``repetition`` the key of the random numbers.
        repetition: counts recordings of this stage in this session.
        move: makes the movement from random numbers.
    """
    person = session.person
    firing = generator(person.seed, "firing", *_key(session, stage, repetition))
    done = act(session, stage, repetition, move)
    with _libraries().limit(limits=1):
        samples = len(done.trajectory.pose_SJ) * round(SAMPLE_RATE / CONTROL_RATE)
        emg_CT, discharges = surface_emg(
            session.bank, done.drive, done.trajectory.rotation_S, done.fatigue, samples, firing
        )
    return Performance(done.trajectory, done.drive, np.float32(person.variability.muscle) * emg_CT, discharges)


@dataclass(frozen=True, eq=False)
class Action:
    """A movement with the drive that makes it, and how tired the muscles are (0..1)."""

    trajectory: Trajectory
    drive: Drive
    fatigue: float


def act(session: Session, stage: str, repetition: int, move: Callable[[np.random.Generator], Trajectory]) -> Action:
    """Return movement and drive of what ``enact`` makes EMG of, given the same arguments."""
    person, key = session.person, _key(session, stage, repetition)
    movement = generator(person.seed, "movement", *key)
    tired = session.placement.fatigue + 0.1 * movement.standard_normal()
    fatigue = float(np.clip(person.variability.fatigue * tired, 0, 1))
    with _libraries().limit(limits=1):
        trajectory = move(movement)
        return Action(trajectory, neural_drive(person, trajectory, fatigue, movement), fatigue)


def measure(session: Session, stage: str, repetition: int, done: Performance) -> FloatArray:
    """Return what the band delivers of it (T, C), float32; overwrites the muscle signal."""
    person, rng = session.person, generator(session.person.seed, "sensor", *_key(session, stage, repetition))
    return measure_emg(done.emg_CT, done.trajectory.pose_SJ, session.placement, person.variability.noise, rng)


def _key(session: Session, stage: str, repetition: int) -> tuple[str, str, str, str, int]:
    return session.person.user, session.name, session.placement.side, stage, repetition


def record(session: Session, stage: str, repetition: int, seconds: float, name: str) -> Recording:
    """Return one recording as the emg2pose layout holds it, with labels for every sample.

    Args:
        session: who, and how the band sits.
        stage: one of ``STAGES``.
        repetition: counts recordings of this stage in this session.
        seconds: length, a multiple of 10 ms.
        name: of the recording.
    """
    person, placement = session.person, session.placement
    done = perform(session, stage, repetition, seconds)
    emg_TC = measure(session, stage, repetition, done)
    mocap = generator(person.seed, "mocap", *_key(session, stage, repetition))
    pose_SJ, valid_S = capture_pose(done.trajectory.pose_SJ, seconds, mocap)
    per_frame = round(SAMPLE_RATE / CONTROL_RATE)
    return Recording(
        name=name,
        user=person.user,
        session=session.name,
        stage=stage,
        side=placement.side,
        device=DEVICE,
        emg_TC=emg_TC,
        anchor_SJ=pose_SJ,
        anchor_rate=MOCAP_RATE,
        valid_S=valid_S,
        label_T=np.repeat(done.trajectory.label_S, per_frame),
        vocabulary=VOCABULARY,
        prompt_T=np.repeat(done.trajectory.prompt_S, per_frame),
        repetition_T=np.repeat(done.trajectory.repetition_S, per_frame),
        mirror=MIRROR if placement.side == "left" else (),
    )
