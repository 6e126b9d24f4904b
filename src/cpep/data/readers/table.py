"""Named arrays of a generic recording, read from .npz or a text table and checked as they are used."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers.clock import seconds
from cpep.data.readers.delimited import read_delimited
from cpep.data.readers.dialect import Asked
from cpep.data.readers.labels import indices
from cpep.data.readers.mat import read_columns
from cpep.data.readers.shapes import one_value_a_row, refuse_epochs, refuse_transposed
from cpep.data.readers.sidecar import Block, Sidecar
from cpep.data.readers.unpacked import read_npz
from cpep.runtime.files import refuse_special
from cpep.types import UNKNOWN, FloatArray, IntArray, UserError

ENDINGS = re.compile(r"\.(npz|mat|(csv|tsv|txt)(\.gz)?)$", re.IGNORECASE)

MOST_CUT = 0.1
"""Share of the rows that are left out at most, since they hold no EMG."""

LARGEST_NUMBER = 1e12
"""No sample or packet has a larger number."""

SAME_RATE = 0.01
"""Share by which the rate in a file's own first lines may differ from the sidecar's."""


def stem(path: Path) -> str:
    """Return the name of a file without its ending.

    >>> stem(Path("walk.1.csv.gz")), stem(Path("S1.npz")), stem(Path("OpenBCI-RAW.TXT"))
    ('walk.1', 'S1', 'OpenBCI-RAW')
    """
    return ENDINGS.sub("", path.name)


@dataclass(frozen=True, eq=False)
class Table:
    """The named arrays of an .npz or a .mat, or the columns of a text table that the sidecar asks for.

    Attributes:
        fields: numbers or texts, by what the sidecar calls them.
        lines: number of the line of each row of a text table; ``None`` for arrays.
        notes: what was odd.
    """

    path: Path
    said: Sidecar
    fields: dict[str, npt.NDArray[Any]]
    lines: IntArray | None
    notes: tuple[str, ...] = ()

    def field(self, name: str | int) -> npt.NDArray[Any]:
        """Return an array or column by its name."""
        if str(name) not in self.fields:
            raise UserError(
                f"{self.path} has no {name!r}, which {self.said.path.name} asks for; it has "
                f"{', '.join(sorted(self.fields))}"
            )
        return self.fields[str(name)]

    def numbers(self, name: str | int) -> FloatArray:
        """Return an array or column as float64; an empty cell is NaN."""
        array = self.field(name)
        if array.dtype.kind in "SU":
            return self._floats(array, name)
        try:
            return array.astype(np.float64, casting="same_kind" if array.dtype.kind == "c" else "unsafe")
        except (ValueError, TypeError) as error:
            raise UserError(f"{self.path}: {name!r} holds something else than numbers ({error})") from error

    def _floats(self, texts: npt.NDArray[Any], name: str | int) -> FloatArray:
        """Return texts as numbers."""
        values = np.full(texts.shape, np.nan)
        for place, text in np.ndenumerate(texts.astype(np.str_)):
            try:
                if "_" in text:  # which Python passes over in a number
                    raise ValueError
                values[place] = float(text) if text else np.nan
            except ValueError:
                if str(text) == str(name):
                    raise UserError(
                        f"{self._at(place)} holds the names of the columns once more, as in files that were joined; "
                        "remove this line, or give each recording a file of its own"
                    ) from None
                raise UserError(
                    f"{self._at(place)}: {name!r} holds something else than numbers: {str(text)!r}; write numbers as "
                    "1234.5, without units and thousands separators"
                ) from None
        return values

    def _at(self, place: tuple[int, ...]) -> str:
        """Return the file and, of a text table, the line."""
        return f"{self.path}" if self.lines is None else f"{self.path}, line {self.lines[place[0]]}"

    def column(self, name: str, rows: int) -> npt.NDArray[Any]:
        """Return an array of one value for every row of the EMG."""
        values = one_value_a_row(self.field(name), name, self.path)
        self.check_rows(name, values.size, rows)
        return values

    def block(self, block: Block, what: str) -> FloatArray:
        """Return a table of numbers (rows, columns), float32, in the sidecar's unit."""
        if self.lines is None:
            columns = list(self._array(block, what).T)
        elif block.transposed:
            raise UserError(f"{self.said.path}: '{what}' is transposed, which the columns of a text table cannot be")
        else:
            columns = [self.numbers(name) for name in block.takes]
        rows_RC = np.empty((len(columns[0]), len(columns)), np.float32)
        for number, column in enumerate(columns):
            with np.errstate(over="ignore"):
                rows_RC[:, number] = column * block.scale
        if what == "emg" and self.lines is not None:
            self._refuse_holes(rows_RC, block)
        return rows_RC

    def _refuse_holes(self, rows_RC: FloatArray, block: Block) -> None:
        """Refuse EMG that is not finite, as a recording does, by the line of the table."""
        bad_RC = ~np.isfinite(rows_RC)
        if bad_RC.any():
            assert self.lines is not None
            row, number = np.argwhere(bad_RC)[0]
            raise UserError(
                f"{stem(self.path)}: EMG is not finite ({int(bad_RC.sum())} cells are empty or no number; the first "
                f"in line {self.lines[row]}, {block.takes[number]!r}); cut or interpolate these rows before use"
            )

    def _array(self, block: Block, what: str) -> FloatArray:
        """Return the columns that are taken of an array."""
        path, sidecar = self.path, self.said.path
        if not block.field:
            raise UserError(f"{sidecar}: '{what}' needs a field, the name of an array of {path.name}")
        values = self.numbers(block.field)
        values = values[:, None] if values.ndim == 1 else values
        refuse_epochs(values, block.field, path)
        values = values.T if block.transposed else values
        refuse_transposed(
            values,
            block.field,
            (path, what, sidecar.name),
            self._lengths(block),
            rows=0.0 if what == "emg" else self._frames(block),
            names=0 if what == "emg" or block.columns else len(self.said.anchor_names),
            turned=block.transposed,
        )
        numbers = [column for column in block.columns if isinstance(column, int)]
        if len(numbers) < len(block.columns) or not set(numbers) <= set(range(values.shape[1])):
            raise UserError(f"{sidecar}: '{what}.columns' must be numbers below {values.shape[1]}")
        if values.shape[1] == 0:
            raise UserError(f"{path}: {block.field!r} has no columns")
        return values[:, numbers] if numbers else values

    def _lengths(self, block: Block) -> dict[str, int]:
        """Return the lengths of the arrays that go with a block row by row."""
        said = self.said
        others = (said.label, said.prompt, said.repetition) if block is said.emg else ()
        return {name: len(self.fields[name]) for name in (*others, block.clock) if name and self._is_row(name)}

    def _is_row(self, name: str) -> bool:
        return name in self.fields and self.fields[name].ndim == 1

    def _frames(self, anchor: Block) -> float:
        """Return how many frames an anchor should have; 0 where only clocks can tell."""
        said = self.said
        if anchor.clock or (emg := self.fields.get(said.emg.field)) is None or emg.ndim == 0:
            return 0.0
        samples = emg.shape[-1 if said.emg.transposed else 0]
        return float(samples if said.emg.clock else samples / said.rate * said.anchor_rate)

    def clock(self, block: Block, rows: int) -> FloatArray:
        """Return the time of every row in seconds."""
        return seconds(self.column(block.clock, rows), block.clock_s, f"{self.path}: {block.clock!r}")

    def numbers_of(self, counter: str, rows: int) -> FloatArray:
        """Return the number of every row's sample or packet."""
        self.column(counter, rows)
        number_T = self.numbers(counter).ravel()
        fine_T = np.abs(number_T) <= LARGEST_NUMBER  # not so where it is not finite
        if not fine_T.all():
            row = fine_T.argmin()
            raise UserError(f"{self.path}: {counter!r} has no number of a sample in row {row}: {number_T[row]:g}")
        return number_T

    def labels(self, field: str, rows: int) -> tuple[IntArray, tuple[str, ...]]:
        """Return labels (rows,) as indices into the vocabulary, UNKNOWN without a name; and what is odd."""
        if not field:
            return np.full(rows, UNKNOWN, np.int16), ()
        return indices(self.column(field, rows), self.said.label_names, field, self.path, self.said.path)

    def repetitions(self, field: str, rows: int) -> IntArray:
        """Return the number of the repetition (rows,); 0 where there is none."""
        self.column(field, rows)
        values = self.numbers(field).ravel()
        largest = float(np.nanmax(np.abs(values), initial=0))
        if largest > np.iinfo(np.int16).max:
            raise UserError(f"{self.path}: {field!r} holds {largest:g}, which is no number of a repetition")
        return np.where(np.isfinite(values), values, 0).astype(np.int16)

    def check_rows(self, name: str, found: int, rows: int) -> None:
        """Refuse an array that does not go with the EMG row by row."""
        if found != rows:
            raise UserError(f"{self.path}: {name!r} has {found} rows where there are {rows} to go with")


def read_table(path: Path, said: Sidecar) -> Table:
    """Read all arrays of an .npz or a .mat, or the columns of a text table that a sidecar asks for.

    Raises:
        UserError: the file is missing, damaged, a device or a pipe, does not have what is asked for, or its own first
            lines say another rate.
    """
    refuse_special(path)
    try:
        if path.name.lower().endswith(".npz"):
            return Table(path, said, read_npz(path), None)
        if path.name.lower().endswith(".mat"):
            return Table(path, said, read_columns(path), None)
        asked = _asked(said)
        found = read_delimited(path, asked)
    except UserError:
        raise
    except (OSError, ValueError, OverflowError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged ({error}); copy it again") from error
    notes = (*found.notes, *_other_rate(found.dialect.rate, path, said))
    table = Table(path, said, found.fields, found.lines, notes)
    return table if said.anchor and said.anchor.clock else _without_end(table)


def _without_end(table: Table) -> Table:
    """Leave out rows at the end without EMG: of devices whose channels end one after the other, or before others.

    Not more than a tenth is cut, and of channels that end before others a second: longer lacks are faults to be seen.
    """
    said, lines = table.said, table.lines
    there_RC = np.stack([np.isfinite(table.numbers(name)) for name in said.emg.takes], axis=1)
    if lines is None or not there_RC.any(axis=0).all():
        return table
    rows = 1 + int(np.flatnonzero(there_RC.any(axis=1))[-1])
    whole = 1 + int(np.flatnonzero(there_RC.all(axis=1)).max(initial=-1))
    rows = whole if rows - whole <= said.rate else rows
    if rows == len(lines) or len(lines) - rows > MOST_CUT * len(lines):
        return table
    note = f"{len(lines) - rows:,} rows at the end, where channels have ended, are left out"
    fields = {name: values[:rows] for name, values in table.fields.items()}
    return replace(table, fields=fields, lines=lines[:rows], notes=(*table.notes, note))


def _asked(said: Sidecar) -> Asked:
    blocks = (said.emg, said.anchor) if said.anchor else (said.emg,)
    numbers = [*(name for block in blocks for name in (*block.takes, block.clock)), said.counter]
    return Asked(
        numbers=tuple(dict.fromkeys(name for name in (*numbers, said.repetition) if name != "")),
        texts=tuple(dict.fromkeys(name for name in (said.label, said.prompt) if name)),
        decimal=said.decimal,
        encoding=said.encoding,
        sidecar=said.path,
        first_row=said.first_row,
    )


def _other_rate(rate: float, path: Path, said: Sidecar) -> tuple[str, ...]:
    """Compare the rate that the first lines of a file give with the sidecar's."""
    if not rate or abs(rate - said.rate) <= SAME_RATE * rate:
        return ()
    if said.emg.clock:
        return (f"its first lines say {rate:g} Hz, and {said.path.name} asks for {said.rate:g} Hz by its clock",)
    raise UserError(
        f"{path} says that it was sampled at {rate:g} Hz, and {said.path} that at {said.rate:g}; correct one"
    )
