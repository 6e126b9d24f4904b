"""The command line, from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from cpep.cli.main import app

COMMON = {"--help"}


def found(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that can be called, with its full name."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, one in command.commands.items():
        yield from found(one, f"{name} {part}")


def cell(text: str) -> str:
    """Return a text as a cell of a table."""
    return options(re.sub(r"\s+", " ", text).strip().replace("|", "\\|").replace("<", "\\<"))


def options(text: str) -> str:
    """Return a text with its options as code, since two dashes of prose become one."""
    return re.sub(r"(?<![`\w-])--[a-z][\w-]*(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", lambda found: f"`{found[0]}`", text)


def text_of(command: Any) -> str:
    """Return the help of a command; its examples as a block of code."""
    text = re.sub(r"^Examples?: (.+)$", lambda found: fenced(found[1]), command.help or "", flags=re.MULTILINE)
    return options(text.replace("<", "\\<"))


def fenced(text: str) -> str:
    """Return example commands as a block."""
    return "```\n" + text.strip("`").replace("`, `", "\n").replace("`, or `", "\n") + "\n```"


def row(parameter: Any) -> tuple[bool, str]:
    """Return whether a parameter is an option, and its row."""
    is_option = parameter.opts[0].startswith("-")
    name = ", ".join(f"`{one}`" for one in [*parameter.opts, *parameter.secondary_opts])
    default = "" if parameter.default is None or callable(parameter.default) else parameter.default
    if isinstance(default, bool) or default in ("", (), []):
        shown = ""
    elif isinstance(default, tuple | list):
        shown = " ".join(map(str, default))
    else:
        shown = str(getattr(default, "value", default))
    if not is_option:
        name = f"`{(parameter.metavar or parameter.name).upper()}`"
    needed = "needed" if parameter.required else (f"`{shown}`" if shown else "")
    return is_option, f"| {name} | {cell(parameter.help or '')} | {needed} |"


def commands() -> str:
    """Return all commands as Markdown."""
    lines = []
    for name, command in found(typer.main.get_command(app), "cpep"):
        parameters = [one for one in command.params if not COMMON & set(one.opts) and not one.hidden]
        rows = [row(one) for one in parameters]
        lines += [f"## `{name}`", "", text_of(command), ""]
        for wanted, title in ((False, "argument"), (True, "option")):
            chosen = [line for is_option, line in rows if is_option == wanted]
            if chosen:
                lines += [f"| {title} | | default |", "|---|---|---|", *chosen, ""]
    return "\n".join(lines)
