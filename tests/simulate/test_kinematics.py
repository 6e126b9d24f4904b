from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cpep.hand.muscles import HIGHEST_J, LOWEST_J
from cpep.simulate.gestures import FREE, GESTURES, STAGES, VOCABULARY
from cpep.simulate.kinematics import Trajectory, make_trajectory
from cpep.simulate.person import draw_person
from cpep.simulate.variability import Variability, generator, minimum_jerk, smooth_noise

NO_VARIATION = Variability(anatomy=0, style=0, repetition=0, wrong_prompts=0, drift=0)


def runs(label_S: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (label, first, last + 1) of every stretch of one label."""
    edges = [0, *(np.flatnonzero(np.diff(label_S)) + 1), len(label_S)]
    return [(int(label_S[a]), a, b) for a, b in pairwise(edges)]


def trajectory(stage: str, seconds: float = 60.0, variability: Variability | None = None) -> Trajectory:
    person = draw_person(0, "user_00", variability or Variability())
    return make_trajectory(person, stage, seconds, generator(0, stage))


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_only_the_gestures_of_the_stage_are_labelled(stage: str) -> None:
    made = trajectory(stage, 40.0)
    allowed = {FREE if name == FREE else GESTURES[name].label for name in STAGES[stage]}
    for labels_S in (made.label_S, made.prompt_S):
        assert {VOCABULARY[label] for label in np.unique(labels_S)} - {"rest"} == allowed
    assert (made.pose_SJ >= LOWEST_J).all() and (made.pose_SJ <= HIGHEST_J).all()
    assert made.pose_SJ.shape == made.torque_SJ.shape == (4000, 22)


def test_prompts_hold_windows_of_two_seconds() -> None:
    made = trajectory("GraspPunchCloseFar", 200.0)
    lengths = [(b - a) / 100 for label, a, b in runs(made.label_S)[:-1] if label]
    assert min(lengths) > 1.9 and np.mean(np.array(lengths) > 2.0) > 0.95
    assert 2.4 < np.mean(lengths) < 3.5


def test_prompt_covers_the_label_and_the_way_back() -> None:
    made = trajectory("ShakaVulcanPeace", 120.0)
    labelled = made.label_S > 0
    np.testing.assert_array_equal(made.prompt_S[labelled], made.label_S[labelled])
    assert ((made.prompt_S > 0) & ~labelled).sum() > 100  # ways back
    np.testing.assert_array_equal(made.repetition_S > 0, made.prompt_S > 0)
    # Where the prompt is over, the hand is at rest: far from where the gesture was held.
    for label, first, last in runs(made.prompt_S)[:-1]:
        if label == 0 and first > 100 and last - first > 3:
            held_J, rest_J = made.pose_SJ[first - 100, :20], made.pose_SJ[first + 1, :20]
            assert np.abs(held_J - rest_J).max() > 0.5


def test_repetitions_count_each_label() -> None:
    made = trajectory("GraspPunchCloseFar", 120.0)
    for label in np.unique(made.label_S[made.label_S > 0]):
        numbers = np.unique(made.repetition_S[made.label_S == label])
        np.testing.assert_array_equal(numbers, np.arange(1, len(numbers) + 1))


def test_without_variation_the_textbook_pose_is_held() -> None:
    made = trajectory("GraspPunchCloseFar", 60.0, NO_VARIATION)
    for label, first, last in runs(made.label_S)[:-1]:
        if label:
            pose_J = np.median(made.pose_SJ[first + 80 : last], axis=0)
            wanted_J = GESTURES[VOCABULARY[label]].pose_J
            np.testing.assert_allclose(pose_J[:20], np.clip(wanted_J, LOWEST_J, HIGHEST_J)[:20], atol=0.06)


def test_dynamic_gestures_move() -> None:
    still = trajectory("GraspPunchCloseFar", 40.0, NO_VARIATION)
    moving = trajectory("FingerWigglingSpreading", 40.0, NO_VARIATION)

    def speed(made: Trajectory, name: str) -> float:
        held = np.flatnonzero((made.label_S == VOCABULARY.index(name)) & (made.repetition_S == 1))[80:]
        return float(np.abs(np.diff(made.pose_SJ[held, 5])).mean() * 100)

    assert speed(moving, "wiggle") > 5 * speed(still, "spread")


def test_band_turns_within_a_stage_only_with_drift() -> None:
    turned = np.rad2deg(trajectory("unconstrained", 60.0).rotation_S)
    assert turned[0] == 0 and 0.5 < np.abs(turned).max() < 20
    assert not trajectory("unconstrained", 60.0, NO_VARIATION).rotation_S.any()


def test_wrong_prompts_are_rare_and_of_the_same_kind() -> None:
    """With every prompt executed wrongly, an extra of a mixed stage still makes no unseen gesture."""
    person = draw_person(0, "user_00", replace(NO_VARIATION, wrong_prompts=1.0))
    made = make_trajectory(person, "AllFingerPinchesThumbSwipeThumbRotate", 120.0, generator(0, "wrong"))
    ring_J = GESTURES["pinch_ring"].pose_J
    extra = np.isin(made.label_S, [VOCABULARY.index(n) for n in ("pinch_pinky", "thumb_swipe", "thumb_rotate")])
    near = np.sqrt(((made.pose_SJ - ring_J)[:, :20] ** 2).mean(axis=1)) < 0.07
    assert extra.any() and not (extra & near).any()


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    course = minimum_jerk(np.linspace(0, 1, 1001))
    assert course[0] == 0 and course[-1] == 1
    assert (np.diff(course) >= 0).all()
    assert np.diff(course)[0] < 1e-5 and np.diff(course)[-1] < 1e-5


def test_smooth_noise_has_unit_variance_and_no_high_frequencies() -> None:
    noise = smooth_noise(np.random.default_rng(0), 20_000, 2.0, 8)
    assert noise.std() == pytest.approx(1, abs=0.1)
    power = np.abs(np.fft.rfft(noise, axis=0)) ** 2
    frequency = np.fft.rfftfreq(20_000, 0.01)
    assert power[frequency > 8].sum() < 0.01 * power.sum()
