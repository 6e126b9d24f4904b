"""The JSON beside NinaPro files that says what they do not: ``S1_E1_A1.json``, or ``cpep.json`` for a folder.

::

    {"database": "ninapro_db8", "glove_rate": 25}

``database`` decides where the files could be of several databases or are called otherwise than its own; what
contradicts it in them (channels, rate, numbers of movements) is still refused. ``glove_rate``, frames a second, is
for a glove that has another number of rows than the EMG. A JSON that describes ``emg`` is a sidecar of
``cpep.data.readers.generic``: the file is read as that says, whatever it is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cpep.data.readers.ninapro_databases import DATABASES, Database
from cpep.runtime.files import read_json
from cpep.types import UserError

KEYS = ("database", "glove_rate")


@dataclass(frozen=True)
class Said:
    """What a sidecar says.

    Attributes:
        database: that the file is from; ``None`` where it does not say so.
        glove_rate: frames of the glove per second; 0 where it does not say so.
    """

    database: Database | None = None
    glove_rate: float = 0.0


def read_said(sidecar: Path) -> Said | None:
    """Read a sidecar; ``None`` where it describes a generic recording.

    Raises:
        UserError: it is damaged, has an unknown key, or names an unknown database or an impossible rate.
    """
    value = read_json(sidecar)
    if not isinstance(value, dict):
        raise UserError(f"{sidecar}: the sidecar must be a JSON object")
    if "emg" in value:
        return None
    for key in value:
        if key not in KEYS:
            raise UserError(f"{sidecar}: unknown key '{key}'; beside NinaPro files known are {', '.join(KEYS)}")
    rate = value.get("glove_rate", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or ("glove_rate" in value and not 0 < rate < 1e6):
        raise UserError(f"{sidecar}: 'glove_rate' is {rate!r}; it must be a positive number")
    return Said(_database(value["database"], sidecar) if "database" in value else None, float(rate))


def _database(text: object, sidecar: Path) -> Database:
    for database in DATABASES:
        if isinstance(text, str) and text.casefold() in (database.name, database.title.casefold()):
            return database
    known = ", ".join(database.name for database in DATABASES)
    raise UserError(f"{sidecar}: 'database' is {text!r}; it must be one of {known}")
