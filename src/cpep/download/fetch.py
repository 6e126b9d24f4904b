"""Fetches the recordings of a plan: side by side, resumable, each visible once it is whole.

A recording grows in ``.NAME.partial`` and gets its name when it has the size that the tar says and is readable HDF5
of the emg2pose layout. A run that was stopped goes on in the middle of its files.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cpep.data.readers.folder import check_emg2pose
from cpep.download.connections import GOES_ON, side_by_side
from cpep.download.noted import note
from cpep.download.plan import Plan, bytes_here, bytes_left, partial_of
from cpep.download.tar_index import Header
from cpep.download.tar_walk import walk
from cpep.runtime.confined import Stopped
from cpep.runtime.locks import try_lock
from cpep.types import Progress, UserError, no_progress


@dataclass(frozen=True)
class Fetched:
    """The result of a download.

    Attributes:
        files: recordings that are there now.
        fetched: number of them that were fetched now, whole or the rest of them.
        absent: wanted recordings that the tar does not have.
    """

    files: tuple[str, ...]
    fetched: int
    absent: tuple[str, ...]


def find_members(plan: Plan, threads: int = 8, progress: Progress = no_progress) -> None:
    """Walk the headers of the tar until every wanted file that is not there is found.

    Raises:
        UserError: the tar is damaged, or the server fails.
    """
    if not plan.walked:
        here = bytes_here(plan.out)
        missing = [name for name in plan.names if name not in here] or None
        walk(plan.tar, plan.index, plan.index_path, missing, threads=threads, progress=progress)


def fetch(plan: Plan, threads: int = 8, progress: Progress = no_progress) -> Fetched:
    """Fetch the wanted files that are not there, once ``find_members`` has found them.

    Args:
        plan: what to fetch.
        threads: files that are fetched at a time.
        progress: called with bytes that are there and bytes wanted.

    Raises:
        UserError: the server fails, the disk is too small, or a file is there in another size; or, once all
            other files are there, some fetched files are no recordings.
    """
    known, here, there = plan.index.members(), bytes_here(plan.out), []
    todo: list[Header] = []
    absent: list[str] = []
    for name in plan.wanted():
        if name in known and here.get(name, known[name].size) != known[name].size:
            raise UserError(
                f"{plan.out / name} has {here[name]:,} bytes and the tar's {known[name].size:,}; "
                "move it away, or choose another folder"
            )
        if name in here:
            there.append(name)
        elif name in known:
            todo.append(known[name])
        else:
            absent.append(name)
    plan.check_space()
    total = sum(header.size for header in todo)
    task = _Fetch(plan, total - sum(bytes_left(header.name, header.size, here) for header in todo))
    calls = [partial(task.one, header) for header in todo]
    side_by_side(plan.tar, calls, threads, lambda: progress(min(int(task.done), total), total))
    if task.bad:
        name = min(task.bad)
        raise UserError(
            f"{plan.tar.url}: {len(task.bad)} of {len(todo)} files are no recordings of emg2pose, the first {name} "
            f"({task.bad[name]}); the others are there; {GOES_ON}"
        )
    return Fetched((*there, *(header.name for header in todo)), len(todo), tuple(absent))


class _Fetch:
    """Writes members of the tar to files, from several threads."""

    def __init__(self, plan: Plan, done: float) -> None:
        self.plan, self.done = plan, done
        self.bad: dict[str, str] = {}
        self._lock = threading.Lock()

    def one(self, header: Header) -> None:
        """Fetch one file; bytes that a stopped run left are kept unless the whole file proves unreadable."""
        path = self.plan.out / header.name
        kept = partial_of(path)
        try:
            resumed = kept.exists()
            reason = self._bring(header, path, kept)
            if reason and resumed:
                reason = self._bring(header, path, kept)
        except OSError as error:
            raise UserError(f"cannot write {kept}: {error.strerror or error}; make room, then {GOES_ON}") from error
        if reason:
            self.bad[header.name] = reason

    def _bring(self, header: Header, path: Path, kept: Path) -> str:
        """Bring a file to its size and give it its name; else remove it and return what is wrong with it."""
        with kept.open("ab") as file:
            alone(file.fileno(), kept)
            have = kept.stat().st_size
            if have > header.size:
                file.truncate(0)
                have = 0
            for block in self.plan.tar.blocks(header.data + have, header.data + header.size):
                file.write(block)
                with self._lock:
                    self.done += len(block)
            file.flush()
            os.fsync(file.fileno())
        try:
            check_emg2pose(kept)
        except Stopped:
            raise  # the whole file stays, and is looked at by the next download
        except UserError as error:
            kept.unlink()
            return str(error).replace(str(kept), "it")
        kept.replace(path)
        with self._lock:
            note(self.plan.out, header.name)
        return ""


def alone(descriptor: int, path: Path) -> None:
    """Refuse a file that another process is writing.

    Where the file system has no locks, two downloads may write one file; its size or its checksum tells then.
    """
    with suppress(OSError):
        if not try_lock(descriptor):
            raise UserError(f"another download is writing {path}; wait for it, or stop it")
