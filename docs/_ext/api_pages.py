"""The public names of a module: a table of all, then each with its docstring."""

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from cpep import PUBLIC


def first_sentence(thing: Any) -> str:
    """Return the first paragraph of a docstring, for a cell of a table."""
    text = (inspect.getdoc(thing) if callable(thing) else "") or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


def constant(module: str, name: str) -> str:
    """Return the text that stands below a constant in the module that defines it."""
    source = inspect.getsource(importlib.import_module(module))
    found = re.search(rf"^ *from (\S+) import {name} as {name}$", source, re.MULTILINE)
    documented = ModuleAnalyzer.for_module(found[1] if found else module).find_attr_docs()
    return " ".join(documented.get(("", name), [])).strip()


def directive(module: str, name: str, thing: Any) -> list[str]:
    """Return the directive of Sphinx that documents a thing, and what is in it."""
    full = f"{module}.{name}"
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return [f".. autoexception:: {full}"]
    if inspect.isclass(thing):
        return [f".. autoclass:: {full}", "   :members:", "   :no-undoc-members:"]
    if callable(thing):
        return [f".. autofunction:: {full}"]
    return [f".. py:data:: {full}", f"   :type: {type(thing).__name__}", "", f"   {constant(module, name)}"]


def public(name: str) -> dict[str, Any]:
    """Return what a module makes public, by name; no modules."""
    code = importlib.import_module(name)
    things = {one: getattr(code, one) for one in sorted(code.__all__) if not one.startswith("__")}
    return {one: thing for one, thing in things.items() if not isinstance(thing, ModuleType)}


def homes() -> dict[int, str]:
    """Return where each class and function is documented: in the first module that makes it public."""
    found: dict[int, str] = {}
    for name in PUBLIC:
        for one, thing in public(name).items():
            if callable(thing):
                found.setdefault(id(thing), f"{name}.{one}")
    return found


def module(name: str) -> str:
    """Return a public module as Markdown."""
    home, things = homes(), public(name)
    text = (inspect.getdoc(importlib.import_module(name)) or "").strip()
    lines = [f"```{{eval-rst}}\n.. module:: {name}\n   :no-contents-entry:\n\n{text}\n```", ""]
    lines += ["| name | |", "|---|---|"]
    own = {one: thing for one, thing in things.items() if home.get(id(thing), f"{name}.{one}") == f"{name}.{one}"}
    for one, thing in things.items():
        full = f"{name}.{one}" if one in own else home[id(thing)]
        lines.append(
            f"| {{py:obj}}`{one} <{full}>` | {first_sentence(thing) or constant(name, one).replace('``', '`')} |"
        )
    for one, thing in own.items():
        lines += ["", f"## `{one}`", "", "```{eval-rst}", *directive(name, one, thing), "```"]
    return "\n".join(lines)
