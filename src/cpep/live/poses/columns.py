"""What the columns of a stream of poses are, and how they become those of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.hand.inverse import MOST_DEG, POINTS, SIDES, joint_angles
from cpep.hand.joints import JOINTS
from cpep.live.lsl import UNSTATED
from cpep.signal.units import ANGLES, canonical
from cpep.types import FloatArray, UserError

WRONG_SIDE = 60
"""So many frames that fit the other hand end a stream, if no more than a quarter of them fit this one."""


class Landmarks:
    """Turns landmarks into the angles of ``JOINTS``.

    Args:
        name: of the source, for sentences.
        side: of the hand.
        remedy: what to do where the landmarks are those of the other hand.
    """

    names: tuple[str, ...] = JOINTS
    unit = "rad"

    def __init__(self, name: str, side: str, remedy: str) -> None:
        self._name, self._side, self._remedy = name, side, remedy
        self._this = self._other = 0

    def poses(self, value_NX: FloatArray) -> list[FloatArray | None]:
        """Return the angles of each frame (N, 63), rad; ``None`` where the hand was not seen whole.

        Raises:
            UserError: the landmarks are those of the other hand.
        """
        point_NPC = value_NX.reshape(len(value_NX), POINTS, 3)
        angles = joint_angles(point_NPC, self._side)
        wrong = angles.error_N > MOST_DEG
        if wrong.any():
            other = SIDES[1 - SIDES.index(self._side)]
            self._other += int((joint_angles(point_NPC[wrong], other).error_N <= MOST_DEG).sum())
        self._this += int(angles.valid_N.sum())
        if self._other >= WRONG_SIDE and self._this <= self._other / 4:
            raise UserError(f"{self._name} shows no {self._side} hand but its mirror image; {self._remedy}")
        return _or_none(angles.pose_NJ)


@dataclass(frozen=True, eq=False)
class Columns:
    """Takes columns as they are, or the 20 joints among them.

    Attributes:
        names: of the columns that are kept.
        unit: of the values that come out.
        take: which columns of the stream.
        times: factor to ``unit``.
    """

    names: tuple[str, ...]
    unit: str
    take: tuple[int, ...]
    times: float

    def poses(self, value_NX: FloatArray) -> list[FloatArray | None]:
        """Return the values of each frame (N, X); ``None`` where one is not a number."""
        return _or_none((value_NX[:, self.take] * self.times).astype(np.float32))


def understood(name: str, labels: Sequence[str], units: Sequence[str], side: str, remedy: str) -> Landmarks | Columns:
    """Say what the columns of a stream are.

    63 columns are the wrist and 20 landmarks, x, y and z of each. Columns of which 20 are labelled as ``JOINTS`` are
    joint angles, in any order, and the others, such as the wrist's, are left out. All else is a glove of its own.

    Args:
        name: of the source, for sentences.
        labels: of the columns, empty texts where the stream has none.
        units: of the columns, empty texts where it states none.
        side: of the hand.
        remedy: what to do where landmarks are those of the other hand.

    Raises:
        UserError: a unit that is not known, units that differ, joints without a unit, or a label twice.
    """
    if len(labels) == 3 * POINTS:
        return Landmarks(name, side, remedy)
    unit = _unit(name, units)
    named = tuple(label.strip() or f"column_{number}" for number, label in enumerate(labels, 1))
    upper = [label.upper() for label in named]
    if set(JOINTS) <= set(upper):
        if unit not in ANGLES:
            stated = f"in {unit}" if unit else "without a unit"
            raise UserError(
                f"{name} has joint angles {stated}; state rad or deg in the description of the stream, or "
                f"write {name},unit=rad"
            )
        return Columns(JOINTS, "rad", tuple(upper.index(joint) for joint in JOINTS), ANGLES[unit])
    if len(set(named)) < len(named):
        twice = next(label for label in named if named.count(label) > 1)
        raise UserError(f"{name} has two columns called {twice}; correct the description of the stream")
    everything = tuple(range(len(named)))
    return Columns(named, "rad" if unit in ANGLES else unit, everything, ANGLES.get(unit, 1.0))


def _unit(name: str, units: Sequence[str]) -> str:
    """Return the unit that all columns share, empty where none is stated."""
    try:
        stated = {canonical(unit) for unit in units if unit.strip().lower() not in UNSTATED}
    except UserError as error:
        raise UserError(f"{name}: {error}; correct the description of the stream") from error
    if len(stated) > 1:
        raise UserError(f"{name} has columns in {' and '.join(sorted(stated))}; send all of them in one unit")
    return stated.pop() if stated else ""


def _or_none(pose_NJ: FloatArray) -> list[FloatArray | None]:
    return [pose_J if np.isfinite(pose_J).all() else None for pose_J in pose_NJ]
