"""How a text table is written: encoding, lines before the data, separator, decimal sign and names of columns.

Nothing of it is guessed from the looks alone: the sidecar says which columns there must be, so the line that holds
all of their names is the header, and the sign between the names is the separator.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cpep.types import UserError

HEAD = 1 << 20
"""Characters of the beginning by which a table is judged."""
PREAMBLE = 1000
"""Most lines before the names of the columns."""
SEPARATORS = ("\t", ";", ",", "|", " ")
COMMENT = ("%", "#")
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is a part of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
RATE = re.compile(r"(?:sample|sampling)[ _]rate\s*[=:]\s*(\d{1,9}(?:\.\d{1,9})?)\s*(k?)hz", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """The columns that a sidecar asks for, by name, or by number from 0.

    Attributes:
        numbers: columns that are read as numbers, unless they hold something else (a clock may hold dates).
        texts: columns that are read as they are written: labels.
        decimal: the decimal sign, where the sidecar says it; else empty.
        encoding: the encoding, where the sidecar says it; else empty.
        sidecar: who asks, for sentences.
        first_row: number of the line of the first row, from 1, where the sidecar says it; columns then have numbers.
    """

    numbers: tuple[str | int, ...]
    texts: tuple[str, ...]
    decimal: str
    encoding: str
    sidecar: Path
    first_row: int = 0


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        separator: between cells; a space stands for any number of them.
        decimal: ``.`` or ``,``.
        names: of all columns; numbers from 0 where no line names them.
        first: number of lines before the first row.
        rate: samples per second as the lines before the names say it; 0 where they do not.
        notes: what was odd.
        closed: whether each row, other than the names, ends with a separator; the last name is then empty.
    """

    separator: str
    decimal: str
    names: tuple[str, ...]
    first: int
    rate: float = 0.0
    notes: tuple[str, ...] = ()
    closed: bool = False

    def at(self, name: str | int) -> int:
        """Return the place of a column."""
        return name if isinstance(name, int) else self.names.index(name)


def encoding_of(start: bytes, path: Path, asked: Asked) -> str:
    """Return the encoding by the first bytes of a file: what its mark says, else what the sidecar says, else UTF-8.

    Raises:
        UserError: zero bytes stand among the first ones, as in UTF-16, and no mark says so.
    """
    for mark, encoding in BOMS:
        if start.startswith(mark):
            return encoding
    if asked.encoding:
        return asked.encoding
    if b"\0" in start[:4]:
        raise UserError(
            f"{path} holds zero bytes, so it is no UTF-8 text; save it as UTF-8, or say what it is in "
            f'{asked.sidecar.name}: "encoding": "utf-16-le"'
        )
    return "utf-8"


def cells(line: str, separator: str) -> list[str]:
    """Return the cells of one line, without spaces and quotation marks around them.

    >>> cells('1, "a, b" ,3', ",")
    ['1', 'a, b', '3']
    """
    if separator == " ":
        return line.split()
    try:
        row: list[str] = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell of over 131,072 characters
        row = line.split(separator)
    return [cell.strip() for cell in row]


def find_dialect(head: str, path: Path, asked: Asked) -> Dialect:
    """Judge how a table is written, from its beginning.

    Raises:
        UserError: no line names the columns that are asked for, a name stands twice, or the decimal sign is unclear.
    """
    lines = head.split("\n")
    if not head.strip():
        raise UserError(f"{path} is empty; remove it")
    found = _numbered(lines, path, asked) if asked.first_row else _named(lines, asked)
    at, separator, names = found or _counted(lines, path, asked)
    notes: tuple[str, ...] = ()
    if at < 0 and not asked.first_row:
        notes = ("its first line holds numbers, so its columns are called by their number from 0",)
        at = _first_row(lines) - 1
    _refuse_twice(names, path, asked)
    rows = [line for line in lines[at + 1 :] if line.strip()][:1000]
    closed = (
        len(cells(rows[0], separator)) == len(names) + 1 and rows[0].rstrip(" ").endswith(separator)
        if rows
        else False
    )
    names = (*names, "") if closed else names
    dialect = Dialect(separator, ".", names, at + 1, _rate(lines[: at + 1]), notes, closed)
    return replace(dialect, decimal=asked.decimal or _decimal(rows, dialect, path, asked))


def _named(lines: Sequence[str], asked: Asked) -> tuple[int, str, tuple[str, ...]] | None:
    """Return the line, separator and names of the first line that names all columns.

    Of several separators: the one by which the line below has as many cells, else the finest.
    """
    called = {*asked.numbers, *asked.texts}
    wanted = {name for name in called if isinstance(name, str)}
    if not wanted or (wanted != called and all(name.isdecimal() for name in wanted)):
        return None  # all are numbers of columns, which a row may hold as well
    for at, line in enumerate(lines[:PREAMBLE]):
        found = []
        below = next((row for row in lines[at + 1 :] if row.strip()), "")
        for bare in dict.fromkeys((line, line.lstrip("".join(COMMENT)))):
            for separator in SEPARATORS:
                names = tuple(cells(bare, separator))
                if wanted <= set(names):
                    found.append((at, separator, names))
        if found:
            return max(found, key=lambda one: (len(cells(below, one[1])) == len(one[2]), len(one[2])))
    return None


def _numbered(lines: Sequence[str], path: Path, asked: Asked) -> tuple[int, str, tuple[str, ...]]:
    """Return the line before the first row that the sidecar names, the separator, and numbers for names.

    Raises:
        UserError: there is no such line, or columns are asked for by name.
    """
    at = asked.first_row - 2
    wanted = [*asked.numbers, *asked.texts]
    if at + 1 >= len(lines) - (not lines[-1]):
        count = len(lines) - (not lines[-1])
        raise UserError(f"{path} has {count} lines, and {asked.sidecar.name} asks for a first row at {at + 2}")
    if called := [name for name in wanted if not str(name).isdecimal()]:
        raise UserError(
            f"{asked.sidecar}: with 'first_row' columns are called by their number from 0, not {called[0]!r}"
        )
    separator = max(SEPARATORS, key=lambda one: len(cells(lines[at + 1], one)) * _steady(lines[at + 1 :], one))
    return at, separator, tuple(map(str, range(len(cells(lines[at + 1], separator)))))


def _counted(lines: Sequence[str], path: Path, asked: Asked) -> tuple[int, str, tuple[str, ...]]:
    """Return line (-1 where there is none), separator and names of a table whose columns are asked for by number."""
    at = _first_row(lines)
    separator = max(SEPARATORS, key=lambda one: len(cells(lines[at], one)) * _steady(lines[at:], one))
    names = tuple(cells(lines[at], separator))
    wanted = [*asked.numbers, *asked.texts]
    headless = sum(bool(NUMBER.fullmatch(name)) for name in names) * 2 > len(names)
    if missing := [name for name in wanted if not str(name).isdecimal()]:
        if headless:
            raise UserError(
                f"{path} does not name its columns: line {at + 1}, its first, holds numbers; write their names "
                f"there, or call columns by their number from 0 in {asked.sidecar.name}"
            )
        _refuse_twice(names, path, asked)
        absent = [name for name in missing if name not in names]
        raise UserError(
            f"{path} has no {(absent or missing)[0]!r}, which {asked.sidecar.name} asks for; it has "
            f"{', '.join(sorted(filter(None, names))[:20])}"
        )
    if over := [name for name in wanted if int(name) >= len(names)]:
        raise UserError(f"{path} has {len(names)} columns, numbered from 0; {asked.sidecar.name} asks for {over[0]}")
    numbers = tuple(map(str, range(len(names))))
    if not headless and all(isinstance(name, int) for name in wanted):
        return at, separator, names
    return (-1 if headless else at), separator, numbers


def _first_row(lines: Sequence[str]) -> int:
    """Return the first line that is neither blank nor a comment."""
    return next((k for k, line in enumerate(lines) if line.strip() and not line.startswith(COMMENT)), 0)


def _steady(lines: Sequence[str], separator: str) -> bool:
    """Tell whether the first lines have the same number of cells."""
    return len({len(cells(line, separator)) for line in lines[:20] if line.strip()}) <= 1


def _refuse_twice(names: Sequence[str], path: Path, asked: Asked) -> None:
    for name in (*asked.numbers, *asked.texts):
        if isinstance(name, str) and names.count(name) > 1:
            raise UserError(f"{path} has two columns {name!r}; rename or remove one")
        if isinstance(name, int) and name >= len(names):
            raise UserError(f"{path} has {len(names)} columns, numbered from 0; {asked.sidecar.name} asks for {name}")
        if isinstance(name, int) and str(name) in names and names.index(str(name)) != name:
            raise UserError(
                f"{path}: column number {name} is not the one that is called {name}; write the names of columns "
                f"as texts in {asked.sidecar.name}"
            )


def _rate(lines: Iterable[str]) -> float:
    found = next(filter(None, map(RATE.search, lines)), None)
    return float(found[1]) * (1000 if found[2] else 1) if found else 0.0


def _decimal(rows: Sequence[str], dialect: Dialect, path: Path, asked: Asked) -> str:
    """Return the decimal sign of the columns of numbers.

    Raises:
        UserError: a comma may be the decimal sign or stand between thousands.
    """
    if dialect.separator == ",":
        return "."
    places = [dialect.at(name) for name in asked.numbers]
    parted = [cells(row, dialect.separator) for row in rows]
    found = {row[place] for row in parted for place in places if place < len(row)}
    numbers = {cell for cell in found if NUMBER.fullmatch(cell)}
    commas = {cell for cell in numbers if "," in cell}
    if not commas or any("." in cell for cell in numbers):
        return "."  # where commas are there too, their cells are no numbers, and are refused as such
    whole = any(cell.lstrip("+-").isdecimal() for cell in numbers)
    if all(map(GROUPED.fullmatch, commas)) and (whole or dialect.separator != ";"):
        raise UserError(
            f"{path}: {min(commas)!r} may be a number of thousands or a fraction; write numbers without "
            f'thousands separators, or say in {asked.sidecar.name} what the comma is: "decimal": ","'
        )
    return ","
