"""Published checkpoints of the models that CPEP is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

baselines_app = typer.Typer(
    help="Use published checkpoints of the emg2pose benchmark's models.\n\n"
    "Example: `cpep baselines import vemg2pose.safetensors runs/vemg2pose --model vemg2pose --names map.json`",
)


@baselines_app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="Weights, a safetensors file.")],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint; must not exist.")],
    model: Annotated[str, typer.Option("--model", help="vemg2pose or emg2pose.")],
    names: Annotated[
        Path | None, typer.Option("--names", help='JSON, {"their name": "our name", ...}; null: not used.')
    ] = None,
    window_s: Annotated[float, typer.Option("--window-s", help="Length of the windows it reads, seconds.")] = 2.0,
) -> None:
    """Make a checkpoint from weights that others trained; names and shapes must fit ours.

    Example: `cpep baselines import vemg2pose.safetensors runs/vemg2pose --model vemg2pose --names map.json`
    """
    from cpep.checkpoints.import_weights import import_checkpoint

    typer.echo(import_checkpoint(file, out, model, names, window_s))


@baselines_app.command("names")
def names(model: Annotated[str, typer.Argument(help="vemg2pose or emg2pose.")]) -> None:
    """Print the names and shapes of a model's weights, to write a map for `import`.

    Example: `cpep baselines names vemg2pose`
    """
    from cpep.checkpoints.import_weights import names_text

    typer.echo(names_text(model))
