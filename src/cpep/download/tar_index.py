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
from typing import Any, cast

from cpep.download.http import Remote, Version
from cpep.runtime.files import MOST_ROWS, read_json, write_json
from cpep.types import UserError

BLOCK = tarfile.BLOCKSIZE
HEADER_READ = 2048
"""Bytes of one request: a header and, before it, a long name."""

LONGEST_NAME = 1 << 20
"""Most bytes of a header; one that claims more is damaged."""

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


def load_index(path: Path, remote: Remote) -> TarIndex:
    """Read the index of a remote tar, or begin one where there is none.

    Raises:
        UserError: the file is damaged, or the index of another tar.
    """
    name = PurePosixPath(remote.url).name
    if not path.exists():
        return TarIndex(name, remote.version)
    saved: Any = read_json(path, MOST_ROWS)
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
