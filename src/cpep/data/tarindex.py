"""Where the members of a remote tar begin: found by its headers, a small request each, and kept in a file.

A tar has no table of contents: a header says how long its member is, and so where the next one is: a chain of as many
requests as members. To walk it in parallel, threads begin in the middle, at the first block that is a header by its
checksum. What they note, by offset, is a guess until the chain from byte 0 arrives there: a block within a member
that looks like a header is never reached, so that pieces that do not join cost requests, not correctness.
"""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from cpep.data.remote import Remote, Version, side_by_side
from cpep.files import read_json, write_json
from cpep.types import Progress, UserError, no_progress

BLOCK = tarfile.BLOCKSIZE
HEADER_READ = 2048
"""Bytes of one request: a header and, before it, a long name."""

SCAN_READ, SCAN_MOST = 1 << 20, 1 << 28
"""Bytes read at a time, and in all, in search of a header in the middle."""

PIECE = 1 << 32
"""Bytes of the tar for which one more thread is worth its search."""

LONGEST_NAME = 1 << 20
"""Bytes of a header at which its length is a lie."""

SAVE_S = 15.0
SCHEMA = 1


class Damaged(UserError):
    """What is in the tar is not what a tar holds."""


@dataclass(frozen=True)
class Header:
    """A member of a tar.

    Attributes:
        offset: where its header begins.
        data: where its bytes begin.
        size: how many they are.
        name: of a plain file, without its folder; else empty.
    """

    offset: int
    data: int
    size: int
    name: str

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.data + -(-self.size // BLOCK) * BLOCK


@dataclass
class TarIndex:
    """Headers of one tar that are known so far.

    Attributes:
        tar: its name.
        version: size and version of the tar that this is the index of.
        headers: by offset; right, or never reached from byte 0.
        end: where the chain from byte 0 ends; -1 while that is not known.
    """

    tar: str
    version: Version
    headers: dict[int, Header] = field(default_factory=dict)
    end: int = -1

    def chain(self) -> tuple[list[Header], int]:
        """Return the headers that follow on each other from byte 0, and where the next one is."""
        found, offset = [], 0
        while offset in self.headers:
            found.append(self.headers[offset])
            offset = found[-1].end
        return found, offset

    @property
    def complete(self) -> bool:
        """Whether every member is known."""
        return self.end >= 0

    def members(self) -> dict[str, Header]:
        """Return the plain files by name; of two of one name the later, as tar does."""
        headers = self.chain()[0] if self.complete else sorted(self.headers.values(), key=lambda one: one.offset)
        return {header.name: header for header in headers if header.name}

    def save(self, path: Path) -> None:
        """Write the index atomically."""
        members = [astuple(self.headers[offset]) for offset in sorted(self.headers)]
        version = {"size": self.version.size, "etag": self.version.etag, "modified": self.version.modified}
        write_json(path, {"schema": SCHEMA, "tar": self.tar, **version, "end": self.end, "members": members})


def load_index(path: Path, remote: Remote) -> TarIndex:
    """Read the index of a remote tar, or begin one where there is none.

    Raises:
        UserError: the file is damaged, or the index of another tar.
    """
    name = PurePosixPath(remote.url).name
    if not path.exists():
        return TarIndex(name, remote.version)
    saved: Any = read_json(path)
    try:
        if saved["schema"] != SCHEMA:
            raise ValueError(f"schema {saved['schema']}")
        version = Version(int(saved["size"]), str(saved["etag"]), str(saved["modified"]))
        headers = [Header(int(o), int(d), int(s), str(n)) for o, d, s, n in saved["members"]]
        index = TarIndex(str(saved["tar"]), version, {header.offset: header for header in headers}, int(saved["end"]))
        if any(not 0 <= one.offset < one.data <= one.end <= version.size or _unsafe(one.name) for one in headers):
            raise ValueError("a member lies outside the tar")
        if index.complete and index.chain()[1] != index.end:
            raise ValueError("members are missing")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no index of a tar ({error}); delete it, or name another with --index") from error
    if not version.same(remote.version):
        now = remote.version
        raise UserError(
            f"{path} is the index of another tar ({version.size:,} bytes {version.etag}) than {remote.url} "
            f"({now.size:,} bytes {now.etag}); name another with --index, and fetch into another folder"
        )
    return index


def _unsafe(name: str) -> bool:
    return "/" in name or "\\" in name or name.startswith(".")


def read_header(remote: Remote, offset: int) -> Header | None:
    """Read the header at an offset, with the long name that may stand before it; ``None`` at the end of the tar.

    Raises:
        Damaged: there is no header.
    """
    if offset >= remote.size:
        return None
    window = _Window(remote, offset)
    try:
        with tarfile.TarFile(fileobj=cast(Any, window)) as tar:
            info, end = tar.next(), tar.offset
    except (tarfile.TarError, ValueError) as error:
        raise Damaged(f"{remote.url} is no tar, or damaged, at byte {offset:,} ({error})") from error
    if info is None:
        window.seek(offset)
        if window.read(BLOCK).strip(b"\0"):
            raise Damaged(f"{remote.url} is damaged: no header at byte {offset:,}")
        return None
    name = PurePosixPath(info.name).name
    plain = info.isreg() and not info.issparse() and not _unsafe(name)
    header = Header(offset, info.offset_data, info.size, name) if plain else Header(offset, end, 0, "")
    if header.end > remote.size:
        raise Damaged(f"{remote.url} is cut off: {info.name} goes on to byte {header.end:,} of {remote.size:,}")
    return header


class _Window(io.RawIOBase):
    """A remote file around an offset, of which tarfile reads as much as a header takes."""

    def __init__(self, remote: Remote, offset: int) -> None:
        self._remote, self._at, self._start, self._bytes = remote, offset, 0, b""

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_NAME:
            raise tarfile.ReadError(f"a header of {size} bytes")
        stop = min(self._at + size, self._remote.size)
        if not self._start <= self._at <= stop <= self._start + len(self._bytes):
            self._start = max(self._at - 1, 0)  # tarfile looks at the byte before a header
            until = min(max(stop, self._start + HEADER_READ), self._remote.size)
            self._bytes = self._remote.read(self._start, until)
        part = self._bytes[self._at - self._start : stop - self._start]
        self._at = stop
        return part


def find_header(remote: Remote, start: int, stop: int) -> int:
    """Return the offset of the first block from ``start`` on that is a header by its checksum, or ``stop``."""
    for begin in range(start, min(stop, start + SCAN_MOST), SCAN_READ):
        blocks = remote.read(begin, min(begin + SCAN_READ, stop))
        for k in range(0, len(blocks) - BLOCK + 1, BLOCK):
            if blocks[k + 257 : k + 262] != b"ustar":
                continue
            with suppress(tarfile.TarError):
                tarfile.TarInfo.frombuf(blocks[k : k + BLOCK], tarfile.ENCODING, "surrogateescape")
                return begin + k
    return stop


class _Walk:
    """A walk over the headers of a tar, by several threads, until every wanted member is found."""

    def __init__(self, remote: Remote, index: TarIndex, wanted: Iterable[str] | None) -> None:
        self.remote, self.index = remote, index
        self.lock = threading.Lock()
        self.missing = None if wanted is None else set(wanted) - set(index.members())

    @property
    def done(self) -> bool:
        """Whether nothing more is wanted."""
        return self.index.complete or (self.missing is not None and not self.missing)

    def step(self, offset: int) -> Header | None:
        """Return the header at an offset, known or read now."""
        known = self.index.headers.get(offset)
        header = known or read_header(self.remote, offset)
        if header is not None and known is None:
            with self.lock:
                self.index.headers[offset] = header
                if self.missing is not None:
                    self.missing.discard(header.name)
        return header

    def piece(self, start: int, stop: int) -> None:
        """Walk the headers from ``start`` up to ``stop``, both of which may lie within members."""
        known = [offset for offset in list(self.index.headers) if start <= offset < stop]
        offset = min(known) if known else start if start == 0 else find_header(self.remote, start, stop)
        try:
            while offset < stop and not self.done and (header := self.step(offset)) is not None:
                offset = header.end
        except Damaged:
            if start == 0:  # a fact; elsewhere perhaps a wrong guess, which the chain does not meet
                raise

    def join(self) -> None:
        """Follow the chain from byte 0; normally every header is known by now but the end."""
        while not self.done:
            offset = self.index.chain()[1]
            while (header := self.step(offset)) is not None and not self.done:
                offset = header.end
            if header is None:
                self.index.end = offset


def walk(
    remote: Remote,
    index: TarIndex,
    path: Path,
    wanted: Iterable[str] | None = None,
    *,
    threads: int = 8,
    piece: int = PIECE,
    progress: Progress = no_progress,
) -> None:
    """Add to an index until it holds every wanted member, or all; saved on the way, and where the walk is stopped.

    Args:
        remote: the tar.
        index: extended in place.
        path: where the index is kept.
        wanted: names of members; all unless given.
        threads: headers that are read at a time, at most.
        piece: bytes of the tar for one thread, at least.
        progress: called with the number of bytes of the tar that the known members cover, and its size.

    Raises:
        UserError: the tar is damaged, or the server fails.
    """
    task = _Walk(remote, index, wanted)
    if task.done:
        return
    saved = time.monotonic()

    def tick() -> None:
        nonlocal saved
        progress(sum(header.end - header.offset for header in list(index.headers.values())), remote.size)
        if time.monotonic() - saved > SAVE_S:
            with task.lock:
                index.save(path)
            saved = time.monotonic()

    count = max(1, min(threads, remote.size // piece))
    cuts = [remote.size * k // count // BLOCK * BLOCK for k in range(count)] + [remote.size]
    pieces: list[Callable[[], None]] = [partial(task.piece, cuts[k], cuts[k + 1]) for k in range(count)]
    try:
        side_by_side(remote, pieces, count, tick)
        side_by_side(remote, [task.join], 1, tick)
    finally:
        index.save(path)
