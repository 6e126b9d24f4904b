"""The anchor of a recording: the strong modality that EMG, the weak one, is aligned to.

An anchor is a named set of columns with a unit, a rate and validity. Its kind says what the columns are and how
they are normalised. Joint angles of a hand are one kind; docs/explanation/anchors.md shows how to bring another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpep.hand.joints import understands
from cpep.runtime.registry import Registry
from cpep.signal.units import factor
from cpep.types import FloatArray, UserError

Standardise = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Returns centre and spread (J,), float32, of the valid frames (M, J) of one session; M is at least 1."""


@dataclass(frozen=True)
class AnchorKind:
    """What the columns of an anchor are.

    Attributes:
        name: what a sidecar calls it.
        columns: what one column is, in the plural.
        units: units that it can have; empty where it can have any unit, or none.
        standardise: centre and spread of a session; ``None`` where values are taken as they are.
        hand: whether the columns can be the joint angles of a hand.
        pose: whether it is a pose, so that rows and protocols named after the pose need no explanation.
        note: a sentence on it for reports; empty for none.
    """

    name: str
    columns: str
    units: tuple[str, ...] = ()
    standardise: Standardise | None = None
    hand: bool = False
    pose: bool = False
    note: str = ""

    @property
    def words(self) -> str:
        """The name, with spaces, for people."""
        return self.name.replace("_", " ")

    def check_unit(self, unit: str) -> None:
        """Refuse a unit that this kind cannot have.

        Raises:
            UserError: it cannot.
        """
        if self.units and unit not in self.units:
            raise UserError(f"{self.words} are in {' or '.join(self.units)}, not in {unit or 'no unit'}")


ANCHORS: Registry[AnchorKind] = Registry("kind of anchor", ("cpep.data.anchor_kinds",))
"""Kinds of anchors by the name that ``kind`` has in a sidecar."""

FULL_TURN = 2 * math.pi
"""No joint turns so far, rad."""

BY_UNIT = {"rad": "joint_angles", "count": "glove"}
"""Kind by unit of an anchor whose kind is not given, as of ``pose`` in a sidecar; by any other unit: ``values``."""


@dataclass(frozen=True)
class Anchor:
    """The anchor of a device; an anchor without columns means that the device has none.

    Attributes:
        kind: what the columns are, and how they are normalised.
        names: of the columns.
        unit: of the values; empty where they have none.
    """

    kind: AnchorKind
    names: tuple[str, ...]
    unit: str

    def __str__(self) -> str:
        """Return it in words.

        >>> str(Anchor(ANCHORS.get("joint_angles"), ("THUMB_IP_FE", "INDEX_PIP_FE"), "rad"))
        'joint angles of 2 joints in rad'
        """
        if not self.names:
            return "no anchor"
        unit = f" in {self.unit}" if self.unit else ""
        return f"{self.kind.words} of {len(self.names)} {self.kind.columns}{unit}"

    @property
    def read_unit(self) -> str:
        """Unit of the values that a model reads and predicts; empty where its kind normalises them."""
        return "" if self.kind.standardise else self.unit

    @property
    def is_known(self) -> bool:
        """Whether more is known of it than its columns: its kind or its unit."""
        return bool(self.unit or self.kind.units or self.kind.standardise)

    @property
    def is_hand(self) -> bool:
        """Whether it is the joint angles that ``cpep.hand`` understands."""
        return self.kind.hand and understands(self.names, self.unit)

    @property
    def no_hand(self) -> str:
        """The sentence that says why this is no hand; empty where it is one."""
        needed = "a hand takes the angles of emg2pose's 20 joints in rad"
        return "" if self.is_hand else f"{needed}, and the anchor is {self}"

    @property
    def notes(self) -> list[str]:
        """Sentences on it for a report."""
        what = f"What is called pose here is the anchor: {self}." if not self.kind.pose else ""
        return [note for note in (what, self.kind.note) if note]

    def refuse_other(self, other: Anchor, name: str) -> None:
        """Check that an anchor is the one that a model was trained with. An anchor without columns fits all.

        Args:
            other: the anchor of the recordings or the device that the model is given.
            name: how the user calls these, for the sentence.

        Raises:
            UserError: other columns; or, where both are known, another kind or unit. Where the kind takes its scale
                out of an anchor, units with a factor between them, as cm and mm, fit each other.
        """
        if not other.names:
            return
        mine, theirs = self.names, other.names
        known = self.is_known and other.is_known
        alike = self.kind.standardise is not None and factor(other.unit, self.unit) is not None
        other_unit = self.unit and other.unit and self.unit != other.unit and not alike
        if len(mine) != len(theirs) or (known and (other_unit or self.kind != other.kind)):
            raise UserError(f"the checkpoint was trained with {self}; {name} has {other}")
        if mine != theirs:
            first = next(k for k in range(len(mine)) if mine[k] != theirs[k])
            raise UserError(
                f"the checkpoint was trained with other {self.kind.columns} than {name} has: "
                f"the first that differs is {mine[first]} in the checkpoint and {theirs[first]} there"
            )


def refuse_degrees(anchor: Anchor, values: FloatArray, name: str, remedy: str) -> None:
    """Check that angles in rad are no degrees.

    Args:
        anchor: what the values are.
        values: of the columns, of any shape; what is not finite is not looked at.
        name: how the user calls them, for the sentence.
        remedy: what to do, for the sentence.

    Raises:
        UserError: an angle is more than a full turn.
    """
    if anchor.unit == "rad" and anchor.kind.hand and np.size(values):
        largest = float(np.abs(values, where=np.isfinite(values), out=np.zeros(np.shape(values))).max())
        if largest > FULL_TURN:
            raise UserError(
                f"{name} reaches {largest:.3g} rad, more than a full turn; where it is in degrees, {remedy}"
            )
