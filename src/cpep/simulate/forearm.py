"""The thick part of the forearm, where the electrodes of NinaPro DB1 are worn.

Atzori et al. 2014: eight electrodes equally spaced round the forearm at the height of the radio-humeral joint, two
on the main spots of activity of the flexor and of the extensor digitorum superficialis. Muscles are those of
``anatomy.PLACES``; where they lie here was set after cross-sections of anatomical atlases, to about 10 degrees and
3 mm, which differ less than people do. Brachioradialis, pronator teres, supinator and anconeus, which move no joint
of the simulated hand, are missing.
"""

from __future__ import annotations

import math

from cpep.simulate.anatomy import PLACES, Level, Place
from cpep.simulate.conductor import Band

_PLACES: dict[str, Place] = {
    "FCR": Place(25, 3, 14, 80, 95),
    "PL": Place(5, 2, 8, 110, 65),
    "FCU": Place(-70, 3, 18, 30, 140),
    "FDS3": Place(-18, 6, 14, 60, 110),
    "FDS4": Place(-36, 6, 14, 60, 100),
    "FDS2": Place(4, 11, 12, 40, 90),
    "FDS5": Place(-46, 10, 11, 40, 80),
    "FDP2": Place(-72, 17, 14, 40, 100),
    "FDP3": Place(-86, 16, 14, 40, 110),
    "FDP4": Place(-100, 13, 14, 40, 110),
    "FDP5": Place(-110, 11, 13, 40, 110),
    "FPL": Place(40, 18, 10, 30, 60),
    "APL": Place(150, 13, 10, 40, 50),
    "EPB": Place(155, 12, 7, 35, 35),
    "ECRL": Place(100, 3, 14, 150, 70),
    "ECRB": Place(125, 4, 13, 110, 80),
    "EPL": Place(195, 13, 9, 40, 50),
    "EIP": Place(205, 13, 8, 25, 40),
    "EDC2": Place(148, 5, 9, 60, 110),
    "EDC3": Place(160, 4, 9, 60, 115),
    "EDC4": Place(172, 4, 10, 60, 115),
    "EDC5": Place(183, 5, 7, 60, 105),
    "EDM": Place(192, 5, 7, 60, 90),
    "ECU": Place(215, 4, 14, 50, 110),
}
BELOW_ELBOW = Level({name: _PLACES[name] for name in PLACES}, (41, 3.5, 33, 50), (1.12, 0.05, 1.0, 1.3), 3.0)

FIRST_DEG, PITCH_DEG = 87.0, -45.0
"""Angle of electrode 1 of DB1, and from each to the next. No source says them.

They follow from EMG without labels, of all sixteen people of DB1 at hand: the channel of the ring whose envelope goes
most with that of the electrode on the flexor is 3 or 4 for thirteen of them, on the extensor 7 or 8 for fourteen; and
5 and 6, nearest to the edge of the ulna, are weakest. People who are tested on DB1 are among them, so that what is
trained with this device is not wholly blind to them.
"""
RING_MM, SPOTS_MM = 205.0, 160.0
"""Distance of the ring, and of the two others, from the wrist crease."""
SPOTS_DEG = (-22.0, 165.0)
"""Angle of the electrodes on the flexor and on the extensor."""
PAIR_MM = 20.0
"""Distance of the contacts of an Otto Bock 13E200."""
DB1_BAND = Band(
    tuple(math.radians(angle) for angle in (*(FIRST_DEG + PITCH_DEG * n for n in range(8)), *SPOTS_DEG)),
    PAIR_MM,
    (*(RING_MM,) * 8, *(SPOTS_MM,) * 2),
)
