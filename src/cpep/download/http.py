"""Parts of a file on a web server, by HTTP Range: kept connections, retries, a bound on the rate, many threads.

Nothing is believed of the server: every answer must say that it is the asked part of a file of the known size and
version. A failure that may pass (a timeout, a reset connection, a body that ends early, 503) is tried again, from the
next missing byte; any other one becomes a sentence.
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
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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


class _Passing(Exception):
    """A failure after which the request is sent again, after ``pause_s`` where the server said so."""

    def __init__(self, text: str, pause_s: float = 0.0) -> None:
        super().__init__(text)
        self.pause_s = pause_s


@dataclass(frozen=True)
class Version:
    """What tells one file from another at the same address; empty texts where the server does not say."""

    size: int
    etag: str = ""
    modified: str = ""

    def same(self, other: Version) -> bool:
        """Tell whether both can be one file: equal size, and equal ETag, or equal date without ETags, where known."""
        if self.etag and other.etag:
            return self.size == other.size and self.etag == other.etag
        return self.size == other.size and (not (self.modified and other.modified) or self.modified == other.modified)


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


class Remote:
    """One file on a web server, read by parts from any number of threads.

    Args:
        url: its address, http or https; proxies come from the environment (``HTTPS_PROXY``).
        limiter: shared by everything that is read.

    Attributes:
        version: size and version in the first answer; every other answer must agree.
        requests, received: requests sent and bytes of bodies read so far.
    """

    def __init__(self, url: str, limiter: Limiter | None = None) -> None:
        self.url = url
        self.limiter = limiter or Limiter(None)
        self.requests = self.received = 0
        self._parts = urlsplit(url)
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname:
            raise UserError(f"{url} is no address of a web server; it begins with https://")
        self._stop = threading.Event()
        self._mine = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._version: Version | None = None

    @property
    def version(self) -> Version:
        """Size and version of the file, asked for once."""
        if self._version is None:
            self.read(0, 1)
        assert self._version is not None
        return self._version

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.version.size

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``."""
        return b"".join(self.blocks(start, stop))

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop`` as they come.

        Raises:
            UserError: the server refuses, sends anything else, or fails ``TRIES`` times without a byte between.
            Stopped: ``close`` was called.
        """
        failures = 0
        while start < stop:
            try:
                for block in self._ask(start, stop):
                    start, failures = start + len(block), 0
                    yield block
            except _Passing as error:
                failures += 1
                if failures == TRIES:
                    raise UserError(f"{self.url}: {error}, {TRIES} times on end; {GOES_ON}") from error
                self._pause(min(max(FIRST_PAUSE_S * 2 ** (failures - 1), error.pause_s), LONGEST_PAUSE_S))

    def __enter__(self) -> Remote:
        """Return this file."""
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

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _ask(self, start: int, stop: int) -> Iterator[bytes]:
        """Send one request and yield its body."""
        self._pause(0)
        connection, left = self._connection(), stop - start
        try:
            connection.request("GET", self._target(), headers=self._headers(start, stop))
            answer = connection.getresponse()
            with self._lock:
                self.requests += 1
            self._check(answer, start, stop)
            while left:
                self._pause(self.limiter.delay(min(BLOCK, left)))
                block = answer.read(min(BLOCK, left))
                self._pause(0)  # once ``close`` has shut the socket, undeciphered TLS may come
                if not block:
                    raise _Passing(f"the connection ended {left:,} bytes early")
                left -= len(block)
                with self._lock:
                    self.received += len(block)
                yield block
        except ssl.SSLCertVerificationError as error:
            raise UserError(f"{self.url}: its certificate is not trusted here ({error.verify_message})") from error
        except (OSError, http.client.HTTPException) as error:
            self._pause(0)
            raise _Passing(f"{error or type(error).__name__}") from error
        finally:
            if left:  # what is still to come on it is no answer to the next request
                connection.close()

    def _check(self, answer: http.client.HTTPResponse, start: int, stop: int) -> None:
        """Refuse an answer that is not the asked part of the file."""
        status = answer.status
        if status in PASSING:
            asked = answer.headers.get("Retry-After", "")
            raise _Passing(f"the server answers {status} {answer.reason}", float(asked) if asked.isdecimal() else 0.0)
        if status == 200:
            raise UserError(f"{self.url}: the server sends whole files only, where parts (HTTP Range) are needed")
        if 300 <= status < 400:
            place = answer.headers.get("Location", "another place")
            raise UserError(f"{self.url} has moved to {place}; name its folder with --url")
        if status == 416 and self._version is None:
            raise UserError(f"{self.url} is empty")
        if status == 416:
            raise UserError(f"{self.url} has become shorter than {stop:,} bytes; it was replaced on the server")
        if status != 206:
            raise UserError(f"{self.url}: the server answers {status} {answer.reason}; check the address, or --url")
        said = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", "").strip())
        length = answer.headers.get("Content-Length", "")
        if said is None or [int(said[1]), int(said[2])] != [start, stop - 1] or length not in ("", str(stop - start)):
            raise _Passing(
                f"asked for bytes {start}-{stop - 1}, the server sends {length or '?'} bytes as "
                f"{answer.headers.get('Content-Range', 'no range')!r}"
            )
        self._agree(Version(int(said[3]), answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")))

    def _agree(self, version: Version) -> None:
        with self._lock:
            if self._version is None:
                self._version = version
        if not self._version.same(version):
            raise UserError(
                f"{self.url} changed while it was read: {self._version.size:,} bytes {self._version.etag}, now "
                f"{version.size:,} bytes {version.etag}; fetch into another folder"
            )

    def _headers(self, start: int, stop: int) -> dict[str, str]:
        return {"Range": f"bytes={start}-{stop - 1}", "User-Agent": f"cpep/{__version__}"}

    def _proxy(self) -> str | None:
        if urllib.request.proxy_bypass(self._parts.netloc):
            return None
        return urllib.request.getproxies().get(self._parts.scheme)

    def _target(self) -> str:
        path = self._parts.path + (f"?{self._parts.query}" if self._parts.query else "")
        return self.url if self._parts.scheme == "http" and self._proxy() else path

    def _connection(self) -> http.client.HTTPConnection:
        """Return the connection of this thread, which opens itself again after an answer that ended badly."""
        kept: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if kept is not None:
            return kept
        proxy = urlsplit(self._proxy() or "")
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        assert self._parts.hostname
        connection = kind(proxy.hostname or self._parts.hostname, proxy.port or self._parts.port, timeout=TIMEOUT_S)
        if proxy.hostname and secure:
            connection.set_tunnel(self._parts.hostname, self._parts.port)
        self._mine.connection = connection
        with self._lock:
            self._open.add(connection)
        return connection


def side_by_side(remote: Remote, calls: Sequence[Callable[[], Any]], threads: int, tick: Callable[[], None]) -> None:
    """Make calls that read a remote file, in threads; on a mistake or Ctrl-C stop them all.

    Args:
        remote: closed where not all calls end well.
        calls: begun in this order.
        threads: how many at a time.
        tick: called in this thread a few times a second.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        waiting = {pool.submit(call) for call in calls}
        while waiting:
            done, waiting = wait(waiting, TICK_S, FIRST_EXCEPTION)
            for future in done:
                future.result()
            tick()
    except BaseException:
        remote.close()
        raise
    finally:
        with remote:
            pool.shutdown(cancel_futures=True)
