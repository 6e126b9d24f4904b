"""What a NinaPro file shows of itself, and which database that fits.

A file is from a database where nothing contradicts it: the pattern of its name, the number of EMG channels, the
sensors of its glove, the numbers of its movements, ``frequency``, ``sensor``, and fields that the database has not.
Files without ``frequency`` (DB1-DB3, DB6-DB8) tell their rate by the length of the prompted movements, so that 200 Hz
and 2000 Hz are not mixed up. Where two databases fit, the one whose glove is as expected is taken (and, of DB4 and
DB5, only where the file says its rate or sensor), then the one that a folder is named after (``DB3_s1``), then the
one that has such a person. A file of which none fits, or still several that would be read differently, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers import mat
from cpep.data.readers.ninapro_databases import DATABASES, MEGANE, MEGANE_REMEDY, NAMES, Database, NamePattern
from cpep.types import IntArray, UserError

SMALL_FIELDS = ("restimulus", "stimulus", "frequency", "sensor")
"""Fields that evidence is taken from, beside the shapes of all."""

LONGEST = 1.5
"""A movement lasts at most this many times the length that the protocol says, or the rate is another."""
SHORTEST = 1 / 6
"""And at least this part of it; only where the rate is over 1 kHz, since nothing is slower than DB1's 100 Hz."""
LARGEST_NUMBER = 32767
REMEDY = (
    'if you know which it is, write it into a cpep.json beside it, as {"database": "ninapro_db1"} to "ninapro_db8", '
    "or describe its EMG there (`python -m pydoc cpep.data.readers.generic`)"
)


@dataclass(frozen=True)
class Evidence:
    """What a file shows.

    Attributes:
        path: the file.
        files: how it is called.
        user: number of the person, from its name.
        exercise: number of the exercise, from its name; 0 where that has none.
        acquisition: the rest of its name: ``A1``, or ``D1_T1``.
        channels: EMG channels.
        turned: whether the EMG is (channels, samples).
        glove: sensors of the glove; 0 without one.
        fields: names of all fields.
        sensor: what its field ``sensor`` says.
        frequency: what its field ``frequency`` says, Hz; 0 where there is none.
        movements: numbers of the movements, without rest.
        hold: samples that a prompted movement lasts, as the median; 0 where there is none.
    """

    path: Path
    files: NamePattern
    user: int
    exercise: int
    acquisition: str
    channels: int
    turned: bool
    glove: int
    fields: frozenset[str]
    sensor: str
    frequency: float
    movements: tuple[int, ...]
    hold: float

    def __str__(self) -> str:
        """Return it as the end of the sentence "it has ..."."""
        first, last = (self.movements[0], self.movements[-1]) if self.movements else (0, 0)
        return ", ".join(
            (
                f"{self.channels} EMG channels",
                f"a glove of {self.glove} sensors" if self.glove else "no glove",
                f"movements {first} to {last}" if self.movements else "no movements",
                f"{self.frequency:g} Hz by its frequency" if self.frequency else "no frequency",
                f"a name like {self.files.example}",
            )
        )


def is_ninapro(path: Path) -> bool:
    """Tell whether a file is named like a NinaPro recording; it is not opened."""
    return any(files.pattern.fullmatch(path.name) for files in NAMES)


def look(path: Path) -> Evidence:
    """Return what a file shows of itself; its EMG and its glove are not read.

    Raises:
        UserError: it is not named like a NinaPro recording, is damaged, holds no EMG, or labels that are no numbers.
    """
    for files in NAMES:
        if match := files.pattern.fullmatch(path.name):
            break
    else:
        raise UserError(f"{path} is not named like a NinaPro recording ({', '.join(one.example for one in NAMES)})")
    shapes = mat.shapes(path)
    if files is MEGANE and "emg" in shapes:
        raise UserError(f"{path}: {MEGANE_REMEDY}")
    if len(shapes.get("emg", ())) != 2:
        found = ", ".join(sorted(shapes)[:6]) or "nothing"
        alone = "; DB9 holds hand kinematics alone" if {"angles", "glove"} & shapes.keys() else ""
        raise UserError(f"{path} is no recording of EMG: it has no field 'emg' (it holds {found}){alone}")
    read = mat.read_mat(path, SMALL_FIELDS)
    labels = [
        values for name in ("stimulus", "restimulus") if (values := whole_numbers(read, name, path)) is not None
    ]
    named = match.groupdict()
    turned = bool(labels) and _turned(shapes["emg"], len(labels[-1]))
    return Evidence(
        path=path,
        files=files,
        user=int(named["user"]),
        exercise=int(named.get("exercise") or 0),
        acquisition=(named.get("acquisition") or "").upper(),
        channels=shapes["emg"][0 if turned else 1],
        turned=turned,
        glove=_sensors(shapes.get("glove", ())),
        fields=frozenset(shapes),
        sensor=str(read["sensor"].ravel()[0]).strip() if np.size(read.get("sensor", ())) else "",
        frequency=float(np.ravel(read["frequency"])[0]) if np.size(read.get("frequency", ())) else 0.0,
        movements=tuple(sorted({int(n) for one in labels for n in np.unique(one)} - {0})),
        hold=next((hold for one in labels if (hold := _hold(one))), 0.0),
    )


def whole_numbers(fields: Mapping[str, npt.NDArray[Any]], name: str, path: Path) -> IntArray | None:
    """Return a field as int16 (T,); ``None`` where it is missing or empty.

    Raises:
        UserError: some are not a number, or not whole, or too large.
    """
    values = np.ravel(fields.get(name, ()))
    if not len(values):
        return None
    if values.dtype.kind == "f" and (missing := int(np.isnan(values).sum())):
        raise UserError(
            f"{path}: {name} is not a number (NaN) in {missing:,} of {len(values):,} samples; write what they are "
            "into the file (0 stands for rest)"
        )
    if values.dtype.kind not in "biuf" or (values != np.rint(values)).any() or abs(values).max() > LARGEST_NUMBER:
        raise UserError(f"{path}: {name} holds something else than small whole numbers")
    return values.astype(np.int16)


def database_of(seen: Evidence, declared: Database | None = None) -> tuple[Database, tuple[str, ...]]:
    """Return the database that a file is from, and what is odd about that.

    Args:
        seen: what the file shows.
        declared: what its sidecar says; its name, a missing glove and foreign fields are then no contradiction.

    Raises:
        UserError: the file fits none, or several that would be read differently, or not the declared one.
    """
    if declared is not None:
        if why := contradiction(seen, declared, declared=True):
            title = declared.title
            raise UserError(f"{seen.path} is no file of {title}, as its sidecar says: {title} {why}; it has {seen}")
        return declared, ()
    fitting = [database for database in DATABASES if not contradiction(seen, database)]
    if not fitting:
        raise UserError(_fits_none(seen))
    folder = _folder_named_after(seen.path)
    odd = f"it lies in a folder that is named after {folder.title}" if folder and folder not in fitting else ""
    for preferred in (
        [database for database in fitting if _has_what_is_expected(seen, database)],
        [database for database in fitting if database is folder],
        [database for database in fitting if seen.user <= database.people],
    ):
        kept = [database for database in fitting if database in preferred]
        fitting = kept or fitting
    first, *others = fitting
    if any(_as_read(seen, other) != _as_read(seen, first) for other in others):
        names = " and ".join(database.title for database in fitting)
        raise UserError(f"{seen.path} fits {names}: it has {seen}; {REMEDY}")
    alike = " and ".join(database.title for database in fitting)
    twins = (
        f"it fits {alike}, whose files are alike; it is taken for {first.title}, unless a cpep.json says otherwise"
    )
    return first, tuple(note for note in (twins if others else "", odd) if note)


def contradiction(seen: Evidence, database: Database, declared: bool = False) -> str:
    """Return in what a database is not as a file, as the end of a sentence that begins with its name, or ``""``."""
    if not declared:
        if seen.files is not database.files:
            return f"has files called like {database.files.example}"
        if foreign := sorted(seen.fields & set(database.lacks)):
            return f"has no field {foreign[0]}"
    if seen.channels not in database.rings:
        return f"has {' or '.join(map(str, sorted(database.rings)))} EMG channels"
    if database.sensor and seen.sensor and seen.sensor.casefold() != database.sensor.casefold():
        return f"was recorded with {database.sensor}"
    if seen.glove and seen.glove != database.glove:
        return f"has a glove of {database.glove} sensors" if database.glove else "has no glove"
    if seen.exercise not in database.exercises:
        return f"has no exercise {seen.exercise}" if seen.exercise else "tells the exercise in a file's name"
    numbers = database.exercises[seen.exercise]
    if not set(seen.movements) <= numbers.keys():
        return f"numbers its movements there {min(numbers)} to {max(numbers)}"
    return _rate_contradicts(seen, database)


def _rate_contradicts(seen: Evidence, database: Database) -> str:
    if seen.frequency:
        return "" if seen.frequency == database.emg_rate else f"has {database.emg_rate:g} Hz"
    seconds = seen.hold / database.emg_rate
    shortest = SHORTEST * database.movement_s if database.emg_rate > 1000 else 0.0
    if not seen.hold or shortest <= seconds <= LONGEST * database.movement_s:
        return ""
    return (
        f"has {database.emg_rate:g} Hz, at which a movement would last {seconds:.3g} s here where it lasts about "
        f"{database.movement_s:g} s there"
    )


def _turned(shape: tuple[int, ...], labels: int) -> bool:
    """Tell whether EMG is (channels, samples): whether its longer axis is the last, and as long as the labels."""
    return shape[1] > shape[0] and abs(shape[1] - labels) < abs(shape[0] - labels)


def glove_turned(shape: tuple[int, ...]) -> bool:
    """Tell whether a glove is (sensors, frames)."""
    known = {database.glove for database in DATABASES}
    return len(shape) == 2 and shape[0] in known and shape[1] not in known


def _sensors(shape: tuple[int, ...]) -> int:
    return shape[0 if glove_turned(shape) else 1] if len(shape) == 2 and 0 not in shape else 0


def _hold(label_T: IntArray) -> float:
    """Return the median length of the movements, in samples; 0 where there is none."""
    edge = np.flatnonzero(np.diff(label_T)) + 1
    start = np.concatenate([[0], edge])
    length = np.diff(np.concatenate([start, [len(label_T)]]))
    moving = length[label_T[start] != 0]
    return float(np.median(moving)) if len(moving) else 0.0


def _has_what_is_expected(seen: Evidence, database: Database) -> bool:
    """Tell whether a file has a glove where its database has one, and says its rate or sensor where that does.

    A file of DB2 whose glove was taken out would else pass for one of DB4, whose movements are others.
    """
    glove = bool(database.glove) and seen.exercise not in database.bare
    return bool(seen.glove) == glove and bool(seen.sensor or seen.frequency or not database.sensor)


def _as_read(seen: Evidence, database: Database) -> tuple[Any, ...]:
    """Return all by which the readings of one file as two databases would differ."""
    device = (database.rings[seen.channels], database.emg_rate, database.emg_kind, database.emg_unit)
    return (
        *device,
        seen.glove or database.glove,
        database.exercises[seen.exercise],
        database.session_by,
        database.notes,
    )


def _folder_named_after(path: Path) -> Database | None:
    """Return the database that one of the three folders about a file is named after: ``DB3_s1``."""
    for folder in path.absolute().parents[:3]:
        if match := re.fullmatch(r"(?:ninapro[ _-]?)?(db\d+)(?:[ _-].*)?", folder.name, re.IGNORECASE):
            return next((database for database in DATABASES if database.title == match[1].upper()), None)
    return None


def _fits_none(seen: Evidence) -> str:
    close = [database for database in DATABASES if seen.channels in database.rings]
    near = [database for database in close if database.files is seen.files] or close
    reasons = [f"{database.title} {contradiction(seen, database)}" for database in near]
    if not near:
        known = sorted({count for one in DATABASES if one.files is seen.files for count in one.rings})
        reasons = [f"files of such a name have {', '.join(map(str, known))} of them"]
    return f"{seen.path} fits no NinaPro database: it has {seen}; {', '.join(reasons)}; {REMEDY}"
