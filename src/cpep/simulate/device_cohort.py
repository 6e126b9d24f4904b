"""People with the device of a data set: a prepared store of simulated recordings that its checkpoints fit.

NinaPro DB1: eight electrodes round the forearm and two more, envelopes at 100 Hz, and the glove. The movements are
those of exercises A and B, by the names that the data set has for them; a run keeps windows of those that it
declares unseen from training, as it does with real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cpep.config.serialise import fingerprint
from cpep.data.readers.ninapro_databases import DB1
from cpep.data.recording import Device, Recording
from cpep.data.store.build import build
from cpep.data.store.frames import Frames, to_frames
from cpep.data.store.index import read_index
from cpep.data.store.store import Store, is_store, open_store
from cpep.runtime.jobs import cores, in_order
from cpep.runtime.leftovers import is_empty
from cpep.simulate.envelopes import OTTO_BOCK, delivered, passed_noise, power, power_table, ripple, smoothed
from cpep.simulate.forearm import BELOW_ELBOW, DB1_BAND
from cpep.simulate.glove import BENDS, glove_counts
from cpep.simulate.kinematics import Trajectory, make_following
from cpep.simulate.movements import MOVEMENTS
from cpep.simulate.person import draw_person, with_habits
from cpep.simulate.plan import MOST_USERS
from cpep.simulate.record import Session, act, put_on
from cpep.simulate.script import AT_REST, REST_NAME, Script, Step
from cpep.simulate.variability import CONTROL_RATE, Variability, generator
from cpep.types import Progress, UserError, no_progress

VERSION = 1
"""Raised whenever the same seed gives other recordings than before."""
MOVE_S, HOLD_S, REST_S = (0.35, 0.8), (2.2, 3.6), (0.8, 1.6)
"""Uniform, s: of a move, of what follows in the pose, and of the rest after it."""
TURNED = 2.0
"""How much more the band is turned, shifted and amplified differently than that of the wrist."""
GAIN_SD = 0.4
"""SD of the log of how far the screws of the amplifiers of a person are turned."""
VOCABULARY = (REST_NAME, *MOVEMENTS)
DEVICE = Device(
    channels=len(DB1_BAND.angles),
    emg_rate=DB1.emg_rate,
    emg_kind=DB1.emg_kind,
    emg_unit=DB1.emg_unit,
    ring=DB1.rings[len(DB1_BAND.angles)],
    anchor_names=tuple(f"glove_{sensor + 1:02d}" for sensor in range(len(BENDS))),
    anchor_unit="count",
)


@dataclass(frozen=True)
class DeviceCohort:
    """Simulated people with the device of NinaPro DB1; two cohorts of the same fields are the same recordings.

    The first people of a larger cohort are those of a smaller one.

    Attributes:
        users: number of people, named ``sim_0000`` and so on.
        minutes: of each.
        seed: of everything.
        rest: length of the rests over ``REST_S``.
        variability: how much people, wearings and repetitions differ.

    Raises:
        UserError: a field makes no sense.
    """

    users: int
    minutes: float = 2.0
    seed: int = 0
    rest: float = 1.0
    variability: Variability = field(default_factory=lambda: Variability(session=TURNED, wrong_prompts=0))

    def __post_init__(self) -> None:
        if not 1 <= self.users <= MOST_USERS or not 0.2 <= self.minutes <= 1000:
            raise UserError(
                f"{self.users} users of {self.minutes:g} minutes cannot be made; give 1 to {MOST_USERS:,} users and "
                "0.2 to 1000 minutes"
            )
        if self.seed < 0 or not 0 < self.rest <= 100:
            raise UserError(
                f"seed {self.seed}, rest {self.rest:g}: give a seed of at least 0, and 0 to 100 for rests"
            )

    def describe(self) -> dict[str, Any]:
        """Return the cohort as JSON."""
        return {"device_cohort": VERSION, "device": DB1.name, **asdict(self)}


DEVICES: dict[str, Callable[..., DeviceCohort]] = {DB1.name: DeviceCohort}
"""Cohorts by the name of the data set whose device they have."""


def simulate_device(
    device: str,
    out: Path,
    users: int,
    minutes: float,
    seed: int,
    rest: float = 1.0,
    progress: Progress = no_progress,
) -> Store:
    """Write a store of simulated people with the device of a data set, or open it where it is there.

    Args:
        device: name of the data set: one of ``DEVICES``.
        out: the store.
        users: number of people.
        minutes: of each.
        seed: of all random numbers.
        rest: length of the rests; 1 is the usual length.
        progress: called with people done and in all.

    Raises:
        UserError: no such device, a number that makes no sense, or ``out`` holds something else.
    """
    if device not in DEVICES:
        raise UserError(f"--device {device}: no such device is simulated; there is {', '.join(DEVICES)}")
    cohort, out = DEVICES[device](users, minutes, seed, rest), out.resolve()
    mark = fingerprint(cohort.describe())
    if is_store(out) and read_index(out).index.arrays == mark:
        return open_store(out)
    if out.exists() and not (out.is_dir() and is_empty(out)):
        raise UserError(f"{out} exists and is no store of this cohort; choose another folder, or delete it")
    names = [name_of(user) for user in range(users)]
    try:
        return build(out, f"simulated_{device}", names, _frames(cohort, progress), {}, {"arrays": mark})
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error


def _frames(cohort: DeviceCohort, progress: Progress) -> Iterator[Frames]:
    make = partial(_made, cohort)
    with closing(in_order(make, range(cohort.users), cores())) as made:
        for done, frames in enumerate(made, 1):
            progress(done, cohort.users)
            yield frames


def _made(cohort: DeviceCohort, user: int) -> Frames:
    return to_frames(record_user(cohort, user))


def name_of(user: int) -> str:
    """Return the name of a person of a cohort."""
    return f"sim_{user:04d}"


def worn_by(cohort: DeviceCohort, user: int) -> Session:
    """Return a person of a cohort with the electrodes on."""
    person = draw_person(cohort.seed, name_of(user), cohort.variability, BELOW_ELBOW)
    return put_on(with_habits(person, MOVEMENTS), "s0", "right", DB1_BAND)


def script_of(seconds: float, rest: float, rng: np.random.Generator) -> Script:
    """Return movements with a rest after each; every one is made before one is made again."""
    steps, deck = [Step(REST_NAME, AT_REST, 0.0, 0.5)], list[str]()
    at_s = rest * rng.uniform(*REST_S)
    while True:
        deck = deck or [str(name) for name in rng.permutation(list(MOVEMENTS))]
        move_s, hold_s, rest_s = (float(rng.uniform(*one)) for one in (MOVE_S, HOLD_S, REST_S))
        name, rest_s = deck.pop(), rest * rest_s
        if at_s + 2 * move_s + hold_s + rest_s > seconds and len(steps) > 1:
            return Script(tuple(steps), seconds)
        steps.append(Step(name, MOVEMENTS[name], at_s, move_s))
        steps.append(Step(REST_NAME, AT_REST, at_s + move_s + hold_s, move_s))
        at_s += 2 * move_s + hold_s + rest_s


def record_user(cohort: DeviceCohort, user: int) -> Recording:
    """Return the recording of one person."""
    session = worn_by(cohort, user)
    person = session.person
    script = script_of(60 * cohort.minutes, cohort.rest, generator(cohort.seed, "script", person.user))
    moved = act(session, "movements", 0, lambda rng: _followed(session, script, rng))
    trajectory, frames = moved.trajectory, len(moved.trajectory.pose_SJ)
    rng = generator(cohort.seed, "instruments", person.user)
    muscles_SC = power(
        power_table(session.bank, OTTO_BOCK.band_hz, moved.fatigue),
        moved.drive,
        trajectory.rotation_S,
        ripple(OTTO_BOCK, frames, moved.drive.drive_SV.shape[1], rng),
    )
    rms_SC = smoothed(muscles_SC + passed_noise(OTTO_BOCK, session.placement.noise_C), OTTO_BOCK.smooth_hz)
    volts = OTTO_BOCK.volts * float(np.exp(GAIN_SD * rng.standard_normal()))
    label_T = np.array([VOCABULARY.index(name) for name in script.names], np.int16)[trajectory.label_S]
    return Recording(
        name=person.user,
        user=person.user,
        session=session.name,
        stage=session.name,
        side=session.placement.side,
        device=DEVICE,
        emg_TC=delivered(OTTO_BOCK, rms_SC, volts),
        anchor_SJ=glove_counts(person, trajectory.pose_SJ, rng),
        anchor_rate=CONTROL_RATE,
        valid_S=np.ones(frames, bool),
        label_T=label_T,
        vocabulary=VOCABULARY,
        prompt_T=_until_back(label_T, script),
        repetition_T=_repetitions(label_T),
    )


def _followed(session: Session, script: Script, rng: np.random.Generator) -> Trajectory:
    return make_following(session.person, script, 0.0, rng)


def _until_back(label_T: np.ndarray[Any, Any], script: Script) -> np.ndarray[Any, Any]:
    """Return the labels, each of which lasts until the hand is back at rest."""
    prompt_T = label_T.copy()
    for end in np.flatnonzero((label_T[1:] == 0) & (label_T[:-1] != 0)) + 1:
        back = script.step_at(end / CONTROL_RATE).move_s
        prompt_T[end : end + int(np.ceil(back * CONTROL_RATE)) + 1] = label_T[end - 1]
    return prompt_T


def _repetitions(label_T: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how often a movement was begun, counted from 1; 0 at rest."""
    repetition_T = np.zeros_like(label_T)
    begins = (label_T != 0) & (np.concatenate([[0], label_T[:-1]]) != label_T)
    for label in np.unique(label_T[label_T != 0]):
        mine = label_T == label
        repetition_T[mine] = np.cumsum(begins & mine)[mine]
    return repetition_T
