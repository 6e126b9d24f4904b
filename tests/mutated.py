"""Files as damage and strangers leave them: bytes flipped and cut, JSON values replaced by others, other shapes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, -(2**31), 2**53, 2**63, 10**300, 0.5, -0.5, 1e308, -1e308, 1e-320),
    *("", "x", "²", "0", "../..", "${oc.env:HOME}", "a\u0000b\n\x1b[31m", "9" * 5000, "\ud800", "rest"),
    *([], {}, [[]], [None], {"": None}, {"x": {"x": {}}}, [1, 2, 3], ["a", "b"]),
)
TEXTS = ("", "{", "null", "[]", "{}", '"x"', "NaN", "1", "[" * 3000, '{"a":' * 3000, "9" * 5000, "\ufeff{}")
"""Whole files that are something else."""


def bytes_mutated(data: bytes, rng: random.Random) -> bytes:
    """Return a file with some bytes flipped, cut off, doubled or zeroed."""
    made = bytearray(data)
    kind, at = rng.randrange(5), rng.randrange(max(1, len(made)))
    if kind == 0:
        for _ in range(rng.randrange(1, 4)):
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del made[at:]
    elif kind == 2:
        made[at : at + rng.randrange(1, 64)] = b""
    elif kind == 3:
        made[at:at] = made[at : at + rng.randrange(1, 64)]
    else:
        length = min(rng.randrange(1, 64), len(made) - at)
        made[at : at + length] = bytes(length)
    return bytes(made)


def json_mutated(value: Any, rng: random.Random) -> Any:
    """Return plain values, one of which is replaced, left out, doubled, or moved to another name."""
    made = copy.deepcopy(value)
    places = list(_places(made))
    holder, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind < 5:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    elif kind == 5:
        del holder[key]
    elif kind == 6 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif isinstance(holder, dict):
        holder[str(rng.choice(VALUES))[:40]] = holder.pop(key)
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def files_mutated(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield mutated versions of a file of JSON: every kind of ``TEXTS`` once, the others in turns."""
    rng, value = random.Random(seed), json.loads(data)
    yield from (text.encode() for text in TEXTS)
    for number in range(count):
        changed = json.dumps(json_mutated(value, rng)).encode() if number % 3 else bytes_mutated(data, rng)
        yield changed
