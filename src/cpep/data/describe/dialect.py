"""How a text table is written: encoding, separator, decimal sign, the lines above it, its names."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpep.data.readers.unpacked import Unpacked
from cpep.types import UserError

HEAD_BYTES = 1 << 18
"""How much of a text is looked at for its dialect: an export with 500 lines of notes has 50 kB of them."""
SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "blanks"}
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$")
THOUSANDS = re.compile(r'"-?\d{1,3}(,\d{3})+(\.\d+)?"')
MISSING = ("", "nan", "na", "n/a", "null", "none", "inf", "-inf")
MOST_NAMED = 12
"""A line with half as many texts names columns, however many there are."""
DATA_LINES = 40
"""Lines at the end of the head from which the dialect is taken."""
OTHER_ALPHABET = re.compile(r"[^\0-\x7f]{3,}")
"""So many letters beyond ASCII in a row are of an alphabet that cp1252 does not have, such as the Cyrillic one."""


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes:
        encoding: as Python calls it.
        separator: of cells; a blank stands for any number of them.
        decimal: point or comma.
        above: lines above the first row, the names among them.
        names: of the columns; empty where the table has none.
        cells: number of cells in a row.
    """

    encoding: str
    separator: str
    decimal: str
    above: tuple[str, ...]
    names: tuple[str, ...]
    cells: int


def dialect_of(path: Path) -> Dialect:
    """Return how a text table is written.

    Raises:
        UserError: it is no text, or has no rows that are alike.
    """
    encoding, text = _head(path)
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise UserError(f"{path} is empty; remove it")
    separator, decimal = _separator(path, lines)
    split = [_cells(line, separator) for line in lines]
    first = _first_row(split, decimal)
    width = max(len(row) for row in split[first:])
    names = _names(split[:first], width)
    if separator == "," and names and len(split[first]) >= 2 * len(names) - 1 > 1:
        raise UserError(
            f"{path} has commas both between cells and in numbers: {len(names)} names over {len(split[first])} "
            "cells; export it again with semicolons or tabs between cells, or with decimal points"
        )
    return Dialect(encoding, separator, decimal, tuple(lines[:first]), names, max(len(names), width))


def opened(path: Path) -> Any:
    """Open a text table for reading bytes, unpacked where it is packed."""
    return Unpacked(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _head(path: Path) -> tuple[str, str]:
    """Return the encoding and the text of the first whole lines."""
    try:
        with opened(path) as file:
            data = file.read(HEAD_BYTES)
            whole = not file.read(1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in data:
        raise UserError(f"{path} is no text; export it as a table of text (.csv)")
    if not whole:
        data = data[: len(data) // 2 * 2]
    try:
        text = data.decode(encoding, errors="strict" if whole else "ignore")
        if not whole and encoding == "utf-8-sig":
            data[:-4].decode(encoding)
    except UnicodeDecodeError:
        encoding, text = "cp1252", _western(data, path)
    return encoding, text if whole else text[: text.rfind("\n") + 1]


def _western(data: bytes, path: Path) -> str:
    """Return text in the code page of Western Windows.

    Raises:
        UserError: it is in another one.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text, odd = "", ""
    else:
        odd = found[0] if (found := OTHER_ALPHABET.search(text)) else ""
    if odd or not text:
        why = f" ({odd[:20]!r} would be a word of it)" if odd else ""
        raise UserError(
            f"{path} is neither UTF-8 nor Western Windows (cp1252) text{why}; save it as UTF-8 (in Excel: CSV UTF-8)"
        )
    return text


def _cells(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    import csv

    try:
        row: list[str] = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell of over 131,072 characters
        row = line.split(separator)
    return [cell.strip() for cell in row]


def _is_number(cell: str, decimal: str) -> bool:
    if decimal == "." and "," in cell:
        return False
    return NUMBER.match(cell) is not None


def _separator(path: Path, lines: list[str]) -> tuple[str, str]:
    """Return separator and decimal mark under which the last lines have the most numbers, in as many cells each."""
    sample = [line for line in lines if line.strip()][-DATA_LINES:]
    best: tuple[float, int, str, str] = (0.0, 0, "", ".")
    for separator in SEPARATORS:
        for decimal in (".", ",") if separator != "," else (".",):
            split = [_cells(line, separator) for line in sample]
            count = Counter(len(row) for row in split).most_common(1)[0][0]
            rows = [row for row in split if len(row) == count]
            filled = [cell for row in rows for cell in row if cell.lower() not in MISSING]
            numbers = sum(_is_number(cell, decimal) for cell in filled)
            share = numbers / max(len(filled), 1) * len(rows) / len(split)
            if numbers and (share, count) > best[:2]:
                best = (share, count, separator, decimal)
    if any(THOUSANDS.search(line) for line in sample):
        raise UserError(f"{path} has commas between thousands, as in 1,234.5; export numbers without them")
    if not best[2] or best[0] < 0.2:
        raise UserError(f"{path} is no table: its lines are not rows of numbers alike")
    return best[2], best[3]


def _first_row(split: list[list[str]], decimal: str) -> int:
    """Return the number of the first line that is like the last ones: numbers where they have numbers."""
    sample = split[-DATA_LINES:]
    width = Counter(len(row) for row in sample).most_common(1)[0][0]
    rows = [row for row in sample if len(row) == width]
    numeric = [k for k in range(width) if 2 * sum(_is_number(row[k], decimal) for row in rows) > len(rows)]
    first = len(split)
    for number in range(len(split) - 1, -1, -1):
        row = split[number]
        if not any(row):
            continue
        there = [k for k in numeric if k < len(row) and row[k].lower() not in MISSING]
        if not there or 2 * sum(_is_number(row[k], decimal) for k in there) <= len(there):
            break
        first = number
    first = min(first, len(split) - 1)
    return first + 1 if _is_counted(split, first) else first


def _is_counted(split: list[list[str]], first: int) -> bool:
    """Tell whether a first row is the numbers of the columns, as tables without names are saved: 0, 1, 2, ..."""
    whole = [cell for cell in split[first] if cell.isdecimal()]
    counted = whole in ([str(k) for k in range(len(whole))], [str(k + 1) for k in range(len(whole))])
    return len(whole) > 2 and counted and first + 1 < len(split) and split[first + 1] != split[first]


def _names(above: list[list[str]], width: int) -> tuple[str, ...]:
    """Return the names of columns: the line above the rows with the most texts, of several the first.

    Names are missing for at most half of the columns; lines of notes have fewer cells.
    """
    best: list[str] = []
    for row in above:
        if _texts(row) > _texts(best):
            best = row
    if above and _is_counted([*above, []], len(above) - 1):
        best = above[-1]
    elif 2 * _texts(best) < min(width, MOST_NAMED):
        return ()
    return tuple(cell.strip('"').lstrip("%#").strip() for cell in best)


def _texts(row: list[str]) -> int:
    return sum(bool(cell) and not _is_number(cell, ",") for cell in row)
