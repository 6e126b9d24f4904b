"""The live page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import AdaptOption, CalibrateOption, SourceOption
from cpep.types import UserError


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="Aligned model. Default: the shipped one, if the source has its 16 channels at 2000 Hz (sim); for "
            "any other source there is no model, and you enrol gestures."
        ),
    ] = None,
    source: SourceOption = "sim",
    book: Annotated[
        Path | None,
        typer.Option(
            help="Book of the checkpoint's gestures. Default: my.book. Without CHECKPOINT it is made if it does not "
            "exist."
        ),
    ] = None,
    enrolment: Annotated[
        Path, typer.Option(help="File of the gestures that you enrol; it is made, or continued.")
    ] = Path("my.enrol"),
    recordings: Annotated[
        Path, typer.Option(help="Folder of the data set of recordings; it is made if it does not exist.")
    ] = Path("my_recordings"),
    host: Annotated[str, typer.Option(help="Address to listen on; any address but loopback needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM), for another address than loopback; needs --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM), readable by you alone.")] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    calibrate: CalibrateOption = None,
    adapt: AdaptOption = False,
) -> None:
    """Open a page that shows the EMG of any band, enrols gestures, and shows what is recognised.

    Example: `cpep serve --source lsl:band`
    """
    try:
        import nicegui  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError('cpep serve needs NiceGUI: `pip install "cpep[web]"`') from error
    from cpep.checkpoints.checkpoint import book_beside
    from cpep.live.stream import on_one_core
    from cpep.web.desk import Desk
    from cpep.web.opening import Wanted, open_session
    from cpep.web.server import serve as serve_page
    from cpep.web.tls import tls_of

    path = book or (checkpoint and book_beside(checkpoint)) or Path("my.book")
    if checkpoint and not path.exists():
        raise UserError(f"{path} does not exist; make it with `cpep book {checkpoint} STORE {path}`")
    tls = tls_of(tls_cert, tls_key)
    on_one_core()
    wanted = Wanted(checkpoint, path, book is not None, enrolment, recordings, calibrate, adapt)
    opened = open_session(wanted, source)
    for note in opened.notes:
        typer.echo(note)
    desk = Desk(opened, lambda text: open_session(wanted, text, beside=True))
    try:
        serve_page(desk, host, port, show, tls)
    except KeyboardInterrupt:  # the way to end it
        pass
    finally:
        desk.close()
