"""Free-form movement: random hand poses that are no unseen gesture, and poses set by hand."""

from __future__ import annotations

import numpy as np

from cpep.hand.muscles import REST_J
from cpep.simulate.gestures import (
    FLEXED,
    FREE,
    GESTURES,
    SHAPES,
    THUMB_AT_SIDE,
    THUMB_IN_PALM,
    THUMB_OUT,
    THUMB_OVER_FIST,
    THUMB_RELAXED,
    THUMB_UP,
    UNSEEN,
    Fingers,
    Gesture,
    extend,
    grip,
    hand,
)
from cpep.types import FloatArray

_THUMBS: tuple[tuple[Fingers, float], ...] = (
    (THUMB_OUT, 0.0),
    (THUMB_UP, 0.0),
    (THUMB_OVER_FIST, 0.15),
    (THUMB_IN_PALM, 0.12),
    (THUMB_AT_SIDE, 0.05),
    (THUMB_RELAXED, 0.0),
)
RESERVED_PATTERNS = frozenset({(0, 0, 1, 1), (1, 1, 1, 0), (0, 1, 1, 0), (2, 0, 0, 0), (0, 0, 2, 0)})
"""Index into SHAPES of index, middle, ring and little finger: peace, shaka, horns, ok, pinch_ring."""
RESERVED_DISTANCE = 0.15
"""A free-form pose keeps this far from every unseen gesture: rad, RMS over the 20 joints."""


def is_reserved(pattern: tuple[int, ...], pose_J: FloatArray) -> bool:
    """Tell whether a free-form pose is too close to an unseen gesture to be made."""
    apart = [np.sqrt(np.mean((GESTURES[name].pose_J - pose_J)[:20] ** 2)) for name in UNSEEN]
    return pattern in RESERVED_PATTERNS or min(apart) < RESERVED_DISTANCE


def set_by_hand(pose_J: FloatArray) -> Gesture:
    """Return a pose of 20 joints, or of 22 with the wrist, with the moderate effort of a free-form one.

    A straight finger is held straight, a closed one presses, one in between does little; the thumb presses the more,
    the further it reaches over the palm.
    """
    if len(pose_J) == 20:
        pose_J = np.concatenate([pose_J, REST_J[20:]])
    bent = [float(pose_J[first : first + 3].sum()) / sum(FLEXED) for first in (5, 9, 13, 17)]
    straight = [float(np.clip(1 - part / 0.3, 0, 1)) for part in bent]
    closed = [0.3 * float(np.clip((part - 0.3) / 0.7, 0, 1)) for part in bent]
    thumb_effort = 0.15 * float(np.clip(pose_J[0], 0, 1))
    return Gesture(FREE, pose_J, extend(*straight) + grip(thumb_effort, *closed))


def free_form(rng: np.random.Generator) -> Gesture:
    """Return a random combination of finger and thumb shapes with a fitting effort, no unseen gesture."""
    while True:
        pattern = tuple(int(shape) for shape in rng.choice(3, 4, p=(0.38, 0.38, 0.24)))
        thumb, thumb_effort = _THUMBS[rng.integers(len(_THUMBS))]
        spread = rng.uniform(-0.3, 1) * np.array([shape != 1 for shape in pattern])
        index, middle, ring, pinky = (SHAPES[shape] for shape in pattern)
        aa = spread * (0.22, 0.05, -0.12, -0.33)
        pose_J = hand(thumb, index, middle, ring, pinky, (aa[0], aa[1], aa[2], aa[3]))
        if not is_reserved(pattern, pose_J):
            break
    extended = [float(shape == 0) for shape in pattern]
    closed = [(0.0, 0.3, 0.08)[shape] for shape in pattern]
    return Gesture(FREE, pose_J, extend(*extended) + grip(thumb_effort, *closed))
