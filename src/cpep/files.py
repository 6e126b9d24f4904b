"""Writing so that a reader never sees half a file, and progress lines."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cpep.types import Progress, UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it on success and vanishes on failure.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically (no NaN: a file that other languages can read)."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable as JSON ({error}); delete it and run again") from error


class ProgressLine:
    """A line with rate and time left, for everything that takes over two seconds.

    On a terminal the line is rewritten in place; elsewhere a new line is printed every ``every_s`` seconds,
    so that logs stay short and several processes can report side by side.
    """

    def __init__(self, title: str, unit: str, scale: float = 1.0, every_s: float = 10.0) -> None:
        self.title, self.unit, self.scale, self.every_s = title, unit, scale, every_s
        self.started = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if self.first is None:
            self.first = done
            self.started = now
            if done < total:
                return
        if now - self.last < self.every_s and done < total:
            return
        elapsed = now - self.started
        if elapsed < 2.0 and done >= total:
            return
        self.last = now
        rate = (done - self.first) / max(elapsed, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        shown = f"{rate * self.scale:,.{0 if rate * self.scale >= 10 else 1}f}"
        tail = f"{clock(left)} left" if done < total else f"done in {clock(elapsed)}"
        print(
            f"  {self.title:<34} {100 * done / max(total, 1):3.0f} %  {shown} {self.unit}/s  {tail}",
            file=sys.stderr,
            flush=True,
        )


def clock(seconds: float) -> str:
    """Format a duration.

    >>> clock(75.2), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def progress_line(title: str, unit: str, scale: float = 1.0) -> Progress:
    """Return a progress callback that prints a line with rate and time left."""
    return ProgressLine(title, unit, scale)
