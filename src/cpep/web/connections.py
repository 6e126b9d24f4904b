"""Connections that ask for nothing, or take nothing, are closed: they do not stop others."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

try:
    from uvloop import Loop as Base
except ImportError:  # Windows
    from asyncio import SelectorEventLoop as Base  # type: ignore[assignment]

HEAD_S = 10.0
"""In this time the head of a request is there, and the handshake of TLS."""
BODY_S = 60.0
"""In this time the body of a request is there."""
STUCK_S = 20.0
"""A client that takes nothing of what was sent for so long is gone."""
BACKLOG = 64
"""Connections that are taken at a time, before those that were taken are read."""
MOST_WAITING = 200
"""Connections at a time whose first request is not there yet; one more, and the oldest of them is closed. A request
that comes at once is read before so many others are taken."""
MOST = 400
"""Connections at a time; a page in a browser takes up to seven, most of the time two."""
FILES = 1024
"""Open files that the server is allowed, where the system lets it."""
MOST_HEAD = 2**15
"""Bytes of the head of a request."""


def allow_files() -> None:
    """Let this process open as many files as its connections take."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < FILES:
            most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Deadline:
    """At most one time at which a connection is cut."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self.why = ""

    def set(self, why: str, seconds: float, transport: asyncio.Transport) -> None:
        """Cut the connection later, unless this was said before for the same reason."""
        if why != self.why:
            self.clear()
            self.why = why
            self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def clear(self) -> None:
        """Let it be."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.why = None, ""


class HttpConnection(HttpToolsProtocol):
    """A connection whose requests come in time and have a head of bounded size, and whose answers are taken.

    Requests are parsed in C: a page asks for thirty views a second, and h11 took half as long as all else.
    """

    waiting: ClassVar[dict[HttpConnection, None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self.request, self.answer = _Deadline(), _Deadline()
        self._part, self._head, self._done = "", 0, 0
        super().connection_made(transport)
        if sum(not one.transport.is_closing() for one in self.connections) > MOST:
            transport.abort()
            return
        self.request.set("head", HEAD_S, transport)
        self.waiting[self] = None
        if len(self.waiting) > MOST_WAITING:
            oldest = next(iter(self.waiting))
            del self.waiting[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._whole()
        self.answer.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        done = self._done
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # a web socket now
            self._whole()
        elif self._part == "body":
            self._whole()
            self.request.set("body", BODY_S, self.transport)
        elif self._part == "head" or self._done == done:  # part of a head, or nothing that ends
            self.request.set("head", HEAD_S, self.transport)
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.transport.abort()
        else:
            self._whole()

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        self._part, self._head = "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with its body, which may be empty."""
        self._part = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._part, self._done = "", self._done + 1
        super().on_message_complete()

    def _whole(self) -> None:
        self.request.clear()
        self.waiting.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        """Close what speaks no HTTP."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        self.answer.set("taken", STUCK_S, self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self.answer.clear()
        super().resume_writing()


class SocketConnection(WebSocketsSansIOProtocol):
    """A web socket whose messages are taken."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.sent = _Deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.sent.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        self.sent.set("taken", STUCK_S, self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self.sent.clear()
        super().resume_writing()


class Loop(Base):
    """An event loop that does not wait long for the handshake of TLS.

    It is uvloop's where that is installed. The loop of asyncio gives other threads its turn at every call of the
    system: beside a session that computes, the page then drew 15 in place of 30 pictures a second.
    """

    async def create_server(self, *args: Any, **named: Any) -> asyncio.Server:
        """Listen; see asyncio."""
        if named.get("ssl"):
            named["ssl_handshake_timeout"] = HEAD_S
        server: asyncio.Server = await super().create_server(*args, **named)  # type: ignore[assignment]
        return server
