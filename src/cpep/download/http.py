"""Parts of one file on a web server, by HTTP Range, from any number of threads.

Nothing is believed of the server: every answer must say that it is the asked part of a file of the known size and
version. A failure that may pass (a timeout, a reset connection, a body that ends early, 503) is tried again, from the
next missing byte; any other one becomes a sentence.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass

from cpep.download.connections import CONTENT_RANGE, Connections, Limiter, Passing, refuse_passing, web_address
from cpep.types import UserError


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


class Remote(Connections):
    """One file on a web server, read by parts from any number of threads.

    Args:
        url: its address, http or https.
        limiter: shared by everything that is read.

    Attributes:
        version: size and version in the first answer; every other answer must agree.
    """

    def __init__(self, url: str, limiter: Limiter | None = None) -> None:
        super().__init__(limiter)
        web_address(url)
        self.url = url
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
            UserError: the server refuses, sends anything else, or fails too often without a byte between.
            Stopped: ``close`` was called.
        """
        if start < stop:
            yield from self.insist(self.url, lambda at: self._part(at, stop), start)

    def _part(self, start: int, stop: int) -> Iterator[bytes]:
        """Send one request and yield its body."""

        def check(answer: http.client.HTTPResponse) -> int:
            self._check(answer, start, stop)
            return stop - start

        return self.ask(self.url, {"Range": f"bytes={start}-{stop - 1}"}, check)

    def _check(self, answer: http.client.HTTPResponse, start: int, stop: int) -> None:
        """Refuse an answer that is not the asked part of the file."""
        status = answer.status
        refuse_passing(answer)
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
        said = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        length = answer.headers.get("Content-Length", "")
        if said is None or [int(said[1]), int(said[2])] != [start, stop - 1] or length not in ("", str(stop - start)):
            raise Passing(
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
