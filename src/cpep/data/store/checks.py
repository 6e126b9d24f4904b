"""The checksums of a store, in a file beside its arrays: what is damaged is refused before a number rests on it.

``sums.json`` holds the checksum of the index and of each small array, of each block of the large ones, and its own::

    files    of store.json, valid.npy, label.npy, prompt.npy, repetition.npy, power.npy; all read when a store opens
    blocks   of emg.npy and anchor.npy: rows of a block, and a checksum of 8 bytes for each, as base64; compared when
             a block is first read (``cpep.data.store.checked_rows``)

Stores up to version 3 have none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.folder import STORE_INDEX
from cpep.data.store.checked_rows import CheckedRows, block_starts
from cpep.runtime.checked import Size, convert
from cpep.runtime.files import read_bytes, write_json
from cpep.runtime.plain import parse
from cpep.runtime.sums import Sums, damaged, of_blocks, of_file, refuse_broken_seal, refuse_other_file, sealed
from cpep.types import FloatArray, IntArray, UserError

SUMS = "sums.json"
SMALL = ("valid", "label", "prompt", "repetition", "power")
"""Arrays that are compared as a whole."""
MOST_SUMS = 400_000_000
"""Bytes that the file may have: of a store of 4 TB."""
FILES = (STORE_INDEX, *(f"{name}.npy" for name in SMALL))


def remedy(path: Path) -> str:
    """Say what to do about a damaged store."""
    return (
        "prepare the store again, or copy it again from where it is sound (`cpep data verify "
        f"{path}` lists all that is damaged)"
    )


@dataclass(frozen=True)
class _Blocks:
    rows: Size
    sums: str


@dataclass(frozen=True)
class _File:
    """What is in the file."""

    files: dict[str, str]
    blocks: dict[str, _Blocks]
    sum: str


@dataclass(frozen=True, eq=False)
class Blocks:
    """Checksums of the blocks of an array.

    Attributes:
        rows: of a block.
        sum_K: uint64, in the order of the rows.
    """

    rows: int
    sum_K: Sums = field(default_factory=lambda: np.zeros(0, np.uint64))

    def plain(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        return {"rows": self.rows, "sums": packed(self.sum_K)}


@dataclass(frozen=True, eq=False)
class StoreSums:
    """The checksums of a store.

    Attributes:
        files: by the names of the files.
        blocks: by the names of the arrays.
        fingerprint: checksum of all these.
    """

    files: Mapping[str, str]
    blocks: Mapping[str, Blocks]
    fingerprint: str


def packed(sum_K: Sums) -> str:
    """Return checksums as a text."""
    return base64.b64encode(sum_K.astype("<u8").tobytes()).decode()


def unpacked(text: str) -> Sums:
    """Return the checksums of a text.

    Raises:
        ValueError: it is none.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), "<u8").astype(np.uint64)


def of_rows(rows_RJ: np.ndarray, block: int) -> str:
    """Return the checksums of the blocks of a recording's rows, as they stand in the journal of `prepare`."""
    return packed(of_blocks(rows_RJ, block))


def write(folder: Path, blocks: Mapping[str, Blocks]) -> None:
    """Write the checksums of a store whose other files are complete.

    Raises:
        OSError: a file cannot be read.
        UserError: the file cannot be written.
    """
    plain = {
        "files": {name: of_file(folder / name) for name in FILES},
        "blocks": {name: found.plain() for name, found in blocks.items()},
    }
    write_json(folder / SUMS, sealed(plain))


def read(folder: Path) -> StoreSums | None:
    """Read the checksums of a store; ``None`` where it has no such file.

    Raises:
        UserError: the file is damaged.
    """
    path, what = folder / SUMS, remedy(folder)
    if not path.exists():
        return None
    content = parse(read_bytes(path, MOST_SUMS), path, what)
    refuse_broken_seal(content, path, what)
    found = convert(content, _File, path, remedy=what)
    try:
        blocks = {name: Blocks(one.rows, unpacked(one.sums)) for name, one in found.blocks.items()}
        return StoreSums({name: found.files[name] for name in FILES}, blocks, found.sum)
    except (KeyError, ValueError) as error:
        raise damaged(path, what) from error


def refuse_damaged(folder: Path, sums: StoreSums) -> None:
    """Compare the small arrays of a store with their checksums.

    Raises:
        UserError: one is damaged or missing.
    """
    for name in FILES[1:]:
        refuse_other_file(folder / name, sums.files[name], remedy(folder))


def checked(
    folder: Path,
    name: str,
    array: FloatArray,
    first_E: IntArray,
    names: Sequence[str],
    rate: float,
    sums: StoreSums | None,
) -> CheckedRows:
    """Return a large array of a store, whose damaged blocks are refused with a sentence: which recording, and when.

    Args:
        folder: of the store.
        name: of the array.
        array: mapped.
        first_E: first row of each recording, and the number of all rows.
        names: of the recordings.
        rate: rows per second.
        sums: of the store; ``None`` where it has none.

    Raises:
        UserError: the checksums are of another array.
    """
    if sums is None:
        return CheckedRows(array, first_E)
    blocks = sums.blocks.get(name)
    if blocks is None or len(blocks.sum_K) != block_starts(first_E, blocks.rows)[-1]:
        raise damaged(folder / SUMS, remedy(folder))

    def refuse(recording: int, first: int, stop: int) -> None:
        from_s, to_s = ((row - first_E[recording]) / rate for row in (first, stop))
        raise UserError(
            f"{folder / name}.npy is damaged in recording {names[recording]} at {from_s:.2f} to {to_s:.2f} s: "
            f"its content does not fit its checksum; {remedy(folder)}"
        )

    return CheckedRows(array, first_E, blocks.rows, blocks.sum_K, refuse)
