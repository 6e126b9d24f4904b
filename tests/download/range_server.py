"""A web server of parts of files, on a thread, that can be told to misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

Trick = Callable[["Handler", int, int], bool]
"""Given a request and its range, answers it and returns true, or leaves it to the server."""


class RangeServer(ThreadingHTTPServer):
    """Serves ``files`` (name -> bytes) and logs what was asked: (name, start, stop)."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], handler: type[Handler] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.files, self.log, self.sent = files, list[tuple[str, int, int]](), 0
        self.trick: Trick | None = None
        self.etag = '"v1"'
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/emg2pose/"

    def clear(self) -> None:
        self.log.clear()
        self.sent = 0

    def asked(self, name: str) -> list[tuple[int, int]]:
        return [(start, stop) for other, start, stop in self.log if other == name]

    def handle_error(self, request, address) -> None:
        """Clients that hang up are no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: else each answer waits 40 ms for an acknowledgement
    server: RangeServer

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        start, stop = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
        stop += 1
        with self.server.lock:
            self.server.log.append((name, start, stop))
        if self.server.trick is not None and self.server.trick(self, start, stop):
            return
        if name not in self.server.files:
            self.answer(404)
            return
        self.part(start, stop)

    @property
    def file(self) -> bytes:
        return self.server.files[self.path.rsplit("/", 1)[1]]

    def part(
        self,
        start: int,
        stop: int,
        *,
        said: str | None = None,
        length: int | None = None,
        cut: int | None = None,
        status: int = 206,
    ) -> None:
        """Send a range; lie about it in Content-Range or Content-Length, or hang up after ``cut`` bytes."""
        body = self.file[start:stop]
        self.send_response(status)
        self.send_header("Content-Range", said or f"bytes {start}-{stop - 1}/{len(self.file)}")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.send(body if cut is None else body[:cut])
        if cut is not None or length is not None:
            self.close_connection = True

    def send(self, body: bytes) -> None:
        with self.server.lock:
            self.server.sent += len(body)  # before it goes: whoever has read it all may ask at once
        self.wfile.write(body)
        self.wfile.flush()

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


AnyServer = TypeVar("AnyServer", bound=RangeServer)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[RangeServer]:
    """Serve files until the block ends."""
    with running(RangeServer(files)) as server:
        yield server


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def times(count: int, trick: Trick) -> Trick:
    """Play a trick on the first ``count`` requests only."""
    left = [count]

    def play(handler: Handler, start: int, stop: int) -> bool:
        with handler.server.lock:
            left[0] -= 1
            mine = left[0] >= 0
        return mine and trick(handler, start, stop)

    return play


def done(call: object) -> bool:
    """Return true, for tricks that are a lambda."""
    return True
