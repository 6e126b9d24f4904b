"""Files of safetensors that hold arrays and one note of JSON: books, enrolments."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from cpep.runtime.files import refuse_special
from cpep.types import FloatArray, UserError


def read_tensors(
    path: Path, key: str, what: str, kinds: Collection[str], remedy: str
) -> tuple[str, dict[str, FloatArray]]:
    """Return the note of a file, as text, and its arrays as float32, which are all finite.

    Args:
        path: of the file, which exists.
        key: of the note in the metadata.
        what: such a file is, in words, for the sentence.
        kinds: of numbers that the arrays may have, as safetensors calls them.
        remedy: what to do, for the sentence.

    Raises:
        UserError: a device or pipe, a damaged file, one of something else, or values that are not finite.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    refuse_special(path)
    try:
        with safe_open(path, "numpy") as file:
            note, names = (file.metadata() or {}).get(key), list(file.keys())
            kind: dict[str, Any] = {name: file.get_slice(name).get_dtype() for name in names}
            if note is None:
                raise UserError(f"{path} is no {what}: it has no note of one; {remedy}")
            if wrong := [name for name in names if kind[name] not in kinds]:
                raise UserError(f"{path}: {wrong[0]} is {kind[wrong[0]]}, not {' or '.join(kinds)}; {remedy}")
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in names}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no {what}, or damaged: {str(error).splitlines()[0]}; {remedy}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"{path} is damaged: {name} has values that are not finite; {remedy}")
    return note, arrays
