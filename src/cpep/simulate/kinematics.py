"""What the hand does: moves between gestures, holds, returns to rest, in each person's own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from cpep.hand.muscles import HIGHEST_J, LOWEST_J, REST_J
from cpep.simulate.freeform import free_form
from cpep.simulate.gestures import FREE, GESTURES, SEEN, STAGES, UNSEEN, VOCABULARY, Gesture
from cpep.simulate.person import Person
from cpep.simulate.script import REST_NAME, Script, Step
from cpep.simulate.variability import CONTROL_RATE, minimum_jerk, smooth_noise
from cpep.types import FloatArray, IntArray

HOLD_S = (1.8, 3.2)
"""A gesture is held so long that windows of 2 s fit: uniform, s."""
REST_S = (0.25, 0.8)
"""Rest between two gestures, uniform, s; times ``Variability.rest``."""
RETURNS = 0.7
"""Share of gestures after which the hand returns to rest."""
SKIN_SLIDE = 0.2
"""Turn of the band over the muscles per turn of the forearm: the skin follows the bones in part."""

LAG_SD = 0.15
"""By what share of it the lag of a person who follows a script comes and goes (SD)."""

_KNUCKLES = (5, 9, 13, 17)
_EXECUTION_SD_J = np.array([0.05] * 20 + [0.03, 0.07])
_WRIST_LOAD_SD = np.array([0.03, 0.12])


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A movement at 100 Hz.

    Attributes:
        pose_SJ: true angles of the 22 joints, rad.
        torque_SJ: torque against the outside: effort of the gesture and weight at the wrist, Nm.
        label_S: index into ``VOCABULARY``; rest from the start of the way back.
        prompt_S: as the label, but lasting until the hand is back at rest.
        repetition_S: counts the prompts of each label from 1; 0 at rest.
        co_contraction_S: antagonists that stiffen the hand, 1 = fully.
        rotation_S: turn of the band over the muscles since it was put on, rad.
    """

    pose_SJ: FloatArray
    torque_SJ: FloatArray
    label_S: IntArray
    prompt_S: IntArray
    repetition_S: IntArray
    co_contraction_S: FloatArray
    rotation_S: FloatArray


class _Script:
    """A trajectory under construction: the hand as it is, and the frames written so far."""

    def __init__(self, person: Person, frames: int, rng: np.random.Generator) -> None:
        self.person, self.rng, self.frames, self.at = person, rng, frames, 0
        self.repetition = person.variability.repetition
        self.pose_J = person.body.relaxed_J + 0.04 * self.repetition * rng.standard_normal(22)
        self.effort_J = np.zeros(22)
        self.load_W = rng.normal(0, (0.03, 0.10))
        self.forearm = self.start_forearm = rng.normal(0, 0.26)
        self.pose_SJ = np.tile(self.pose_J, (frames, 1))
        self.effort_SJ, self.load_SW = np.zeros((frames, 22)), np.tile(self.load_W, (frames, 1))
        self.co_contraction_S, self.forearm_S = np.zeros(frames), np.full(frames, self.forearm)
        self.label_S, self.prompt_S, self.repetition_S = (np.zeros(frames, np.int16) for _ in range(3))
        self.made: dict[int, int] = {}

    @property
    def done(self) -> bool:
        return self.at >= self.frames

    def _frames(self, seconds: float) -> tuple[slice, FloatArray]:
        """Return the next frames and their time since the first, in frames."""
        stop = min(self.at + max(int(seconds * CONTROL_RATE), 1), self.frames)
        span = slice(self.at, stop)
        return span, np.arange(stop - self.at, dtype=float)

    def _finish(self, span: slice) -> None:
        self.at = span.stop
        self.pose_J = self.pose_SJ[span.stop - 1].copy()
        self.effort_J = self.effort_SJ[span.stop - 1].copy()

    def wait(self, seconds: float) -> None:
        self.at = min(self.at + int(seconds * CONTROL_RATE), self.frames)

    def gesture(
        self, label: int, gesture: Gesture, target_J: FloatArray, effort_J: FloatArray, hold_s: float | None = None
    ) -> None:
        """Move to a gesture and hold it, as long as is given or as it happens."""
        rng, tempo = self.rng, self.person.habits.tempo
        move_s = float(np.clip(rng.normal(0.38, 0.08 * self.repetition) * tempo, 0.18, 0.9))
        usual_s = rng.uniform(*HOLD_S)
        span, t = self._frames(move_s + (usual_s if hold_s is None else hold_s))
        move = move_s * CONTROL_RATE
        lag_F = np.clip(rng.normal(0, 0.04 * self.repetition, 5), 0, 0.1) * CONTROL_RATE
        course_SJ = minimum_jerk((t[:, None] - np.r_[np.repeat(lag_F, 4), 0, 0]) / move)
        self.pose_SJ[span] = self.pose_J + (target_J - self.pose_J) * course_SJ
        grip_S = minimum_jerk((t - 0.5 * move) / (0.8 * move))
        self.effort_SJ[span] = self.effort_J + (effort_J - self.effort_J) * grip_S[:, None]
        self.co_contraction_S[span] = 0.3 * np.exp(-(((t - 0.5 * move) / (0.6 * move)) ** 2)) + 0.35 * grip_S
        if gesture.motion:
            frequency = gesture.frequency / tempo * np.exp(0.12 * self.repetition * rng.standard_normal())
            phase = 2 * np.pi * (frequency * t / CONTROL_RATE + rng.random())
            self._oscillate(span, gesture, phase, gesture.amplitude * course_SJ[:, 0])
        self._turn_arm(span, minimum_jerk(t / (2 * move)))
        self.made[label] = self.made.get(label, 0) + 1
        self.label_S[span] = self.prompt_S[span] = label
        self.repetition_S[span] = self.made[label]
        self._finish(span)

    def _oscillate(self, span: slice, gesture: Gesture, phase: FloatArray, size: FloatArray) -> None:
        pose_SJ, sine, cosine = self.pose_SJ[span], size * np.sin(phase), size * np.cos(phase)
        if gesture.motion == "swipe":
            pose_SJ[:, 0] += sine
            pose_SJ[:, 3] += 0.5 * sine
        elif gesture.motion == "rotate":
            pose_SJ[:, 0] += sine
            pose_SJ[:, 1] += self.rng.choice([-1, 1]) * cosine
        elif gesture.motion == "wiggle":
            for finger, knuckle in enumerate(_KNUCKLES):
                wave = size * np.sin(phase + 1.2 * finger)
                pose_SJ[:, knuckle] += wave
                pose_SJ[:, knuckle + 1] += 0.7 * wave
        elif gesture.motion == "scissor":
            pose_SJ[:, 4] += sine
            pose_SJ[:, 8] -= sine

    def _turn_arm(self, span: slice, course_S: FloatArray) -> None:
        """Now and then the forearm turns, and with it the weight that the wrist carries."""
        load_W, forearm = self.load_W, self.forearm
        if self.rng.random() > 0.6:
            load_W, forearm = self.rng.normal(0, _WRIST_LOAD_SD), self.rng.normal(0, 0.26)
        self.load_SW[span] = self.load_W + (load_W - self.load_W) * course_S[:, None]
        self.forearm_S[span] = self.forearm + (forearm - self.forearm) * course_S
        self.load_W, self.forearm = self.load_SW[span.stop - 1].copy(), float(self.forearm_S[span.stop - 1])

    def back_to_rest(self) -> None:
        """Relax; the hand keeps a little of where it was."""
        rng, relaxed_J = self.rng, self.person.body.relaxed_J
        move_s = float(np.clip(rng.normal(0.42, 0.1 * self.repetition) * self.person.habits.tempo, 0.2, 0.9))
        scatter_J = 0.06 * self.repetition * rng.standard_normal(22)
        target_J = np.clip(relaxed_J + scatter_J + 0.12 * (self.pose_J - relaxed_J), LOWEST_J, HIGHEST_J)
        span, t = self._frames(move_s + self.person.variability.rest * rng.uniform(*REST_S))
        move, last = move_s * CONTROL_RATE, self.at - 1
        self.pose_SJ[span] = self.pose_J + (target_J - self.pose_J) * minimum_jerk(t / move)[:, None]
        self.effort_SJ[span] = self.effort_J * (1 - minimum_jerk(t / (0.5 * move)))[:, None]
        self.load_SW[span], self.forearm_S[span] = self.load_W, self.forearm
        returning = slice(span.start, min(span.start + int(np.ceil(move)), span.stop))
        self.prompt_S[returning] = self.prompt_S[last]
        self.repetition_S[returning] = self.repetition_S[last]
        self._finish(span)
        self.effort_J = np.zeros(22)


def make_trajectory(person: Person, stage: str, seconds: float, rng: np.random.Generator) -> Trajectory:
    """Return the movement of a person in one recording of a stage."""
    names, variability = STAGES[stage], person.variability
    script = _Script(person, round(seconds * CONTROL_RATE), rng)
    # Where a stage mixes unseen gestures with extras, an extra never begins in the pose of an unseen gesture.
    mixed = len({_is_unseen(name) for name in names}) > 1
    script.wait(rng.uniform(0.3, 0.8))
    order: list[str] = []
    while not script.done:
        if not order:
            order = [str(name) for name in rng.permutation(names)]
        prompted = made = order.pop()
        if rng.random() < variability.wrong_prompts:
            made = str(rng.choice([name for name in names if _is_unseen(name) == _is_unseen(prompted)]))
        gesture = free_form(rng) if made == FREE else GESTURES[made]
        label = FREE if prompted == FREE else GESTURES[prompted].label
        script.gesture(VOCABULARY.index(label), gesture, *_target(person, made, gesture, rng))
        if not script.done and (mixed or rng.random() < RETURNS):
            script.back_to_rest()
    return _with_tremor(person, script, rng)


def make_sequence(
    person: Person, gestures: Sequence[tuple[str, Gesture]], rng: np.random.Generator, hold_s: float | None = None
) -> Trajectory:
    """Return gestures one after another, from rest to rest and with rests between.

    Args:
        person: who makes them.
        gestures: for each, the name (of ``GESTURES``, or ``FREE``) whose habits it follows, and the gesture.
        rng: random numbers of this movement.
        hold_s: how long each is held, or the rest if there is none; as it happens where it is not given.
    """
    longest_s = 1 + max(len(gestures), 1) * (1.8 + max(HOLD_S[1], hold_s or 0) + person.variability.rest * REST_S[1])
    script = _Script(person, round(longest_s * CONTROL_RATE), rng)
    script.wait(rng.uniform(0.3, 0.8))
    for name, gesture in gestures:
        script.gesture(VOCABULARY.index(gesture.label), gesture, *_target(person, name, gesture, rng), hold_s)
        script.back_to_rest()
    if not gestures:
        script.wait(hold_s or 0)
    whole = _with_tremor(person, script, rng)
    return Trajectory(*(getattr(whole, field.name)[: script.at] for field in fields(Trajectory)))


def make_following(person: Person, script: Script, lag_s: float, rng: np.random.Generator) -> Trajectory:
    """Return the movement of a person who follows a script in their own way; labels count ``script.names``.

    Args:
        person: who follows.
        script: what is shown.
        lag_s: how much later the person is, on average.
        rng: random numbers of this movement.
    """
    made = _Script(person, round(script.seconds * CONTROL_RATE), rng)
    own = script.own(tuple(_own_way(person, step, rng) for step in script.steps))
    sooner_S = person.variability.repetition * smooth_noise(rng, made.frames, 0.2, 1)[:, 0]
    time_S = np.arange(made.frames) / CONTROL_RATE - lag_s * np.clip(1 + LAG_SD * sooner_S, 0, 2)
    made.pose_SJ[:], made.effort_SJ[:] = own.poses_at(time_S), own.efforts_at(time_S)
    speed_S = CONTROL_RATE * np.abs(np.gradient(made.pose_SJ[:, :20], axis=0)).mean(axis=1)
    made.co_contraction_S[:] = 0.3 * np.minimum(speed_S, 1)
    made.label_S[:] = made.prompt_S[:] = script.labels_at(time_S)
    made.at = made.frames
    return _with_tremor(person, made, rng)


def _own_way(person: Person, step: Step, rng: np.random.Generator) -> Gesture:
    """Return how a person makes a step of a script."""
    if step.name == REST_NAME:
        return replace(step.gesture, pose_J=person.body.relaxed_J)
    pose_J, effort_J = _target(person, step.name if step.name in GESTURES else FREE, step.gesture, rng)
    return replace(step.gesture, pose_J=pose_J, effort_J=effort_J)


def _is_unseen(name: str) -> bool:
    return name != FREE and GESTURES[name].label in UNSEEN


def _target(person: Person, name: str, gesture: Gesture, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return pose (22,) and effort (22,) of this person's execution of a gesture."""
    habits, repetition = person.habits, person.variability.repetition
    if name == FREE:
        posture_J, effort = 0.7 * habits.posture[SEEN[rng.integers(len(SEEN))]], 1.0
    else:
        posture_J, effort = habits.posture[name], habits.effort[name]
    target_J = REST_J + habits.reach * (gesture.pose_J - REST_J) + posture_J
    target_J = target_J + repetition * _EXECUTION_SD_J * rng.standard_normal(22)
    flexion_FK = gesture.pose_J[4:20].reshape(4, 4)[:, 1:]
    drag_FK = np.zeros_like(flexion_FK)  # a finger is dragged along by its neighbours
    drag_FK[1:] += flexion_FK[:-1] - flexion_FK[1:]
    drag_FK[:-1] += flexion_FK[1:] - flexion_FK[:-1]
    target_J[4:20].reshape(4, 4)[:, 1:] += 0.35 * habits.enslaving * drag_FK
    vigour = effort * habits.vigour * np.exp(0.30 * repetition * rng.standard_normal())
    return np.clip(target_J, LOWEST_J, HIGHEST_J), gesture.effort_J * vigour


def _with_tremor(person: Person, script: _Script, rng: np.random.Generator) -> Trajectory:
    frames = script.frames
    pose_SJ = script.pose_SJ + 0.010 * smooth_noise(rng, frames, 1.0, 22)
    pose_SJ += 0.3 * person.habits.tremor * smooth_noise(rng, frames, 9.0, 22)
    torque_SJ = script.effort_SJ.copy()
    torque_SJ[:, 20:] += script.load_SW
    torque_SJ[:, _KNUCKLES] += 0.1 * script.load_SW[:, 1:]  # fingers weigh too
    slip_S = np.deg2rad(1.5) * smooth_noise(rng, frames, 0.05, 1)[:, 0]
    turn_S = SKIN_SLIDE * (script.forearm_S - script.start_forearm) + slip_S - slip_S[0]
    return Trajectory(
        np.clip(pose_SJ, LOWEST_J, HIGHEST_J),
        torque_SJ,
        script.label_S,
        script.prompt_S,
        script.repetition_S,
        script.co_contraction_S,
        person.variability.drift * turn_S,
    )
