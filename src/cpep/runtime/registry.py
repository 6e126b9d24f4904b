"""What users choose by name: readers, kinds of anchor, encoders, terms, stages, rows, protocols, live sources.

A package names its built-in modules in one list, and each of them adds what it has when it is imported. Modules of
other people join in one of two ways: an installed package has an entry point in the group ``cpep``; a file of one's
own on the Python path is named in the environment variable ``CPEP_PLUGINS`` (several with commas), which worker
processes inherit.
"""

from __future__ import annotations

import difflib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from cpep.types import UserError

T = TypeVar("T")

PLUGINS = "CPEP_PLUGINS"
GROUP = "cpep"


class Registry(Generic[T]):
    """Things by name: built-in ones in the order of their modules, then others in the order in which they were added.

    Args:
        what: one of them in a word, for sentences.
        modules: built-in modules, imported when the registry is first read; each adds its own.
    """

    def __init__(self, what: str, modules: Sequence[str] = ()) -> None:
        self.what = what
        self._modules = tuple(modules)
        self._loaded = False
        self._loading = threading.RLock()
        self._items: dict[str, T] = {}
        self._place: dict[str, int] = {}

    def add(self, name: str, item: T) -> T:
        """Add something under a name and return it.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._items:
            raise ValueError(f"there is a {self.what} called {name!r} already")
        self._items[name], self._place[name] = item, self._place_of_caller()
        return item

    def get(self, name: str) -> T:
        """Return the item of that name.

        Raises:
            UserError: no item has that name; the sentence names the nearest one.
        """
        items = self._all()
        if name not in items:
            near = difflib.get_close_matches(name, items, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]}? There are {', '.join(items)}" if near else ""
            raise UserError(f"no {self.what} {name!r}{hint}")
        return items[name]

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._all().values()))

    def _all(self) -> dict[str, T]:
        with self._loading:  # another thread waits until all is there
            if not self._loaded:
                self._loaded = True  # before the imports: a module that is imported may read the registry
                for module in self._modules:
                    import_module(module)
                load_plugins()
                # whichever module was imported first: parameters, columns and rows keep their order
                self._items = dict(sorted(self._items.items(), key=lambda pair: self._place[pair[0]]))
        return self._items

    def _place_of_caller(self) -> int:
        """Return the place in the list of the built-in module that is being imported; after all for other modules."""
        frame = sys._getframe(2)
        while frame.f_code.co_name != "<module>" and frame.f_back is not None:
            frame = frame.f_back
        name = frame.f_globals.get("__name__")
        return self._modules.index(name) if name in self._modules else len(self._modules)


@cache
def load_plugins() -> None:
    """Import the modules of other people, once in a process.

    Raises:
        UserError: a module that ``CPEP_PLUGINS`` names cannot be imported.
    """
    for entry in entry_points(group=GROUP):
        entry.load()
    for name in filter(None, (part.strip() for part in os.environ.get(PLUGINS, "").split(","))):
        try:
            import_module(name)
        except ImportError as error:
            raise UserError(f"{PLUGINS} names the module {name}, which cannot be imported: {error}") from error
