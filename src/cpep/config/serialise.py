"""Settings as plain values: their paths, their JSON, their fingerprints; of any frozen dataclass."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from typing import Any

from cpep.config.schema import LATER


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
    """Return the fields that end in ``path``, or else the one of the most alike name, then place."""
    by_end = [name for name in known if name.endswith("." + path)]

    def likeness(name: str) -> tuple[float, float]:
        last = difflib.SequenceMatcher(None, path.rpartition(".")[2], name.rpartition(".")[2])
        return round(last.ratio(), 1), difflib.SequenceMatcher(None, path, name).ratio()

    return by_end or [max(known, key=likeness)]


def with_tuples(config: Any) -> Any:
    """Turn the lists that OmegaConf makes back into tuples."""
    changes = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            changes[item.name] = with_tuples(value)
        elif isinstance(value, list):
            changes[item.name] = tuple(value)
    return dataclasses.replace(config, **changes)


def as_dict(config: Any) -> dict[str, Any]:
    """Return plain JSON values, for checkpoints, reports and fingerprints.

    A field that was added later (``schema.later``) is left out at its default, so that a run from before it has
    the same fingerprint.
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
    """Return a short hash of configurations and plain values: equal runs have equal fingerprints."""
    plain = [as_dict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
