"""Numbers of a store that are none: a sentence says in which recording and when, wherever they are read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cpep.data.store.store import Store
from cpep.types import FloatArray, UserError


def all_finite(values: Any) -> bool:
    """Tell whether all values of an array or tensor are finite.

    A sum is: it takes a tenth of the time of reading the values. One that is too large for its type is looked at
    value by value.
    """
    with np.errstate(all="ignore"):
        return math.isfinite(float(values.sum())) or bool(np.isfinite(np.asarray(values)).all())


def first_bad(values: FloatArray) -> tuple[int, ...]:
    """Return the place of the first value that is not finite."""
    return tuple(np.argwhere(~np.isfinite(values))[0].tolist())


def not_finite(store: Store, index: int, what: str, seconds: float, column: str) -> UserError:
    """Return the sentence on a value that is not finite.

    Args:
        store: prepared recordings.
        index: of the recording, in ``store.entries``.
        what: the array, such as ``EMG``.
        seconds: from the beginning of the recording.
        column: name or number of the column.
    """
    return UserError(
        f"{store.path}: {what} of the recording {store.entries[index].name} is not finite at {seconds:.3f} s "
        f"({column}): the store is damaged, as cpep writes no such value; prepare it again"
    )


def power_of(store: Store, index: int) -> FloatArray:
    """Return the power (K, C) of a recording.

    Raises:
        UserError: it is not finite.
    """
    entry = store.entries[index]
    power_KC = np.asarray(store.power_KC[entry.power_start : entry.power_start + entry.power_blocks])
    if not all_finite(power_KC):
        block, channel = first_bad(power_KC)
        raise not_finite(store, index, "the power of the EMG", block * store.power_block_s, f"channel {channel}")
    return power_KC


def emg_of(store: Store, index: int) -> FloatArray:
    """Return the EMG (T, C) of a recording.

    Raises:
        UserError: it is not finite.
    """
    entry = store.entries[index]
    emg_TC: FloatArray = store.emg_TC[entry.start * store.ratio : (entry.start + entry.frames) * store.ratio]
    if not all_finite(emg_TC):
        sample, channel = first_bad(emg_TC)
        raise not_finite(store, index, "EMG", sample / store.device.emg_rate, f"channel {channel}")
    return emg_TC
