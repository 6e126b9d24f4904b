"""Serves the page: NiceGUI behind a guard, on one address."""

from __future__ import annotations

import errno
import secrets
import socket
import threading
import warnings
import webbrowser
from pathlib import Path
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from nicegui import Client, ui
from nicegui import app as nicegui_app

from cpep.types import UserError
from cpep.web import messages
from cpep.web.connections import MOST_HEAD, HttpConnection, SocketConnection
from cpep.web.frames import Live
from cpep.web.guard import Guard, is_loopback
from cpep.web.headers import SafeHeaders
from cpep.web.log import to_terminal
from cpep.web.uploads import LARGEST

STATIC = Path(__file__).parent / "static"


class Served(Protocol):
    """What is served."""

    @property
    def live(self) -> Live:
        """Answers on the session that runs now."""
        ...

    def show(self) -> None:
        """Build the page for one browser tab."""
        ...


ENVELOPE = 2**16
"""Bytes of an upload's form beside its files."""
MOST_PAGES = 100
"""Tabs that show the page at a time; one that nobody came back to within a minute is forgotten."""


def serve(page: Served, host: str, port: int, show: bool) -> None:
    """Serve a page until Ctrl-C; once in a process, since NiceGUI's settings are global.

    Args:
        page: what is served.
        host: address to bind to; on another than loopback a token is asked for, and printed.
        port: 0 takes a free one.
        show: open the page in the browser.

    Raises:
        UserError: as ``bind``.
    """
    # NiceGUI looks for its server among all objects, and those of torch complain when they are looked at.
    warnings.filterwarnings("ignore", message="`torch.distributed.reduce_op`", category=FutureWarning)
    token = "" if is_loopback(host) else secrets.token_urlsafe(16)
    with bind(host, port) as bound:
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"
        address += f"?token={token}" if token else ""
        print(f"cpep: {address} (Ctrl-C ends it)", flush=True)
        if show:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        to_terminal()
        uvicorn.Server(_config(Guard(build(page), token, LARGEST + ENVELOPE))).run([bound])


def _config(guard: Guard) -> uvicorn.Config:
    """Return how the server treats its connections."""
    return uvicorn.Config(
        SafeHeaders(guard),
        loop="cpep.web.connections:Loop",
        http=HttpConnection,
        ws=SocketConnection,
        ws_max_size=messages.LARGEST,
        h11_max_incomplete_event_size=MOST_HEAD,
        timeout_graceful_shutdown=1,
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UserError: the address is taken, or is none of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UserError(f"port {port} of {host} is in use; choose another with --port, or 0 for any") from error
        raise UserError(f"cannot listen on port {port} of {host}: {error}") from error


def build(page: Served) -> FastAPI:
    """Return the application: the page at ``/``, its pictures at ``/api``."""
    application = FastAPI(openapi_url=None)

    @application.get("/api/view")
    async def view(since: int = -1, after: float = -1.0) -> JSONResponse:
        return JSONResponse(page.live.frame(since, after))

    @application.get("/api/map")
    def plane() -> JSONResponse:
        return JSONResponse(page.live.map())

    nicegui_app.add_static_files("/static", STATIC)

    @ui.page("/", title="cpep live")
    def home() -> PlainTextResponse | None:
        if len(Client.instances) > MOST_PAGES:
            return PlainTextResponse("too many pages are open; close some, or wait a minute", 503)
        page.show()
        return None

    ui.run_with(application, dark=None, language="en-US", tailwind=False, show_welcome_message=False)
    messages.quiet()
    return application
