"""What is damaged: one entry for each kind of file that cpep reads, with its maker and the way a command reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

MODULES = ("recordings", "tables", "stores", "models", "runs", "served")
"""Modules of ``tests.fuzz.made`` that register formats; a test of the suite runs each."""


@dataclass(frozen=True)
class Format:
    """A kind of input.

    Attributes:
        make: writes a valid input into an empty folder; it writes the same every time, but for what says when.
        read: reads the folder as a command does; what it writes goes below the second folder.
        damaged: patterns of the names of the files that are damaged, below the folder.
        changes: whether reading may write into the folder, as the resuming of a run does.
        refusals: what it raises, beside ``UserError``, to refuse with a sentence.
    """

    make: Callable[[Path], object]
    read: Callable[[Path, Path], object]
    damaged: tuple[str, ...] = ("*",)
    changes: bool = False
    refusals: tuple[type[BaseException], ...] = ()

    def files(self, folder: Path) -> list[str]:
        """Return the names of the files that are damaged, below a made folder."""
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        return [name for name in names if any(fnmatch(name, pattern) for pattern in self.damaged)]


def load(*modules: str) -> dict[str, Format]:
    """Return the formats of some modules, or of all, by name."""
    found: dict[str, Format] = {}
    for name in modules or MODULES:
        found |= import_module(f"tests.fuzz.made.{name}").FORMATS
    return found


def module_of(name: str) -> str:
    """Return the module of a format."""
    return next(module for module in MODULES if name in import_module(f"tests.fuzz.made.{module}").FORMATS)
