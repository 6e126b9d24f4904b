"""Live recognition: ``cpep stream``."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpep.cli.commands.options import AdaptOption, CalibrateOption, SourceOption
from cpep.types import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cpep.live.book.book import GestureBook
    from cpep.live.loop import Steps
    from cpep.live.recogniser import Judge
    from cpep.live.signals import Chunk, Event, Source


def stream(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="Aligned checkpoint. Default: the shipped one, of simulated people.")
    ] = None,
    source: SourceOption = "sim",
    book: Annotated[
        Path | None, typer.Option(help="Gesture book of the checkpoint. The shipped one has a book.")
    ] = None,
    enrolment: Annotated[
        Path | None, typer.Option(help="File of `cpep enrol`; instead of checkpoint and book.")
    ] = None,
    adapt: AdaptOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    speed: Annotated[
        float, typer.Option(help="Speed of replay and sim, 1 is real time; 0 is as fast as possible.")
    ] = 1.0,
    seconds: Annotated[
        float, typer.Option(min=0, help="Stop after these seconds of the stream; 0: to its end.")
    ] = 0.0,
    publish: Annotated[str, typer.Option(help="Also send events as an LSL stream of markers of this name.")] = "",
    calibrate: CalibrateOption = None,
) -> None:
    """Recognise gestures on a stream, and print each when it begins; Ctrl-C ends it.

    Example: `cpep stream --source lsl:wristband --enrolment me.enrol`
    """
    from cpep.live.sources.registry import open_source

    if enrolment is not None and (checkpoint or book or calibrate):
        raise UserError("--enrolment needs no checkpoint, book or calibration; leave them out, or leave it out")
    if enrolment:
        known, steps, fit = _of_enrolment(enrolment, adapt)
    else:
        known, steps, fit = _of_checkpoint(checkpoint, book, calibrate, adapt)
    listen(fit(open_source(source, speed)), steps, known, seconds, as_json=as_json, publish=publish)


def listen(
    source: Source,
    steps: Steps,
    known: Judge,
    seconds: float = 0.0,
    chunks: Iterable[Chunk] | None = None,
    *,
    as_json: bool = False,
    publish: str = "",
) -> None:
    """Print each gesture of a stream when it begins, until the source ends or Ctrl-C.

    Args:
        source: that is read.
        steps: makes steps of its chunks.
        known: tells the gestures of a step.
        seconds: of the stream, then stop; 0 goes on.
        chunks: see ``Foreground.run``.
        as_json: one JSON object a line.
        publish: name of an LSL stream of markers; empty for none.
    """
    from cpep.live.foreground import Foreground
    from cpep.live.recogniser import Recogniser
    from cpep.live.sources.lsl import Markers

    markers = Markers(publish) if publish else None

    def tell(event: Event) -> None:
        typer.echo(_json(event) if as_json else f"{event.time_s:9.2f} s  {event.name}  {event.confidence:.2f}")
        if markers:
            markers.publish(event)

    run = Foreground(source, steps, Recogniser(known), tell, lambda sentence: typer.echo(sentence, err=True))
    gc.freeze()  # what is loaded stays; a look at all of it would hold an event up by a tenth of a second
    try:
        run.run(seconds or float("inf"), chunks)
    except KeyboardInterrupt:  # the way to end it
        pass
    finally:
        gc.unfreeze()
    typer.echo(run.summary(), err=True)


Opening = tuple["Judge", "Steps", "Callable[[Source], Source]"]
"""What tells gestures, of which steps, and what brings a source to them."""


def _of_enrolment(path: Path, adapt: bool) -> Opening:
    from cpep.live.enrol.enrolled import Enrolled
    from cpep.live.enrol.enrolment import Enrolment
    from cpep.live.enrol.stream import FeatureStream

    enrolment = Enrolment.load(path)
    return Enrolled(enrolment, adapts=adapt), FeatureStream(enrolment.device), enrolment.fitted


def _of_checkpoint(checkpoint: Path | None, book: Path | None, calibrate: Path | None, adapt: bool) -> Opening:
    from cpep.checkpoints.checkpoint import load
    from cpep.live.book.book import GestureBook
    from cpep.live.sources.fit import fitted
    from cpep.live.sources.replay import emg_of_person
    from cpep.live.stream import EmgStream, on_one_core

    on_one_core()
    checkpoint, book = _with_demo(checkpoint, book)
    model = load(checkpoint)
    device = model.card.device
    standard = model.calibrate(emg_of_person(calibrate, device).T) if calibrate else None
    known = GestureBook.load(book, model)
    for note in known.notes:
        typer.echo(note, err=True)
    return _judge_of(known, adapt), EmgStream(model, standard=standard), partial(fitted, device=device)


def _judge_of(book: GestureBook, adapt: bool) -> Judge:
    if not adapt:
        return book
    from cpep.live.book.adapted import AdaptedBook  # half a second, which others need not wait for

    return AdaptedBook(book)


def _with_demo(checkpoint: Path | None, book: Path | None) -> tuple[Path, Path]:
    """Return checkpoint and book, those of the demo where none are given."""
    from cpep.checkpoints.checkpoint import book_beside
    from cpep.live.demo import demo_paths

    if checkpoint is not None and book is None:
        book = book_beside(checkpoint)
    if checkpoint is not None and book is None:
        raise UserError(f"{checkpoint} needs a gesture book; name one with --book, or leave both out for the demo's")
    demo_checkpoint, demo_book = demo_paths()
    return checkpoint or demo_checkpoint, book or demo_book


def _json(event: Event) -> str:
    import json

    return json.dumps(
        {"time_s": round(event.time_s, 3), "gesture": event.name, "confidence": round(event.confidence, 4)}
    )
