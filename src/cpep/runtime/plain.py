"""Bytes of JSON to plain values: whatever the bytes are, they are read, or refused with one sentence.

Standard JSON alone: no NaN, no infinity, no key twice in one object, no number that 64 bits cannot hold.
``cpep.runtime.checked`` gives plain values the types of a dataclass.
"""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import Any, NoReturn

from cpep.types import NESTED, UserError, containers, named, refuse_interpolation, step

DEEPEST = 64
"""Lists and objects that may stand in each other; no file of cpep has more than a dozen."""
LARGEST = 2**64
"""Whole numbers stay below it, on both sides of zero."""
SUSPECT = re.compile(r"\\u[dD][89a-fA-F]|\d{20}|\d[eE]\+?\d{3}")
"""What a text of JSON has where it holds half of a sign, or a number that is too large; most have neither."""
INTERPOLATED = re.compile(r"\$\{|\\u00(?:24|7[bB])")
"""What it has where one of its texts may hold ``${``."""


def parse(data: bytes, where: object, remedy: str = "repair it", *, quoting: bool = False) -> Any:
    """Return the plain values of some JSON.

    Args:
        data: UTF-8, with or without the mark that Windows puts before text.
        where: what holds them, for the sentence: a file.
        remedy: what to do, for the sentence.
        quoting: whether texts that hold ``${`` pass, since some of them quote other files. The caller refuses it in
            all that it uses (``cpep.types.refuse_interpolation``).

    Raises:
        UserError: no JSON, a key stands twice, a number is not finite or too large, a text is no Unicode, or lists
            stand in each other too deeply; or a text holds ``${``.
    """
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
        if _is_deep(value):
            raise RecursionError
        if SUSPECT.search(text):
            _check_leaves(value)
    except RecursionError:
        wrong = f"lists or objects stand in each other more than {DEEPEST} deep"
    except (json.JSONDecodeError, UnicodeDecodeError, _Refused) as error:
        wrong = str(error)
    except ValueError:  # of Python's limit for texts of numbers, 4,300 digits
        wrong = "a number has too many digits"
    else:
        if not quoting and INTERPOLATED.search(text):
            refuse_interpolation(value, where)
        return value
    raise UserError(f"{where} is not readable as JSON ({wrong}); {remedy}")


class _Refused(ValueError):
    """JSON that Python reads, and cpep does not."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which no key stands twice: of two, one would be passed over."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {twice[:60]!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    """Refuse what Python writes for numbers that JSON has no way to write."""
    raise _Refused(f"{name} is no number in JSON")


def _is_deep(value: Any) -> bool:
    """Tell whether lists and objects stand in each other too deeply."""
    level = [value]
    for _ in range(DEEPEST):
        inner = chain.from_iterable(
            one.values() if type(one) is dict else one for one in level if type(one) in NESTED
        )
        level = [one for one in inner if type(one) in NESTED]
    return bool(level)


def _check_leaves(value: Any) -> None:
    """Refuse numbers that are too large, and texts that are no Unicode."""
    for place, found in containers([value]):
        for name, inner in named(found):
            at = f"{place}{step(found, name)}".removeprefix("[0]").lstrip(".") or "the value"
            if type(inner) is int and not -LARGEST < inner < LARGEST:
                raise _Refused(f"{at} has too many digits")
            if type(inner) is float and not math.isfinite(inner):
                raise _Refused(f"{at} is too large")
            if isinstance(inner, str) and not _is_unicode(inner):
                raise _Refused(f"{at} is no Unicode")
            if isinstance(name, str) and not _is_unicode(name):
                raise _Refused("a key is no Unicode")


def _is_unicode(text: str) -> bool:
    """Tell whether a text can be written in UTF-8: JSON can hold half of a sign that needs two codes."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
