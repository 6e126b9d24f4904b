"""A look at a file: its columns or arrays as values, with the lines above them.

Text tables come in the dialects that programs write: comma, tab, semicolon or blanks between cells, a decimal point
or comma, UTF-8 or UTF-16 with or without a mark, lines of notes above the names, no names. The dialect is taken from
the rows, which are alike, and not from the first line, which may be anything.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.describe.dialect import Dialect, dialect_of, opened
from cpep.data.readers.delimited import LONGEST_CELL
from cpep.runtime.files import refuse_special
from cpep.types import UserError

LOOK_ROWS = 200_000
"""Rows that are looked at; only labels are looked at whole."""
MANY = 100
"""So many values are a signal's, and not labels."""
MOST_COLUMNS = 1000
"""Cells of a row; no device has as many channels."""


@dataclass(frozen=True, eq=False)
class Column:
    """One value for every row.

    Attributes:
        key: what a sidecar calls it: a name, or a number where names are missing or the same name is there twice.
        name: the name in the file; empty where it has none.
        values: numbers (rows,), NaN where a cell is empty; or texts.
        number: of the column in a text table, from 0.
    """

    key: str | int
    name: str
    values: npt.NDArray[Any]
    number: int = -1

    @property
    def is_text(self) -> bool:
        """Whether it holds something else than numbers."""
        return self.values.dtype.kind not in "biuf"


@dataclass(frozen=True, eq=False)
class Look:
    """What a file holds.

    Attributes:
        path: the file.
        columns: of a text table; or the arrays of one value a row.
        blocks: arrays (rows, columns) of an .npz or a .mat.
        single: single values by name, such as a rate.
        dialect: of a text table; ``None`` for arrays.
        lying: arrays of one value a row that lie on their side, (1, rows).
        unread: what the file holds beside, and cpep does not read.
    """

    path: Path
    columns: tuple[Column, ...]
    blocks: dict[str, npt.NDArray[Any]]
    single: dict[str, Any]
    dialect: Dialect | None
    lying: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that were looked at."""
        return max((len(column.values) for column in self.columns), default=0)

    @property
    def above(self) -> tuple[str, ...]:
        """Lines above the table."""
        return self.dialect.above if self.dialect else ()

    def column(self, key: str | int) -> Column | None:
        """Return a column by what a sidecar calls it."""
        return next((column for column in self.columns if column.key == key), None)


def look_at_table(path: Path, rows: int = LOOK_ROWS) -> Look:
    """Look at a text table.

    Raises:
        UserError: it is no text, or no table.
    """
    refuse_special(path)
    dialect = dialect_of(path)
    if dialect.cells > MOST_COLUMNS:
        raise UserError(f"{path} has {dialect.cells:,} cells in a row; at most {MOST_COLUMNS:,} are described")
    keys = _keys(dialect)
    columns = read_columns(path, dialect, range(dialect.cells), rows)
    named = [*dialect.names, *[""] * dialect.cells][: dialect.cells]
    numbered = enumerate(zip(keys, named, columns, strict=True))
    found = [Column(key, name, values, number) for number, (key, name, values) in numbered]
    kept = tuple(column for column in found if column.name or not _is_empty(column.values))
    if not any(len(column.values) for column in kept):
        raise UserError(f"{path} has no rows")
    return Look(path, kept, {}, {}, dialect)


def read_columns(path: Path, dialect: Dialect, wanted: Sequence[int], rows: int | None) -> list[npt.NDArray[Any]]:
    """Read some columns of a table, by number, as numbers where they are numbers and as texts where not.

    Raises:
        UserError: the table cannot be read.
    """
    import pandas

    blanks = dialect.separator == " "
    try:
        with opened(path) as file:
            frame = pandas.read_csv(
                file,
                sep=r"\s+" if blanks else dialect.separator,
                decimal=dialect.decimal,
                encoding=dialect.encoding,
                header=None,
                names=range(dialect.cells),
                usecols=list(wanted),
                index_col=False,
                skiprows=len(dialect.above),
                nrows=rows,
                skipinitialspace=not blanks,
                low_memory=False,
            )
    except UserError:
        raise
    except (ValueError, OverflowError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not readable as a table ({error})") from error
    frame = frame.dropna(how="all")
    return [_values(frame[number]) for number in wanted]


def _values(series: Any) -> npt.NDArray[Any]:
    """Return numbers, or texts; a signal with some cells that are none is numbers, and the reader names the cells."""
    import pandas

    if series.dtype.kind in "biuf":
        values = np.asarray(series.to_numpy())
        return np.where(np.isfinite(values), values, np.nan) if values.dtype.kind == "f" else values
    numbers = pandas.to_numeric(series, errors="coerce")
    if numbers.nunique() > MANY and numbers.notna().sum() > 0.9 * series.notna().sum():
        return np.asarray(numbers.to_numpy())
    texts = series.fillna("").astype(str)
    return np.char.strip(texts.str.slice(stop=LONGEST_CELL).to_numpy(dtype=np.str_))


def _is_empty(values: npt.NDArray[Any]) -> bool:
    return bool(np.isnan(values).all()) if values.dtype.kind == "f" else False


def _keys(dialect: Dialect) -> list[str | int]:
    """Return what a sidecar calls each column: its name where it is the only one of that name."""
    counts = Counter(dialect.names)
    names = [*dialect.names, *[""] * dialect.cells][: dialect.cells]
    return [name if name and counts[name] == 1 else number for number, name in enumerate(names)]
