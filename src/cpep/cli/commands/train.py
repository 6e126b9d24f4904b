"""From a person's own recordings to a live model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import PresetOption, SeedOption, SetOption


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


def finetune(
    checkpoint: Annotated[
        str, typer.Argument(help="Folder or hf:// address of a checkpoint; shipped for the one that comes with cpep.")
    ],
    data: Annotated[Path, typer.Argument(help="Recordings of one person with the same device, or a store.")],
    out: Annotated[Path, typer.Argument(help="Output folder. A stopped run resumes there.")],
    sets: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
) -> None:
    """Fine-tune a checkpoint on a new person, and say how well it tells his or her gestures before and after.

    Repetitions are divided as by `cpep train`. With poses, the alignment to poses goes on; without, labels train. The
    result is the checkpoint as it was where validation repetitions are not told better. OUT holds a checkpoint and a
    book of gestures, for `cpep serve`, `cpep stream`, `cpep evaluate`, `cpep export` and `cpep embed`. In
    simulation it helps gestures told by their pose; a linear read-out on labels gains nothing on average.

    Example: `cpep finetune runs/cpep my_recordings runs/mine && cpep serve runs/mine --source lsl:wristband`
    """
    from cpep.experiments.finetune import finetune as tune

    tune(checkpoint, data, out, sets=sets, seed=seed, say=typer.echo)
