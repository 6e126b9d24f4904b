"""Keys of a JSON that people write by hand: typed values, and a sentence for each mistake."""

from __future__ import annotations

import codecs
import difflib
import sys
from pathlib import Path
from typing import Any, NoReturn

from cpep.runtime import plain
from cpep.runtime.files import MOST_JSON, read_bytes
from cpep.types import LONGEST_NAME, UserError

LARGEST = sys.float_info.max
"""Numbers stay below it, so that each of them is one of 64 bits."""
LONGEST_LIST = 10_000
SHOWN = 100
"""Characters of a wrong value that a sentence shows."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_keys(path: Path) -> Keys:
    """Return the keys of a JSON file.

    Raises:
        UserError: there is no such file, or as ``cpep.runtime.plain.parse``.
    """
    data = read_bytes(path, MOST_JSON)
    if data.startswith(UTF_16):  # as the shell of Windows writes what it is told to write
        data = data.decode("utf-16", "replace").encode()
    return Keys(path, "", plain.parse(data, path))


class Keys:
    """Takes typed values out of a JSON object and remembers which keys were asked for.

    Args:
        path: of the file, for sentences.
        where: what the object is in the file, with a dot at the end; empty for the whole.
        value: the object.

    Raises:
        UserError: it is no object; so do all methods where a value is missing or of another type.
    """

    def __init__(self, path: Path, where: str, value: Any) -> None:
        self.path, self.where = path, where
        if not isinstance(value, dict):
            raise UserError(f"{path}: {where.rstrip('.') or 'the sidecar'} must be a JSON object")
        self.value: dict[str, Any] = value
        self.asked: list[str] = []

    def wrong(self, key: str, expected: str) -> NoReturn:
        """Refuse what stands at a key, since it must be something else."""
        found = repr(self.value[key]) if key in self.value else "missing"
        found = found if len(found) <= SHOWN else f"{found[:SHOWN]}..."
        if self.value.get(key) == "":  # as `cpep data describe` writes what it cannot know
            found, expected = "empty", f"filled in: {expected}"
        raise UserError(f"{self.path}: '{self.where}{key}' is {found}; it must be {expected}")

    def get(self, key: str) -> Any:
        """Return what stands at a key, or ``None``."""
        self.asked.append(key)
        return self.value.get(key)

    def inner(self, key: str) -> Keys | None:
        """Return the object at a key; ``None`` where the key is missing."""
        value = self.get(key)
        return None if value is None else Keys(self.path, f"{self.where}{key}.", value)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a positive number."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST:
            self.wrong(key, "a positive number")
        return float(value)

    def frequency(self, key: str) -> float | None:
        """Return a frequency, where 0 stands for none; ``None`` where the key is missing."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LARGEST:
            self.wrong(key, "a frequency in Hz, or 0 for none")
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            self.wrong(key, "a text")
        if len(value) > LONGEST_NAME:
            self.wrong(key, f"a text of at most {LONGEST_NAME:,} characters")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; false where the key is missing."""
        value = self.get(key)
        if not isinstance(value, bool | None):
            self.wrong(key, "true or false")
        return bool(value)

    def listed(self, key: str, *types: type) -> tuple[Any, ...]:
        """Return a list of values of these types; empty where the key is missing."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or any(type(item) not in types for item in value):
            self.wrong(key, f"a list of {' or '.join(t.__name__ for t in types)}")
        if len(value) > LONGEST_LIST or any(isinstance(item, str) and len(item) > LONGEST_NAME for item in value):
            self.wrong(key, f"a list of at most {LONGEST_LIST:,}, with texts of at most {LONGEST_NAME:,} characters")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        """Return an object of texts."""
        value = self.get(key)
        if not isinstance(value, dict) or not value or any(not isinstance(v, str) for v in value.values()):
            self.wrong(key, 'an object from the values in the file to names, such as {"0": "rest", "1": "fist"}')
        if len(value) > LONGEST_LIST or any(len(text) > LONGEST_NAME for pair in value.items() for text in pair):
            self.wrong(key, f"at most {LONGEST_LIST:,} names, of at most {LONGEST_NAME:,} characters")
        return value

    def done(self) -> None:
        """Refuse keys that nobody asked for: a misspelt one would otherwise be passed over."""
        for key in self.value:
            if key not in self.asked:
                near = difflib.get_close_matches(key[:SHOWN], self.asked, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(self.asked))}"
                raise UserError(f"{self.path}: unknown key '{self.where}{key[:SHOWN]}'; {hint}")
