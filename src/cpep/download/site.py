"""Files of web servers, each by one GET that may lead to another server.

The size of every file is known before it is asked for. An answer of another size is refused before it is read, a
body that ends early goes on from its next byte, and whether the bytes are the right ones is for the caller to check.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from cpep.download.connections import CONTENT_RANGE, GOES_ON, Connections, Passing, refuse_passing, web_address
from cpep.types import UserError

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
LARGEST_DOCUMENT = 1 << 29
"""Most bytes of a file whose size nobody said before."""


class Refused(UserError):
    """The server does not give a file: it is not there, or not for everybody. Asking again does not help.

    Attributes:
        status: of the answer.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class WrongSize(UserError):
    """A file is not as long as it must be."""


class _Moved(Exception):
    """The file is at another address."""


class Site(Connections):
    """Files of a web server and of the servers to which it leads, read from any number of threads."""

    def document(self, url: str) -> bytes:
        """Return a file of unknown size.

        Raises:
            Refused: the server does not give it.
            UserError: the server fails, or the file is longer than ``LARGEST_DOCUMENT``.
        """
        found = bytearray()
        try:
            for block in self.blocks(url, 0, None):
                found += block
                if len(found) > LARGEST_DOCUMENT:
                    raise UserError(f"{url} is longer than {LARGEST_DOCUMENT:,} bytes, which cannot be right")
        except Refused as error:
            raise Refused(f"{url}: {error}", error.status) from error
        return bytes(found)

    def blocks(self, url: str, start: int, size: int | None) -> Iterator[bytes]:
        """Yield the bytes of a file from ``start`` on as they come.

        Args:
            url: where it is, or where the server says where it is.
            start: first wanted byte; asked for by HTTP Range, or, where a server sends the whole file, waited for.
            size: bytes of the file; ``None`` where nobody said it.

        Raises:
            Refused: the server does not give the file.
            WrongSize: it has another size.
            UserError: the server fails too often, or leads to a place that must not be followed.
            Stopped: ``close`` was called.
        """
        if size is not None and start >= size > 0:
            return
        try:
            yield from self.insist(url, lambda at: self._follow(url, at, size), start)
        except UserError as error:
            failure = error.__cause__
            if isinstance(failure, Passing) and failure.status in (500, 502):  # NEMAR's word for a file that it lost
                raise Refused(f"{failure}", failure.status) from error
            raise

    def _follow(self, url: str, start: int, size: int | None) -> Iterator[bytes]:
        """Ask for a file wherever the server leads, anew each time: what it leads to is valid for an hour."""
        place = url
        for _ in range(MOST_REDIRECTS + 1):
            try:
                yield from self._once(place, start, size)
                return
            except _Moved as moved:
                place = _next(url, place, str(moved))
        raise UserError(f"{url} leads from server to server, more than {MOST_REDIRECTS} times; check the address")

    def _once(self, url: str, start: int, size: int | None) -> Iterator[bytes]:
        skip = 0

        def check(answer: http.client.HTTPResponse) -> int | None:
            nonlocal skip
            if answer.status in REDIRECTS:
                place = answer.headers.get("Location", "")
                answer.read(1 << 16)  # so that the connection can be used again
                raise _Moved(place)
            refuse_passing(answer)
            left = _length(answer, start, size)
            skip = start if answer.status == 200 else 0
            return left

        headers = {"Range": f"bytes={start}-"} if start and size is not None else {}
        for block in self.ask(url, headers, check):
            kept = block[skip:]
            skip -= len(block) - len(kept)
            if kept:
                yield kept


def _length(answer: http.client.HTTPResponse, start: int, size: int | None) -> int | None:
    """Return how many bytes of body must come with an answer, or raise what is wrong with it."""
    length = _decimal(answer.headers.get("Content-Length", ""))
    if answer.status == 206 and start and size is not None:
        said = answer.headers.get("Content-Range", "").strip()
        found = CONTENT_RANGE.fullmatch(said)
        if found and int(found[3]) != size:
            raise WrongSize(f"it has {int(found[3]):,} bytes on the server, where the manifest says {size:,}")
        if not found or [int(found[1]), int(found[2])] != [start, size - 1]:
            raise Passing(f"asked for bytes {start}-{size - 1}, the server sends {said or 'no range'!r}")
        return size - start
    if answer.status == 416:
        raise WrongSize(f"it ends before byte {start:,} on the server, where the manifest says {size:,}")
    if answer.status != 200:
        raise Refused(f"the server answers {answer.status} {answer.reason}", answer.status)
    if size is None:
        return length
    if length is not None and length != size:
        raise WrongSize(f"it has {length:,} bytes on the server, where the manifest says {size:,}")
    return size


def _decimal(text: str) -> int | None:
    """Return the number that a text gives; ``None`` where it gives none."""
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _next(url: str, place: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        UserError: nowhere, or from an encrypted address to one that everybody on the way can read and change.
    """
    try:
        found = urljoin(place, location) if location else ""
        parts = urlsplit(found)
    except ValueError:  # brackets that do not match
        found, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url}: the server says that it has moved, and not where to; {GOES_ON} later")
    if urlsplit(place).scheme == "https" and parts.scheme == "http":
        raise UserError(
            f"{url} leads from https to http://{parts.hostname}, where anybody on the way could change the file; "
            "it is not followed"
        )
    web_address(found)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
