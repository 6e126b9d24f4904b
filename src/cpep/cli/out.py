"""``--out`` beside the positional OUT: every command that writes takes its place in both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from cpep.types import UserError

NAME = "--out"


class Command(TyperCommand):
    """A command whose last argument, where it is called OUT, may be given by name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        arguments: list[Any] = [one for one in self.params if one.param_type_name == "argument"]
        self.by_name = bool(arguments) and arguments[-1].name == "out"
        if self.by_name:
            arguments[-1].help = f"{arguments[-1].help} Or: {NAME} PATH."

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a command line."""
        return super().parse_args(ctx, out_last(args) if self.by_name else args)


def out_last(args: Sequence[str]) -> list[str]:
    """Return arguments with the value of ``--out`` as the last one.

    Raises:
        UserError: it has no value.

    >>> out_last(["--out", "runs/a", "store", "--seed", "1"])
    ['store', '--seed', '1', 'runs/a']
    >>> out_last(["store", "--out=runs/a"])
    ['store', 'runs/a']
    """
    for at, word in enumerate(args):
        if word == "--":
            break
        if word == NAME:
            if at + 1 == len(args):
                raise UserError("--out needs a value: the folder or file to write")
            return [*args[:at], *args[at + 2 :], args[at + 1]]
        if word.startswith(f"{NAME}="):
            return [*args[:at], *args[at + 1 :], word.removeprefix(f"{NAME}=")]
    return list(args)
