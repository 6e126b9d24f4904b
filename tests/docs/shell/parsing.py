"""Reads the words of a command without running it: options exist, values are of their kinds, nothing is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def check(words: Sequence[str]) -> int:
    """Return 0 for a command line that cpep understands, and for other programs; else print why not, return 2."""
    wrong = fault(words) if words[0] == "cpep" else ""
    if wrong:
        print(f"cpep: {wrong}", file=sys.stderr)
    return 2 if wrong else 0


def fault(words: Sequence[str], *, whole: bool = True) -> str:
    """Return what is wrong with a command line; nothing where all is right.

    Args:
        words: with ``cpep`` first.
        whole: whether the command must be one that runs; else arguments may be missing, as in ``cpep data prepare``
            within a sentence.
    """
    from cpep.types import UserError

    try:
        return _fault(list(words[1:]), whole)
    except UserError as error:
        return str(error)


def _fault(words: list[str], whole: bool) -> str:
    """Return what is wrong with the words after ``cpep``; nothing where all is right."""
    import typer

    from cpep.cli.main import USAGE_ERROR, app

    command: Any = typer.main.get_command(app)
    parent: Any = None
    try:
        while hasattr(command, "commands"):
            if not words or words in (["--help"], ["--version"]):
                return ""
            context = command.context_class(command, info_name=command.name, parent=parent)
            _, found, words = command.resolve_command(context, words)
            command, parent = found, context
        command.make_context(command.name, words, parent=parent)
    except typer.Exit:
        return ""
    except USAGE_ERROR as error:
        missing = type(error).__name__ == "MissingParameter"
        valueless = not whole and "requires an argument" in error.format_message()
        return "" if (missing and not whole) or valueless else error.format_message()
    return _unknown(words)


def _unknown(words: list[str]) -> str:
    """Refuse a setting, or a row of the table, that is named and does not exist."""
    from cpep.config.presets import preset
    from cpep.experiments.rows import names_of

    values = list(pairwise(words))
    preset("tiny", [after for word, after in values if word == "--set"])
    for rows in [after for word, after in values if word == "--models" and "=" not in after]:
        names_of(rows.split(","))
    return ""
