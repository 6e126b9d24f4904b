"""Names that a package exports and that are imported when they are first asked for.

``import cpep`` and ``cpep --help`` need no torch, which takes a second to import. A package lists its public names
twice: as imports that type checkers and editors read, and as a mapping that Python reads. ``tests/api`` holds the two
lists together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def exported(
    package: str, homes: Mapping[str, str], *, modules: Sequence[str] = (), here: Sequence[str] = ()
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return what a package assigns to ``__all__``, ``__getattr__`` and ``__dir__``.

    Args:
        package: its name.
        homes: module -> the names that the package exports from it, with spaces between.
        modules: modules below the package that are attributes of it without being imported first; they are public
            by themselves, and so not part of ``__all__``.
        here: names that the package defines itself.
    """
    home = {name: module for module, names in homes.items() for name in names.split()}
    below = {module.removeprefix(f"{package}."): module for module in modules}

    def get(name: str) -> Any:
        if name in below:
            return import_module(below[name])  # which also sets the attribute
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    names = sorted([*home, *here])
    return names, get, lambda: sorted({*names, *below})
