"""Reads the columns of a text table that a sidecar asks for, block by block, so that memory stays bounded."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers.dialect import HEAD, Asked, Dialect, encoding_of, find_dialect
from cpep.data.readers.encodings import CYRILLIC, SYSTEMS, WESTERN, encoding_by_words, longest_word
from cpep.data.readers.unpacked import Unpacked
from cpep.types import BoolArray, IntArray, UserError

BLOCK = 1 << 23
"""Characters that are parsed at once; they take about ten times their size for a moment."""
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "#N/A", "<NA>")
"""What stands for a missing number."""

LONGEST_CELL = 250
"""Characters of a cell that is no number: a label, a date."""
MOST_COLUMNS = 10_000

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Delimited:
    """Some columns of a text table.

    Attributes:
        fields: by what the sidecar calls them: numbers, or texts where a cell is no number or texts were asked for.
        lines: number of the line of each row, from 1.
        dialect: how the table is written.
        notes: what was odd.
    """

    fields: Columns
    lines: IntArray
    dialect: Dialect
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Block:
    """Whole lines of a table: their bytes, the number of each, and which hold separators alone."""

    data: bytes
    lines: IntArray
    bare: BoolArray


def read_delimited(path: Path, asked: Asked) -> Delimited:
    """Read the columns that are asked for.

    Raises:
        UserError: the encoding is another, the columns are not there, or a line has more or fewer cells than names.
        OSError, EOFError, zlib.error: the file cannot be read to its end.
    """
    try:
        with _opened(path, asked) as file:
            head = file.read(HEAD)
            whole = head if len(head) < HEAD else head[: head.rfind("\n") + 1] or head
            dialect = find_dialect(whole, path, asked)
            if len(dialect.names) > MOST_COLUMNS:
                raise UserError(f"{path} has {len(dialect.names):,} columns; at most {MOST_COLUMNS:,} are read")
            dialect = replace(dialect, notes=(*dialect.notes, *_doubts(whole, asked)))
            return _read(_blocks(file, head, dialect, path), path, asked, dialect)
    except UnicodeDecodeError as error:
        raise _not_text(path, asked, error) from error
    except LookupError as error:
        raise UserError(
            f"{asked.sidecar}: 'encoding' is {asked.encoding!r}, which is none; try \"cp1252\""
        ) from error


@contextmanager
def _opened(path: Path, asked: Asked) -> Iterator[IO[str]]:
    """Open a table, packed or not, as text whose lines all end in one newline."""
    packed = path.name.lower().endswith(".gz")
    with Unpacked(path) if packed else path.open("rb") as raw:
        encoding = encoding_of(raw.peek(1000)[:1000], path, asked)
        with io.TextIOWrapper(raw, encoding=encoding, newline=None) as file:
            yield file


def _read(blocks: Iterator[_Block], path: Path, asked: Asked, dialect: Dialect) -> Delimited:
    parts: dict[str, list[npt.NDArray[Any]]] = {str(name): [] for name in (*asked.numbers, *asked.texts)}
    lines: list[IntArray] = [np.zeros(0, np.int64)]
    bare: list[BoolArray] = [np.zeros(0, bool)]
    for block in blocks:
        for name, values in _parsed(block, asked, dialect, path).items():
            parts[name].append(values)
        lines.append(block.lines)
        bare.append(block.bare)
    line_T, bare_T = np.concatenate(lines), np.concatenate(bare)
    rows = len(bare_T) - int(np.argmin(bare_T[::-1])) if not bare_T.all() else 0  # spreadsheets end in such lines
    fields: Columns = {}
    while parts:
        name, arrays = parts.popitem()
        fields[name] = (np.concatenate(arrays) if arrays else np.zeros(0))[:rows]
    line_T = line_T[:rows]
    blank = int(line_T[-1] - dialect.first - rows) if rows else 0
    notes = dialect.notes
    if blank:
        notes = (*notes, f"{blank:,} blank line{'' if blank == 1 else 's'} between its rows")
    return Delimited(fields, line_T, dialect, notes)


def _blocks(file: IO[str], head: str, dialect: Dialect, path: Path) -> Iterator[_Block]:
    """Yield the lines after the names of the columns, without blank ones."""
    rest = head.split("\n", dialect.first)[-1] if head.count("\n") >= dialect.first else ""
    number = dialect.first + 1
    for chunk in chain(iter(lambda: file.read(BLOCK), ""), [""]):
        text, newline, tail = (rest + chunk).rpartition("\n")
        if not chunk:
            text, newline, tail = rest.removesuffix("\n"), "\n" if rest else "", ""
        if newline:
            yield _checked(text + newline, number, not chunk, dialect, path)
            number += text.count("\n") + 1
        rest = tail


def _checked(text: str, number: int, last: bool, dialect: Dialect, path: Path) -> _Block:
    """Return whole lines, of which each has one cell for every name, without the blank ones.

    Raises:
        UserError: a line has more or fewer cells, a quotation mark is not closed, or bytes are zero.
    """
    separator = dialect.separator
    if separator == " ":
        separator, text = "\t", "".join("\t".join(line.split()) + "\n" for line in text[:-1].split("\n"))
    data = text.encode()
    end_K, count_K = _ends_and_counts(data, separator, number, path)
    length_K = np.diff(end_K, prepend=-1) - 1
    wanted = len(dialect.names) - 1
    odd_K = (count_K != wanted) | (length_K == 0)
    if dialect.closed:
        odd_K |= np.frombuffer(data, np.uint8)[end_K - 1] != ord(separator)
    keep_K, bare_K = np.ones(len(end_K), bool), (length_K == count_K) & (wanted > 0)
    lines = data.splitlines(keepends=True) if odd_K.any() else []
    for k in np.flatnonzero(odd_K):
        line = lines[k].decode()
        if not line.strip():
            keep_K[k], lines[k] = False, b""
        elif not line.strip(f"{separator} \n"):
            bare_K[k], lines[k] = True, (separator * wanted + "\n").encode()
        elif count_K[k] != wanted or not line.rstrip(" \n").endswith(separator):
            ends = last and not b"".join(lines[k + 1 :]).strip()
            raise _ragged(path, number + int(k), int(count_K[k]) + 1, wanted + 1 - dialect.closed, ends)
    data = b"".join(lines) or data if keep_K.any() else b""
    return _Block(data, (number + np.arange(len(end_K)))[keep_K], bare_K[keep_K])


def _ends_and_counts(data: bytes, separator: str, number: int, path: Path) -> tuple[IntArray, IntArray]:
    """Return where each line ends, and how many separators it has outside of quotation marks."""
    byte_B = np.frombuffer(data, np.uint8)
    end_K, at_B = np.flatnonzero(byte_B == ord("\n")), np.flatnonzero(byte_B == ord(separator))
    if b'"' in data:
        quoted_B = np.cumsum(byte_B == ord('"'), dtype=np.uint8) % 2 == 1
        if (open_K := quoted_B[end_K]).any():
            raise UserError(f"{path}, line {number + np.argmax(open_K)}: a quotation mark is not closed; close it")
        at_B = at_B[~quoted_B[at_B]]
    if b"\0" in data:
        line = number + data[: data.index(b"\0")].count(b"\n")
        raise UserError(f"{path}, line {line} holds zero bytes: the file seems damaged there; copy it again")
    return end_K, np.diff(np.searchsorted(at_B, end_K), prepend=0)


def _ragged(path: Path, line: int, found: int, names: int, ends: bool) -> UserError:
    what = f"{path}, line {line}: {found} cells under {names} column names"
    if ends and found < names:
        return UserError(f"{what}; the file seems cut off there: copy it again, or delete this last line")
    return UserError(what)


def _parsed(block: _Block, asked: Asked, dialect: Dialect, path: Path) -> Columns:
    """Return the columns that are asked for.

    Raises:
        UserError: a cell is longer than any label: arrays of texts take as much for each cell as for the longest.
    """
    import pandas as pd  # takes as long to import as the rest of the reader: only who reads tables waits for it

    texts = {str(name): dialect.at(name) for name in asked.texts}
    numbers = {str(name): dialect.at(name) for name in asked.numbers if str(name) not in texts}
    places = sorted({*texts.values(), *numbers.values()})
    if not block.data:
        return {}
    frame = pd.read_csv(
        io.BytesIO(block.data),
        sep="\t" if dialect.separator == " " else dialect.separator,
        decimal=dialect.decimal,
        header=None,
        names=list(range(len(dialect.names))),
        usecols=places,
        index_col=False,
        dtype=dict.fromkeys(texts.values(), "category"),
        na_values={place: list(MISSING) for place in numbers.values()},
        keep_default_na=False,
        skipinitialspace=True,
        skip_blank_lines=False,
        low_memory=False,
        encoding="utf-8",
    )
    for name, place in (numbers | texts).items():
        if frame[place].dtype.kind == "O":
            longest = frame[place].astype(str).str.len()
            if longest.max() > LONGEST_CELL:
                raise UserError(
                    f"{path}, line {block.lines[int(longest.argmax())]}: {name!r} has a cell of {longest.max():,} "
                    f"characters, more than the {LONGEST_CELL} of a number, a label or a date; correct it"
                )
    fields = {name: _numbers(frame[place]) for name, place in numbers.items()}
    return fields | {name: _texts(frame[place], dialect.decimal) for name, place in texts.items()}


def _numbers(column: Any) -> npt.NDArray[Any]:
    """Return numbers; texts where a cell is something else."""
    if column.dtype.kind in "iufb":
        return np.asarray(column.to_numpy())
    return np.char.strip(np.array(["" if value != value else str(value) for value in column], dtype=np.str_))


def _texts(column: Any, decimal: str) -> npt.NDArray[Any]:
    """Return texts as they are written; but 1,0 where the comma is the decimal sign is the integer 1."""
    found = [str(value) for value in column.cat.categories]
    if decimal == ",":
        found = [re.sub(r"^\s*([+-]?\d+),0+\s*$", r"\1", value) for value in found]
    names = np.array([*found, ""], dtype=np.str_)  # the last for a missing one, of code -1
    return np.asarray(np.char.strip(names)[column.cat.codes.to_numpy()])


def _doubts(head: str, asked: Asked) -> list[str]:
    """Return a note where a sidecar says that a text is Western, and its words are Cyrillic."""
    if asked.encoding.lower() not in (WESTERN, "windows-1252", "latin-1", "latin1", "iso-8859-1"):
        return []
    data = head.encode(asked.encoding, "ignore")
    if encoding_by_words(data) != CYRILLIC:
        return []
    word = longest_word(data)
    return [
        f"its words are no Western ones, as {word.decode(asked.encoding, 'replace')!r}; if "
        f'{word.decode(CYRILLIC, "replace")!r} is right, say in {asked.sidecar.name} "encoding": "{CYRILLIC}"'
    ]


def _not_text(path: Path, asked: Asked, error: UnicodeDecodeError) -> UserError:
    if asked.encoding:
        return UserError(
            f"{path} is not text in {asked.encoding}, as {asked.sidecar} says ({error.reason}); correct it"
        )
    encoding = encoding_by_words(error.object)
    if not encoding:
        return UserError(f"{path} is not UTF-8 text; save it as UTF-8 (in Excel: CSV UTF-8)")
    near = error.object[max(0, error.start - 20) : error.start + 20].decode(encoding, "replace")
    at = min(20, error.start)
    before, after = re.split(r"[,;\t\n\r]", near[:at]), re.split(r"[,;\t\n\r]", near[at:])
    return UserError(
        f"{path} is not UTF-8 text; save it as UTF-8, or, if {before[-1] + after[0]!r} in it is right, say in "
        f'{asked.sidecar.name} that {SYSTEMS[encoding]} wrote it: "encoding": "{encoding}"'
    )
