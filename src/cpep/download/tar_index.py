"""Where the members of a remote tar begin, as far as its headers are known; kept in a file.

A header says how long its member is, and so where the next one is. The headers that follow on each other from byte 0
are the headers of the tar; one that was found in the middle (``cpep.download.tar_walk``) is a guess until this chain
arrives there.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import astuple, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, cast

from msgspec import Meta

from cpep.download.http import Remote, Version
from cpep.runtime import checked
from cpep.runtime.checked import Count
from cpep.runtime.files import MOST_ROWS, write_json
from cpep.types import UserError

BLOCK = tarfile.BLOCKSIZE
HEADER_READ = 2048
"""Bytes of one request: a header and, before it, a long name."""

LONGEST_NAME = 1 << 20
"""Most bytes of a part of a header; one that claims more is damaged."""
MOST_OF_A_HEADER = 1 << 22
"""Most bytes that are read for a header: lists of holes in a file could go on without end."""

LONGEST_FILE_NAME = 255
"""Signs of a name, on most systems."""

HEADER_DAMAGE = (tarfile.TarError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
"""What tarfile raises on bytes that are no header."""

REMEDY = "delete it, or name another with --index"
SCHEMA = 1


class Damaged(UserError):
    """Bytes of the tar are not what a tar may hold there."""


@dataclass(frozen=True)
class Header:
    """A member of a tar.

    Attributes:
        offset: where its header begins.
        data: where its bytes begin.
        size: how many they are.
        name: name of a regular file, without its folder; empty for any other member.
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
        headers: headers by offset; a wrong one is never reached from byte 0.
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
        """Return the regular files by name; of two with the same name the later one, as tar does."""
        headers = self.chain()[0] if self.complete else sorted(self.headers.values(), key=lambda one: one.offset)
        return {header.name: header for header in headers if header.name}

    def save(self, path: Path) -> None:
        """Write the index atomically."""
        members = [astuple(self.headers[offset]) for offset in sorted(self.headers)]
        version = {"size": self.version.size, "etag": self.version.etag, "modified": self.version.modified}
        write_json(path, {"schema": SCHEMA, "tar": self.tar, **version, "end": self.end, "members": members})


@dataclass(frozen=True)
class _Saved:
    """An index as its file holds it: offset, data, size and name of each member."""

    schema: int
    tar: str
    size: Count
    etag: str
    modified: str
    end: Annotated[int, Meta(ge=-1, lt=2**53)]
    members: tuple[tuple[Count, Count, Count, str], ...]


def load_index(path: Path, remote: Remote) -> TarIndex:
    """Read the index of a remote tar, or begin one where there is none.

    Raises:
        UserError: the file is damaged, or the index of another tar.
    """
    name = PurePosixPath(remote.url).name
    if not path.exists():
        return TarIndex(name, remote.version)
    saved = checked.read(path, _Saved, most=MOST_ROWS, remedy=REMEDY)
    version = Version(saved.size, saved.etag, saved.modified)
    headers = [Header(*member) for member in saved.members]
    index = TarIndex(saved.tar, version, {header.offset: header for header in headers}, saved.end)
    wrong = f"the schema {saved.schema}" if saved.schema != SCHEMA else ""
    if any(not 0 <= one.offset < one.data <= one.end <= version.size or _unsafe(one.name) for one in headers):
        wrong = "a member lies outside the tar"
    elif index.complete and index.chain()[1] != index.end:
        wrong = "members are missing"
    if wrong:
        raise UserError(f"{path} is no index of a tar ({wrong}); {REMEDY}")
    if not version.same(remote.version):
        now = remote.version
        raise UserError(
            f"{path} is the index of another tar ({version.size:,} bytes {version.etag}) than {remote.url} "
            f"({now.size:,} bytes {now.etag}); name another with --index, and fetch into another folder"
        )
    return index


def _unsafe(name: str) -> bool:
    odd = any(sign in name for sign in "/\\:") or not name.isprintable() or len(name) > LONGEST_FILE_NAME
    return odd or name.startswith(".")


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
    except HEADER_DAMAGE as error:
        raise Damaged(f"{remote.url} is no tar, or damaged, at byte {offset:,} ({error})") from error
    if info is None:
        window.seek(offset)
        if window.read(BLOCK).strip(b"\0"):
            raise Damaged(f"{remote.url} is damaged: no header at byte {offset:,}")
        return None
    name = PurePosixPath(info.name).name
    plain = info.isreg() and not info.issparse() and not _unsafe(name)
    header = Header(offset, info.offset_data, info.size, name) if plain else Header(offset, end, 0, "")
    if not offset < header.data <= header.end:  # such a chain would never end
        raise Damaged(f"{remote.url} is damaged at byte {offset:,}: a member of {info.size:,} bytes")
    if header.end > remote.size:
        raise Damaged(f"{remote.url} is cut off: {info.name} goes on to byte {header.end:,} of {remote.size:,}")
    return header


class _Window(io.RawIOBase):
    """A remote file around an offset, of which tarfile reads as much as a header takes."""

    def __init__(self, remote: Remote, offset: int) -> None:
        self._remote, self._at, self._start, self._bytes = remote, offset, 0, b""
        self._left = MOST_OF_A_HEADER

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_NAME:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._left -= size
        if self._left < 0:
            raise tarfile.ReadError(f"a header of more than {MOST_OF_A_HEADER:,} bytes")
        stop = min(self._at + size, self._remote.size)
        if not self._start <= self._at <= stop <= self._start + len(self._bytes):
            self._start = max(self._at - 1, 0)  # tarfile looks at the byte before a header
            until = min(max(stop, self._start + HEADER_READ), self._remote.size)
            self._bytes = self._remote.read(self._start, until)
        part = self._bytes[self._at - self._start : stop - self._start]
        self._at = stop
        return part
