"""From a person's own recordings to a live model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import PresetOption, SetOption


def train(
    folder: Annotated[
        Path, typer.Argument(help="Recordings of one person, as `cpep record` makes them, or a store.")
    ],
    out: Annotated[
        Path | None, typer.Argument(help="Output folder. Default: FOLDER.live. A stopped run continues there.")
    ] = None,
    preset: PresetOption = "small",
    sets: SetOption = [],  # noqa: B006
) -> None:
    """Train a model of your own gestures, and test it on repetitions that were held out.

    Repetitions of each gesture, and the last of several sessions, are held out of everything. It says first how many
    minutes it will take. The result is a folder that `cpep serve` and `cpep stream` use as it is.

    Example: `cpep train my_recordings && cpep serve my_recordings.live --source lsl:wristband`
    """
    from cpep.experiments.own import live_of, train_own

    train_own(folder, out or live_of(folder), typer.echo, sizes=preset, sets=sets)
