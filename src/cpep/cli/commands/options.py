"""Options that several commands share, and functions that read their text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cpep.types import UserError

LARGEST_SEED = 2**32 - 1  # what NumPy and scikit-learn take
TOGETHER = ("reproduce", "ablate", "pretrain", "align", "evaluate", "embed")
"""Commands that ranks run together: under torchrun, or as a job of a cluster."""

PresetOption = Annotated[str, typer.Option("--preset", help="Sizes: tiny, small or paper.")]
SetOption = Annotated[list[str], typer.Option("--set", help="A setting, as name=value. The option can be repeated.")]
UnseenOption = Annotated[
    str,
    typer.Option("--unseen", help="Gestures that are in no training stage: names or numbers, separated by commas."),
]
TestOption = Annotated[
    str, typer.Option("--test-users", help="People to test, separated by commas; they replace those of metadata.csv.")
]
ValOption = Annotated[
    str, typer.Option("--val-users", help="Validation people: for early stopping and every choice.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of everything random.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of recordings in any layout, or a prepared store. Needed without --dry-run."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Output folder; a stopped run continues there. Needed without --dry-run.")
]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="Objective: best (soft targets), or paper (hard InfoNCE, as published).")
]
ModelsOption = Annotated[
    str,
    typer.Option(
        "--models", help="Rows of the table, separated by commas; default, all, ablations and objectives are groups."
    ),
]
SeedsOption = Annotated[str, typer.Option("--seeds", help="Seeds, separated by commas.")]
FoldsOption = Annotated[
    int,
    typer.Option("--folds", help="Folds over people. 0: test the people of metadata.csv, or a quarter, once."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be trained, with memory and hours; write nothing.")
]
GpusOption = Annotated[
    int | None, typer.Option("--gpus", help="For --dry-run: GPUs that train a stage together. Default: 4.")
]
AdaptOption = Annotated[
    bool, typer.Option("--adapt/--no-adapt", help="Adapt to the person as the stream goes on, without labels.")
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        help="Where the EMG comes from: sim, sim:SEED, replay:PATH, lsl:NAME, lsl:type=EMG, brainflow:BOARD, "
        "mindrove, myo, or your own FILE.py:CLASS. Brackets choose channels: lsl:NAME[1-8]. `cpep sources` lists "
        "what is there.",
    ),
]
CalibrateOption = Annotated[
    Path | None,
    typer.Option("--calibrate", help="Recording of this session, for a checkpoint that is not causal."),
]


def listed(text: str) -> tuple[str, ...]:
    """Return the parts between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def seeds_of(text: str) -> tuple[int, ...]:
    """Return the seeds between commas, each once.

    Raises:
        UserError: the text is not a list of whole numbers up to ``LARGEST_SEED``.
    """
    parts = listed(text)
    if not parts or not all(re.fullmatch("[0-9]{1,10}", part) and int(part) <= LARGEST_SEED for part in parts):
        raise UserError(
            f"--seeds {text[:100]}: write whole numbers up to {LARGEST_SEED} separated by commas, for example 0,1,2"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


def check_folds(folds: int, test_users: str) -> None:
    """Check that ``--folds`` says how to divide people, and does not contradict ``--test-users``.

    Raises:
        UserError: a number of folds that divides nobody, or both options at once.
    """
    if folds < 0 or folds == 1:
        raise UserError(f"--folds {folds}: give 2 or more, or 0 to test a quarter of the people once")
    if folds and listed(test_users):
        raise UserError("--folds tests everybody in turn, --test-users names who is tested; give one of them")
