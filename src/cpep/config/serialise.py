"""Settings as plain values: their paths, their JSON, their fingerprints; of any frozen dataclass."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cpep.config.schema import LATER
from cpep.types import UserError

C = TypeVar("C")

EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""What may be written for true and false on the command line."""


def fields_of(config: Any, prefix: str = "") -> list[str]:
    """List the dot-paths of all fields.

    >>> from cpep.config.presets import small
    >>> fields_of(small())[:4]
    ['preset', 'recipe', 'threads', 'precision']
    """
    paths: list[str] = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            paths += fields_of(value, f"{prefix}{item.name}.")
        else:
            paths.append(prefix + item.name)
    return paths


def nearest_field(path: str, known: list[str]) -> list[str]:
    """Return the fields whose dot-path ends in ``path``; else the one field with the most similar name, then path."""
    by_end = [name for name in known if name.endswith("." + path)]

    def likeness(name: str) -> tuple[float, float]:
        last = difflib.SequenceMatcher(None, path.rpartition(".")[2], name.rpartition(".")[2])
        return round(last.ratio(), 1), difflib.SequenceMatcher(None, path, name).ratio()

    return by_end or [max(known, key=likeness)]


def with_plain(config: C, plain: Any, where: str) -> C:
    """Return a configuration whose fields have plain JSON values: the way back from ``as_dict``.

    A value is taken as it stands: nothing is looked up, and nothing put in.

    Args:
        config: any frozen dataclass; what ``plain`` leaves out stays as it is there.
        plain: nested dictionaries.
        where: what holds them, for the sentence.

    Raises:
        UserError: an unknown field, or a value of another type.
    """
    if not isinstance(plain, dict):
        raise UserError(f"{where} is {plain!r}; it must be an object with fields")
    kinds, changes = get_type_hints(type(config)), {}
    for name, value in plain.items():
        if name not in kinds:
            raise UserError(f"{where} has a field {name} that this version of cpep does not know")
        own, place = getattr(config, name), f"{where}.{name}"
        if dataclasses.is_dataclass(own):
            changes[name] = with_plain(own, value, place)
            continue
        try:
            changes[name] = typed(kinds[name], value)
        except TypeError as error:
            raise UserError(f"{place} is {value!r}; it must be {error}") from error
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def typed(kind: Any, value: Any) -> Any:
    """Return a plain value in the type of a field.

    >>> typed(tuple[float, ...], [1, 0.5])
    (1.0, 0.5)

    Raises:
        TypeError: the value is of another type; the message says what is expected.
    """
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError("a list, such as [0.1,1]")
        return tuple(typed(get_args(kind)[0], item) for item in value)
    if issubclass(kind, Enum):
        names = [member.value for member in kind]
        if value not in names:
            raise TypeError(" or ".join(names))
        return kind(value)
    if kind is float and type(value) in (int, float):
        return float(value)
    if type(value) is not kind:
        raise TypeError(EXPECTED[kind])
    return value


def parsed(kind: Any, text: str) -> Any:
    """Return the plain value that a text on the command line stands for, or the text itself where it is none.

    >>> parsed(float, "3e-4"), parsed(bool, "true"), parsed(int, "many"), parsed(tuple[float, ...], "[1,2]")
    (0.0003, True, 'many', [1.0, 2.0])
    """
    text = text.strip()
    if get_origin(kind) is tuple:
        listed = text.startswith("[") and text.endswith("]")
        return [parsed(get_args(kind)[0], part) for part in text[1:-1].split(",") if part.strip()] if listed else text
    if kind is bool:
        return TRUTH.get(text.lower(), text)
    if kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def as_dict(config: Any) -> dict[str, Any]:
    """Return plain JSON values, for checkpoints, reports and fingerprints.

    A field that was added later (``cpep.config.schema.later``) is left out at its default, so that a run from
    before it has the same fingerprint.
    """
    return json.loads(json.dumps(_values(config), default=lambda value: value.value))  # type: ignore[no-any-return]


def _values(config: Any) -> dict[str, Any]:
    found = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if not item.metadata.get(LATER) or value != item.default:
            found[item.name] = _values(value) if dataclasses.is_dataclass(value) else value
    return found


def fingerprint(*parts: Any) -> str:
    """Return a hash, 12 hex digits, of configurations and plain values: equal runs have equal fingerprints."""
    plain = [as_dict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
