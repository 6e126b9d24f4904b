"""One process at a time: locks of open files, which the system lets go of however a process ends; who has one."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cpep.runtime import distributed
from cpep.runtime.leftovers import LOCK, host, is_alive, remove_below
from cpep.types import UserError

NOT_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""Errors of a file system that has no locks, such as some network file systems."""
FAR = 1 << 30
"""Byte that Windows locks: nobody reads there what the file says."""
PATIENCE_S = 5.0
"""For so long those wait who write a file in a moment."""
UNWRITTEN_S = 10.0
"""For so long a lock may be empty: its owner has not yet written who it is."""


def try_lock(file: IO[Any] | int) -> bool:
    """Lock an open file, or its descriptor, for this process; tell whether no other one holds it.

    Raises:
        OSError: the file system has no locks (``NOT_HERE``).
    """
    descriptor = file if isinstance(file, int) else file.fileno()
    try:
        import fcntl
    except ImportError:
        return _on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NOT_HERE:
            raise
        return False
    return True


def _on_windows(descriptor: int) -> bool:
    import msvcrt

    module: Any = msvcrt  # whose functions a checker on Linux does not know
    os.lseek(descriptor, FAR, os.SEEK_SET)
    try:
        module.locking(descriptor, module.LK_NBLCK, 1)
    except OSError:
        return False
    return True


class Hold:
    """Keeps other processes from writing a file or a folder, until it is closed or the process ends.

    The lock is a file that says who has it; ``close`` removes it. Where the file system has no locks, the file itself
    is the lock: one that a killed process of this machine left is taken over, one of another machine is not.

    Args:
        place: of the lock.
        subject: what is written, for the sentence.
        wait_s: how long to wait for another process.

    Raises:
        UserError: another process has it; the sentence says which. Or the lock cannot be written.
    """

    def __init__(self, place: Path, subject: Path, wait_s: float = 0.0) -> None:
        self.place = place
        until = time.monotonic() + wait_s
        try:
            tries = 0
            while (descriptor := _taken(place)) is None:
                tries += 1
                if tries > 2 and time.monotonic() >= until:
                    raise UserError(f"{subject} is in use by {_who(place)}; wait for it, or end it")
                time.sleep(0.02)
        except OSError as error:
            raise UserError(f"cannot write {place}: {error.strerror or error}") from error
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Let others write."""
        if self._descriptor is not None:
            with suppress(OSError):  # Windows removes no open file; what stays is no lock
                self.place.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def hold_file(path: Path, wait_s: float = 0.0) -> Hold:
    """Keep other processes from writing a file, or a folder that appears whole; the lock lies beside it."""
    return Hold(_place_of(lock_of(path)), path, wait_s)


def lock_of(path: Path) -> Path:
    """Return the place of the lock of ``hold_file``."""
    return path.with_name(f".{path.name}.lock")


def is_held(place: Path) -> bool:
    """Tell whether a process, this one or another one, has the lock at a place; without such a folder nobody has."""
    try:
        descriptor = _taken(place)
    except OSError:
        return False
    if descriptor is not None:
        place.unlink(missing_ok=True)
        os.close(descriptor)
    return descriptor is None


def _place_of(place: Path) -> Path:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {place.parent}: {error.strerror or error}") from error
    return place


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other commands from writing a folder, and remove what killed ones left there; over ranks, rank 0 does.

    Raises:
        UserError: another command writes it; the sentence says which. Or it cannot be written.
    """
    holds: list[Hold] = []

    def begin() -> None:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; name a folder")
        new = [one for one in (folder, *folder.parents) if not one.exists()]
        holds.append(Hold(_place_of(folder / LOCK), folder))
        made.extend(new)
        remove_below(folder)

    made: list[Path] = []
    try:
        distributed.on_main_rank(begin)
        yield
    finally:
        for hold in holds:
            hold.close()
        with suppress(OSError):  # a command that was refused leaves no empty folder
            for one in made:
                one.rmdir()


def _taken(place: Path) -> int | None:
    """Return the open lock if nobody else has it, and write into it who has it now."""
    try:
        descriptor, new = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
    except FileExistsError:
        descriptor, new = os.open(place, os.O_RDWR | os.O_CREAT, 0o666), False
    taken = False
    try:
        taken = _locked(descriptor, place, new) and _is(descriptor, place)
        if taken:
            about = {"pid": os.getpid(), "host": host(), "command": _command(), "since": _now()}
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, json.dumps(about).encode())
    finally:
        if not taken:
            os.close(descriptor)
    return descriptor if taken else None


def _locked(descriptor: int, place: Path, new: bool) -> bool:
    try:
        return try_lock(descriptor)
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    if not new and _has_ended(place):
        place.unlink(missing_ok=True)  # so that one process alone makes it anew
    return new


def _has_ended(place: Path) -> bool:
    """Tell, where there are no locks, whether the process that made one is known to be gone."""
    about = _read(place)
    if not about:
        return time.time() - place.stat().st_mtime > UNWRITTEN_S
    return about.get("host") == host() and isinstance(about.get("pid"), int) and not is_alive(about["pid"])


def _is(descriptor: int, place: Path) -> bool:
    """Tell whether a lock is still there: the one who had it may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def _read(place: Path) -> dict[str, Any]:
    try:
        value = json.loads(place.read_bytes()[:10_000])
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _who(place: Path) -> str:
    about = _read(place)
    if not about:
        return "another cpep"
    pid, machine, command, since = (str(about.get(key, "?"))[:80] for key in ("pid", "host", "command", "since"))
    here = " on this machine" if machine == host() else f" on {machine} (if that has ended, delete {place})"
    return f"{command}, process {pid}{here}, since {since}"


def _command() -> str:
    """Return the command of this process by its first words alone, since options may hold what is secret."""
    name = Path(sys.argv[0]).name
    if name in ("__main__.py", "cpep", "cpep.exe"):
        return " ".join(["cpep", *(word for word in sys.argv[1:2] if word.isalnum())])
    return name if name not in ("", "-c", "-m") else "cpep"


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
