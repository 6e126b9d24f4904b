"""Musculoskeletal simulator of a wristband: gestures, joint angles, muscles, electrodes, recordings.

Physics and parameters in the order of causality: ``gestures``, ``person``, ``kinematics``, ``muscles``,
``motor_units``, ``conductor``, ``sensor``, ``record``, ``cohort``; ``properties`` measures what must hold.

Shape letters here: S frames at 100 Hz, J joints (20 measured and 2 of the wrist), A muscles (42), V muscles
that the band sees (24), N motor units, C electrode pairs, T EMG samples, L samples of one unit's potential,
K time courses that span all potentials.
"""

from __future__ import annotations

from cpep.simulate.arrays import People, people
from cpep.simulate.cohort import simulate_cohort
from cpep.simulate.gestures import GESTURES
from cpep.simulate.plan import Cohort
from cpep.simulate.properties import Property, check, table_text
from cpep.simulate.variability import Variability

__all__ = [
    "GESTURES",
    "Cohort",
    "People",
    "Property",
    "Variability",
    "check",
    "people",
    "simulate_cohort",
    "table_text",
]
