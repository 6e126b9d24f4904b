"""Inverse kinematics: the landmarks of a hand in, the joint angles that bend MyoHand alike out.

The directions of bones are compared, not places: so unit, place and turn of the hand do not matter, nor how long its
bones are. The palm is turned onto MyoHand's first; then each finger is fitted by itself, within limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cpep.hand.joints import CHAIN, JOINTS, TURNS
from cpep.types import BoolArray, FloatArray, IntArray, UserError

POINTS = 21
"""The wrist, then the 20 landmarks of ``cpep.hand.joints.LANDMARKS``: the order of MediaPipe."""

SIDES = ("right", "left")

FINGERS, LINKS, BONES = 5, 4, 3
"""A finger has four turns, and three bones beyond its base."""

MOST_DEG = 20.0
"""A frame whose bones are further off than this is no hand. Noise of 2 mm leaves 5, what MediaPipe sees of real
hands 8 to 12; a bent hand of the other side has 20 and more, landmarks in another order 45 and more."""

THUMB_LOW, FINGER_LOW = (-0.85, -0.90, -0.75, -0.50), (-0.50, -0.80, -0.25, -0.25)
THUMB_HIGH, FINGER_HIGH = (0.95, 0.65, 1.10, 1.50), (0.50, 1.75, 2.00, 1.60)
"""Limits of the joints of thumb and finger in the order of a pose, rad: what MyoHand and the simulator reach, and a
little more."""

_STEPS, _START_DAMPING = 40, 1e-2
_DONE = 1e-9
"""A finger is fitted once the sum of its squared differences falls by less."""


@dataclass(frozen=True, eq=False)
class Angles:
    """Joint angles of frames.

    Attributes:
        pose_NJ: angles of ``JOINTS``, rad, float32. NaN in every joint of a finger that was not seen, and in every
            joint of a frame without a palm or that is no hand.
        valid_N: frames of which all joints were found.
        error_N: by how much the bones differ from those of the pose, degrees (RMS over the bones that were seen);
            NaN where the palm was not seen.
    """

    pose_NJ: FloatArray
    valid_N: BoolArray
    error_N: FloatArray


def joint_angles(point_NPC: FloatArray, side: str = "right") -> Angles:
    """Return the joint angles of hands.

    Args:
        point_NPC: landmarks (N, 21, 3): the wrist, then thumb to little finger, each from the base outwards. Any
            unit, place, turn and length of bones. What was not seen is NaN.
        side: of the hand, ``right`` or ``left``; a left one is mirrored first.

    Raises:
        UserError: another shape or side.
    """
    point_NPC = np.asarray(point_NPC, float)
    if point_NPC.ndim != 3 or point_NPC.shape[1:] != (POINTS, 3):
        raise UserError(
            f"landmarks of shape {point_NPC.shape}; give (frames, {POINTS}, 3): the wrist, then 4 a finger"
        )
    if side not in SIDES:
        raise UserError(f"a hand of side {side!r}; write right or left")
    if side == "left":
        point_NPC = point_NPC * (-1, 1, 1)
    N = len(point_NPC)
    palm_NFC = _directions(point_NPC[:, 1::4] - point_NPC[:, :1])
    bone_NFBC = _directions(np.diff(point_NPC[:, 1:].reshape(N, FINGERS, LINKS, 3), axis=2))
    turn_N33, palm_NF = _aligned(palm_NFC)
    seen_N = np.isfinite(turn_N33[:, 0, 0])
    seen_NF: BoolArray = np.isfinite(bone_NFBC).all(axis=(2, 3)) & seen_N[:, None]
    angle_NFL, finger_NFB = np.full((N, FINGERS, LINKS), np.nan), np.full((N, FINGERS, BONES), np.nan)
    if seen_NF.any():
        frame, finger = np.nonzero(seen_NF)
        bone_MBC = np.einsum("mij,mbj->mbi", turn_N33[frame], bone_NFBC[seen_NF])
        angle_NFL[seen_NF], finger_NFB[seen_NF] = _fit(bone_MBC, finger)
    off_NE = np.concatenate([palm_NF, finger_NFB.reshape(N, FINGERS * BONES)], axis=1)
    known_NE = np.isfinite(off_NE)
    mean_N = np.where(known_NE, off_NE, 0).sum(axis=1) / np.maximum(known_NE.sum(axis=1), 1)
    error_N = np.where(seen_N, np.rad2deg(np.sqrt(mean_N)), np.nan)
    angle_NFL[~(error_N <= MOST_DEG)] = np.nan
    pose_NJ = np.full((N, len(JOINTS)), np.nan, np.float32)
    pose_NJ[:, _geometry().column_FL.ravel()] = angle_NFL.reshape(N, len(JOINTS))
    return Angles(pose_NJ, _finite(pose_NJ), error_N)


@dataclass(frozen=True, eq=False)
class _Geometry:
    """MyoHand in its flat pose: directions from the wrist to bases, axes, bones, columns and limits of the turns."""

    palm_FC: FloatArray
    axis_FLC: FloatArray
    bone_FBC: FloatArray
    column_FL: IntArray
    low_FL: FloatArray
    high_FL: FloatArray


@cache
def _geometry() -> _Geometry:
    offset_FRC = np.array([[float(row[f"{key}_mm"]) for key in "xyz"] for row in CHAIN]).reshape(
        FINGERS, LINKS + 1, 3
    )
    axis_FLC = np.array([[float(row[f"axis_{key}"]) for key in "xyz"] for row in TURNS]).reshape(FINGERS, LINKS, 3)
    column_FL = np.array([int(row["column"]) for row in TURNS]).reshape(FINGERS, LINKS)
    low_J, high_J = np.array([*THUMB_LOW, *FINGER_LOW * 4]), np.array([*THUMB_HIGH, *FINGER_HIGH * 4])
    return _Geometry(
        _directions(offset_FRC[:, 0]),
        _directions(axis_FLC),
        _directions(offset_FRC[:, 2:]),
        column_FL,
        low_J[column_FL],
        high_J[column_FL],
    )


def _directions(vector_XC: FloatArray) -> FloatArray:
    """Return vectors of length one; NaN of one without a length, such as between two landmarks at one place."""
    length_X1 = np.linalg.norm(vector_XC, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return vector_XC / np.where(length_X1 > 0, length_X1, np.nan)


def _finite(value_NX: FloatArray) -> BoolArray:
    """Return the rows that hold numbers alone."""
    return np.asarray(np.isfinite(value_NX).all(axis=tuple(range(1, value_NX.ndim))))


def _aligned(palm_NFC: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the turns (N, 3, 3) that lead palms to MyoHand's, and how far each base is off then, squared rad (N, F).

    The thumb's base is not in it: where it is taken to lie differs most between systems. NaN without all knuckles.
    """
    knuckles = slice(1, FINGERS)
    there_FC = _geometry().palm_FC
    seen_N = _finite(palm_NFC[:, knuckles])
    here_NFC = np.where(seen_N[:, None, None], palm_NFC, there_FC)
    u_N33, _, v_N33 = np.linalg.svd(np.einsum("fi,nfj->nij", there_FC[knuckles], here_NFC[:, knuckles]))
    u_N33[:, :, 2] *= np.linalg.det(u_N33 @ v_N33)[:, None]  # a turn, never a mirror image
    turn_N33: FloatArray = np.where(seen_N[:, None, None], u_N33 @ v_N33, np.nan)
    return turn_N33, _apart(np.einsum("nij,nfj->nfi", turn_N33, palm_NFC), there_FC)


def _apart(one_XC: FloatArray, other_XC: FloatArray) -> FloatArray:
    """Return the squared angles between directions, rad."""
    chord_X = np.linalg.norm(one_XC - other_XC, axis=-1)
    apart_X: FloatArray = (2 * np.arcsin(np.minimum(chord_X / 2, 1))) ** 2
    return apart_X


def _fit(bone_MBC: FloatArray, finger_M: IntArray) -> tuple[FloatArray, FloatArray]:
    """Fit fingers by Levenberg and Marquardt's method within limits.

    Args:
        bone_MBC: directions of the three bones of each finger, turned to MyoHand's palm.
        finger_M: which finger it is.

    Returns:
        angles (M, 4), and the squared angles (M, 3), rad, between bones and those of the pose.
    """
    hand = _geometry()
    low_ML, high_ML = hand.low_FL[finger_M], hand.high_FL[finger_M]
    angle_ML = np.clip(np.full(low_ML.shape, 0.3), low_ML, high_ML)
    damping_M = np.full(len(angle_ML), _START_DAMPING)
    open_M = np.arange(len(angle_ML))  # those that still get better
    predicted_MBC, slope_MBCL = _bones(angle_ML, finger_M)
    for _ in range(_STEPS):
        here_ML, finger, low, high = angle_ML[open_M], finger_M[open_M], low_ML[open_M], high_ML[open_M]
        wrong_MR = (predicted_MBC - bone_MBC)[open_M].reshape(len(open_M), -1)
        slope_MRL = slope_MBCL[open_M].reshape(len(open_M), -1, LINKS)
        downhill_ML = -np.einsum("mrl,mr->ml", slope_MRL, wrong_MR)
        held_ML = ((here_ML <= low) & (downhill_ML < 0)) | ((here_ML >= high) & (downhill_ML > 0))
        slope_MRL = np.where(held_ML[:, None], 0, slope_MRL)
        curved_MLL = np.einsum("mrk,mrl->mkl", slope_MRL, slope_MRL)
        curved_MLL += (damping_M[open_M, None] + held_ML)[:, :, None] * np.eye(LINKS)
        move_ML = np.linalg.solve(curved_MLL, np.where(held_ML, 0, downhill_ML)[..., None])[..., 0]
        tried_ML = np.clip(here_ML + move_ML, low, high)
        tried_MBC, tried_slope = _bones(tried_ML, finger)
        before_M = (wrong_MR**2).sum(axis=1)
        gain_M = before_M - ((tried_MBC - bone_MBC[open_M]) ** 2).sum(axis=(1, 2))
        better_M = gain_M > 0
        taken = open_M[better_M]
        angle_ML[taken], predicted_MBC[taken], slope_MBCL[taken] = (
            value[better_M] for value in (tried_ML, tried_MBC, tried_slope)
        )
        damping_M[open_M] = np.clip(damping_M[open_M] * np.where(better_M, 0.1, 10), 1e-12, 1e6)
        open_M = open_M[(gain_M > _DONE) | (~better_M & (damping_M[open_M] < 1e3) & (before_M > _DONE))]
        if not len(open_M):
            break
    return angle_ML, _apart(predicted_MBC, bone_MBC)


def _bones(angle_ML: FloatArray, finger_M: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the directions of the bones (M, B, 3) and their change with each angle (M, B, 3, L)."""
    hand = _geometry()
    axis_MLC, flat_MBC = hand.axis_FLC[finger_M], hand.bone_FBC[finger_M]
    turned_ML3 = np.empty_like(axis_MLC)
    bone_MBC = np.empty_like(flat_MBC)
    so_far_M33 = np.broadcast_to(np.eye(3), (len(angle_ML), 3, 3))
    for link in range(LINKS):
        turned_ML3[:, link] = np.einsum("mij,mj->mi", so_far_M33, axis_MLC[:, link])
        so_far_M33 = so_far_M33 @ _turns(axis_MLC[:, link], angle_ML[:, link])
        if link:
            bone_MBC[:, link - 1] = np.einsum("mij,mj->mi", so_far_M33, flat_MBC[:, link - 1])
    slope_MBLC = np.cross(turned_ML3[:, None], bone_MBC[:, :, None])
    beyond_BL = np.arange(LINKS) <= np.arange(1, LINKS)[:, None]  # a joint turns the bones beyond it
    return bone_MBC, (slope_MBLC * beyond_BL[:, :, None]).swapaxes(2, 3)


def _turns(axis_MC: FloatArray, angle_M: FloatArray) -> FloatArray:
    """Return the matrices (M, 3, 3) that turn about axes of length one, by Rodrigues' formula."""
    x, y, z = axis_MC.T
    zero = np.zeros_like(x)
    cross_M33 = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    sine, rest = np.sin(angle_M)[:, None, None], (1 - np.cos(angle_M))[:, None, None]
    turned: FloatArray = np.eye(3) + sine * cross_M33 + rest * (cross_M33 @ cross_M33)
    return turned
