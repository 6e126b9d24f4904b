"""Musculoskeletal simulator of a wristband: gestures, joint angles, muscles, electrodes, recordings.

Physics and parameters in the order of causality: ``gestures``, ``person``, ``kinematics``, ``muscles``,
``motor_units``, ``conductor``, ``sensor``, ``record``, ``cohort``; ``properties`` measures what must hold.

Shape letters here: S frames at 100 Hz, J joints (20 measured and 2 of the wrist), A muscles (42), V muscles
that the band sees (24), N motor units, C electrode pairs, T EMG samples, L samples of one unit's potential,
K time courses that span all potentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.simulate.arrays import People as People
    from cpep.simulate.arrays import people as people
    from cpep.simulate.cohort import simulate_cohort as simulate_cohort
    from cpep.simulate.gestures import GESTURES as GESTURES
    from cpep.simulate.gestures import SEEN as SEEN
    from cpep.simulate.gestures import UNSEEN as UNSEEN
    from cpep.simulate.gestures import VOCABULARY as VOCABULARY
    from cpep.simulate.gestures import Gesture as Gesture
    from cpep.simulate.gestures import hand as hand
    from cpep.simulate.plan import Cohort as Cohort
    from cpep.simulate.properties import Property as Property
    from cpep.simulate.properties import check as check
    from cpep.simulate.variability import Variability as Variability
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.simulate.arrays": "People people",
            "cpep.simulate.cohort": "simulate_cohort",
            "cpep.simulate.gestures": "GESTURES Gesture SEEN UNSEEN VOCABULARY hand",
            "cpep.simulate.plan": "Cohort",
            "cpep.simulate.properties": "Property check",
            "cpep.simulate.variability": "Variability",
        },
    )
