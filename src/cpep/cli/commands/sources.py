"""What can be written after ``--source``, and what is there now."""

from __future__ import annotations

import typer

from cpep.types import UserError, shown


def sources() -> None:
    """List what `--source` takes, and the streams of Lab Streaming Layer that are there now.

    Example: `cpep sources`
    """
    from cpep.live.sources.lsl import there
    from cpep.live.sources.registry import forms

    typer.echo("Write after --source (docs/how-to/sources.md has more):")
    for form in forms():
        typer.echo(f"  {form}")
    try:
        streams = there()
    except UserError as error:
        typer.echo(f"Streams of LSL are not looked for: {error}.")
        return
    typer.echo("Streams of LSL that are there now:" if streams else "No stream of LSL is there now.")
    for written, says in streams:
        typer.echo(shown(f"  {written}: {says}"))  # any program in the network may name a stream
