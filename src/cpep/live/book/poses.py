"""Windows of the anchor from what a user shows: a pose set by hand, a recording, or windows as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpep.checkpoints.card import Card
from cpep.data.anchor import refuse_degrees
from cpep.signal.given import floats_in
from cpep.types import FloatArray, UserError

VARIANTS = 48
"""Number of windows that are made of a pose set by hand."""

EXECUTION_SD = 0.10
"""How much a joint differs from one execution, and one person, to the next, rad (SD)."""

SWAY_SD = 0.01
"""How much a held joint sways, rad (SD); slower than 1 Hz."""

HAND_RANGE = 1.6
"""Usual range of a joint, rad: columns that are no joints in rad differ by the same share of their own range."""

RECORDED_HOP_S = 0.25


def pose_windows(card: Card, pose: Any, name: str) -> FloatArray:
    """Return windows (N, S, J) of a pose, or of another anchor.

    Args:
        card: of the checkpoint that will embed them.
        pose: a pose (J,) of a hand held still, of which ``VARIANTS`` windows are made (see ``held``); a recording
            (frames, J) at the card's frame rate, cut at ``RECORDED_HOP_S``; or windows (N, S, J).
        name: of the gesture, for the sentence of an error.

    Raises:
        UserError: another number of columns, a recording shorter than one window, values that are not finite, or a
            single frame of an anchor that is no hand and whose range the card does not give.
    """
    anchor, frames = card.device.anchor, round(card.window_s * card.frame_rate)
    pose_XJ = floats_in(pose, name)
    if pose_XJ.ndim not in (1, 2, 3) or pose_XJ.shape[-1] != len(anchor.names):
        takes = f"this checkpoint takes {len(anchor.names)} {anchor.kind.columns}"
        raise UserError(f"{name}: an array of shape {pose_XJ.shape}; {takes}")
    if not np.isfinite(pose_XJ).all():
        raise UserError(f"{name}: a value is not finite; leave out frames that are NaN or infinite")
    refuse_degrees(anchor, pose_XJ, name, "give radians: numpy.deg2rad(pose)")
    if pose_XJ.ndim == 1:
        if anchor.no_hand and not card.anchor_range:
            raise UserError(
                f"{name}: {anchor.no_hand}, of which this older checkpoint does not know the range; train it again, "
                f"or show a recording (frames, {anchor.kind.columns}) instead"
            )
        return held(pose_XJ, frames, card.frame_rate, np.ptp(card.anchor_range, axis=1) if anchor.no_hand else None)
    if pose_XJ.ndim == 2:
        if len(pose_XJ) < frames:
            raise UserError(f"{name}: {len(pose_XJ)} frames; one window takes {frames}")
        firsts = range(0, len(pose_XJ) - frames + 1, max(1, round(RECORDED_HOP_S * card.frame_rate)))
        return np.stack([pose_XJ[first : first + frames] for first in firsts])
    if pose_XJ.shape[1] != frames:
        raise UserError(f"{name}: windows of {pose_XJ.shape[1]} frames; this checkpoint takes {frames}")
    return pose_XJ


def held(pose_J: FloatArray, frames: int, frame_rate: float, range_J: FloatArray | None = None) -> FloatArray:
    """Return windows (VARIANTS, S, J) in which the pose is held, as different people would; the first as set.

    Args:
        pose_J: the pose.
        frames: of a window.
        frame_rate: frames per second.
        range_J: usual range of each column; ``None`` for joints of a hand in rad.
    """
    from cpep.simulate.variability import smooth_noise  # a second, which who opens a book need not wait for

    rng, joints = np.random.default_rng(0), len(pose_J)
    scale_J = np.ones(joints) if range_J is None else np.asarray(range_J) / HAND_RANGE
    shift_NJ = EXECUTION_SD * scale_J * rng.standard_normal((VARIANTS, joints))
    shift_NJ[0] = 0
    sway_NSJ = np.stack([smooth_noise(rng, frames, 1.0, joints, frame_rate) for _ in range(VARIANTS)])
    return (pose_J + shift_NJ[:, None] + SWAY_SD * scale_J * sway_NSJ).astype(np.float32)
