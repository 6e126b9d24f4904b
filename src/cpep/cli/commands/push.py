"""Sharing a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint to share.")],
    to: Annotated[
        str, typer.Argument(help="hf://organisation/name on the Hugging Face hub; made if it does not exist.")
    ],
    results: Annotated[
        Path | None, typer.Option(help="results.json of its run or its evaluation, for the model card.")
    ] = None,
    data_licence: Annotated[
        str, typer.Option(help="Licence of the training data, if cpep does not know it: CC-BY-4.0, or in words.")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a checkpoint that is there, by a new commit.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the model card and what would be pushed; no network.")
    ] = False,
) -> None:
    """Push a checkpoint to the Hugging Face hub, with a model card; `hf auth login` comes first.

    Example: `cpep push runs/demo/run/fold0/seed0/cpep/checkpoint hf://me/demo --results runs/demo/run/results.json`
    """
    from cpep.share.push import push as push_checkpoint

    typer.echo(
        push_checkpoint(checkpoint, to, results, data_licence, private=private, replace=replace, dry_run=dry_run)
    )
