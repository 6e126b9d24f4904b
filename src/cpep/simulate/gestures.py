"""Gestures as hand poses with an effort, and the 29 stages of emg2pose in terms of them.

The names of the stages are those of emg2pose; what happens in them is ours, because the prompts of the real
stages mix gestures that the evaluation must keep apart. Here a stage holds seen gestures, free-form and
extras, or unseen gestures and extras, never both seen and unseen ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpep.types import FloatArray

Motion = Literal["", "swipe", "rotate", "wiggle", "scissor"]
Finger = tuple[float, float, float]
Fingers = tuple[float, float, float, float]

EXTENDED: Finger = (0.05, 0.08, 0.05)
FLEXED: Finger = (1.25, 1.60, 0.95)
HALF: Finger = (0.75, 0.80, 0.40)
SHAPES = (EXTENDED, FLEXED, HALF)

THUMB_OUT, THUMB_UP = (-0.45, 0.05, 0.05, 0.0), (-0.30, 0.42, 0.08, -0.12)
THUMB_OVER_FIST, THUMB_IN_PALM = (0.75, -0.12, 0.65, 0.60), (0.95, -0.20, 0.75, 0.60)
THUMB_AT_SIDE, THUMB_RELAXED = (0.10, 0.35, 0.35, 0.25), (0.2, 0.0, 0.25, 0.25)
# A thumb pressed into the palm aims beyond its range of motion, and ends at it.
# The pinches, and ok, are poses in which thumb and finger touch under the forward kinematics of MyoHand
# (myo-sim 0.2.3): the least change of a natural posture after which the capsules around the distal
# phalanges meet (within 2 mm) and the tips are 12 to 15 mm apart. Running the simulator needs no MyoHand.
PINCH_INDEX, PINCH_MIDDLE = (0.41, -0.17, 0.25, 0.38), (0.46, -0.22, 0.27, 0.39)
PINCH_RING, PINCH_PINKY = (0.45, -0.26, 0.27, 0.39), (0.59, -0.28, 0.37, 0.44)


@dataclass(frozen=True, eq=False)
class Gesture:
    """A hand pose with the effort of holding it.

    Attributes:
        label: name in the vocabulary.
        pose_J: angles of the 22 joints, rad.
        effort_J: torque against objects, the thumb or the hand itself, Nm.
        motion: kind of oscillation on top of the pose, if any.
        frequency: of the oscillation, Hz.
        amplitude: of the oscillation, rad.
    """

    label: str
    pose_J: FloatArray
    effort_J: FloatArray
    motion: Motion = ""
    frequency: float = 0.0
    amplitude: float = 0.0


def hand(
    thumb: Fingers,
    index: Finger,
    middle: Finger,
    ring: Finger,
    pinky: Finger,
    spread: Fingers = (0, 0, 0, 0),
    wrist: tuple[float, float] = (0, -0.15),
) -> FloatArray:
    """Return the pose (22,) of a hand: thumb joints, then fingers with their spread, then the wrist; rad.

    Args:
        thumb: its four joint angles.
        index: flexion of the three joints of the finger.
        middle: likewise.
        ring: likewise.
        pinky: likewise.
        spread: abduction of the four fingers.
        wrist: its two joint angles.
    """
    fingers = zip(spread, (index, middle, ring, pinky), strict=True)
    return np.array([*thumb, *(angle for aa, flexion in fingers for angle in (aa, *flexion)), *wrist])


def torque(thumb: Fingers, finger: Finger, share: Fingers) -> FloatArray:
    """Return the torque of a thumb and of fingers that each take a share of a full effort."""
    fingers = (torque for part in share for torque in (0, *(part * joint for joint in finger)))
    return np.array([*thumb, *fingers, 0, 0])


def grip(thumb: float, index: float, middle: float, ring: float, pinky: float) -> FloatArray:
    """Return the torque (22,) of a grip with these shares of a full effort."""
    return torque((thumb, 0.3 * thumb, 0.6 * thumb, 0.35 * thumb), (0.30, 0.25, 0.10), (index, middle, ring, pinky))


def pinch(index: float, middle: float, ring: float, pinky: float) -> FloatArray:
    """Return the torque (22,) of a pinch against these fingers."""
    return torque((0.28, -0.05, 0.16, 0.09), (0.28, 0.17, 0.08), (index, middle, ring, pinky))


def extend(index: float, middle: float, ring: float, pinky: float) -> FloatArray:
    """Return the torque (22,) of fingers held straight."""
    return torque((0, 0, 0, 0), (-0.05, -0.03, -0.01), (index, middle, ring, pinky))


SEEN = ("fist", "spread", "pinch_index", "pinch_middle", "point", "three", "thumb_up", "claw")
"""Gestures of the simulated cohort that training may see."""
UNSEEN = ("peace", "shaka", "vulcan", "horns", "ok", "pinch_ring", "four", "gun")
"""Gestures that are unseen by default."""
EXTRA = ("pinch_pinky", "thumb_swipe", "thumb_rotate", "wiggle", "wrist_flex", "wrist_ext")
FREE = "free"
VOCABULARY = ("rest", *SEEN, *UNSEEN, *EXTRA, FREE)
"""Labels of simulated recordings, in order."""

_E, _F = EXTENDED, FLEXED
_TWO_UP = extend(1, 1, 0, 0) + grip(0.12, 0, 0, 0.3, 0.3)
_THREE_CURLED: tuple[Finger, Finger, Finger] = ((1.0, 1.1, 0.6), (1.0, 1.1, 0.6), (1.0, 1.1, 0.6))
_LOOSE: tuple[Finger, Finger, Finger] = ((0.25, 0.3, 0.15), (0.25, 0.3, 0.15), (0.25, 0.3, 0.15))
_CLAWED: tuple[Finger, Finger, Finger] = ((0.15, 1.25, 0.9), (0.15, 1.25, 0.9), (0.15, 1.25, 0.9))

_TABLE: tuple[tuple[str, FloatArray, FloatArray], ...] = (
    ("fist", hand(THUMB_OVER_FIST, _F, _F, _F, _F, wrist=(0, -0.30)), grip(0.25, 1, 1, 1, 1)),
    ("spread", hand(THUMB_OUT, _E, _E, _E, _E, (0.26, 0.04, -0.14, -0.38)), extend(1, 1, 1, 1)),
    (
        "pinch_index",
        hand(PINCH_INDEX, (0.83, 0.84, 0.41), (0.42, 0.5, 0.25), (0.42, 0.5, 0.25), (0.40, 0.48, 0.25)),
        pinch(1, 0, 0, 0),
    ),
    (
        "pinch_middle",
        hand(PINCH_MIDDLE, (0.35, 0.35, 0.2), (0.81, 0.85, 0.42), (0.45, 0.5, 0.25), (0.40, 0.48, 0.25)),
        pinch(0, 1, 0, 0),
    ),
    (
        "point",
        hand((0.65, -0.1, 0.5, 0.45), _E, _F, _F, _F),
        grip(0.10, 0, 0.35, 0.35, 0.35) + extend(1, 0, 0, 0),
    ),
    (
        "three",
        hand(THUMB_IN_PALM, _E, _E, _E, (1.15, 1.4, 0.8), (0.10, 0, -0.10, 0)),
        extend(1, 1, 1, 0) + grip(0.12, 0, 0, 0, 0.35),
    ),
    ("thumb_up", hand(THUMB_UP, _F, _F, _F, _F), grip(0, 0.35, 0.35, 0.35, 0.35)),
    (
        "claw",
        hand((-0.10, -0.15, 0.45, 0.65), *_CLAWED, (0.15, 1.2, 0.85), (0.15, 0, -0.1, -0.25)),
        0.5 * grip(0.2, 0.3, 0.3, 0.3, 0.3),
    ),
    ("peace", hand(THUMB_IN_PALM, _E, _E, _F, _F, (0.20, -0.14, 0, 0)), _TWO_UP),
    (
        "shaka",
        hand(THUMB_OUT, _F, _F, _F, _E, (0, 0, 0, -0.30)),
        extend(0, 0, 0, 1) + grip(0, 0.3, 0.3, 0.3, 0),
    ),
    (
        "vulcan",
        hand((-0.30, 0.10, 0.05, 0), _E, _E, _E, _E, (0.04, 0.20, -0.20, -0.12)),
        extend(1, 1, 1, 1),
    ),
    (
        "horns",
        hand(THUMB_IN_PALM, _E, _F, _F, _E, (0.08, 0, 0, -0.15)),
        extend(1, 0, 0, 1) + grip(0.12, 0, 0.3, 0.3, 0),
    ),
    (
        "ok",
        hand(PINCH_INDEX, (0.82, 0.88, 0.42), _E, _E, _E, (0, 0.04, -0.10, -0.25)),
        0.7 * pinch(1, 0, 0, 0) + extend(0, 1, 1, 1),
    ),
    (
        "pinch_ring",
        hand(PINCH_RING, (0.30, 0.32, 0.2), (0.38, 0.4, 0.2), (0.74, 0.80, 0.40), (0.48, 0.55, 0.28)),
        pinch(0, 0, 1, 0),
    ),
    (
        "four",
        hand(THUMB_IN_PALM, _E, _E, _E, _E, (0.10, 0, -0.06, -0.16)),
        extend(1, 1, 1, 1) + grip(0.10, 0, 0, 0, 0),
    ),
    ("gun", hand(THUMB_UP, _E, (1.1, 1.4, 0.8), _F, _F), extend(1, 0, 0, 0) + grip(0, 0, 0.3, 0.3, 0.3)),
    (
        "pinch_pinky",
        hand(PINCH_PINKY, (0.25, 0.3, 0.15), (0.30, 0.35, 0.2), (0.45, 0.5, 0.25), (0.69, 0.75, 0.38)),
        pinch(0, 0, 0, 1),
    ),
    (
        "wrist_flex",
        hand(
            THUMB_RELAXED,
            (0.35, 0.45, 0.22),
            (0.40, 0.5, 0.25),
            (0.40, 0.5, 0.25),
            (0.40, 0.48, 0.25),
            wrist=(0, 0.65),
        ),
        np.zeros(22),
    ),
    (
        "wrist_ext",
        hand(
            (0.10, 0, 0.18, 0.18),
            (0.55, 0.7, 0.35),
            (0.60, 0.75, 0.38),
            (0.60, 0.75, 0.38),
            (0.60, 0.72, 0.35),
            wrist=(0, -0.80),
        ),
        np.zeros(22),
    ),
)

GESTURES: dict[str, Gesture] = {name: Gesture(name, pose_J, effort_J) for name, pose_J, effort_J in _TABLE} | {
    "thumb_swipe": Gesture(
        "thumb_swipe",
        hand(THUMB_AT_SIDE, (0.9, 0.9, 0.45), *_THREE_CURLED),
        0.3 * grip(0.3, 0.2, 0.2, 0.2, 0.2),
        "swipe",
        1.6,
        0.35,
    ),
    "thumb_rotate": Gesture(
        "thumb_rotate",
        hand((0.15, 0.05, 0.2, 0.15), (0.9, 1.0, 0.5), *_THREE_CURLED),
        0.2 * grip(0, 0.2, 0.2, 0.2, 0.2),
        "rotate",
        1.2,
        0.38,
    ),
    "wiggle": Gesture(
        "wiggle",
        hand((-0.1, 0, 0.15, 0.1), *_LOOSE, _LOOSE[0], (0.1, 0, -0.05, -0.15)),
        np.zeros(22),
        "wiggle",
        1.5,
        0.40,
    ),
    # Two fingers that open and close are still the two fingers of peace: labelled so, they cannot reach
    # training under another name.
    "scissors": Gesture(
        "peace",
        hand(THUMB_IN_PALM, _E, _E, _F, _F, (0.08, -0.02, 0, 0)),
        _TWO_UP,
        "scissor",
        2.0,
        0.14,
    ),
}
"""All gestures by their label."""

STAGES: dict[str, tuple[str, ...]] = {
    "AllFingerPinchesThumbSwipeThumbRotate": ("pinch_ring", "pinch_pinky", "thumb_swipe", "thumb_rotate"),
    "CoffeePanicPete": (FREE,),
    "CountingUpDownFaceSideAway": ("peace", "four", "gun", "ok"),
    "CountingUpDownFingerWigglingSpreading": ("shaka", "vulcan", "horns", "pinch_ring"),
    "DoorknobFingerGraspFistGrab": ("fist", "claw"),
    "FastPongFronthandBackhandThrowing": (FREE,),
    "FingerAbductionSeries": ("spread", "three"),
    "FingerFreeform": (FREE,),
    "FingerPinchesSingleFingerPinchesMultiple": ("pinch_index", "pinch_middle", "three", "thumb_up"),
    "FingerTouchPalmClapmrburns": ("pinch_index", "pinch_middle", "spread"),
    "FingerWigglingSpreading": ("wiggle", "spread"),
    "GraspPunchCloseFar": ("fist", "spread", "claw", "thumb_up"),
    "HandClawGraspFlicks": ("claw", "fist", "spread", "point"),
    "HandDeskSeparateClaspedChest": (FREE,),
    "HandOverHandAllFingerPinchesThumbSwipeThumbRotate": ("pinch_ring", "pinch_pinky", "thumb_rotate"),
    "HandOverHandCountingUpDownFingerWigglingSpreading": ("vulcan", "four", "peace"),
    "HookEmHornsOKScissors": ("horns", "ok", "scissors", "four", "pinch_ring"),
    "IndexPinchesMiddlePinchesThumbswipes": ("pinch_index", "pinch_middle", "thumb_swipe"),
    "IndividualFingerPointingSnap": ("point", "three", "pinch_index", "pinch_middle"),
    "OneHandedFreeStyle": (FREE,),
    "PlayBlocksChess": (FREE,),
    "PokeDrawPinchRotateclosefar": ("point", "pinch_index", "thumb_rotate"),
    "PokePinchCloseFar": ("point", "pinch_index"),
    "ShakaVulcanPeace": ("shaka", "vulcan", "peace", "gun"),
    "ThumbsSwipesWholeHand": ("thumb_up", "thumb_swipe", "fist"),
    "ThumbsUpDownThumbRotationsCWCCWP": ("thumb_up", "thumb_rotate"),
    "TwoHandedFreeStyle": (FREE,),
    "WristFlexionAbduction": ("wrist_flex", "wrist_ext"),
    "unconstrained": (FREE,),
}
"""What is prompted in each of the 29 stages of emg2pose."""


def holds_unseen(stage: str) -> bool:
    """Tell whether a stage prompts unseen gestures; then it prompts no seen one."""
    return any(GESTURES[name].label in UNSEEN for name in STAGES[stage] if name != FREE)
