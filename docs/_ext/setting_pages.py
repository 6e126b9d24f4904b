"""Every setting with its default in each preset, and the remark that stands beside it in config/schema.py."""

import dataclasses
import inspect
import re
from enum import Enum
from operator import attrgetter
from typing import Any, get_type_hints

from cpep.config import ranges
from cpep.config.presets import preset
from cpep.config.schema import RunConfig

PRESETS = ("small", "paper")
FIELD = re.compile(r"^    (\w+): [^#\n]+(?:#\s*(.*))?$")


def remarks(kind: type) -> dict[str, str]:
    """Return the remark of each field: at the end of its line, or on the lines above it."""
    found, above = {}, list[str]()
    for line in inspect.getsource(kind).splitlines():
        if line.strip().startswith("#"):
            above.append(line.strip("# "))
        elif match := FIELD.match(line):
            found[match[1]] = match[2] or " ".join(above)
            above = []
    return found


def shown(value: Any) -> str:
    """Return a value as it is written after ``--set``."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def choices(path: str, kind: Any) -> str:
    """Return in words what a field may be."""
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return "one of " + ", ".join(f"`{one.value}`" for one in kind)
    if kind in (int, float):
        return ranges.RANGES.get(path.rpartition(".")[2], (0, 0, "at least 0"))[2]
    return ""


def table(path: str, kind: type) -> list[str]:
    """Return the settings of one dataclass, and those of the dataclasses in it."""
    hints, said, lines, inner = get_type_hints(kind), remarks(kind), list[str](), list[str]()
    for field in dataclasses.fields(kind):
        name, hint = f"{path}{field.name}", hints[field.name]
        if dataclasses.is_dataclass(hint):
            inner += table(f"{name}.", hint)
        else:
            values = [shown(attrgetter(name)(preset(one, recipe="best"))) for one in PRESETS]
            text = "; ".join(filter(None, (said.get(field.name, ""), choices(name, hint)))).replace("|", "\\|")
            lines.append(f"| `{name}` | {' | '.join(f'`{one}`' if one else '' for one in values)} | {text} |")
    title = f"`{path.rstrip('.')}`" if path else "The run"
    text = (inspect.getdoc(kind) or "").replace("``", "`").replace("<", "\\<")
    columns = [f"| setting | {' | '.join(PRESETS)} | |", f"|---|{'---|' * (len(PRESETS) + 1)}"]
    head = ["", f"## {title}", "", text, "", *columns]
    return [*head, *lines, *inner]


def settings() -> str:
    """Return all settings as Markdown."""
    return "\n".join(table("", RunConfig))
