"""Refuses arrays that lie on their side, which would be read as a few samples of thousands of channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.types import UserError

MOST_CHANNELS = 1024
"""Most EMG channels: high-density grids have up to 512."""
CLOSE = 0.1
"""Share by which an anchor may be longer or shorter than the EMG, where its orientation is judged."""


def refuse_transposed(
    array: npt.NDArray[Any],
    name: str,
    place: tuple[Path, str, str],
    lengths: Mapping[str, int],
    *,
    rows: float = 0.0,
    names: int = 0,
    turned: bool = False,
) -> None:
    """Check that a table (rows, columns) has its times along the rows.

    Args:
        array: the whole table, before columns are taken.
        name: of the array.
        place: the file, the key of the sidecar that names the array (``emg``, ``pose``), and the sidecar's name.
        lengths: of the arrays that go with it row by row, by their names.
        rows: how many an anchor should have, by the EMG; 0 where its own clock says it, and for the EMG.
        names: how many names of its columns the sidecar gives; 0 for none.
        turned: whether the sidecar said "transposed".

    Raises:
        UserError: it looks transposed; the sentence says by what, and what to write.
    """
    path, key, sidecar = place
    found, across = array.shape
    reason = ""
    for other, length in lengths.items():
        if length == across != found:
            reason = f"{other!r} has {length} values, one for each of its columns"
    if key == "emg" and found and not reason and (across > MOST_CHANNELS or across > 2 * found):
        reason = f"it would be {found} samples of {across} channels"
    if names and names == found != across:
        reason = reason or f"the sidecar gives {names} names, one for each of its rows"
    if rows and abs(across - rows) <= max(2, CLOSE * rows) < abs(found - rows):
        reason = reason or f"the EMG lasts as long as {rows:.0f} frames"
    if reason:
        remedy = (
            f"take \"transposed\" out of '{key}' in {sidecar}"
            if turned
            else f"save it as (times, columns), or write \"transposed\": true in '{key}' of {sidecar}"
        )
        raise UserError(f"{path}: {name!r} of {found} rows and {across} columns looks transposed: {reason}; {remedy}")


def refuse_epochs(array: npt.NDArray[Any], name: str, path: Path) -> None:
    """Refuse an array of three dimensions."""
    if array.ndim == 3:
        raise UserError(
            f"{path}: {name!r} is {array.shape}, expected (rows, columns); cpep reads whole recordings, so save the "
            "one that such epochs were cut from"
        )
    if array.ndim != 2:
        raise UserError(f"{path}: {name!r} is {array.shape}, expected (rows, columns)")


def one_value_a_row(array: npt.NDArray[Any], name: str, path: Path) -> npt.NDArray[Any]:
    """Return an array of one value a row as (rows,).

    Raises:
        UserError: it has several; the sentence knows one-hot labels.
    """
    if array.size == max(array.shape, default=0):
        return array.ravel()
    hint = ""
    if array.ndim == 2 and array.dtype.kind in "biuf" and array.shape[1] <= array.shape[0] and _one_hot(array):
        number = f"{name}.argmax(axis=1)"
        number = number if array.any(axis=1).all() else f"numpy.where({name}.any(axis=1), {number}, -1)"
        hint = f"; each row marks one column (one-hot), so save its number: {number}"
    raise UserError(f"{path}: {name!r} is {array.shape}, expected one value a row{hint}")


def _one_hot(array: npt.NDArray[Any]) -> bool:
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) <= 1).all())
