"""From the values of a label to names: by exact text or number, with the words that people use for rest.

Two values are the same where they are the same text, or the same number however it is written: 1, 1.0 and 1e0 are
one value, 1000000 and 1000001 are two, and so are the texts 1_1 and 11. A text that stands among the names as it is
written comes first, so that a file may tell 01 from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.types import REST, UNKNOWN, IntArray, UserError

REST_WORDS = frozenset(
    (
        *("rest", "resting", "restposition", "relax", "relaxed", "relaxation", "idle"),
        *("nomotion", "nomovement", "nogesture"),
        *("ruhe", "ruhelage", "ruhestellung", "entspannt"),  # German
        *("repos", "reposo", "descanso", "riposo", "repouso", "rust"),  # French, Spanish, Italian, Portuguese, Dutch
        *("休息", "放松", "安静"),  # Chinese, Japanese
    )
)
"""What people call rest, in small letters without spaces and signs.

``neutral`` and ``open`` are not among them: a hand that is held so may be a gesture. Neither are ``none`` and
``null``, which often stand for what nobody labelled.
"""

LONGEST_NUMBER = 100
"""Characters of a text that may be a number; of over 4,300 digits Python makes none."""
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
PADDED = re.compile(r"0+\d+")
"""A code such as 01, which stands beside 1 only where both are named."""
NOTHING = frozenset(("", "nan", "na", "n/a", "null", "<na>", "#n/a", "nat"))
"""Cells that hold no label, in small letters."""
BRIEF = 2
"""Samples: a label that never lasts longer marks a moment."""
SHOWN = 8
"""Values that a sentence shows."""


@dataclass(frozen=True)
class LabelNames:
    """What the values of a label mean.

    Attributes:
        vocabulary: names, of which the first is ``rest``.
        called: index into the vocabulary by a value as the sidecar writes it.
        alike: the same by the number that it is.
        rest: what the sidecar calls rest.
    """

    vocabulary: tuple[str, ...]
    called: Mapping[str, int]
    alike: Mapping[str, int]
    rest: tuple[str, ...]

    def index(self, value: str) -> int:
        """Return the place in the vocabulary of a value as it is written; UNKNOWN where it has no name."""
        return self.called.get(value, self.alike.get(plain(value), UNKNOWN))


def is_rest(name: str) -> bool:
    """Tell whether a name is a known word for rest, in any case.

    >>> is_rest("No Motion"), is_rest("RUHE"), is_rest("neutral")
    (True, True, False)
    """
    return re.sub(r"[\W_]+", "", name).casefold() in REST_WORDS


def plain(value: str) -> str:
    """Return the shortest way to write a number; other texts as they are.

    >>> plain("1.0"), plain("1e6"), plain("1_1"), plain("01")
    ('1', '1000000', '1_1', '1')
    """
    if len(value) > LONGEST_NUMBER or not NUMBER.fullmatch(value):
        return value
    number = Decimal(value)
    return str(int(number)) if number == number.to_integral_value() else f"{number.normalize():f}"


def read_names(names: Mapping[str, str], path: Path) -> LabelNames:
    """Return what the values mean, as a sidecar names them.

    Raises:
        UserError: two ways to write one number have two names, or a name is empty.
    """
    cleaned = {value.strip(): " ".join(name.split()) for value, name in names.items()}
    if empty := [value for value, name in cleaned.items() if not name]:
        raise UserError(
            f"{path}: the value {empty[0]!r} has an empty name; name it, or leave it out if it is unknown"
        )
    said = {value: "rest" if is_rest(name) else name for value, name in cleaned.items()}
    vocabulary = ("rest", *dict.fromkeys(name for name in said.values() if name != "rest"))
    place = {name: index for index, name in enumerate(vocabulary)}
    called = {value: place[name] for value, name in said.items()}
    alike: dict[str, int] = {}
    for value in sorted(called, key=lambda value: bool(PADDED.fullmatch(value))):
        index = called[value]
        other = alike.setdefault(plain(value), index)
        if other != index and not PADDED.fullmatch(value):
            raise UserError(
                f"{path}: {plain(value)} is named {vocabulary[other]!r} in one spelling and {vocabulary[index]!r} in "
                "another; name it once"
            )
    return LabelNames(
        vocabulary, called, alike, tuple(dict.fromkeys(cleaned[v] for v, name in said.items() if name == "rest"))
    )


def texts_of(values: npt.NDArray[Any]) -> tuple[list[str], IntArray]:
    """Return the different values as texts, and which of them each sample has.

    True and False are 1 and 0 as well; see ``LabelNames.index``.
    """
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values)  # nan of any sign is one value
    found, inverse_T = np.unique(values, return_inverse=True)
    return [_text(value) for value in found], inverse_T.ravel()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip()


def indices(
    values: npt.NDArray[Any], names: LabelNames, field: str, path: Path, sidecar: Path
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the label of every sample, int16, and what is odd about them.

    Raises:
        UserError: no value has a name.
    """
    found, inverse_T = texts_of(values)
    index = np.array([_index(value, names, values.dtype.kind == "b") for value in found], np.int16)
    samples = np.bincount(inverse_T, minlength=len(found))
    if max(index, default=UNKNOWN) == UNKNOWN:
        raise UserError(f"{sidecar} names none of the values of {field!r} in {path}: {_list(found)}")
    label_T = index[inverse_T]
    return label_T, tuple(_oddities(found, index, samples, label_T, names, field))


def _index(value: str, names: LabelNames, boolean: bool) -> int:
    index = names.index(value)
    if index == UNKNOWN and boolean:
        other = names.called.get(value.lower(), UNKNOWN)
        return other if other != UNKNOWN else names.index(str(int(value == "True")))
    return index


def _oddities(
    found: Sequence[str], index: IntArray, samples: IntArray, label_T: IntArray, names: LabelNames, field: str
) -> Iterable[str]:
    if any(word != "rest" for word in names.rest):
        yield f"rest: {', '.join(map(repr, names.rest))}"
    for k, name in enumerate(names.vocabulary[1:], start=1):
        if len(same := [value for value, one in zip(found, index, strict=True) if one == k]) > 1:
            yield f"{name}: the values {_list(same)} of {field!r}"
    nameless = [
        (value, int(count))
        for value, one, count in zip(found, index, samples, strict=True)
        if one == UNKNOWN and value.casefold() not in NOTHING
    ]
    if nameless:
        values, counts = zip(*nameless, strict=True)
        one = len(values) == 1
        yield (
            f"value{'' if one else 's'} {_list(values)} of {field!r} ha{'s' if one else 've'} no name: "
            f"{sum(counts):,} samples are unknown"
        )
    if brief := [names.vocabulary[k] for k in _brief(label_T)]:
        yield (
            f"{_list(brief)} of {field!r} never last{'s' if len(brief) == 1 else ''} over {BRIEF} samples: labels "
            "that mark a moment are in no window; write the value for as long as the gesture lasts"
        )


def _brief(label_T: IntArray) -> list[int]:
    """Return the gestures of which every run is a sample or two long."""
    starts = np.flatnonzero(np.diff(label_T, prepend=label_T[:1] - 1))
    runs = np.diff(starts, append=len(label_T))
    longest: dict[int, int] = {}
    for label, run in zip(label_T[starts].tolist(), runs.tolist(), strict=True):
        longest[label] = max(longest.get(label, 0), run)
    return sorted(label for label, run in longest.items() if label > REST and run <= BRIEF)


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more
