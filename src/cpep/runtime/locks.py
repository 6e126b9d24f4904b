"""Locks of this machine on open files: the system lets go of them however a process ends."""

from __future__ import annotations

from typing import IO, Any


def try_lock(file: IO[Any] | int) -> bool:
    """Lock an open file, or its descriptor, for this process; tell whether no other one holds it."""
    descriptor = file if isinstance(file, int) else file.fileno()
    try:
        import fcntl
    except ImportError:
        return _on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _on_windows(descriptor: int) -> bool:
    import msvcrt

    module: Any = msvcrt  # whose functions a checker on Linux does not know
    try:
        module.locking(descriptor, module.LK_NBLCK, 1)
    except OSError:
        return False
    return True
