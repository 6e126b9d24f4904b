"""Kept connections to web servers: one a thread and server, bounded in rate, tried again where a failure may pass.

What is asked and which answers are right is known to those who ask: ``http.Remote`` for parts of one large file,
``site.Site`` for many files, each by one GET.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from cpep.types import UserError
from cpep.version import __version__

BLOCK = 1 << 16
"""Bytes that are read from a connection at a time, at most."""

TRIES = 7
"""Attempts without a byte of progress before a download stops."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Pause after the first failure, doubled by each further one; and the longest pause, whatever the server asks for."""

TIMEOUT_S = 30.0
TICK_S = 0.2
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""

GOES_ON = "run the same command again to go on from here"


class Stopped(Exception):
    """A thread was told to stop."""


class Passing(Exception):
    """A failure after which the request is sent again, after ``pause_s`` where the server said so.

    Attributes:
        status: of the answer; 0 where none came, or where it was right and its body was not.
    """

    def __init__(self, text: str, pause_s: float = 0.0, status: int = 0) -> None:
        super().__init__(text)
        self.pause_s, self.status = pause_s, status


class Limiter:
    """Spreads bytes over time, for all threads together.

    Args:
        bytes_per_s: the bound; ``None`` for none.
        clock: returns seconds that only grow.
    """

    def __init__(self, bytes_per_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes_per_s, self._clock = bytes_per_s, clock
        self._free = clock()
        self._lock = threading.Lock()

    def delay(self, count: int) -> float:
        """Book ``count`` bytes and return the seconds to wait before they are read."""
        if self.bytes_per_s is None:
            return 0.0
        with self._lock:
            now = self._clock()
            begin = max(self._free, now)
            self._free = begin + count / self.bytes_per_s
            return begin - now


CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
"""What an answer says of the part of a file that it is."""


def web_address(url: str) -> SplitResult:
    """Split the address of something on a web server.

    Raises:
        UserError: it is no such address.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, or no number as the port
        fine = False
    if not fine:
        raise UserError(f"{url} is no address of a web server; it begins with https://")
    return parts


class Connections:
    """Connections to web servers; proxies come from the environment (``HTTPS_PROXY``).

    Args:
        limiter: shared by everything that is read.

    Attributes:
        requests, received: requests sent and bytes of bodies read so far.
    """

    def __init__(self, limiter: Limiter | None = None) -> None:
        self.limiter = limiter or Limiter(None)
        self.requests = self.received = 0
        self._stop = threading.Event()
        self._mine = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return these connections."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections; a later request opens one again."""
        with self._lock:
            for connection in self._open:
                connection.close()

    def close(self) -> None:
        """Stop every thread that reads, now and later."""
        self._stop.set()
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with suppress(OSError):  # wakes the thread that waits for this socket
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def insist(self, url: str, ask: Callable[[int], Iterator[bytes]], start: int) -> Iterator[bytes]:
        """Yield the blocks of ``ask(start)`` and, after a failure that may pass, of ``ask`` from the next byte on.

        Raises:
            UserError: it fails ``TRIES`` times without a byte between. Its cause is the last failure.
            Stopped: ``close`` was called.
        """
        failures = 0
        while True:
            try:
                for block in ask(start):
                    start, failures = start + len(block), 0
                    yield block
                return
            except Passing as error:
                failures += 1
                if failures == TRIES:
                    raise UserError(f"{url}: {error}, {TRIES} times on end; {GOES_ON}") from error
                self._pause(min(max(FIRST_PAUSE_S * 2 ** (failures - 1), error.pause_s), LONGEST_PAUSE_S))

    def ask(
        self, url: str, headers: dict[str, str], check: Callable[[http.client.HTTPResponse], int | None]
    ) -> Iterator[bytes]:
        """Send one GET and yield its body.

        Args:
            url: the address.
            headers: sent beside the name of this program.
            check: takes the answer before its body, and returns how many bytes of body are to come; ``None`` for as
                many as come. It raises what is wrong with the answer.

        Raises:
            UserError: the certificate of the server is not trusted.
            Passing: the answer does not come, or ends early.
            Stopped: ``close`` was called.
        """
        self._pause(0)
        parts = web_address(url)
        connection, answer = self._connection(parts), None
        try:
            if connection.sock is None:
                connection.connect()
                self._pause(0)  # ``close`` shuts the sockets that it sees; a later one is not waited for
            connection.request("GET", self._target(parts), headers={**headers, "User-Agent": f"cpep/{__version__}"})
            answer = connection.getresponse()
            with self._lock:
                self.requests += 1
            yield from self._body(answer, check(answer))
        except ssl.SSLCertVerificationError as error:
            raise UserError(
                f"{_shown(parts)}: its certificate is not trusted here ({error.verify_message})"
            ) from error
        except UnicodeError as error:
            raise UserError(f"{_shown(parts)} is no address of a web server; it holds odd characters") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._pause(0)
            raise Passing(f"{error or type(error).__name__}") from error
        finally:
            if answer is None or not answer.isclosed():  # what is still to come is no answer to the next request
                connection.close()

    def _body(self, answer: http.client.HTTPResponse, left: int | None) -> Iterator[bytes]:
        while left != 0:
            count = BLOCK if left is None else min(BLOCK, left)
            self._pause(self.limiter.delay(count))
            block = answer.read(count)
            self._pause(0)  # once ``close`` has shut the socket, undeciphered TLS may come
            if not block and left is None:
                return
            if not block:
                raise http.client.HTTPException(f"the connection ended {left:,} bytes early")
            left = None if left is None else left - len(block)
            with self._lock:
                self.received += len(block)
            yield block

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Return this thread's connection to a server; it opens itself again after an answer that ended badly."""
        mine: dict[tuple[str, str], http.client.HTTPConnection] = self._mine.__dict__.setdefault("connections", {})
        server = (parts.scheme, parts.netloc)
        if server in mine:
            return mine[server]
        proxy = urlsplit(_proxy(parts) or "")
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        assert parts.hostname
        connection = kind(proxy.hostname or parts.hostname, proxy.port or parts.port, timeout=TIMEOUT_S)
        if proxy.hostname and secure:
            connection.set_tunnel(parts.hostname, parts.port)
        mine[server] = connection
        with self._lock:
            self._open.add(connection)
        return connection

    def _target(self, parts: SplitResult) -> str:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return f"{parts.scheme}://{parts.netloc}{path}" if parts.scheme == "http" and _proxy(parts) else path


def refuse_passing(answer: http.client.HTTPResponse) -> None:
    """Raise ``Passing`` for a status after which the same request may succeed."""
    if answer.status in PASSING:
        asked = answer.headers.get("Retry-After", "")
        pause_s = float(asked) if asked.isdecimal() else 0.0
        raise Passing(f"the server answers {answer.status} {answer.reason}", pause_s, answer.status)


def _shown(parts: SplitResult) -> str:
    """Return an address without its query, which may hold a signature."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _proxy(parts: SplitResult) -> str | None:
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def side_by_side(
    connections: Connections, calls: Sequence[Callable[[], Any]], threads: int, tick: Callable[[], None]
) -> None:
    """Make calls that read over connections, in threads; on a mistake or Ctrl-C stop them all.

    Args:
        connections: closed where not all calls end well.
        calls: begun in this order.
        threads: how many at a time.
        tick: called in this thread a few times a second.
    """
    todo, stop, lock = iter(calls), threading.Event(), threading.Lock()

    def work() -> None:
        while not stop.is_set():
            with lock:
                call = next(todo, None)
            if call is None:
                return
            call()

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = {pool.submit(work) for _ in range(threads)}
        while waiting:
            done, waiting = wait(waiting, TICK_S, FIRST_EXCEPTION)
            for future in done:
                future.result()
            tick()
    except BaseException:
        stop.set()
        connections.close()
        raise
    finally:
        with connections:
            pool.shutdown(cancel_futures=True)
