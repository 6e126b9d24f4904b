"""The paper's table, whole or of one checkpoint, and embeddings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cpep.cli.commands.options import (
    DataOption,
    DryRunOption,
    FoldsOption,
    GpusOption,
    ModelsOption,
    OutOption,
    PresetOption,
    RecipeOption,
    SeedsOption,
    SetOption,
    TestOption,
    UnseenOption,
    ValOption,
    check_folds,
    listed,
    seeds_of,
)
from cpep.types import UserError


def reproduce(
    data: DataOption = None,
    out: OutOption = None,
    preset: PresetOption = "small",
    recipe: RecipeOption = "best",
    models: ModelsOption = "default",
    seeds: SeedsOption = "0",
    folds: FoldsOption = 0,
    test_users: TestOption = "",
    val_users: ValOption = "",
    unseen: UnseenOption = "",
    sets: SetOption = [],  # noqa: B006
    dry_run: DryRunOption = False,
    gpus: GpusOption = None,
) -> None:
    """Run all stages and print the paper's table for your recordings.

    Example: `cpep reproduce --data data/ninapro_db1 --out runs/db1 --folds 4 --unseen 3,6,9,12`
    """
    _tabulate(data, out, preset, recipe, models, seeds, folds, test_users, val_users, unseen, sets, dry_run, gpus)


def ablate(
    data: DataOption = None,
    out: OutOption = None,
    preset: PresetOption = "small",
    recipe: RecipeOption = "best",
    models: ModelsOption = "ablations",
    seeds: SeedsOption = "0",
    folds: FoldsOption = 0,
    test_users: TestOption = "",
    val_users: ValOption = "",
    unseen: UnseenOption = "",
    sets: SetOption = [],  # noqa: B006
    dry_run: DryRunOption = False,
    gpus: GpusOption = None,
) -> None:
    """Train cpep several times, each time with another part of the recipe changed.

    The output folder of `cpep reproduce` with the same settings can be given: its stages are used.

    Example: `cpep ablate --data runs/cohort --out runs/ablations --models cpep/avg_pool,cpep/frozen_emg`
    """
    models = f"cpep,{models}"
    _tabulate(data, out, preset, recipe, models, seeds, folds, test_users, val_users, unseen, sets, dry_run, gpus)


def _tabulate(
    data: Path | None,
    out: Path | None,
    preset: str,
    recipe: str,
    models: str,
    seeds: str,
    folds: int,
    test_users: str,
    val_users: str,
    unseen: str,
    sets: list[str],
    dry_run: bool,
    gpus: int | None,
) -> None:
    from cpep.config.presets import preset as make_preset
    from cpep.experiments.dry_run import PAPER_GPUS
    from cpep.experiments.dry_run import dry_run as plan
    from cpep.experiments.pipeline import reproduce as run
    from cpep.experiments.runs import Request, quoted

    check_folds(folds, test_users)
    if gpus is not None and (not dry_run or gpus < 1):
        raise UserError(f"--gpus {gpus}: give a number from 1 on, with --dry-run, whose hours it divides")
    if not dry_run and (data is None or out is None):
        missing = "--data RECORDINGS" if data is None else "--out FOLDER"
        raise UserError(f"{missing} is missing; only --dry-run does without")
    request = Request(
        data=data or Path(),
        out=out or Path(),
        config=make_preset(preset, sets, recipe),
        models=listed(models) or ("default",),
        seeds=seeds_of(seeds),
        folds=folds,
        test_users=listed(test_users),
        val_users=listed(val_users),
        unseen=listed(unseen),
        command=quoted(sys.argv[1:]),
    )
    if dry_run:
        typer.echo(plan(request, data, gpus or PAPER_GPUS))
    else:
        _show(run(request, typer.echo), request.out)


def _show(results: dict[str, Any], out: Path) -> None:
    """Print the tables of results, and where the report is."""
    from cpep.report.challenge import challenge_text
    from cpep.report.names import BENCHMARK
    from cpep.report.pose_errors import errors_text
    from cpep.report.published import published_text
    from cpep.report.table import table_text

    compared = any(row["model"] in BENCHMARK for row in results["rows"])
    texts = [
        table_text(results),
        errors_text(results),
        challenge_text(results),
        published_text(results) if compared else "",
    ]
    typer.echo("\n\n".join(text for text in texts if text))
    typer.echo(f"report: {out / 'report.html'}")


def table(
    run: Annotated[Path, typer.Argument(help="Output folder of reproduce, ablate or evaluate.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, with intervals over people.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="As LaTeX with booktabs, for a paper.")] = False,
) -> None:
    """Print the tables of a finished run again.

    Example: `cpep table runs/db1 --markdown`
    """
    from cpep.report.latex import tables_latex
    from cpep.report.markdown import tables_markdown
    from cpep.report.results import read_results

    if markdown and latex:
        raise UserError("--markdown and --latex are two forms of one table; give one of them")
    results = read_results(run)
    if markdown:
        typer.echo(tables_markdown(results))
    elif latex:
        typer.echo(tables_latex(results))
    else:
        _show(results, run)


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a model that reads EMG.")],
    data: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="Output folder.")],
    test_users: TestOption = "",
    val_users: ValOption = "",
    folds: FoldsOption = 0,
    sets: SetOption = [],  # noqa: B006
) -> None:
    """Evaluate a checkpoint on people it has not met: linear probe, zero-shot, few-shot; table and report.

    On the store of its training, the people that it held out are tested. On another store of the same kind of
    device, people are divided as for reproduce: probes are fitted on some of them and tested on others. Gestures are
    the checkpoint's by their exact names.

    Example: `cpep evaluate runs/cpep/checkpoint runs/cohort.store runs/evaluation`
    """
    from cpep.experiments.newcomers import Wanted
    from cpep.experiments.runs import quoted
    from cpep.experiments.single import evaluate_checkpoint

    check_folds(folds, test_users)
    wanted = Wanted(listed(test_users), listed(val_users), folds)
    command = quoted(sys.argv[1:])
    _show(evaluate_checkpoint(checkpoint, data, out, wanted, sets, command, typer.echo), out)


def embed(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint with an EMG encoder.")],
    path: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings.")],
    out: Annotated[Path, typer.Argument(help=".npz file to write.")],
    hop_s: Annotated[float, typer.Option(help="Distance of neighbouring windows, seconds.")] = 0.25,
) -> None:
    """Write embeddings with labels, users, recordings and times to an .npz file.

    Example: `cpep embed runs/cpep/checkpoint runs/cohort.store runs/embeddings.npz`
    """
    from cpep.experiments.single import embed_file

    if not 0 < hop_s < float("inf"):
        raise UserError(f"--hop-s {hop_s:g}: give a positive number of seconds")
    typer.echo(embed_file(checkpoint, path, out, hop_s))
