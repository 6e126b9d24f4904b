"""JSON of cpep's own files, checked against frozen dataclasses: every mistake is one sentence with its place.

A kind is a dataclass whose fields have types, and bounds where a type is too wide (``Count``, ``Positive``, ...).
Types are strict: a text is no number, ``true`` is no number, and a whole number is a number. What a kind does not
know is refused, or passed over where its files are also written by other versions (``others``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from cpep.runtime import plain
from cpep.runtime.files import MOST_JSON, REMEDY, read_bytes
from cpep.types import LONGEST_NAME, UserError

K = TypeVar("K")

Count = Annotated[int, Meta(ge=0, lt=2**53)]
"""A number of things."""
Size = Annotated[int, Meta(ge=1, lt=2**31)]
"""A number of things of which there is one at least."""
Finite = Annotated[float, Meta(gt=-1e300, lt=1e300)]
Positive = Annotated[float, Meta(gt=0, lt=1e300)]
NotNegative = Annotated[float, Meta(ge=0, lt=1e300)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
"""A text that stands for something; not empty."""
Text = Annotated[str, Meta(max_length=100_000)]

WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
"""What msgspec calls values of JSON, and what our sentences call them."""


PLACE = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
"""The end of a sentence of msgspec."""


def read(path: Path, kind: type[K], *, most: int = MOST_JSON, remedy: str = REMEDY, others: bool = False) -> K:
    """Return what a file of JSON holds.

    Args:
        path: of the file.
        kind: a dataclass, or any other type that msgspec knows.
        most: bytes that the file may have.
        remedy: what to do, for the sentence.
        others: whether fields that the kind does not know are passed over.

    Raises:
        UserError: no such file, a device, one that is too large, or as ``decode``.
    """
    return decode(read_bytes(path, most), kind, path, remedy=remedy, others=others)


def decode(data: bytes | str, kind: type[K], where: object, *, remedy: str = REMEDY, others: bool = False) -> K:
    """Return what a text of JSON holds.

    Args:
        data: the text, as UTF-8.
        kind: as for ``read``.
        where: what holds it, for the sentence.
        remedy: what to do, for the sentence.
        others: as for ``read``.

    Raises:
        UserError: as ``cpep.runtime.plain.parse``, or as ``convert``.
    """
    content = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    return convert(plain.parse(content, where, remedy), kind, where, remedy=remedy, others=others)


def convert(value: Any, kind: type[K], where: object, *, remedy: str = REMEDY, others: bool = False) -> K:
    """Return plain values, as ``cpep.runtime.plain.parse`` returns them, in the types of a kind.

    Args:
        value: objects, lists, texts and numbers.
        kind: as for ``read``.
        where: what holds them, for the sentence.
        remedy: what to do, for the sentence; empty where the caller says it.
        others: as for ``read``.

    Raises:
        UserError: ``FILE: a.b[3]: expected an integer, got a text; REMEDY``.
    """
    end = f"; {remedy}" if remedy else ""
    try:
        found = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {_sentence(str(error))}{end}") from error
    if not others and (unknown := _unknown(value, found)):
        raise UserError(f"{where} has a field {unknown} that this version of cpep does not know{end}")
    return found


@contextmanager
def at(path: object) -> Iterator[None]:
    """Put the name of a file before the sentence of what is found wrong in it, unless the sentence has it."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a kind."""
    return msgspec.json.schema(kind)


def _sentence(text: str) -> str:
    """Return what msgspec says with the place first, and in our words for types.

    >>> _sentence("Expected `int`, got `str` - at `$.a.b[3]`")
    'a.b[3]: expected an integer, got a text'
    >>> _sentence("Object missing required field `name`")
    'the field name is missing'
    """
    said, place = text, ""
    if match := PLACE.search(text):
        said, place = text[: match.start()], ("a key of " if match[1] else "") + match[2].lstrip(".")
    said = re.sub(r"^Object missing required field `(.*)`$", r"the field \1 is missing", said)
    said = re.sub(r"^(Expected|Invalid)", lambda found: found[0].lower(), said)
    said = re.sub(r"`([a-z| ]+)`", lambda found: " or ".join(WORDS.get(w, w) for w in found[1].split(" | ")), said)
    said = re.sub(r" matching regex '.*'$", " without control characters", said)  # of ``report.kinds.Label``
    said = said if len(said) < 300 else f"{said[:300]}..."
    return f"{place.replace('[...]', '.*')}: {said}" if place else said


def _unknown(value: Any, found: Any) -> str:
    """Return the place of the first field that a kind passed over; empty where there is none."""
    known = msgspec.to_builtins(found)
    pairs = [("", value, known)]
    while pairs:
        place, given, kept = pairs.pop()
        if isinstance(given, dict) and isinstance(kept, dict):
            for name, inner in given.items():
                at = f"{place}.{name}".lstrip(".")
                if name not in kept:
                    return at
                if isinstance(inner, dict | list):
                    pairs.append((at, inner, kept[name]))
        elif isinstance(given, list) and isinstance(kept, list | tuple):
            pairs += [(f"{place}[{i}]", *both) for i, both in enumerate(zip(given, kept, strict=False))]
    return ""
