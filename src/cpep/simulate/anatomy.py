"""The mean body: joints, muscles, moment arms, and where muscles lie under the band.

Moment arms and maximal forces are of MyoHand (PyPI ``myo-sim``, Apache-2.0, see NOTICE), averaged over pose;
APB, ADP and FPB (thumb base) are additions with textbook-sized lever arms, because MyoHand lacks them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np

from cpep.hand.joints import JOINTS
from cpep.types import FloatArray

WRIST = ("WRIST_DEV", "WRIST_FE")
ALL_JOINTS = (*JOINTS, *WRIST)
"""The 20 measured joints and two hidden ones of the wrist (radial deviation, flexion)."""


def _load_moment_arms() -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return muscle names (A), maximal forces (A,) in N and moment arms (A, 22) in m."""
    text = resources.files("cpep.simulate").joinpath("moment_arms.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert tuple(header[2:]) == ALL_JOINTS
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    return tuple(row[0] for row in rows), values[:, 0], values[:, 1:]


MUSCLES, FORCE_A, MOMENT_ARM_AJ = _load_moment_arms()

Four = tuple[float, float, float, float]


@dataclass(frozen=True)
class Place:
    """Where a muscle lies in the distal forearm.

    Attributes:
        angle: 0 volar, 90 radial, 180 dorsal; degrees.
        depth: below the muscle surface, mm.
        half_width: degrees.
        end: distance of the most distal fibre ends from the wrist crease, mm.
        spread: of the fibre ends along the arm, mm.
    """

    angle: float
    depth: float
    half_width: float
    end: float
    spread: float


PLACES: dict[str, Place] = {
    "FCR": Place(42, 3, 7, 80, 50),
    "PL": Place(14, 1.5, 5, 95, 40),
    "FCU": Place(-70, 3, 10, 22, 70),
    "FDS3": Place(4, 4.5, 9, 38, 60),
    "FDS4": Place(-24, 4.5, 9, 38, 60),
    "FDS2": Place(18, 8.5, 8, 26, 60),
    "FDS5": Place(-40, 8, 7, 28, 50),
    "FDP2": Place(10, 13, 8, 34, 70),
    "FDP3": Place(-12, 13, 8, 38, 70),
    "FDP4": Place(-38, 12, 8, 40, 70),
    "FDP5": Place(-56, 10, 8, 42, 70),
    "FPL": Place(50, 9, 9, 26, 60),
    "APL": Place(104, 3.5, 9, 32, 55),
    "EPB": Place(116, 4.5, 6, 26, 45),
    "ECRL": Place(124, 2.5, 8, 135, 50),
    "ECRB": Place(138, 3, 9, 100, 50),
    "EPL": Place(160, 8, 8, 34, 55),
    "EIP": Place(198, 8.5, 8, 20, 45),
    "EDC2": Place(170, 3.5, 6, 46, 60),
    "EDC3": Place(181, 3.5, 6, 42, 60),
    "EDC4": Place(193, 3.5, 6, 46, 60),
    "EDC5": Place(203, 4, 5, 50, 60),
    "EDM": Place(214, 3.5, 6, 42, 55),
    "ECU": Place(246, 3, 9, 34, 60),
}
"""Muscles that the band sees (V of them); those in the hand and the pronators are silent to it."""


@dataclass(frozen=True)
class Level:
    """The forearm where a band is worn; each number is a mean over people, those in brackets its SD.

    Attributes:
        places: where the muscles lie, in the order of ``PLACES``.
        radius: (and SD, smallest, largest) of the forearm, mm.
        aspect: (and SD, smallest, largest) width over thickness.
        fat: skin and fat, mm.
    """

    places: Mapping[str, Place]
    radius: Four
    aspect: Four
    fat: float


AT_WRIST = Level(PLACES, (27, 2.2, 22, 33), (1.28, 0.06, 1.1, 1.45), 2.2)

BAND_V = np.array([MUSCLES.index(name) for name in PLACES])
"""Index into the muscles (A) of those that the band sees (V)."""

COMPARTMENTS: tuple[tuple[int, ...], ...] = tuple(
    tuple(MUSCLES.index(name) for name in names)
    for names in (
        ("FDS2", "FDS3", "FDS4", "FDS5"),
        ("FDP2", "FDP3", "FDP4", "FDP5"),
        ("EDC2", "EDC3", "EDC4", "EDC5", "EDM"),
    )
)
"""Muscles whose neighbouring compartments are never quite independent."""


def _per_joint(thumb: Four, finger: Four, wrist: tuple[float, float], little: Four | None = None) -> FloatArray:
    """Return a value for each of the 22 joints; the little finger is as the others unless given."""
    return np.array([*thumb, *finger * 3, *(little or finger), *wrist])


STIFFNESS_J = _per_joint((0.20, 0.20, 0.10, 0.05), (0.12, 0.15, 0.06, 0.03), (0.9, 0.7))
"""Passive stiffness, Nm/rad."""
DAMPING_J = _per_joint((0.007, 0.007, 0.003, 0.002), (0.004, 0.006, 0.0025, 0.001), (0.03, 0.03))
"""Nm s/rad."""
INERTIA_J = _per_joint((3e-4, 3e-4, 1e-4, 3e-5), (1.5e-4, 3e-4, 8e-5, 2e-5), (3e-3, 3e-3))
"""kg m2."""
TORQUE_SCALE_J = _per_joint((0.30, 0.30, 0.20, 0.10), (0.15, 0.30, 0.18, 0.08), (0.8, 0.8))
"""Torque of a usual effort, Nm: makes the joints comparable in the optimisation."""

LOWEST_J = _per_joint((-0.70, -0.78, -0.10, -0.25), (-0.35, -0.35, 0, 0), (-0.4, -1.0), (-0.45, -0.35, 0, 0))
HIGHEST_J = _per_joint((0.78, 0.50, 0.96, 1.05), (0.35, 1.57, 1.75, 1.40), (0.4, 1.0), (0.45, 1.57, 1.75, 1.40))
"""Range of motion, rad.

Base of the thumb: MyoHand (myo-sim, Apache-2.0). Flexion of fingers, thumb and wrist: inside the reference
values of the Electronic Textbook of Hand Surgery (C. Eaton, e-hand.com/nor/nor002.htm; facts, free to use):
MCP up to 45 degrees of hyperextension and 90 of flexion, PIP 0 to 100, DIP 0 to 80, thumb MCP -10 to 55 and
IP -15 to 80, wrist -70 to 75. Spread of fingers (20 to 26 degrees) and deviation of the wrist (23): chosen.
"""

REST_J = np.array(
    [
        *(0.18, -0.02, 0.22, 0.22),
        *(0.03, 0.42, 0.55, 0.28),
        *(0.00, 0.48, 0.62, 0.30),
        *(-0.02, 0.50, 0.62, 0.30),
        *(-0.06, 0.50, 0.58, 0.28),
        *(0.0, -0.15),
    ]
)
"""The relaxed hand, rad."""
