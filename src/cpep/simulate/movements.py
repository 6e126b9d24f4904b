"""The finger movements and hand configurations of NinaPro, exercises A and B, as poses with an effort.

Names are those of ``cpep.data.readers.ninapro_movements``. What pictures of the protocol show was set by hand
(Atzori et al. 2014); fingers that a movement does not name stay loose. Pronation and supination are no joint of the
simulated hand, so that the four movements of exercise B that turn the forearm are missing.
"""

from __future__ import annotations

import numpy as np

from cpep.data.readers.ninapro_movements import FINGER_MOVEMENTS, HAND_AND_WRIST
from cpep.simulate.gestures import (
    EXTENDED,
    FLEXED,
    GESTURES,
    THUMB_IN_PALM,
    THUMB_OUT,
    THUMB_RELAXED,
    THUMB_UP,
    Finger,
    Fingers,
    Gesture,
    extend,
    grip,
    hand,
)
from cpep.types import FloatArray

LOOSE: Finger = (0.25, 0.30, 0.15)
BENT: Finger = (1.10, 1.30, 0.75)
RAISED: Finger = (-0.25, 0.05, 0.03)
NONE: Fingers = (0.0, 0.0, 0.0, 0.0)
FIRM = 0.25
"""Share of a full grip with which a finger is bent against nothing."""


def _fingers(shapes: dict[int, Finger], others: Finger) -> tuple[Finger, Finger, Finger, Finger]:
    index, middle, ring, little = (shapes.get(finger, others) for finger in range(4))
    return index, middle, ring, little


def _share(fingers: tuple[int, ...], size: float = 1.0) -> Fingers:
    index, middle, ring, little = (size * (finger in fingers) for finger in range(4))
    return index, middle, ring, little


def _bent(*fingers: int, others: Finger = LOOSE) -> tuple[FloatArray, FloatArray]:
    pose_J = hand(THUMB_RELAXED, *_fingers(dict.fromkeys(fingers, BENT), others))
    return pose_J, grip(0, *_share(fingers, FIRM))


def _raised(*fingers: int, others: Finger = LOOSE) -> tuple[FloatArray, FloatArray]:
    pose_J = hand(THUMB_RELAXED, *_fingers(dict.fromkeys(fingers, RAISED), others))
    return pose_J, extend(*_share(fingers))


def _thumb(pose: Fingers, effort: Fingers, others: Finger = LOOSE) -> tuple[FloatArray, FloatArray]:
    effort_J = np.zeros(22)
    effort_J[:4] = effort
    return hand(pose, *_fingers({}, others)), effort_J


def _wrist(deviation: float, flexion: float, fingers: Finger = LOOSE) -> tuple[FloatArray, FloatArray]:
    grip_J = grip(0.1, *(0.3,) * 4) if fingers == FLEXED else np.zeros(22)
    return hand(THUMB_RELAXED, *_fingers({}, fingers), wrist=(deviation, flexion)), grip_J


def _flat(spread: Fingers, thumb: Fingers) -> tuple[FloatArray, FloatArray]:
    return hand(thumb, *_fingers({}, EXTENDED), spread), extend(1, 1, 1, 1)


_POSES: dict[str, tuple[FloatArray, FloatArray]] = {
    "index_flexion": _bent(0),
    "index_extension": _raised(0),
    "middle_flexion": _bent(1),
    "middle_extension": _raised(1),
    "ring_flexion": _bent(2),
    "ring_extension": _raised(2),
    "little_flexion": _bent(3),
    "little_extension": _raised(3),
    "thumb_adduction": _thumb((0.05, 0.42, 0.20, 0.15), (0.02, 0.12, 0.05, 0.02)),
    "thumb_abduction": _thumb((0.05, -0.60, 0.10, 0.05), (0.0, -0.10, 0.0, 0.0)),
    "thumb_flexion": _thumb((0.60, -0.10, 0.75, 0.75), (0.08, 0.0, 0.06, 0.04)),
    "thumb_extension": _thumb((-0.55, 0.15, -0.05, -0.18), (-0.08, 0.0, -0.05, -0.03)),
    "thumb_up": (hand(THUMB_UP, *_fingers({}, FLEXED)), grip(0, *(0.35,) * 4)),
    "index_and_middle_extension": _raised(0, 1, others=FLEXED),
    "ring_and_little_flexion": _bent(2, 3, others=EXTENDED),
    "thumb_to_base_of_little": _thumb((0.75, -0.35, 0.70, 0.50), (0.12, -0.03, 0.06, 0.04), EXTENDED),
    "abduction_of_all_fingers": _flat((0.26, 0.04, -0.14, -0.38), THUMB_OUT),
    "fist": (GESTURES["fist"].pose_J, GESTURES["fist"].effort_J),
    "pointing_index": _raised(0, others=FLEXED),
    "adduction_of_extended_fingers": _flat((-0.06, 0.0, 0.05, 0.10), THUMB_IN_PALM),
    "wrist_flexion": _wrist(0.0, 0.75),
    "wrist_extension": _wrist(0.0, -0.85),
    "wrist_radial_deviation": _wrist(0.35, -0.15),
    "wrist_ulnar_deviation": _wrist(-0.35, -0.15),
    "wrist_extension_with_closed_hand": _wrist(0.0, -0.85, FLEXED),
}

MOVEMENTS: dict[str, Gesture] = {name: Gesture(name, *pose) for name, pose in _POSES.items()}
"""Movements of exercises A and B by name, in the order in which NinaPro numbers them."""
MISSING = tuple(name for name in HAND_AND_WRIST if name not in MOVEMENTS)
"""Movements of exercise B that turn the forearm."""
assert set(FINGER_MOVEMENTS) < set(MOVEMENTS)
