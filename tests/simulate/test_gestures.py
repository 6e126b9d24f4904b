"""Stages, vocabulary, and what free-form movement must never do."""

from __future__ import annotations

import numpy as np

from cpep.data.readers.registry import data_set
from cpep.hand.muscles import ALL_JOINTS, HIGHEST_J, LOWEST_J
from cpep.simulate.freeform import RESERVED_PATTERNS, free_form
from cpep.simulate.gestures import (
    EXTENDED,
    EXTRA,
    FLEXED,
    FREE,
    GESTURES,
    HALF,
    SEEN,
    STAGES,
    UNSEEN,
    VOCABULARY,
    holds_unseen,
)

HELD_OUT = """CountingUpDownFaceSideAway CountingUpDownFingerWigglingSpreading FingerFreeform
HandOverHandCountingUpDownFingerWigglingSpreading HookEmHornsOKScissors ShakaVulcanPeace"""
TRAINING = """AllFingerPinchesThumbSwipeThumbRotate CoffeePanicPete DoorknobFingerGraspFistGrab
FastPongFronthandBackhandThrowing FingerAbductionSeries FingerPinchesSingleFingerPinchesMultiple
FingerTouchPalmClapmrburns FingerWigglingSpreading GraspPunchCloseFar HandClawGraspFlicks
HandDeskSeparateClaspedChest HandOverHandAllFingerPinchesThumbSwipeThumbRotate
IndexPinchesMiddlePinchesThumbswipes IndividualFingerPointingSnap OneHandedFreeStyle PlayBlocksChess
PokeDrawPinchRotateclosefar PokePinchCloseFar ThumbsSwipesWholeHand ThumbsUpDownThumbRotationsCWCCWP
TwoHandedFreeStyle WristFlexionAbduction unconstrained"""


def labels(stage: str) -> set[str]:
    return {FREE if name == FREE else GESTURES[name].label for name in STAGES[stage]}


def test_the_29_stages_are_those_of_emg2pose() -> None:
    assert sorted(STAGES) == sorted((HELD_OUT + " " + TRAINING).split())


def test_every_stage_is_seen_or_unseen_as_a_whole() -> None:
    for stage in STAGES:
        assert not (labels(stage) & set(UNSEEN) and labels(stage) & {*SEEN, FREE}), stage
        assert holds_unseen(stage) == bool(labels(stage) & set(UNSEEN))


def test_vocabulary() -> None:
    assert VOCABULARY[0] == "rest"
    assert VOCABULARY[1:17] == (*SEEN, *UNSEEN)
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert {gesture.label for gesture in GESTURES.values()} == {*SEEN, *UNSEEN, *EXTRA}
    known = data_set("emg2pose_simulated")
    assert (known.seen, known.unseen) == (SEEN, UNSEEN)


def test_poses_are_in_the_range_of_motion() -> None:
    for name, gesture in GESTURES.items():
        assert gesture.pose_J.shape == gesture.effort_J.shape == (len(ALL_JOINTS),)
        # A thumb that presses into the palm aims a little further than it gets.
        assert (gesture.pose_J >= LOWEST_J - 0.2).all() and (gesture.pose_J <= HIGHEST_J + 0.2).all(), name
        fingers = slice(4, 22)
        assert (gesture.pose_J >= LOWEST_J)[fingers].all() and (gesture.pose_J <= HIGHEST_J)[fingers].all()


def test_a_reserved_finger_pattern_is_always_labelled_unseen() -> None:
    """Scissors too, which nobody asked about: two fingers up are two fingers up."""
    reserved = {(0, 0, 1, 1), (1, 1, 1, 0), (0, 1, 1, 0)}
    for name, gesture in GESTURES.items():
        if finger_pattern(gesture.pose_J) in reserved:
            assert gesture.label in UNSEEN, name


def finger_pattern(pose_J: np.ndarray) -> tuple[int, ...]:
    """Return the nearest of extended (0), flexed (1) and half (2) for each finger."""
    shapes = np.array([EXTENDED, FLEXED, HALF])
    fingers = pose_J[4:20].reshape(4, 4)[:, 1:]
    return tuple(int(np.abs(shapes - finger).sum(axis=1).argmin()) for finger in fingers)


def test_free_form_makes_no_unseen_gesture_yet_much_else() -> None:
    rng, patterns = np.random.default_rng(0), set()
    for _ in range(1500):
        gesture = free_form(rng)
        assert gesture.label == FREE
        pattern = finger_pattern(gesture.pose_J)
        assert pattern not in RESERVED_PATTERNS
        distance = min(float(np.sqrt(((GESTURES[name].pose_J - gesture.pose_J)[:20] ** 2).mean())) for name in UNSEEN)
        assert distance >= 0.15
        patterns.add(pattern)
    assert len(patterns) > 60  # of 3^4 = 81 combinations
