"""Named arrays of a generic recording, read from .npz or .csv and checked as they are used."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers.mat import read_columns
from cpep.data.readers.sidecar import Block, Sidecar
from cpep.runtime.files import refuse_special
from cpep.types import UNKNOWN, FloatArray, IntArray, UserError

DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    csv.Error,
)

SPARSEST = 1000
"""Most samples of the regular clock for one row of the file: more come of a mistaken unit, not of a gap."""


@dataclass(frozen=True, eq=False)
class Table:
    """The named arrays of an .npz or a .mat, or the columns of a .csv as text."""

    path: Path
    sidecar: Path
    fields: dict[str, npt.NDArray[Any]]

    def field(self, name: str | int) -> npt.NDArray[Any]:
        """Return an array or column by its name."""
        if name not in self.fields:
            raise UserError(
                f"{self.path} has no {name!r}, which {self.sidecar.name} asks for; it has "
                f"{', '.join(sorted(self.fields))}"
            )
        return self.fields[str(name)]

    def numbers(self, name: str | int) -> FloatArray:
        """Return an array or column as float64; an empty cell is NaN."""
        array = self.field(name)
        try:
            if array.dtype.kind == "U":
                return np.where(array == "", "nan", array).astype(np.float64)
            return array.astype(np.float64, casting="same_kind" if array.dtype.kind == "c" else "unsafe")
        except (ValueError, TypeError) as error:
            detail = str(error).replace("np.str_(", "").rstrip(")")
            raise UserError(f"{self.path}: {name!r} holds something else than numbers ({detail})") from error

    def column(self, name: str, rows: int) -> npt.NDArray[Any]:
        """Return an array of one value for every row of the EMG."""
        values = self.field(name)
        if values.size != max(values.shape, default=0):
            raise UserError(f"{self.path}: {name!r} is {values.shape}, expected one value a row")
        self.check_rows(name, values.size, rows)
        return values.ravel()

    def block(self, block: Block, what: str) -> FloatArray:
        """Return a table of numbers (rows, columns), float32, in the sidecar's unit."""
        if self.path.name.lower().endswith((".npz", ".mat")):
            if not block.field:
                raise UserError(f"{self.sidecar}: '{what}' needs a field, the name of an array of {self.path.name}")
            values = self.numbers(block.field)
            values = values[:, None] if values.ndim == 1 else values
            if values.ndim != 2:
                raise UserError(f"{self.path}: {block.field!r} is {values.shape}, expected (rows, columns)")
            numbers = [column for column in block.columns if isinstance(column, int)]
            if len(numbers) < len(block.columns) or not set(numbers) <= set(range(values.shape[1])):
                raise UserError(f"{self.sidecar}: '{what}.columns' must be numbers below {values.shape[1]}")
            values = values[:, numbers] if numbers else values
        else:
            values = np.stack([self.numbers(name) for name in block.columns or (block.field,)], axis=1)
        if values.shape[1] == 0:
            raise UserError(f"{self.path}: {block.field!r} has no columns")
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values * block.scale, dtype=np.float32)

    def clock(self, block: Block, rows: int, rate: float) -> FloatArray:
        """Return the time of every row in seconds."""
        if not block.clock:
            return np.arange(rows) / rate
        self.column(block.clock, rows)
        time_T = self.numbers(block.clock).ravel() * block.clock_s
        back = np.flatnonzero(~(np.diff(time_T, prepend=time_T[0]) >= 0))
        if len(back):
            raise UserError(f"{self.path}: the clock {block.clock!r} runs backwards or is missing at row {back[0]}")
        seconds = time_T[-1] - time_T[0]
        if not seconds * rate <= SPARSEST * rows:
            raise UserError(
                f"{self.path}: by the clock {block.clock!r} its {rows} rows last {seconds:.3g} s, which is far from "
                f"{rate:g} a second; check the clock's unit"
            )
        return time_T

    def labels(self, said: Sidecar, field: str, rows: int, vocabulary: tuple[str, ...]) -> IntArray:
        """Return labels (rows,) as indices into the vocabulary; UNKNOWN for values without a name."""
        if not field:
            return np.full(rows, UNKNOWN, np.int16)
        values = self.column(field, rows)
        names = {_key(value): name for value, name in said.label_names.items()}
        found, inverse = np.unique(values, return_inverse=True)
        index = [vocabulary.index(names[_key(v)]) if _key(v) in names else UNKNOWN for v in found]
        if max(index, default=UNKNOWN) == UNKNOWN:
            values_found = ", ".join(_key(value) for value in found[:8])
            raise UserError(f"{said.path} names none of the values of {field!r} in {self.path}: {values_found}")
        return np.array(index, np.int16)[inverse]

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


def _key(value: Any) -> str:
    """Return a label's value as text, numbers alike however they are written."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return str(value)


def read_table(path: Path, sidecar: Path) -> Table:
    """Read all arrays of an .npz or a .mat, or all columns of a .csv.

    Raises:
        UserError: the file is missing, damaged, a device or a pipe, or its lines differ in length.
    """
    refuse_special(path)
    readers = {".npz": _read_npz, ".mat": read_columns}
    return Table(path, sidecar, readers.get(path.suffix.lower(), _read_csv)(path))


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as raw, np.lib.npyio.NpzFile(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _read_csv(path: Path) -> dict[str, npt.NDArray[Any]]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except DAMAGE as error:
        raise _damaged(path, error) from error
    if not rows:
        raise UserError(f"{path} is empty; remove it")
    names = [name.strip() for name in rows[0]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path} has two columns {twice[0]!r}; rename or remove one")
    while rows and not rows[-1]:  # blank lines at the end
        rows.pop()
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise UserError(f"{path}, line {number}: {len(row)} cells under {len(names)} column names")
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * len(names)
    return {name: np.char.strip(np.array(column, dtype=np.str_)) for name, column in zip(names, columns, strict=True)}


def _damaged(path: Path, error: Exception) -> UserError:
    if "allow_pickle" in str(error):
        return UserError(f"{path} holds Python objects, which cpep does not load; save plain arrays of numbers")
    return UserError(f"{path} is truncated or damaged ({error}); copy it again")
