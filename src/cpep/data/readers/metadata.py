"""metadata.csv of emg2pose: what each file is and to which split it belongs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cpep.data.readers.registry import SplitTable
from cpep.runtime.files import MOST_ROWS, read_bytes, write_text
from cpep.types import UserError

METADATA = "metadata.csv"

IDENTIFYING = frozenset(("user", "session", "stage", "side", "split", "filename"))
"""Columns without which a line says of no file what it is."""

FILE_ENDING = re.compile(r"\.(hdf5|h5|npz|mat|edf|bdf|xdf|(csv|tsv|txt)(\.gz)?)$", re.IGNORECASE)

HANDS = ("_both", "_left", "_right")


def plain_stage(stage: str) -> str:
    """Return the name of a stage without the suffix of the prompted hand.

    >>> plain_stage("IndividualFingerPointingSnap_both")
    'IndividualFingerPointingSnap'
    """
    for suffix in HANDS:
        stage = stage.removesuffix(suffix)
    return stage


@dataclass(frozen=True)
class MetadataRow:
    """One line of metadata.csv: what a file is and to which split it belongs.

    Attributes:
        filename: name of the file without ``.hdf5``.
        split: ``train``, ``val`` or ``test``.
        generalization: ``user``, ``stage`` or ``user_stage`` where the file is held out.
        start: first sample, unix seconds.
        end: last sample, unix seconds.
    """

    user: str
    session: str
    stage: str
    side: str
    moving_hand: str = ""
    held_out_user: bool = False
    held_out_stage: bool = False
    split: str = ""
    generalization: str = ""
    start: float = 0.0
    end: float = 0.0
    filename: str = ""


def write_metadata(folder: Path, rows: Sequence[MetadataRow]) -> None:
    """Write ``folder/metadata.csv`` atomically, in the column order of emg2pose."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(MetadataRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(folder / METADATA, text.getvalue())


def read_metadata(folder: Path) -> list[MetadataRow]:
    """Read ``folder/metadata.csv``; see ``parse_metadata``."""
    return parse_metadata(folder / METADATA)


def parse_metadata(path: Path, required: Collection[str] = IDENTIFYING) -> list[MetadataRow]:
    """Read a file with the columns of metadata.csv; other columns are ignored.

    Spreadsheets may have written it anew: with a mark before the text, with ``;`` or tabs, or ``Test``.

    Raises:
        UserError: the file is missing, lacks a required column, or holds a wrong number or split.
    """
    try:
        text = read_bytes(path, MOST_ROWS).decode("utf-8-sig")
        reader = csv.DictReader(
            io.StringIO(text, newline=""), strict=True, delimiter=_separator(text), skipinitialspace=True
        )
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        lines, columns = list(reader), set(names)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable as CSV ({error}); fetch it again") from error
    if missing := sorted(set(required) - columns):
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}; fetch it again")
    return [_metadata_row(line, number, path) for number, line in enumerate(lines, start=2)]


def _separator(text: str) -> str:
    """Return what separates the columns, by the first line."""
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _metadata_row(line: dict[str, str | None], number: int, path: Path) -> MetadataRow:
    """Parse one line; an empty cell keeps the field's default."""
    values: dict[str, Any] = {}
    for field in fields(MetadataRow):
        cell = (line.get(field.name) or "").strip()
        if field.type == "str":
            values[field.name] = cell
        elif cell and field.type == "bool":
            values[field.name] = cell.lower() in ("true", "1")
        elif cell:
            try:
                values[field.name] = float(cell)
                if not abs(values[field.name]) < 1e12:  # so is NaN
                    raise ValueError
            except ValueError as error:
                raise UserError(f"{path}, line {number}: {field.name} is {cell[:40]!r}, not a number") from error
    values["split"] = values["split"].casefold()
    if values["split"] not in ("", "train", "val", "test"):
        raise UserError(
            f"{path}, line {number}: split is {line.get('split')!r}; it must be train, val, test or empty"
        )
    values["filename"] = values["filename"].removesuffix(".hdf5")
    return MetadataRow(**values)


def _splits(path: Path) -> dict[str, str]:
    """Return splits by the names of files, without folders and endings.

    Raises:
        UserError: a file is listed twice, with different splits.
    """
    found: dict[str, tuple[str, int]] = {}
    for number, row in enumerate(parse_metadata(path, ("filename", "split")), start=2):
        name = FILE_ENDING.sub("", row.filename.replace("\\", "/").rpartition("/")[2])
        split, before = found.setdefault(name, (row.split, number))
        if split != row.split:
            raise UserError(
                f"{path}: {name} is {split or 'of no split'} in line {before} and {row.split or 'of no split'} in "
                f"line {number}; leave one of them"
            )
    return {name: split for name, (split, _) in found.items()}


def _foreign(path: Path) -> str:
    """Say why a metadata.csv lists no splits: many data sets call their list of people so."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(1 << 16)
    columns = {name.strip().strip('"') for name in first.split(_separator(first))}
    for column in ("filename", "split"):
        if column not in columns:
            return f"it has no column {column!r}, so it is no table of splits and is passed over"
    return ""


SPLITS = SplitTable(METADATA, _splits)
"""metadata.csv as a table of splits, which emg2pose has."""
MAYBE_SPLITS = SplitTable(METADATA, _splits, _foreign)
"""The same beside recordings of anybody, which may be another table that is called so."""
