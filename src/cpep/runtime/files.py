"""Files that appear whole or not at all, reading that refuses devices and pipes, and progress lines."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cpep.runtime import distributed, leftovers, plain
from cpep.types import Note, Progress, UserError, no_note, no_progress

MOST_JSON = 4_000_000
"""Bytes of a file of JSON where nothing else is said: the worst take 0.3 GB of memory, and 4 s."""
MOST_ROWS = 40_000_000
"""Bytes of a file that has a row for each recording, file or score of a large data set."""
REMEDY = "repair it, or delete it and run again"


@contextmanager
def atomic_path(path: Path, *, safe: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it on success and vanishes on failure.

    What killed commands left of the same path is removed. A folder takes the place of another one by two renames; if
    the process is killed between them, ``leftovers.remove`` puts the old one back.

    Args:
        path: of a file or a folder.
        safe: whether all is brought to the disk, so that it survives a cut of the power; a file that can be made
            again needs that not.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = leftovers.beside(path, leftovers.TEMPORARY)
    try:
        new = [one for one in path.parents if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        leftovers.remove(path)
        yield temporary
        if safe:
            _make_tree_safe(temporary)
        _put(temporary, path)
        if safe:
            make_safe(path.parent, *(one.parent for one in new))
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        raise UserError(f"cannot write {path}: {_reason(error)}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # where nothing could be written, nothing can be removed either
                temporary.unlink(missing_ok=True)
        leftovers.done(temporary)


def _put(temporary: Path, path: Path) -> None:
    """Give a file or folder its name; there may be an older one."""
    if not (temporary.is_dir() and path.is_dir()):
        temporary.replace(path)
        return
    old = leftovers.beside(path, leftovers.ASIDE)
    try:
        path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            old.rename(path)
            raise
        shutil.rmtree(old)
    finally:
        leftovers.done(old)


def make_safe(*paths: Path) -> None:
    """Bring files, and the names in folders, to the disk, where the system can.

    Raises:
        OSError: it cannot be written.
    """
    for one in dict.fromkeys(paths):
        folder = one.is_dir()
        if folder and os.name == "nt":  # Windows opens no folder
            continue
        descriptor = os.open(one, os.O_RDONLY if folder or os.name != "nt" else os.O_RDWR)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if not (folder and error.errno in (errno.EINVAL, errno.ENOTSUP)):  # as some network file systems
                raise
        finally:
            os.close(descriptor)


def _make_tree_safe(path: Path) -> None:
    make_safe(*(one for one in path.rglob("*") if not one.is_symlink()), path)


def write_tensors(save: Callable[..., None], tensors: Mapping[str, Any], path: Path, note: Mapping[str, str]) -> None:
    """Write safetensors under the user's umask; the library's own files can be read by their owner alone.

    Args:
        save: ``save_file`` of ``safetensors.torch`` or ``safetensors.numpy``.
        tensors: by name.
        path: of the new file, such as ``atomic_path`` yields.
        note: metadata.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    save(tensors, path, dict(note) or None)
    path.chmod(mode)


def _reason(error: Exception) -> str:
    """Say why a file could not be written, and what to do where that is known."""
    text = getattr(error, "strerror", None) or str(error)
    full = getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in text
    return f"{os.strerror(errno.ENOSPC)}; make room and run the same command again" if full else text


def write_text(path: Path, text: str, *, safe: bool = True) -> None:
    """Write a text file atomically; ``safe`` as of ``atomic_path``."""
    with atomic_path(path, safe=safe) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, safe: bool = True) -> None:
    """Write JSON atomically (no NaN: a file that other languages can read); ``safe`` as of ``atomic_path``."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n", safe=safe)


def read_json(path: Path, most: int = MOST_JSON) -> Any:
    """Read JSON.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        UserError: as ``parse_json``, or a text in it holds ``${``.
    """
    return plain.parse(read_bytes(path, most), path, REMEDY)


def parse_json(path: Path, most: int = MOST_JSON) -> Any:
    """Read JSON without a check of its texts for ``${``: the caller does that.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        UserError: no such file, one that cannot be read or is larger, or as ``cpep.runtime.plain.parse``.
    """
    return plain.parse(read_bytes(path, most), path, REMEDY, quoting=True)


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file that has a known largest size.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        UserError: no such file, a device or pipe, one that cannot be read, or a larger one.
    """
    refuse_special(path)
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if len(found) > most:
        raise UserError(
            f"{path} has more than {most / 1e6:,.0f} MB, as no file of its kind has; check which file it is"
        )
    return found


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def cache_folder() -> Path:
    """Return the folder of cpep in the user's cache folder, for files that can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cpep"


State = tuple[int, int, int]
"""What changes with every change of a file."""


def state_of(path: Path) -> State | None:
    """Return the state of a file, by which a later change of it is noticed; ``None`` where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def refuse_special(path: Path) -> None:
    """Refuse a path whose reading might never end. A missing path passes: opening it says so.

    Raises:
        UserError: it is a device, a pipe or a socket.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UserError(f"{path} is a device, a pipe or a socket, and no file; copy what comes out of it to one")


def refuse_broken_link(path: Path) -> None:
    """Refuse a symbolic link to a file that is not there, which would be called missing itself.

    Raises:
        UserError: it is one; the sentence says where it leads.
    """
    if path.is_symlink() and not path.exists():
        target = path.readlink()
        annexed = "annex" in target.parts and "objects" in target.parts
        remedy = f"fetch it with `datalad get {path}`" if annexed else "fetch that file, or remove the link"
        raise UserError(f"{path} is a link that leads nowhere (to {target}); {remedy}")


class ProgressLine:
    """A line with rate and time left, for everything that takes over two seconds.

    On a terminal the line is rewritten in place. Elsewhere, and in worker processes, which share the terminal,
    the first line comes after two seconds and another every ``every_s``, so that logs stay short.
    """

    def __init__(self, title: str, unit: str, scale: float = 1.0, every_s: float = 10.0) -> None:
        self.title, self.unit, self.scale = title, unit, scale
        self.in_place = sys.stderr.isatty() and multiprocessing.parent_process() is None
        self.every_s = 0.25 if self.in_place else every_s
        self.started = self.last = time.monotonic()
        self.first: int | None = None
        self.shown = False
        self.latest = ""

    def note(self, text: str) -> None:
        """Set what the line ends with from now on."""
        self.latest = text

    def __call__(self, done: int, total: int) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.started = done, now
        elapsed = now - self.started
        if elapsed < 2.0 and not self.shown:
            return
        if self.shown and done < total and now - self.last < self.every_s:
            return
        self.last, self.shown = now, True
        text = self.text(done, total, elapsed)
        if self.in_place:
            text = f"\r{self.narrow(text)}\x1b[K" + ("\n" if done >= total else "")
        else:
            text += "\n"
        sys.stderr.write(text)  # in one piece, since several processes write lines into one log
        sys.stderr.flush()

    def narrow(self, text: str) -> str:
        """Return a line that fits the terminal, since one that is wrapped cannot be rewritten."""
        room = shutil.get_terminal_size().columns - 1
        return text if len(text) <= room else f"  {' '.join(text.split())}"[:room]

    def text(self, done: int, total: int, elapsed: float) -> str:
        """Return the line."""
        rate = (done - (self.first or 0)) / max(elapsed, 1e-9)
        left = clock((total - done) / rate) if rate > 0 else "?"
        tail = f"{left} left" if done < total else f"done in {clock(elapsed)}"
        shown = rate * self.scale
        pace = f"{shown:,.0f}" if shown >= 10 else f"{shown:.2g}"
        latest = f"  {self.latest}" if self.latest else ""
        return f"  {self.title:<34} {100 * done / max(total, 1):3.0f} %  {pace} {self.unit}/s  {tail}{latest}"


def clock(seconds: float) -> str:
    """Format a duration.

    >>> clock(75.2), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def progress_line(title: str, unit: str, scale: float = 1.0) -> Progress:
    """Return a progress callback that prints a line with rate and time left; of several ranks, the first alone."""
    return ProgressLine(title, unit, scale) if distributed.is_main_rank() else no_progress


def training_line(title: str) -> tuple[Progress, Note]:
    """Return a progress line of training, and the function that puts the latest losses at its end."""
    if not distributed.is_main_rank():
        return no_progress, no_note
    line = ProgressLine(title, "windows")
    return line, line.note
