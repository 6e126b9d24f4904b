"""Fetches files of NEMAR: side by side, resumable, each visible once it is whole and has the manifest's checksum."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from cpep.download.connections import BLOCK, GOES_ON, side_by_side
from cpep.download.fetch import alone
from cpep.download.manifest import Entry
from cpep.download.plan import check_space, partial_of
from cpep.download.site import Refused, Site, WrongSize
from cpep.types import Progress, UserError, no_progress

MOST_BAD = 20
"""Files that may fail before a download stops: so many failures are no accident of single files."""


@dataclass(frozen=True)
class Release:
    """A version of a data set on a server.

    Attributes:
        dataset: its id, ``nm000281``.
        version: ``v1.0.3``.
        prefix: address below which its files are.
    """

    dataset: str
    version: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.dataset} {self.version}"

    def url(self, path: str) -> str:
        """Return where a file is."""
        return f"{self.prefix}{self.dataset}/{self.version}/{quote(path)}"


def left(out: Path, entries: Sequence[Entry]) -> dict[Entry, int]:
    """Return how many bytes of each file that is not there are still to come.

    Raises:
        UserError: a file is there in another size.
    """
    found = {}
    for entry in entries:
        path = out / entry.path
        have = _size(path)
        if have is None:
            kept = _size(partial_of(path)) or 0
            found[entry] = entry.size - kept if kept <= entry.size else entry.size
        elif have != entry.size:
            raise UserError(
                f"{path} has {have:,} bytes and the manifest says {entry.size:,}; "
                "move it away, or choose another folder"
            )
    return found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def fetch_files(
    site: Site,
    release: Release,
    out: Path,
    entries: Sequence[Entry],
    threads: int = 8,
    progress: Progress = no_progress,
) -> int:
    """Fetch the files that are not there, in their order, and return their number.

    Of files that have one content the first is fetched, and the others are copies of it.

    Args:
        site: the server.
        release: what the files are of.
        out: the folder.
        entries: the wanted files.
        threads: files that are fetched at a time.
        progress: called with bytes that are there and bytes wanted.

    Raises:
        UserError: the server fails, the disk is too small, or a file is there in another size; or, once all other
            files are there, some did not come or are not what the manifest says.
    """
    for entry in entries:
        entry.refuse_odd(str(release))
    todo = left(out, entries)
    check_space(out, sum(todo.values()))
    groups: dict[str, list[Entry]] = {}
    for entry in todo:
        groups.setdefault(entry.checksum, []).append(entry)
    here = {entry.checksum: entry for entry in entries if entry not in todo}
    total = sum(entry.size for entry in todo)
    task = _Fetch(site, release, out, len(todo), total - sum(todo.values()))
    calls = [partial(task.group, group, here.get(checksum)) for checksum, group in groups.items()]
    side_by_side(site, calls, threads, lambda: progress(min(task.done, total), total))
    if task.bad:
        raise UserError(task.failure("all others are there"))
    return len(todo)


@dataclass
class _Fetch:
    """Writes files of a release, from several threads."""

    site: Site
    release: Release
    out: Path
    files: int
    done: int
    bad: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def group(self, group: Sequence[Entry], source: Entry | None) -> None:
        """Bring files of one content, from one that is here or else by one GET."""
        for entry in group:
            path = self.out / entry.path
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                copied = source is not None and self._copy(source, entry, path)
                reason = "" if copied else self._get(entry, path)
            except OSError as error:
                raise UserError(
                    f"cannot write {path}: {error.strerror or error}; make room, then {GOES_ON}"
                ) from error
            if reason:
                self._note_bad(entry, reason)
            else:
                source = entry

    def failure(self, end: str) -> str:
        """Say which files did not come."""
        with self._lock:
            first, count = min(self.bad), len(self.bad)
        return (
            f"{count:,} of {self.files:,} files of {self.release} did not come as the manifest says, "
            f"the first {self.release.url(first)} ({self.bad[first]}); {end}; {GOES_ON}; "
            "if it stays so, the version was rewritten: delete the kept manifest (.nemar_manifest.json, or --index), "
            "or take another --version"
        )

    def _note_bad(self, entry: Entry, reason: str) -> None:
        with self._lock:
            self.bad[entry.path] = reason
            enough = len(self.bad) >= MOST_BAD
        if enough:
            raise UserError(self.failure("these are too many, so nothing more was asked for"))

    def _get(self, entry: Entry, path: Path) -> str:
        """Fetch a file, once more where it is not what it must be, and return what is wrong with it."""
        reason = ""
        for _ in range(2):
            try:
                reason = self._bring(entry, path)
            except WrongSize as error:
                reason = str(error)
            except Refused as error:
                reason = str(error)
                if not _size(partial_of(path)):
                    partial_of(path).unlink()
                break
            if not reason:
                break
            partial_of(path).unlink(missing_ok=True)
        return reason

    def _bring(self, entry: Entry, path: Path) -> str:
        """Bring a file to its size and, where its checksum is right, give it its name."""
        kept = partial_of(path)
        with kept.open("ab+") as file:
            alone(file.fileno(), kept)
            hasher, have = _hashed(file, entry)
            for block in self.site.blocks(self.release.url(entry.path), have, entry.size):
                file.write(block)
                hasher.update(block)
                self._count(len(block))
            file.flush()
            os.fsync(file.fileno())
        if not entry.right(hasher):
            return f"its {entry.checksum.partition(':')[0]} checksum is {hasher.hexdigest()}"
        kept.replace(path)
        return ""

    def _copy(self, source: Entry, entry: Entry, path: Path) -> bool:
        """Copy a file from one of the same content, and return whether it still has this content."""
        content, hasher = (self.out / source.path).read_bytes(), entry.hasher()
        hasher.update(content)
        if not entry.right(hasher):
            return False
        kept = partial_of(path)
        kept.write_bytes(content)
        kept.replace(path)
        self._count(entry.size)
        return True

    def _count(self, count: int) -> None:
        with self._lock:
            self.done += count


def _hashed(file: BinaryIO, entry: Entry) -> tuple[Any, int]:
    """Return the checksum of what a stopped run left of a file, and its bytes; drop what is longer than the file."""
    hasher, have = entry.hasher(), file.seek(0, os.SEEK_END)
    if have > entry.size:
        file.truncate(0)
        return hasher, 0
    file.seek(0)
    while block := file.read(BLOCK):
        hasher.update(block)
    return hasher, have
