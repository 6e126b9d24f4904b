"""What is installed, what is found, and what would not work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    data: Annotated[Path | None, typer.Argument(help="Recordings, or a prepared store, to check too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for an issue.")] = False,
) -> None:
    """Say what is installed and found on this machine, what would not work, and how to repair it.

    It ends with exit code 1 where cpep itself, or the recordings, cannot be used; a missing extra is no mistake. It
    prints no passwords and no path outside this folder.

    Example: `cpep doctor`
    """
    from cpep.cli.diagnosis import checks, text_of
    from cpep.report.table import text_width

    found = list(checks(data))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(check) for check in found], indent=1))
    else:
        typer.echo(text_of(found, text_width()))
    if any(check.broken for check in found):
        raise typer.Exit(1)
