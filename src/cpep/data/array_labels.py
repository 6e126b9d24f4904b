"""Labels, people and sessions as arrays or lists: one for each window or recording, or a label for each sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers.labels import NOTHING, plain, read_names, texts_of
from cpep.types import UNKNOWN, IntArray, UserError


def labels_of(
    labels: Any, lengths: Sequence[int], label_names: Mapping[Any, str] | Sequence[str] | None
) -> tuple[list[IntArray], tuple[str, ...]]:
    """Return the label (T,) of every sample of each recording, int16, and the vocabulary; see ``from_arrays``.

    Args:
        labels: one for each recording, or for each of its samples; ``None`` where nothing is known.
        lengths: samples of each recording.
        label_names: names of the values.

    Raises:
        UserError: lengths do not fit, or a value has no name.
    """
    if labels is None:
        if label_names is not None:
            raise UserError("label_names without labels names nothing; give labels, too, or leave it out")
        return [np.full(length, UNKNOWN, np.int16) for length in lengths], ("rest",)
    parts = [_values(part, index) for index, part in enumerate(_listed(labels, len(lengths), "labels"))]
    for index, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        if len(part) not in (1, length):
            raise UserError(f"labels[{index}] has {len(part)} values for {length} samples; give one, or one a sample")
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        parts = [part.astype(np.str_) for part in parts]
    found, inverse = texts_of(np.concatenate(parts))
    index_K, vocabulary = _named_values(found, parts[0].dtype.kind not in "US", label_names)
    cut = np.split(index_K[inverse], np.cumsum([len(part) for part in parts])[:-1])
    return [
        np.full(length, part[0], np.int16) if len(part) == 1 else part
        for part, length in zip(cut, lengths, strict=True)
    ], vocabulary


def named(given: Any, count: int, what: str, default: str) -> list[str]:
    """Return a name for each of ``count`` recordings.

    Args:
        given: names or numbers, one for all, or ``None`` for ``default``.
        count: number of recordings.
        what: name of the argument, for sentences.
        default: name of all where nothing is given.

    Raises:
        UserError: another number of names, or an empty one.
    """
    if given is None or isinstance(given, str | bytes) or np.isscalar(given):
        given = [default if given is None else given] * count
    listed = _listed(given, count, what)
    if many := [index for index, one in enumerate(listed) if _axes(one, 0)]:
        raise UserError(f"{what}[{many[0]}] is {listed[many[0]]!r}; give one name or number")
    names = [plain((one.decode() if isinstance(one, bytes) else str(one)).strip()) for one in listed]
    if empty := [index for index, one in enumerate(names) if one.casefold() in NOTHING | {"none"}]:
        raise UserError(f"{what}[{empty[0]}] is empty; give a name or a number")
    return names


def _listed(given: Any, count: int, what: str) -> list[Any]:
    """Return what is given for each of ``count`` recordings."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping | Set) or not _axes(given, 1):
        raise UserError(f"{what} is {given!r}; give a list or array, one for each of {count} windows or recordings")
    listed = list(given)
    if len(listed) != count:
        raise UserError(f"{what} has {len(listed)} entries for {count} windows or recordings; give one for each")
    return listed


def _values(part: Any, index: int) -> npt.NDArray[Any]:
    """Return the labels of one recording (1,) or (T,): numbers or texts; NaN or an empty text where there is none."""
    if hasattr(part, "detach"):
        part = part.detach().cpu().numpy()
    values = np.atleast_1d(np.asarray(part, dtype=object) if part is None else np.asarray(part))
    if values.dtype.kind == "O":
        nothing = [_is_nothing(one) for one in values.ravel()]
        known = [one for one, empty in zip(values.ravel(), nothing, strict=True) if not empty]
        numbers = all(isinstance(one, int | float | np.number) for one in known)
        values = np.array(np.where(nothing, np.nan if numbers else "", values.ravel()).tolist())
    if values.ndim != 1 or values.dtype.kind not in "USbiuf":
        raise UserError(f"labels[{index}] has shape {values.shape}; give one label, or one for each sample")
    if values.dtype.kind in "if" and (values < 0).any():
        raise UserError(f"labels[{index}] holds {values.min():g}; give NaN or None where nobody labelled, or names")
    return values


def _axes(value: Any, default: int) -> int:
    """Return the number of axes of an array or tensor, 1 of a list; ``default`` of all else."""
    return 1 if isinstance(value, list | tuple) else int(getattr(value, "ndim", default))


def _is_nothing(one: Any) -> bool:
    """Tell whether a value stands for no label: None, NaN, or pandas' NA and NaT."""
    return one is None or (not isinstance(one, str | bytes) and str(one).casefold() in NOTHING)


def _named_values(
    found: list[str], numbers: bool, label_names: Mapping[Any, str] | Sequence[str] | None
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the place in the vocabulary of each value, and the vocabulary."""
    given = [value for value in found if value.casefold() not in NOTHING]
    if label_names is None:
        pairs = {value: plain(value) if numbers else value for value in given}
    else:
        if isinstance(label_names, str):
            raise UserError(f"label_names is {label_names!r}; give a dictionary, or a list of names")
        items = label_names.items() if isinstance(label_names, Mapping) else enumerate(label_names)
        pairs = {str(value): str(name) for value, name in items}
    names = read_names(pairs, Path("label_names"))
    index_K = np.array([names.index(value) if value in given else UNKNOWN for value in found], np.int16)
    for value, index in zip(found, index_K, strict=True):
        if index == UNKNOWN and value in given:
            raise UserError(
                f"label_names has no name for the label {value}; name it, or give NaN or None in its place"
            )
    return index_K, names.vocabulary
