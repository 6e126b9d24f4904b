"""What one trial touches and takes: files, memory and time, of this process and of those that it started."""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cpep

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = (sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"))
READ_ONLY = tuple(
    os.path.realpath(one)
    for one in (*PYTHON, REPOSITORY, Path(cpep.__file__).parent, "/proc", "/sys", "/usr", "/lib", "/etc")
)
"""Python's own, the system's, and ours: everybody may read there, and nobody writes."""
DEVICES = ("/dev/null", "/dev/urandom", "/dev/shm")
SECRET_FILES = ("/etc/passwd", "/etc/shadow", "/etc/hosts")
WRITES = {
    "os.remove": (0, 1), "os.rmdir": (0, 1), "os.mkdir": (0, 2), "os.chmod": (0, 2), "os.truncate": (0, None),
    "os.rename": (1, 3), "os.link": (1, 3), "os.symlink": (1, 2),
}  # fmt: skip
"""Events of Python that change files: which argument is the path, and which the folder that it is below."""
REFUSED = ("os.system", "os.exec", "os.spawn", "socket.connect", "socket.bind")
PICKLES = (
    "cpep",
    "numpy",
    "builtins",
    "collections",
    "pathlib",
    "torch",
    "_codecs",
    "scipy",
    "pandas",
    "datetime",
    "functools",
    "types",
)
"""Packages whose objects go between processes of ours."""


class Touched:
    """Notes what Python opens, changes or starts that it must not, while ``noted``."""

    def __init__(self) -> None:
        self.readable: tuple[str, ...] = ()
        self.writable: tuple[str, ...] = ()
        self.found: list[str] = []
        self.on = False
        sys.dont_write_bytecode = True  # a module that is imported in a trial writes nothing then
        sys.addaudithook(self._hear)

    @contextmanager
    def noted(self, readable: tuple[Path, ...], writable: tuple[Path, ...]) -> Iterator[list[str]]:
        """Note what is touched until the block ends."""
        self.readable, self.writable = (tuple(os.path.realpath(one) for one in many) for many in (readable, writable))
        self.found, self.on = [], True
        try:
            yield self.found
        finally:
            self.on = False

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        self.on = False  # what it does itself is no part of the trial
        try:
            self._judge(event, args)
        finally:
            self.on = True

    def _judge(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if mode is None and isinstance(path, str) and not path.startswith("/"):
                return  # below a folder that is open, which the event does not tell; it was judged when it was opened
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
            self._path(path, writes)
        elif event in WRITES:
            at, below = WRITES[event]
            folder = args[below] if below is not None else -1
            self._path(args[at] if folder == -1 else f"/proc/self/fd/{folder}/{os.fsdecode(args[at])}", True)
        elif event == "subprocess.Popen":
            command = [os.fsdecode(one) for one in args[1]]
            if command[0] not in ("git", "fc-list") and not any("cpep." in part for part in command):
                self.found.append(f"started {' '.join(command)[:200]}")
        elif event == "pickle.find_class" and str(args[0]).partition(".")[0] not in PICKLES:
            self.found.append(f"unpickled {args[0]}.{args[1]}")
        elif event in REFUSED:
            self.found.append(f"{event} {args!r}"[:200])

    def _path(self, path: Any, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        with suppress(ValueError, OSError):
            real = os.path.realpath(os.fsdecode(path))
            allowed = self.writable if writes else (*self.writable, *self.readable, *READ_ONLY)
            inside = any(real == one or real.startswith(one + os.sep) for one in allowed)
            if real in SECRET_FILES or (not inside and not real.startswith(DEVICES)):
                self.found.append(f"{'wrote' if writes else 'read'} {real}"[:300])


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that these started."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def memory(pid: int | str, what: str) -> float:
    """Return ``VmRSS`` or ``VmHWM`` of a process, MB; 0 of one that is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1024
    return 0.0


def waited(pid: int | str) -> float:
    """Return how long a process waited for a core so far, seconds; 0 of one that is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class Taken:
    """Measures what is taken from its beginning on.

    Time is that of the clock less what this process and its children waited for a core: other programs are busy too.
    """

    def __init__(self) -> None:
        self.pids = [os.getpid(), *descendants(os.getpid())]
        for pid in self.pids:
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        self.rss = {pid: memory(pid, "VmRSS") for pid in self.pids}
        self.waits = {pid: waited(pid) for pid in self.pids}
        self.ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.started, self.computed = time.monotonic(), time.process_time()

    def seconds(self) -> float:
        """Return the time since the beginning; of computing, where a child ended, of which nobody knows its waits."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        children = ended.ru_utime + ended.ru_stime - self.ended.ru_utime - self.ended.ru_stime
        if children > 0:
            return time.process_time() - self.computed + children
        pids = [os.getpid(), *descendants(os.getpid())]
        waiting = sum(waited(pid) - self.waits.get(pid, 0.0) for pid in pids)
        return max(time.monotonic() - self.started - waiting, 0.0)

    def mb(self) -> float:
        """Return by how much the memory of the largest process grew, at most."""
        pids = [os.getpid(), *descendants(os.getpid())]
        grown = [memory(pid, "VmHWM") - self.rss.get(pid, 0.0) for pid in pids]
        ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return max(*grown, ended / 1024 if ended > self.ended.ru_maxrss else 0.0, 0.0)
