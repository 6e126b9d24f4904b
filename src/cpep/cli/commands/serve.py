"""The live page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import CalibrateOption
from cpep.types import UserError


def serve(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="Aligned model; without it the one that cpep ships.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where the EMG comes from, as for `cpep stream`.")] = "sim",
    book: Annotated[Path, typer.Option(help="Book of gestures; without CHECKPOINT made where it is missing.")] = Path(
        "my.book"
    ),
    host: Annotated[
        str, typer.Option(help="Address to listen on; on another than loopback a token is asked for.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    calibrate: CalibrateOption = None,
) -> None:
    """Open a page that shows the EMG and what is recognised in it, and that takes new gestures.

    Example: `cpep serve --source sim --book my.book`
    """
    try:
        import nicegui  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError('cpep serve needs NiceGUI: `pip install "cpep[web]"`') from error
    from cpep.checkpoints.checkpoint import load
    from cpep.live.book.book import GestureBook
    from cpep.live.session import Session
    from cpep.live.sources.fit import fitted
    from cpep.live.sources.registry import open_source
    from cpep.live.sources.replay import emg_of_person
    from cpep.live.stream import on_one_core
    from cpep.share.demo import demo_paths
    from cpep.web.book_store import BookStore
    from cpep.web.frames import Live
    from cpep.web.page import Page
    from cpep.web.server import serve as serve_page
    from cpep.web.studio import Maker

    if checkpoint and not book.exists():
        raise UserError(f"{book} does not exist; make it with `cpep book {checkpoint} STORE {book}`")
    on_one_core()
    shipped, shipped_book = demo_paths()
    model = load(checkpoint or shipped)
    if not book.exists():
        GestureBook.load(shipped_book, model).save(book)
    standard = model.calibrate(emg_of_person(calibrate, model.card.device).T) if calibrate else None
    opened = open_source(source)
    session = Session(fitted(opened, model.card.device), model, GestureBook.load(book, model), standard)
    page = Page(
        Live(session, opened.name, model.card.device.emg_unit, model.card.device.anchor.no_hand),
        BookStore(session, book),
        opened if isinstance(opened, Maker) else None,
        model.card.frame_rate,
        model.card.window_s,
    )
    session.start()
    try:
        serve_page(page, host, port, show)
    except KeyboardInterrupt:  # the way to end it
        pass
    finally:
        session.stop()
