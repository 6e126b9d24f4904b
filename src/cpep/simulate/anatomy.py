"""The mean body beside ``cpep.hand.muscles``: where muscles lie under the band, and what moves with a joint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.hand.muscles import MUSCLES, per_joint


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


INERTIA_J = per_joint((3e-4, 3e-4, 1e-4, 3e-5), (1.5e-4, 3e-4, 8e-5, 2e-5), (3e-3, 3e-3))
"""kg m2."""
