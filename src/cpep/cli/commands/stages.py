"""One stage of training at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import (
    PresetOption,
    RecipeOption,
    SeedOption,
    SetOption,
    TestOption,
    UnseenOption,
    ValOption,
    listed,
)

pretrain_app = typer.Typer(
    help="Train a masked autoencoder of one modality.\n\nExample: `cpep pretrain emg runs/cohort.store runs/emg_mae`",
)


def _pretrain(
    modality: str,
    store: Path,
    out: Path,
    preset: str,
    sets: list[str],
    unseen: str,
    test: str,
    val: str,
    seed: int,
) -> None:
    from cpep.experiments.plan import describe
    from cpep.experiments.single import single_task
    from cpep.runtime.files import training_line
    from cpep.train.pretrain import pretrain as train

    task = single_task(store, out, preset, sets, listed(unseen), listed(test), listed(val), seed)
    typer.echo(describe(task.store, [task.split], task.config))
    _tell(train(task, modality, *training_line(f"{modality} MAE")))


def _tell(checkpoint: Path) -> None:
    """Say where the checkpoint is, how good it was in validation, and where the log is."""
    from cpep.train.log import NAME
    from cpep.train.note import read_note

    found, log = read_note(checkpoint.parent), checkpoint.with_name(NAME)
    typer.echo(f"kept: step {found.kept_step} of {found.steps}, validation {found.validation:.4g}")
    if log.is_file():
        typer.echo(f"log: {log} (or: tensorboard --logdir {checkpoint.parent})")
    typer.echo(f"checkpoint: {checkpoint}")


@pretrain_app.command("emg")
def pretrain_emg(
    store: Annotated[Path, typer.Argument(help="Prepared store.")],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint.")],
    preset: PresetOption = "small",
    sets: SetOption = [],  # noqa: B006  (typer reads the default)
    unseen: UnseenOption = "",
    test_users: TestOption = "",
    val_users: ValOption = "",
    seed: SeedOption = 0,
) -> None:
    """Train the EMG masked autoencoder.

    Example: `cpep pretrain emg runs/cohort.store runs/emg_mae --set emg_mae.optim.steps=200`
    """
    _pretrain("emg", store, out, preset, sets, unseen, test_users, val_users, seed)


@pretrain_app.command("pose")
def pretrain_pose(
    store: Annotated[Path, typer.Argument(help="Prepared store.")],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint.")],
    preset: PresetOption = "small",
    sets: SetOption = [],  # noqa: B006
    unseen: UnseenOption = "",
    test_users: TestOption = "",
    val_users: ValOption = "",
    seed: SeedOption = 0,
) -> None:
    """Train the pose masked autoencoder.

    Example: `cpep pretrain pose runs/cohort.store runs/pose_mae`
    """
    _pretrain("pose", store, out, preset, sets, unseen, test_users, val_users, seed)


def align(
    store: Annotated[Path, typer.Argument(help="Prepared store.")],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint.")],
    emg: Annotated[Path, typer.Option(help="Checkpoint of the EMG masked autoencoder.")],
    pose: Annotated[Path, typer.Option(help="Checkpoint of the pose masked autoencoder.")],
    preset: PresetOption = "small",
    recipe: RecipeOption = "best",
    sets: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
) -> None:
    """Align the EMG encoder to the frozen pose encoder, under the checkpoints' split.

    Example: `cpep align STORE runs/cpep --emg runs/emg_mae/checkpoint --pose runs/pose_mae/checkpoint`
    """
    from cpep.experiments.plan import describe
    from cpep.experiments.single import aligned_task
    from cpep.runtime.files import training_line
    from cpep.train.align import align as train

    task = aligned_task(store, out, preset, recipe, sets, emg, seed)
    typer.echo(describe(task.store, [task.split], task.config))
    _tell(train(task, emg, pose, *training_line("align")))
