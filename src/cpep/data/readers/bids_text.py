"""The texts of a BIDS data set: JSON sidecars, tables with tabs, what DataLad leaves in the place of a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cpep.runtime import plain
from cpep.runtime.files import MOST_JSON, read_bytes
from cpep.types import UserError

POINTER = re.compile(rb"\S*/annex/objects/\S+\s*$")
"""What git leaves in the place of a recording whose content DataLad has not fetched."""
SMALLEST = 512
"""Bytes of the shortest EDF header: a smaller file is no recording."""

Row = dict[str, str]


@dataclass(frozen=True)
class Settings:
    """What the key ``bids`` of a ``cpep.json`` at the top of the data set says, in place of what its files say.

    Attributes:
        unit: of the EMG; empty to go by the files.
        zero_duration_s: seconds for which an event of zero duration is a label, unless the next one comes before.
        ignore: texts of events that are no labels.
        tracksys: tracking system whose motion file is the anchor, where there are several.
    """

    unit: str = ""
    zero_duration_s: float = 0.2
    ignore: tuple[str, ...] = ("stage_start",)
    tracksys: str = ""


def refuse_pointer(path: Path) -> None:
    """Refuse a file whose content was not fetched.

    Raises:
        UserError: it is a link that leads nowhere, or a text that names an object of git-annex.
    """
    here = path.is_file()
    if here and (path.stat().st_size >= SMALLEST or not POINTER.match(path.read_bytes())):
        return
    if here or path.is_symlink():
        raise UserError(f"the content of {path} is not here; fetch it with `datalad get {path}`")
    raise UserError(f"{path} does not exist")


def read_json(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the keys of JSON sidecars together; those of later ones win, ``n/a`` counts as absent.

    Raises:
        UserError: one is damaged.
    """
    said: dict[str, Any] = {}
    for path in paths:
        said |= _json(path, *_state(path))
    return {key: value for key, value in said.items() if value != "n/a"}


@lru_cache(maxsize=64)
def _json(path: Path, changed: int, size: int) -> dict[str, Any]:
    value = plain.parse(read_bytes(path, MOST_JSON), path)
    if not isinstance(value, dict):
        raise UserError(f"{path} must be a JSON object")
    return value


def read_table(path: Path) -> tuple[Row, ...]:
    """Return the rows of a .tsv, by the names of its columns; ``n/a`` is an empty text.

    Raises:
        UserError: a row has more or fewer cells than there are columns, or two columns have one name.
    """
    return _table(path, *_state(path))


@lru_cache(maxsize=512)
def _table(path: Path, changed: int, size: int) -> tuple[Row, ...]:
    head, *lines = read_cells(path) or [[]]
    named = [name for name in head if name]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise UserError(f"{path} has two columns {twice[:60]!r}; rename or remove one")
    rows = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(head):
            raise UserError(f"{path}, row {number}: {len(cells)} cells where the first row names {len(head)} columns")
        rows.append(dict(zip(head, cells, strict=True)))
    return tuple(rows)


def rows_by(path: Path, column: str) -> dict[str, Row]:
    """Return the rows of a .tsv by what stands in one column."""
    return _rows_by(path, column, *_state(path))


@lru_cache(maxsize=64)
def _rows_by(path: Path, column: str, changed: int, size: int) -> dict[str, Row]:
    return {row.get(column, ""): row for row in read_table(path)}


def read_cells(path: Path) -> list[list[str]]:
    """Return the cells of a .tsv, without empty lines; ``n/a`` is an empty text.

    Raises:
        UserError: the file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return [["" if cell.strip() == "n/a" else cell.strip() for cell in line.split("\t")] for line in lines if line]


def _state(path: Path) -> tuple[int, int]:
    """Return time and size of a small file, whose content is then known to be here."""
    try:
        status = path.stat()
    except OSError:
        refuse_pointer(path)
        raise
    if status.st_size < SMALLEST:
        refuse_pointer(path)
    return status.st_mtime_ns, status.st_size


def number_in(cell: str) -> float:
    """Return the number that a cell holds.

    Raises:
        ValueError: it holds none; Python passes over ``_`` in numbers, which others do not.
    """
    if "_" in cell:
        raise ValueError(f"could not convert string to float: {cell[:60]!r}")
    return float(cell)


def read_settings(path: Path | None) -> Settings:
    """Return what the key ``bids`` of a ``cpep.json`` says; the defaults without one.

    Raises:
        UserError: a key is unknown or of the wrong type.
    """
    said = read_json([path]).get("bids", {}) if path else {}
    if not isinstance(said, dict):
        raise UserError(f'{path}: \'bids\' must be an object, such as {{"unit": "uV"}}')
    known = Settings.__dataclass_fields__
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UserError(f"{path}: unknown key 'bids.{key}'; did you mean '{near}'?")
    ignore, hold = said.get("ignore", []), said.get("zero_duration_s", Settings.zero_duration_s)
    if not isinstance(ignore, list) or not all(isinstance(text, str) for text in ignore):
        raise UserError(f"{path}: 'bids.ignore' must be a list of texts")
    if isinstance(hold, bool) or not isinstance(hold, int | float) or not 0 < hold < 60:
        raise UserError(f"{path}: 'bids.zero_duration_s' must be a number of seconds between 0 and 60")
    for key in ("unit", "tracksys"):
        if not isinstance(said.get(key, ""), str):
            raise UserError(f"{path}: 'bids.{key}' must be a text")
    ignored = tuple(ignore) if "ignore" in said else Settings.ignore
    return Settings(said.get("unit", ""), float(hold), ignored, said.get("tracksys", ""))
