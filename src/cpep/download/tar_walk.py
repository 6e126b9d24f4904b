"""Finds the headers of a remote tar, a small request each, with several threads.

A tar has no table of contents: its headers are a chain of as many requests as members. To walk it in parallel,
threads begin in the middle, at the first block that is a header by its checksum. The headers that they note, by
offset, are guesses until the chain from byte 0 arrives there. The chain never reaches a block within a member that
only looks like a header, so a wrong guess costs requests, not correctness.
"""

from __future__ import annotations

import tarfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from cpep.download.connections import side_by_side
from cpep.download.http import Remote
from cpep.download.tar_index import BLOCK, Damaged, Header, TarIndex, read_header
from cpep.types import Progress, no_progress

SCAN_READ, SCAN_MOST = 1 << 20, 1 << 28
"""Bytes read at a time, and in all, in search of a header in the middle."""

PIECE = 1 << 32
"""Bytes of the tar for which one more thread is worth its search."""

SAVE_S = 15.0
"""Time from one saving of the index to the next."""


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
        offset = start and (min(known) if known else find_header(self.remote, start, stop))
        try:
            while offset < stop and not self.done and (header := self.step(offset)) is not None:
                offset = header.end
        except Damaged:
            if start == 0:  # true damage; elsewhere perhaps a wrong guess, which the chain does not meet
                raise

    def join(self) -> None:
        """Follow the chain from byte 0; normally all headers are known by now, and only the end is not."""
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
    """Add headers to an index until it holds every wanted member, or all; save it on the way and at the end.

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
