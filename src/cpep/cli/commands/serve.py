"""The live page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpep.cli.commands.options import CalibrateOption, SourceOption
from cpep.types import UserError

if TYPE_CHECKING:
    from cpep.checkpoints.checkpoint import Model
    from cpep.data.recording import Device
    from cpep.live.signals import Source


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="Aligned model. Without one, the one that cpep ships where the source is the band that it knows "
            "(sim, 16 channels at 2000 Hz); else none, and gestures are enrolled."
        ),
    ] = None,
    source: SourceOption = "sim",
    book: Annotated[
        Path | None,
        typer.Option(
            help="Book of the checkpoint's gestures; my.book unless given. Without CHECKPOINT it is made where it "
            "is missing."
        ),
    ] = None,
    enrolment: Annotated[
        Path, typer.Option(help="File of the gestures that you enrol; made where it is missing, and gone on with.")
    ] = Path("my.enrol"),
    recordings: Annotated[
        Path, typer.Option(help="Folder of the data set that recordings go into; made where it is missing.")
    ] = Path("my_recordings"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; on another than loopback a token is asked for.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    calibrate: CalibrateOption = None,
) -> None:
    """Open a page that shows the EMG of any band, enrols gestures, and shows what is recognised.

    Example: `cpep serve --source lsl:band`
    """
    try:
        import nicegui  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError('cpep serve needs NiceGUI: `pip install "cpep[web]"`') from error
    from cpep.checkpoints.checkpoint import book_beside
    from cpep.live.book.book import GestureBook
    from cpep.live.session import Session
    from cpep.live.sources.registry import open_source
    from cpep.live.sources.replay import emg_of_person
    from cpep.live.stream import on_one_core
    from cpep.web.build import Files, page_of
    from cpep.web.server import serve as serve_page

    path = book or (checkpoint and book_beside(checkpoint)) or Path("my.book")
    if checkpoint and not path.exists():
        raise UserError(f"{path} does not exist; make it with `cpep book {checkpoint} STORE {path}`")
    on_one_core()
    opened = open_source(source)
    model = _model(checkpoint, opened.device, asked=book is not None or calibrate is not None)
    known, standard = None, None
    if model is not None:
        known = GestureBook.load(_book_at(path, model), model)
        for note in known.notes:
            typer.echo(note)
        standard = model.calibrate(emg_of_person(calibrate, model.card.device).T) if calibrate else None
    session = Session(_as_enrolled(opened, enrolment), known, standard)
    page = page_of(session, opened, Files(source, path, enrolment, recordings))
    session.start()
    try:
        serve_page(page, host, port, show)
    except KeyboardInterrupt:  # the way to end it
        pass
    finally:
        page.close()
        session.stop()


def _model(checkpoint: Path | None, device: Device, asked: bool) -> Model | None:
    """Return the checkpoint; without one, the shipped one where it is asked for or knows just this band."""
    from cpep.checkpoints.checkpoint import load
    from cpep.data.readers.emg2pose import DEVICE
    from cpep.live.demo import demo_paths
    from cpep.signal.rate import same_rate

    if checkpoint is not None:
        return load(checkpoint)
    mine, other = ((one.channels, one.emg_kind, one.emg_unit or DEVICE.emg_unit) for one in (device, DEVICE))
    known = mine == other and same_rate(device.emg_rate, DEVICE.emg_rate)
    return load(demo_paths()[0]) if asked or known else None


def _as_enrolled(source: Source, path: Path) -> Source:
    """Return the source in the unit and at the rate of an enrolment, if there is one."""
    from cpep.live.enrol.enrolment import Enrolment

    if not path.exists():
        return source
    try:
        return Enrolment.load(path).fitted(source)
    except UserError as error:
        raise UserError(f"{path}: {error}; or name another file with --enrolment") from error


def _book_at(path: Path, model: Model) -> Path:
    """Return the path of a book, which is the shipped one where there was none."""
    from cpep.live.book.book import GestureBook
    from cpep.live.demo import demo_paths

    if not path.exists():
        GestureBook.load(demo_paths()[1], model).save(path)
    return path
