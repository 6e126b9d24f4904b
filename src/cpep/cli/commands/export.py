"""Export of a checkpoint to run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.types import UserError


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a model that embeds EMG.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX graphs, float32 and int8.")] = False,
    book: Annotated[Path | None, typer.Option(help="Gesture book that the runner recognises.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Prepared store, or folder of recordings: compare on its held-out people, not on noise."),
    ] = None,
) -> None:
    """Write a checkpoint as ONNX, with a runner that needs onnxruntime and NumPy alone.

    Example: `cpep export runs/cpep/checkpoint runs/exported --onnx --check runs/cohort.store`
    """
    if not onnx:
        raise UserError("say what to write: add --onnx, which is the one format there is")
    from cpep.experiments.single import export_folder

    typer.echo(export_folder(checkpoint, out, book, check, typer.echo))
