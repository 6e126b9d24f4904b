"""The joints and landmarks of a hand, from hand.csv; no torch."""

from __future__ import annotations

import csv
from importlib import resources


def _load_chain() -> list[dict[str, str]]:
    """Return the rows of hand.csv: for each finger its four joints from the wrist outwards, then its tip.

    ``x_mm`` to ``z_mm`` are the vector from the row above to this row in the flat hand: x radial, y proximal, z
    dorsal. In the first row of a finger it begins at the wrist, where the axes of flexion and deviation cross. A
    positive angle turns everything further out about the axis ``axis_x`` to ``axis_z``, by the right-hand rule.
    ``column`` is the joint's place in a pose. ``source`` is the name of the joint, or of the site of the tip, in
    MyoHand.
    """
    text = resources.files("cpep.hand").joinpath("hand.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


CHAIN = _load_chain()
TURNS = [row for row in CHAIN if row["joint"]]

JOINTS: tuple[str, ...] = tuple(row["joint"] for row in sorted(TURNS, key=lambda row: int(row["column"])))
"""The joints of a pose, in order: the 20 joints of emg2pose."""

LANDMARKS: tuple[str, ...] = tuple(dict.fromkeys(row["landmark"] for row in CHAIN))
"""The landmarks in order: thumb to little finger, each from the wrist outwards."""

TIPS: tuple[int, ...] = tuple(LANDMARKS.index(name) for name in LANDMARKS if name.endswith("_TIP"))
"""Indices of the finger tips into the landmarks."""


def understands(names: tuple[str, ...], unit: str) -> bool:
    """Return whether columns are what ``cpep.hand.kinematics.Hand`` takes: these joints, in this order, in rad."""
    return names == JOINTS and unit == "rad"
