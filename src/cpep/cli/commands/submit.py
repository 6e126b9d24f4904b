"""A long command as a job of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import TOGETHER
from cpep.types import UserError


def submit(
    command: Annotated[list[str], typer.Argument(help="The command after --, as it would follow cpep.")],
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    gpus: Annotated[
        int, typer.Option(min=0, help="GPUs of each node, one rank each; 0: one rank without a GPU.")
    ] = 1,
    cpus: Annotated[int, typer.Option(min=1, help="Cores of a rank.")] = 8,
    hours: Annotated[
        float, typer.Option(min=0.02, help="Time limit of a job; then it is queued again and continues.")
    ] = 24.0,
    memory: Annotated[float, typer.Option(min=0, help="GB of each node; 0: the cluster's default.")] = 0.0,
    partition: Annotated[str, typer.Option(help="Partition of the cluster. Default: the cluster's.")] = "",
    logs: Annotated[Path, typer.Option(help="Folder of logs, which all nodes see.")] = Path("runs/jobs"),
    here: Annotated[bool, typer.Option("--here", help="Run it on this machine as it would run as a job.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the batch script and send nothing.")] = False,
) -> None:
    """Send a long command to Slurm, on all its GPUs. At the time limit it is queued again and continues.

    Example: `cpep submit --gpus 8 --hours 24 -- reproduce --data /data/emg2pose --out runs/paper --preset paper`
    """
    from cpep.runtime.slurm import Order, require_extra, run_here, script, send

    if command[0] not in (*TOGETHER, "data"):
        raise UserError(f"submit runs {', '.join(TOGETHER)} or data, not {command[0]}")
    require_extra()
    order = Order(nodes, gpus, cpus, hours, memory, partition)
    do = script if dry_run else run_here if here else send
    typer.echo(do(command, order, logs))
