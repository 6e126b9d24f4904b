"""What the reference takes from the code: a page says ``{{ cli }}``, and here is what comes in its place."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import api_pages
import cli_pages
import joint_pages
import schema_pages
import setting_pages
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.errors import SphinxError

MAKERS: dict[str, Callable[[], str]] = {
    "cli": cli_pages.commands,
    "settings": setting_pages.settings,
    "joints": joint_pages.joints,
    "landmarks": joint_pages.landmarks,
    "gestures": joint_pages.gestures,
    "schemas": schema_pages.schemas,
}

REQUEST = re.compile(r"set_\w+_request")


def docstring(module: str) -> str:
    """Return the docstring of a module, which is reStructuredText, for a page in Markdown."""
    text = inspect.getdoc(importlib.import_module(module)) or ""
    first, _, rest = text.partition("\n\n")
    return f"{first.replace('``', '`')}\n\n```{{eval-rst}}\n{rest}\n```\n"


def others(app: Sphinx, folder: str, text: str) -> str:
    """Return the pages of a folder that a text does not name, one a line: so a new page finds its place by itself."""
    pages = sorted(Path(app.srcdir, folder).rglob("*.md"))
    names = [str(page.relative_to(app.srcdir).with_suffix("")) for page in pages]
    return "\n".join(name for name in names if name not in text.splitlines())


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put what is made from the code into a page, before it is read as Markdown."""
    lines = source[0].split("\n")
    for at, line in enumerate(lines):
        if not (line.startswith("{{ ") and line.endswith(" }}")):
            continue
        name, _, argument = line[3:-3].partition(" ")
        if name == "others":
            lines[at] = others(app, argument, source[0])
        elif name == "docstring":
            lines[at] = docstring(argument)
        elif name == "api":
            lines[at] = api_pages.module(argument)
        elif name in MAKERS:
            lines[at] = MAKERS[name]()
        else:
            raise SphinxError(f"{docname}: {line} is none of {', '.join(MAKERS)}, api, docstring and others")
    source[0] = "\n".join(lines)


def skip(app: Sphinx, what: str, name: str, thing: object, skipped: bool, options: object) -> bool | None:
    """Leave out what scikit-learn adds to every estimator; its docstring refers to pages of scikit-learn."""
    return True if REQUEST.fullmatch(name) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx; pages of the reference are read anew each time, since the code may have changed."""
    for field in PyObject.doc_field_types:  # as docstrings call them
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("source-read", fill)
    app.connect("autodoc-skip-member", skip)
    app.connect(
        "env-get-outdated",
        lambda app, env, added, changed, removed: [
            name for name in env.found_docs if name.startswith("reference/") and name not in added
        ],
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
