"""The public names with their signatures, as text. `make public` writes ``tests/api/public.txt``.

A difference in that file is a change of the public API: it belongs into CHANGELOG.md and, where users have to change
their code, into the next version's number (CONTRIBUTING.md).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cpep

FILE = Path(__file__).with_name("public.txt")


def text() -> str:
    """Return all public names, module by module."""
    blocks = []
    for module in cpep.PUBLIC:
        names = import_module(module).__all__
        lines = [line for name in names for line in lines_of(name, getattr(import_module(module), name))]
        blocks.append("\n".join([f"# {module}", *lines]))
    return "\n\n".join(blocks) + "\n"


def lines_of(name: str, item: Any) -> list[str]:
    """Return a name with its signature; for a class also its methods, properties and fields."""
    if inspect.isclass(item):
        return [f"class {name}{_signature(item)}", *sorted(f"    {line}" for line in _members(item))]
    if inspect.isfunction(item):
        return [f"{name}{_signature(item)}"]
    return [f"{name}: {type(item).__name__}"]


def members_of(item: type) -> dict[str, Any]:
    """Return what a class has under a public name and cpep defines."""
    found: dict[str, Any] = {}
    for kind in item.__mro__:
        if kind.__module__.startswith("cpep"):
            found = {**{name: value for name, value in vars(kind).items() if not name.startswith("_")}, **found}
    return found


def _members(item: type) -> Iterator[str]:
    fields = {field.name for field in dataclasses.fields(item)} if dataclasses.is_dataclass(item) else set()
    for name, value in members_of(item).items():
        if isinstance(value, staticmethod | classmethod):
            yield f"{name}{_signature(getattr(item, name))}"
        elif inspect.isfunction(value):
            yield f"{name}{_signature(value)}"
        elif isinstance(value, property):
            yield f"{name}: {value.fget.__annotations__.get('return', 'Any') if value.fget else 'Any'}"
        elif name not in fields and name not in ("name", "title") and not inspect.ismemberdescriptor(value):
            yield f"{name} = ..."


class _Text(str):
    """A text that a signature shows without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _signature(item: Any) -> str:
    """Return a signature with annotations as they are written, and without places in memory."""
    try:
        signature = inspect.signature(item)
    except ValueError:  # UserError has none
        return ""
    parameters = [
        one.replace(annotation=_annotation(one.annotation), default=_default(one.default))
        for one in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=_annotation(signature.return_annotation)))


def _annotation(value: Any) -> Any:
    return value if value is inspect.Parameter.empty else _Text(value)


def _default(value: Any) -> Any:
    named = (inspect.isfunction(value) or inspect.isclass(value)) and value is not inspect.Parameter.empty
    return _Text(value.__name__) if named else value


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
