"""Serves the page: NiceGUI behind a guard, on one address."""

from __future__ import annotations

import errno
import logging
import secrets
import socket
import ssl
import sys
import threading
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from nicegui import Client, ui
from nicegui import app as nicegui_app
from starlette.types import ASGIApp, Receive, Scope, Send

from cpep.types import UserError
from cpep.web import chooser, messages
from cpep.web.connections import BACKLOG, HttpConnection, SocketConnection, allow_files
from cpep.web.ending import Ending
from cpep.web.frames import Live
from cpep.web.guard import Guard, is_loopback
from cpep.web.headers import SafeHeaders
from cpep.web.log import to_terminal
from cpep.web.tls import OPENSSL
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

    def close(self) -> None:
        """End what goes on."""
        ...


ENVELOPE = 2**16
"""Bytes of an upload's form beside its files."""
TAB_S = 3600.0
"""So long NiceGUI remembers a tab that is closed."""
BACK_S = 30.0
"""So long a tab may be silent and then goes on with what it showed, as where its machine slept or had no time; later
it is loaded anew. By NiceGUI it is three seconds, and a busy browser lost the pose and the name that were typed."""
MOST_PAGES = 100
"""Tabs that show the page at a time; one that nobody came back to within a minute is forgotten."""


CLEAR = f"""\
cpep: all travels in clear, and who shares the network can read the token. Either serve without --host, and open
cpep: http://127.0.0.1:PORT/ on your machine through a tunnel: ssh -N -L PORT:127.0.0.1:PORT THIS-MACHINE
cpep: or serve with --tls-cert cert.pem --tls-key key.pem, once you made them:
cpep: {OPENSSL}"""
"""Said where another machine may reach the page without TLS."""


def serve(page: Served, host: str, port: int, show: bool, tls: ssl.SSLContext | None = None) -> None:
    """Serve a page until Ctrl-C; once in a process, since NiceGUI's settings are global.

    What goes on is ended within two seconds then, by ``page.close``; a second Ctrl-C ends the process at once.

    Args:
        page: what is served.
        host: address to bind to; on another than loopback a token is asked for, and printed.
        port: 0 takes a free one.
        show: open the page in the browser; where a token is asked for, the browser asks for it too, as other users of
            this machine see the address with which a browser starts.
        tls: encrypts the connections.

    Raises:
        UserError: as ``bind``.
    """
    # NiceGUI looks for its server among all objects, and those of torch complain when they are looked at.
    warnings.filterwarnings("ignore", message="`torch.distributed.reduce_op`", category=FutureWarning)
    token = "" if is_loopback(host) else secrets.token_urlsafe(16)
    with bind(host, port) as bound, Ending(page.close) as ending:
        port = bound.getsockname()[1]
        address = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}/"
        print(f"cpep: {address}{f'?token={token}' if token else ''} (Ctrl-C ends it)", flush=True)
        if token and not tls:
            print(CLEAR.replace("PORT", str(port)), file=sys.stderr, flush=True)
        if show:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        to_terminal()
        allow_files()
        guard = Guard(build(page), token, LARGEST + ENVELOPE, secure=tls is not None)
        Server(_config(guard, tls), ending).run([bound])


class Server(uvicorn.Server):
    """A server that leaves the signals to others, and waits for nobody when it ends."""

    def __init__(self, config: uvicorn.Config, ending: Ending) -> None:
        super().__init__(config)
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to ``Ending``."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to end."""
        return self._ending.begun.is_set() or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut all connections, and end."""
        logging.disable()  # of requests that are cut
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self.lifespan.shutdown()


class Views:
    """Answers with the view of this moment at ``/api/view``, thirty times a second, before FastAPI sees the request.

    Args:
        app: answers all else; the attribute keeps its name, by which NiceGUI finds its server.
        page: whose views are asked for.
    """

    def __init__(self, app: ASGIApp, page: Served) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http" or scope["path"] != "/api/view" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        try:
            since, after = int(asked.get("since", "-1")), float(asked.get("after", "-1"))
        except ValueError:
            await PlainTextResponse("since is a whole number, after a number", 422)(scope, receive, send)
            return
        await JSONResponse(self.page.live.frame(since, after))(scope, receive, send)


def _config(guard: Guard, tls: ssl.SSLContext | None) -> uvicorn.Config:
    """Return how the server treats its connections."""
    return uvicorn.Config(
        SafeHeaders(guard),
        loop="cpep.web.connections:Loop",
        http=HttpConnection,
        ws=SocketConnection,
        backlog=BACKLOG,
        ws_max_size=messages.LARGEST,
        ssl_context_factory=(lambda config, default: tls) if tls else None,
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


def build(page: Served) -> Views:
    """Return the application: the page at ``/``, its pictures at ``/api``."""
    application = FastAPI(openapi_url=None)

    @application.get("/api/map")
    def plane() -> JSONResponse:
        return JSONResponse(page.live.map())

    application.add_route(chooser.ADDRESS, chooser.arrived, methods=["POST"])
    nicegui_app.add_static_files("/static", STATIC)

    @ui.page("/", title="cpep live")
    def home() -> PlainTextResponse | None:
        if len(Client.instances) > MOST_PAGES:
            return PlainTextResponse("too many pages are open; close some, or wait a minute", 503)
        page.show()
        return None

    nicegui_app.storage.max_tab_storage_age = TAB_S
    ui.run_with(
        application, dark=None, language="en-US", tailwind=False, show_welcome_message=False, reconnect_timeout=BACK_S
    )
    messages.quiet()
    return Views(application, page)
