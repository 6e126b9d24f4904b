"""What the NinaPro databases are: electrodes, rates, gloves, exercises and movements, as their files have them.

=====  =================================  =============  =======  ====================================================
name   electrodes                         files at       glove    movements, as the files number them
=====  =================================  =============  =======  ====================================================
DB1    10 Otto Bock, RMS envelope         100 Hz         22       E1: A 1-12, E2: B 1-17, E3: C 1-23
DB2    12 Delsys Trigno                   2000 Hz        22       E1: B 1-17, E2: C 18-40, E3: D 41-49 (no glove)
DB3    as DB2, 10 in two of 11 amputees   2000 Hz        22       as DB2
DB4    12 Cometa                          2000 Hz        none     as DB1
DB5    16, two Myo armbands               200 Hz         22       as DB1
DB6    14 Delsys Trigno in 16 columns     2000 Hz        none     7 grasps, in ten sessions S1_D1_T1 .. S1_D5_T2
DB7    12 Delsys Trigno IM                2000 Hz        18       as DB2, without E3
DB8    16 Delsys Trigno IM, of 1111 Hz    2000 Hz        18       9 movements 1-9, in three acquisitions A1 .. A3
DB9    none: gloves alone                                22       (is not read: there is no EMG)
DB10   12 Delsys Trigno (MeganePro)       1926 Hz        none     (is not read: other fields, and a clock with pauses)
=====  =================================  =============  =======  ====================================================

Exercise A: 12 movements of the fingers. B: 8 hand configurations, 9 movements of the wrist. C: 23 grasps and
functional movements. D: 9 patterns of force.

Where the facts are from:

- Atzori et al. 2014 (DB1-DB3), Pizzolato et al. 2017 (DB4, DB5; each movement lasts 5 s, each rest 3 s), Palermo et
  al. 2017 (DB6; 4 s), Krasoulis et al. 2017 (DB7) and 2019 (DB8; 6 to 9 s), Jarque-Bou et al. 2020 (DB9), Cognolato
  et al. 2020 (DB10), and the pages of ninapro.hevs.ch. DB1 was also looked at in the files.
- Loaders that others wrote against the files: the numbers of the movements, and names and order of the movements of
  A to D, in which all agree; the units (V for Delsys); that the files of DB4 and DB5 alone have ``frequency`` and
  ``sensor``; that ``exercise`` and ``subject`` in a file may contradict its name, which is right (DB4, DB5, DB7,
  DB8); that columns 9 and 10 of DB6 are zero; that ``restimulus`` may be shorter than the EMG (DB2: by up to 136 ms).

What no source says is left open: the unit of DB4, which grasp has which number in DB6 (``db6_grasp_3``), which
columns of DB8 lie side by side, and which electrodes are missing in the two amputees of DB3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cpep.data.readers.ninapro_movements import DECODED, FINGER_MOVEMENTS, FORCES, GRASPS, HAND_AND_WRIST
from cpep.types import EmgKind


@dataclass(frozen=True)
class NamePattern:
    """How the files of a database are called.

    Attributes:
        example: such a name.
        pattern: matches the whole name, with the groups ``user`` and, where there are such, ``exercise`` and
            ``acquisition``.
    """

    example: str
    pattern: re.Pattern[str]


ACQUISITION_FIRST = NamePattern(
    "S1_A1_E1.mat", re.compile(r"S(?P<user>\d+)_(?P<acquisition>A\d+)_E(?P<exercise>\d+)\.mat", re.IGNORECASE)
)
EXERCISE_FIRST = NamePattern(
    "S1_E1_A1.mat", re.compile(r"S(?P<user>\d+)_E(?P<exercise>\d+)_(?P<acquisition>A\d+)\.mat", re.IGNORECASE)
)
DAY_AND_TIME = NamePattern(
    "S1_D1_T1.mat", re.compile(r"S(?P<user>\d+)_(?P<acquisition>D\d+_T\d+)\.mat", re.IGNORECASE)
)
MEGANE = NamePattern("S010_ex1.mat", re.compile(r"S(?P<user>\d{3})_ex(?P<exercise>\d+)\.mat", re.IGNORECASE))
NAMES = (ACQUISITION_FIRST, EXERCISE_FIRST, DAY_AND_TIME, MEGANE)


@dataclass(frozen=True, eq=False)
class Database:
    """What all files of one NinaPro database have in common.

    Attributes:
        name: of the data set, ``ninapro_db1``.
        files: how they are called.
        people: how many there are, numbered from 1.
        rings: by the number of EMG columns that a file may have, those of electrodes that are equally spaced round
            the forearm; empty where no source says which.
        emg_rate: samples per second, as the files have them.
        emg_kind: raw or envelope.
        emg_unit: unit of EMG in floating point; empty where no source says it.
        movement_s: how long a movement is prompted, s.
        exercises: by its number in the file's name, the names of the movements by their numbers in the file.
        glove: sensors of the glove; 0 where nobody wore one.
        bare: exercises without the glove.
        sensor: what ``sensor`` in the file says; empty where the files have no such field.
        lacks: fields that others have and this one does not.
        empty: columns of EMG that no electrode belongs to, where they hold nothing but zeros.
        session_by: what of a name tells the sessions of a person apart.
        notes: what its user must know.
    """

    name: str
    files: NamePattern
    people: int
    rings: Mapping[int, tuple[int, ...]]
    emg_rate: float
    emg_kind: EmgKind
    emg_unit: str
    movement_s: float
    exercises: Mapping[int, Mapping[int, str]] = field(repr=False)
    glove: int = 0
    bare: tuple[int, ...] = ()
    sensor: str = ""
    lacks: tuple[str, ...] = ()
    empty: tuple[int, ...] = ()
    session_by: str = "exercise"
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name that its authors gave it: DB1."""
        return self.name.rpartition("_")[2].upper()


def _starting_again(*exercises: Sequence[str]) -> dict[int, dict[int, str]]:
    """Number the movements of each exercise from 1."""
    return {k: dict(enumerate(names, 1)) for k, names in enumerate(exercises, 1)}


def _going_on(*exercises: Sequence[str]) -> dict[int, dict[int, str]]:
    """Number the movements of all exercises in one row."""
    firsts = [1 + sum(map(len, exercises[:k])) for k in range(len(exercises))]
    return {k: dict(enumerate(names, firsts[k - 1])) for k, names in enumerate(exercises, 1)}


ABC = _starting_again(FINGER_MOVEMENTS, HAND_AND_WRIST, GRASPS)
BCD = _going_on(HAND_AND_WRIST, GRASPS, FORCES)

RING = tuple(range(8))
INERTIAL = ("gyro", "mag")

DB1 = Database(
    name="ninapro_db1",
    files=ACQUISITION_FIRST,
    people=27,
    rings={10: RING},
    emg_rate=100.0,
    emg_kind="envelope",
    emg_unit="V",
    movement_s=5.0,
    exercises=ABC,
    glove=22,
    lacks=("acc", "inclin", "force", "sensor", *INERTIAL),
)
DB2 = Database(
    name="ninapro_db2",
    files=EXERCISE_FIRST,
    people=40,
    rings={12: RING},
    emg_rate=2000.0,
    emg_kind="raw",
    emg_unit="V",
    movement_s=5.0,
    exercises=BCD,
    glove=22,
    bare=(3,),
    lacks=("sensor", *INERTIAL),
)
DB3 = replace(DB2, name="ninapro_db3", people=11, rings={12: RING, 10: ()})
DB4 = replace(
    DB2,
    name="ninapro_db4",
    people=10,
    emg_unit="",
    exercises=ABC,
    glove=0,
    bare=(),
    sensor="Cometa",
    lacks=("acc", "inclin", "force", *INERTIAL),
    notes=("no source says in which unit the EMG of DB4 is",),
)
DB5 = Database(
    name="ninapro_db5",
    files=EXERCISE_FIRST,
    people=10,
    rings={16: RING},
    emg_rate=200.0,
    emg_kind="raw",
    emg_unit="count",
    movement_s=5.0,
    exercises=ABC,
    glove=22,
    sensor="Double Myo",
    lacks=("inclin", "force", *INERTIAL),
)
DB6 = Database(
    name="ninapro_db6",
    files=DAY_AND_TIME,
    people=10,
    rings={16: RING, 14: RING},
    emg_rate=2000.0,
    emg_kind="raw",
    emg_unit="V",
    movement_s=4.0,
    exercises={0: {n: f"db6_grasp_{n}" for n in range(1, 12)}},
    lacks=("inclin", "force", "sensor", *INERTIAL),
    empty=(8, 9),
    session_by="acquisition",
)
DB7 = replace(
    DB2,
    name="ninapro_db7",
    people=22,
    exercises={number: BCD[number] for number in (1, 2)},
    glove=18,
    bare=(),
    lacks=("inclin", "force", "sensor"),
)
DB8 = Database(
    name="ninapro_db8",
    files=EXERCISE_FIRST,
    people=12,
    rings={16: ()},
    emg_rate=2000.0,
    emg_kind="raw",
    emg_unit="V",
    movement_s=7.5,
    exercises=_starting_again(DECODED),
    glove=18,
    lacks=("inclin", "force", "sensor"),
    session_by="acquisition",
    notes=("the EMG of DB8 was sampled at 1111 Hz and is distributed at 2000 Hz: there is none above 555 Hz",),
)

DATABASES = (DB1, DB2, DB3, DB4, DB5, DB6, DB7, DB8)
"""Those that are read."""

MEGANE_REMEDY = (
    "cpep does not read DB10 by itself, since its clock has pauses; describe it in a cpep.json beside it: "
    '{"emg": {"field": "emg", "clock": {"field": "ts", "unit": "s"}}, "rate": 1926, "kind": "raw", "unit": "V", '
    '"label": {"field": "regrasp", "names": {"0": "rest", "1": "medium_wrap"}}, "user": {"pattern": "S(\\\\d+)"}}'
)
"""How DB10 (MeganePro) is read."""
