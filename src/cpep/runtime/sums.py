"""Checksums by which damage is noticed: xxh3 with 64 bits, everywhere.

They notice what disks, cables and copies do to a file. Whoever changes a file on purpose can change its sum too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from cpep.types import Progress, UserError, no_progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Sums = npt.NDArray[np.uint64]
else:
    Sums = Any

FIELD = "sum"
"""Name of the entry that holds the checksum of the object it is in, or of the file."""
AT_ONCE = 1 << 20
"""Bytes of a file that are read at once."""


def of_bytes(data: bytes | memoryview) -> str:
    """Return the checksum of some bytes: 16 hexadecimal digits."""
    return xxhash.xxh3_64_hexdigest(data)


def of_file(path: Path, progress: Progress = no_progress) -> str:
    """Return the checksum of a file.

    Args:
        path: the file.
        progress: called with the bytes read and the size of the file.

    Raises:
        OSError: it cannot be read.
    """
    size, done, digest = path.stat().st_size, 0, xxhash.xxh3_64()
    with path.open("rb") as file:
        while part := file.read(AT_ONCE):
            digest.update(part)
            done += len(part)
            progress(done, size)
    return digest.hexdigest()


def of_json(value: Any) -> str:
    """Return the checksum of plain values; spaces in a file and the order of its entries do not change it."""
    plain = json.loads(json.dumps(value))
    return of_bytes(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the checksum of its other entries as entry ``FIELD``."""
    rest = {name: inner for name, inner in value.items() if name != FIELD}
    return {**rest, FIELD: of_json(rest)}


def refuse_broken_seal(value: Any, where: object, remedy: str, *, required: bool = True) -> None:
    """Check a JSON object against the checksum in it.

    Args:
        value: what was read, which must be an object.
        where: the file, for the sentence.
        remedy: what to do, for the sentence.
        required: whether it must have a checksum: files of older formats have none.

    Raises:
        UserError: its content is not what was written.
    """
    if not isinstance(value, dict) or ((required or FIELD in value) and value.get(FIELD) != sealed(value)[FIELD]):
        raise damaged(where, remedy)


def refuse_other_file(path: Path, sum_: str, remedy: str) -> None:
    """Check a file against its checksum.

    Raises:
        UserError: its content is not what was written, or it cannot be read.
    """
    try:
        found = of_file(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    if found != sum_:
        raise damaged(path, remedy)


def damaged(where: object, remedy: str) -> UserError:
    """Return the error of a file whose content does not fit its checksum."""
    return UserError(f"{where} is damaged: its content does not fit its checksum; {remedy}")


def of_arrays(arrays: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, str]) -> str:
    """Return the checksum of named arrays with their types, shapes and notes: the content of a safetensors file.

    Args:
        arrays: of any type and shape.
        notes: what stands beside them, without an entry ``FIELD``.
    """
    names = sorted(arrays)
    layout = [[name, arrays[name].dtype.str, list(arrays[name].shape)] for name in names]
    digest = xxhash.xxh3_64(of_json([{k: v for k, v in notes.items() if k != FIELD}, layout]).encode())
    for name in names:
        digest.update(_bytes(arrays[name]))
    return digest.hexdigest()


def sealed_note(note: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the JSON object that stands beside arrays in a file, with the checksum of both as entry ``FIELD``."""
    rest = {name: inner for name, inner in note.items() if name != FIELD}
    return {**rest, FIELD: of_arrays(arrays, {"note": of_json(rest)})}


def refuse_broken_note(
    note: Any, arrays: Mapping[str, npt.NDArray[Any]], where: object, remedy: str, *, required: bool
) -> None:
    """Check the arrays of a file, and the object beside them, against the checksum in it; see ``refuse_broken_seal``.

    Raises:
        UserError: their content is not what was written.
    """
    if not isinstance(note, dict):
        raise damaged(where, remedy)
    if (required or FIELD in note) and note.get(FIELD) != sealed_note(note, arrays)[FIELD]:
        raise damaged(where, remedy)


def of_array(array: npt.NDArray[Any]) -> int:
    """Return the checksum of the bytes of an array, as a number."""
    return xxhash.xxh3_64_intdigest(_bytes(array))


def of_blocks(array: npt.NDArray[Any], rows: int) -> Sums:
    """Return the checksum of each block of rows of an array; the last block may be shorter."""
    import numpy as np

    size, data = max(rows * array[:1].nbytes, 1), _bytes(array)
    return np.array([xxhash.xxh3_64_intdigest(data[at : at + size]) for at in range(0, len(data), size)], np.uint64)


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of an array, in the order of its rows."""
    import numpy as np

    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
