"""The ``cpep`` command: parse, call, print.

Heavy modules are imported inside the commands, so that ``cpep --help`` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cpep.types import UserError

app = typer.Typer(
    name="cpep",
    help="Contrastive Pose-EMG Pre-training: recordings in, the paper's table out.\n\n"
    "Example: `cpep reproduce --data ../shared/data/ninapro_db1 --out runs/db1`",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
data_app = typer.Typer(
    help="Look at recordings and prepare them for training.\n\n"
    "Example: `cpep data inspect ../shared/data/ninapro_db1`",
    no_args_is_help=True,
)
pretrain_app = typer.Typer(
    help="Train a masked autoencoder of one modality.\n\nExample: `cpep pretrain emg runs/cohort.store runs/emg_mae`",
    no_args_is_help=True,
)
app.add_typer(data_app, name="data")
app.add_typer(pretrain_app, name="pretrain")

INTERRUPTED = 130  # what typer returns after Ctrl-C where it does not raise
USAGE_ERROR: Any = typer.BadParameter.__base__  # typer exports no common class of a mistyped command
PresetOption = Annotated[str, typer.Option("--preset", help="Sizes: tiny, small or paper.")]
SetOption = Annotated[list[str], typer.Option("--set", help="Any field, as field=value; repeatable.")]
UnseenOption = Annotated[
    str, typer.Option("--unseen", help="Gestures that no training stage sees: names or numbers.")
]
TestOption = Annotated[str, typer.Option("--test-users", help="People held out, separated by commas.")]
ValOption = Annotated[str, typer.Option("--val-users", help="People for early stopping and every choice.")]
LARGEST_SEED = 2**32 - 1  # what NumPy and scikit-learn take
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of everything random.")]


def _list(text: str) -> tuple[str, ...]:
    """Return the parts between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _seeds(text: str) -> tuple[int, ...]:
    parts = _list(text)
    if not parts or not all(part.isdecimal() and int(part) <= LARGEST_SEED for part in parts):
        raise UserError(
            f"--seeds {text}: write whole numbers up to {LARGEST_SEED} separated by commas, for example 0,1,2"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


def _check_folds(folds: int, test_users: str) -> None:
    if folds < 0 or folds == 1:
        raise UserError(f"--folds {folds}: give 2 or more, or 0 to test a quarter of the people once")
    if folds and _list(test_users):
        raise UserError("--folds tests everybody in turn, --test-users names who is tested; give one of them")


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; not with --check.")] = Path("runs/cohort"),
    users: Annotated[int, typer.Option(help="People in the cohort.")] = 24,
    minutes: Annotated[float, typer.Option(help="Minutes of recording a person.")] = 6.0,
    seed: SeedOption = 0,
    check: Annotated[bool, typer.Option("--check", help="Print the table of properties instead.")] = False,
) -> None:
    """Simulate a cohort in the emg2pose layout, or check the simulator.

    Example: `cpep simulate runs/cohort --users 24 --seed 0`
    """
    from cpep import simulate as simulator
    from cpep.files import progress_line
    from cpep.jobs import cores

    if check:
        table = simulator.check(seed=seed, progress=progress_line("check", "wearings"))
        typer.echo(simulator.table_text(table))
        if not all(row.ok for row in table):
            raise UserError("a property of the simulator is outside its tolerance (marked above)")
        return
    simulator.simulate_cohort(
        out,
        users=users,
        minutes=minutes,
        seed=seed,
        workers=cores(),
        progress=progress_line("simulate", "s of recording"),
    )
    typer.echo(f"{out}: {users} simulated users, {minutes:g} minutes each, seed {seed}")


@data_app.command("inspect")
def inspect(path: Annotated[Path, typer.Argument(help="Folder of recordings.")]) -> None:
    """Say what is in a folder of recordings, and what is wrong with which file.

    Example: `cpep data inspect ../shared/data/ninapro_db1`
    """
    from cpep.data.inspect import inspect_folder
    from cpep.files import progress_line
    from cpep.jobs import cores

    typer.echo(inspect_folder(path, workers=cores(), progress=progress_line("inspect", "files")).text())


@data_app.command("prepare")
def prepare(
    path: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="Prepared store to write.")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be read.")] = False,
) -> None:
    """Write a prepared store: memory-mapped arrays with an index, once, resumable.

    Example: `cpep data prepare runs/cohort runs/cohort.store`
    """
    from cpep.data.prepare import prepare as prepare_store
    from cpep.files import progress_line
    from cpep.jobs import cores

    progress = progress_line("prepare", "files")
    store = prepare_store(path, out, workers=cores(), skip_bad=skip_bad, progress=progress)
    typer.echo(
        f"{out}: {len(store.entries)} recordings of {len(store.users)} users, {store.seconds / 3600:.2f} h, "
        f"{store.device.channels} channels at {store.device.emg_rate:g} Hz, pose at {store.frame_rate:g} Hz"
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
    from cpep.files import progress_line
    from cpep.single import single_task
    from cpep.train.stages import pretrain as train

    task = single_task(store, out, preset, sets, _list(unseen), _list(test), _list(val), seed)
    typer.echo(f"checkpoint: {train(task, modality, progress_line(f'{modality} MAE', 'windows'))}")


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


@app.command()
def align(
    store: Annotated[Path, typer.Argument(help="Prepared store.")],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint.")],
    emg: Annotated[Path, typer.Option(help="Checkpoint of the EMG masked autoencoder.")],
    pose: Annotated[Path, typer.Option(help="Checkpoint of the pose masked autoencoder.")],
    preset: PresetOption = "small",
    sets: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
) -> None:
    """Align the EMG encoder to the frozen pose encoder, under the checkpoints' split.

    Example: `cpep align STORE runs/cpep --emg runs/emg_mae/checkpoint --pose runs/pose_mae/checkpoint`
    """
    from cpep.files import progress_line
    from cpep.single import aligned_task
    from cpep.train.stages import align as train

    task = aligned_task(store, out, preset, sets, emg, seed)
    typer.echo(f"checkpoint: {train(task, emg, pose, progress=progress_line('align', 'windows'))}")


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of an aligned model.")],
    data: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="Output folder.")],
    test_users: TestOption = "",
    sets: SetOption = [],  # noqa: B006
) -> None:
    """Evaluate a checkpoint on people it has not met: linear probe, zero-shot, table and report.

    Example: `cpep evaluate runs/cpep/checkpoint runs/cohort.store runs/evaluation`
    """
    from cpep.evaluate.report import table_text
    from cpep.pipeline import quoted
    from cpep.single import evaluate_checkpoint

    command = quoted(sys.argv[1:])
    results = evaluate_checkpoint(checkpoint, data, out, _list(test_users), sets, command, typer.echo)
    typer.echo(table_text(results))
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def embed(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint with an EMG encoder.")],
    path: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings.")],
    out: Annotated[Path, typer.Argument(help=".npz file to write.")],
    hop_s: Annotated[float, typer.Option(help="Distance of neighbouring windows, seconds.")] = 0.25,
) -> None:
    """Write embeddings with labels, users, recordings and times, for use elsewhere.

    Example: `cpep embed runs/cpep/checkpoint runs/cohort.store runs/embeddings.npz`
    """
    from cpep.single import embed_file

    if not 0 < hop_s < float("inf"):
        raise UserError(f"--hop-s {hop_s:g}: give a positive number of seconds")
    typer.echo(embed_file(checkpoint, path, out, hop_s))


@app.command()
def reproduce(
    data: Annotated[Path, typer.Option(help="Folder of recordings in any layout, or a prepared store.")],
    out: Annotated[Path, typer.Option(help="Output folder; a stopped run resumes there.")],
    preset: PresetOption = "small",
    recipe: Annotated[str, typer.Option(help="Objective: paper (hard InfoNCE, as published).")] = "paper",
    models: Annotated[str, typer.Option(help="Rows of the table, separated by commas.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    folds: Annotated[int, typer.Option(help="Cross-validate over people; 0 tests a quarter of them once.")] = 0,
    test_users: TestOption = "",
    val_users: ValOption = "",
    unseen: UnseenOption = "",
    sets: SetOption = [],  # noqa: B006
) -> None:
    """Run all stages and print the paper's table for your recordings.

    Example: `cpep reproduce --data ../shared/data/ninapro_db1 --out runs/db1 --folds 4 --unseen 3,6,9,12`
    """
    from cpep import pipeline
    from cpep.configs import preset as make_preset
    from cpep.evaluate.report import table_text

    if recipe != "paper":
        raise UserError(f"no recipe {recipe!r}; this version has paper")
    _check_folds(folds, test_users)
    request = pipeline.Request(
        data=data,
        out=out,
        config=make_preset(preset, sets),
        models=_list(models) or pipeline.MODELS,
        seeds=_seeds(seeds),
        folds=folds,
        test_users=_list(test_users),
        val_users=_list(val_users),
        unseen=_list(unseen),
        command=pipeline.quoted(sys.argv[1:]),
    )
    results = pipeline.reproduce(request, typer.echo)
    typer.echo(table_text(results))
    typer.echo(f"report: {out / 'report.html'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 after Ctrl-C, or 2 after one sentence on what is wrong."""
    try:
        status = app(args=None if argv is None else list(argv), prog_name="cpep", standalone_mode=False)
    except UserError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except USAGE_ERROR as error:
        return _complain(_usage(error)) if error.format_message() else 2  # help was printed instead
    except BrokenPipeError:  # `cpep ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
    if status == INTERRUPTED:
        _complain("stopped; the same command goes on from here")
        return 1
    return 0


def _usage(error: Any) -> str:
    """Say in one sentence what is wrong with a command line, and where to look."""
    command = error.ctx.command_path if error.ctx else "cpep"
    return f"{error.format_message().rstrip('.')} (see `{command} --help`)"


def _complain(sentence: str) -> int:
    """Print a sentence, over the progress line where there is one, and return the exit status."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}cpep: {sentence}", file=sys.stderr, flush=True)
    return 2


def run() -> None:
    """Entry point of the ``cpep`` script."""
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C: the workers are ending already
    sys.exit(status)
