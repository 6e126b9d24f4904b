"""Gesture books, and the scores of a live recogniser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import listed
from cpep.types import UserError


def book(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a model that reads EMG.")],
    store: Annotated[Path, typer.Argument(help="Prepared store that it was trained on.")],
    out: Annotated[Path, typer.Argument(help="Book to write, one file.")],
    gestures: Annotated[
        str, typer.Option(help="Names, separated by commas. Default: the gestures of the training.")
    ] = "",
    false_alarms: Annotated[
        float, typer.Option(help="Share of windows without a gesture of the book that may be accepted as one.")
    ] = 0.4,
) -> None:
    """Make a gesture book from poses of training people; validation people choose how it is read, and calibrate it.

    Where checkpoint or store have no pose, it is made from EMG of training people.

    Example: `cpep book runs/cpep/checkpoint runs/cohort.store my.book`
    """
    from cpep.checkpoints.checkpoint import load
    from cpep.data.store.store import open_store
    from cpep.live.book.build import book_of
    from cpep.live.stream import on_one_core
    from cpep.runtime.locks import hold_file

    on_one_core()
    if not 0 < false_alarms < 1:
        raise UserError(f"--false-alarms {false_alarms:g}: give a share between 0 and 1")
    with hold_file(out):
        if out.exists():
            raise UserError(f"{out} exists; choose another file or delete it")
        made = book_of(load(checkpoint), open_store(store), listed(gestures), false_alarms)
        made.save(out)
    known, people = made.calibration, len(made.model.card.held_out().users_val)
    said = made.said + (f", on {people} people who were left out" if made.accuracy else "")
    shown = "" if made.entries[0].shown else " (known by EMG of training people, as there is no pose)"
    typer.echo(
        f"{out}: {', '.join(made.names)}{shown}\n{said}\n"
        f"of validation people's windows outside the book {known.false_alarms:.2f} are accepted, of its gestures "
        f"{known.accepted:.2f}"
    )


def evaluate_live(
    data: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings, of held-out people.")],
    out: Annotated[Path, typer.Argument(help="Output folder: live.json, live.html.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Checkpoint. Default: the shipped one.")] = None,
    book: Annotated[Path | None, typer.Option(help="Gesture book. Default: the shipped one.")] = None,
    shots: Annotated[
        int, typer.Option(min=0, help="Instead of a book: number of windows that each person shows of each gesture.")
    ] = 0,
    shown: Annotated[
        str, typer.Option(help="With --shots: take them from recordings with this word in their name.")
    ] = "",
    users: Annotated[str, typer.Option(help="People to replay. Default: those that the checkpoint held out.")] = "",
    adapt: Annotated[
        bool, typer.Option("--adapt/--no-adapt", help="Adapt to each person as the stream goes on, without labels.")
    ] = False,
) -> None:
    """Replay recordings of held-out people through the live recogniser, and score its events.

    Example: `cpep evaluate-live runs/heldout runs/live`
    """
    from cpep.experiments.live_scoring import LiveRequest, evaluate_live
    from cpep.experiments.runs import quoted
    from cpep.live.demo import demo_paths
    from cpep.live.stream import on_one_core
    from cpep.report.live import live_text

    if bool(shots) != bool(shown):
        raise UserError("--shots and --shown belong together: how many windows, and of which recordings")
    if shots and book is not None:
        raise UserError("--shots takes the place of a book; give --shots or --book")
    if checkpoint is not None and book is None and not shots:
        raise UserError(f"{checkpoint} needs a gesture book; name one with --book, or show gestures with --shots")
    on_one_core()
    demo_checkpoint, demo_book = demo_paths()
    request = LiveRequest(
        checkpoint=checkpoint or demo_checkpoint,
        book=None if shots else book or demo_book,
        data=data,
        out=out,
        users=listed(users),
        shots=shots,
        shown=shown,
        adapts=adapt,
        command=quoted(sys.argv[1:]),
    )
    typer.echo(live_text(evaluate_live(request, typer.echo)))
    typer.echo(f"page: {out / 'live.html'}")
