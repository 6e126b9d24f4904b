"""Calls in a process of its own, which is ended where a file from elsewhere takes too much.

Libraries that read files from elsewhere can loop for ever, take all memory or crash on a damaged file. So these files
are read by a child process (``cpep.runtime.confined_child``). It is started when it is first needed, is used again by
the next call, and is replaced after it was ended. On systems without resource limits the time that passes is the only
bound.
"""

from __future__ import annotations

import atexit
import builtins
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cpep.runtime.encoded import decode
from cpep.runtime.files import size_of
from cpep.runtime.pool import deaf_to_ctrl_c
from cpep.types import UserError, shown_lines

MB = 2**20
CPU_S, MEMORY = 2.0, 1024 * MB
"""What the reading of a small file may take: seconds of computing, and bytes."""
CPU_S_PER_MB, MEMORY_PER_BYTE = 1.0, 30
"""What each further MB and byte of a file allows."""
WAITS_S, WAITS = 300.0, 30.0
"""The time that may pass: so many seconds, and so many times the seconds of computing. Disks take some of it, and a
machine that is busy with other work takes more; neither says anything of the file."""
LONGEST_HEAD = 64 * MB
"""Bytes of an answer without its arrays."""
PIPE = MB
"""Bytes that a pipe holds, where the system can be asked for them: arrays come in fewer pieces."""
PASSED = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HDF5_USE_FILE_LOCKING"),
    *("PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE"),
)
"""Environment variables that the process sees, beside those that begin with ``CPEP_`` and ``LC_``: no tokens."""
SET = {
    "OMP_NUM_THREADS": "1",  # threads that nobody needs take memory
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",  # HDF5 loads no library that a file asks for
}
COMMAND = ("-P", "-c", "from cpep.runtime.confined_child import serve; serve()")

LATE, STOPPED = "late", "stopped"
"""Why this process killed the other one."""

LENGTH = struct.Struct("<Q")
"""Precedes a request, and the head of an answer."""


@dataclass(frozen=True)
class Bounds:
    """What a call may take.

    Attributes:
        cpu_s: seconds of computing.
        wall_s: seconds that pass.
        memory: bytes beyond what the process has before the call.
    """

    cpu_s: float
    wall_s: float
    memory: int


def bounds_of(paths: Iterable[Path]) -> Bounds:
    """Return what the reading of some files may take: it grows with their size, up to the memory of the machine."""
    size = sum(map(size_of, paths))
    cpu_s = CPU_S + CPU_S_PER_MB * size / MB
    return Bounds(cpu_s, WAITS_S + WAITS * cpu_s, min(MEMORY + MEMORY_PER_BYTE * size, max(_memory(), MEMORY)))


class Ended(UserError):
    """The process was ended as it took too much, or it crashed; the same call would end in the same way."""


class Stopped(Ended):
    """The process was ended because cpep ends: nothing is known of the file."""


class _Crashed(Exception):
    """The process ended before it had answered."""


def call(function: str, *arguments: Any, what: object, bounds: Bounds, kinds: Sequence[type] = ()) -> Any:
    """Call a function in the process for files from elsewhere.

    Args:
        function: ``module:name``, which that process imports; importing it is not bounded. Where this is that
            process, the function is called at once, within the bounds of the call that runs.
        arguments: picklable.
        what: is read, for sentences: a path.
        bounds: what the call may take.
        kinds: data classes that the result may hold, beside what ``cpep.runtime.encoded`` knows.

    Returns:
        what the function returns.

    Raises:
        UserError: the function raised it, or took more than ``bounds``, or crashed the process.
        RuntimeError: the function raised something else; its traceback is a note.
    """
    if inside:
        module, _, name = function.partition(":")
        return getattr(import_module(module), name)(*arguments)
    request = pickle.dumps((function, pickle.dumps(arguments), bounds, _folder()))
    while True:
        child, new = _take()
        try:
            answer = child.ask(request, bounds, kinds)
            break
        except _Crashed:
            # Where the process read other files before, one of those may have damaged its memory.
            if new or child.killed or child.returncode() == _code("SIGPROF"):
                kind = Stopped if child.killed == STOPPED else Ended
                raise kind(child.reason(str(what), bounds)) from None
        finally:
            _give_back(child)
    return _outcome(answer, str(what), bounds)


def end_all() -> None:
    """End the calls that run in other threads, which get a ``UserError``, and all processes."""
    with _lock:
        idle, running = list(_idle), list(_running)
        _idle.clear()
    for child in running:
        child.kill(STOPPED)
    for child in idle:
        child.end()


class _Child:
    """A process, in which nothing but imported modules is left between calls."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if _passed(name)} | SET
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        self.killed = ""
        self.usable = True
        try:
            with deaf_to_ctrl_c():  # for all its life, as this process ends it
                self._process = subprocess.Popen(
                    [sys.executable, *COMMAND],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            raise UserError(f"cannot start a process that reads files: {error.strerror or error}") from error
        assert isinstance(self._process.stdin, io.FileIO) and isinstance(self._process.stdout, io.FileIO)
        self._to, self._from = self._process.stdin, self._process.stdout
        _enlarge(self._from.fileno())

    def ask(self, request: bytes, bounds: Bounds, kinds: Sequence[type]) -> dict[str, Any]:
        """Have a request answered.

        Raises:
            _Crashed: the process ended before it had answered.
            ValueError: what came is no answer.
        """
        self.usable = False  # an exception, as at Ctrl-C, leaves the rest of an answer in the pipe
        timer = threading.Timer(bounds.wall_s, self.kill, [LATE])
        timer.daemon = True
        timer.start()
        try:
            self._write(LENGTH.pack(len(request)) + request)
            (length,) = LENGTH.unpack(self._read(LENGTH.size))
            if length > LONGEST_HEAD:
                raise ValueError("an answer that is too long")
            answer: dict[str, Any] = json.loads(self._read(length))
            if "value" in answer:
                answer["value"] = decode(answer["value"], kinds, self._fill, bounds.memory)
        finally:
            timer.cancel()
        self.usable = not answer["ends"] and not self.killed
        return answer

    def returncode(self) -> int:
        """Wait until the process has ended, and return its code: negative for a signal."""
        return self._process.wait()

    def ready(self) -> bool:
        """Tell whether the process can be asked again."""
        return self.usable and self._process.poll() is None

    def reason(self, what: str, bounds: Bounds) -> str:
        """Say why the process ended."""
        code = self.returncode()
        damaged = "it is damaged, or unpacks to far more than its size; fetch it again, or leave it out"
        if self.killed == STOPPED:
            return f"{what} was not read to its end, as cpep ends"
        if self.killed == LATE:
            return (
                f"{what} was not read within {bounds.wall_s:.0f} s: the disk is slow, the machine is busy, or the "
                "file is damaged; read it again, fetch it again, or leave it out"
            )
        if code == _code("SIGPROF"):
            return f"{what} was not read within {bounds.cpu_s:.1f} s of computing; {damaged}"
        if code == _code("SIGKILL"):
            return f"the system ended the process that read {what}; close what takes memory, then read it again"
        if code > 0:
            start = f'{sys.executable} -c "import cpep.runtime.confined_child"'
            return f"the process that reads {what} does not start; run {start} to see why"
        name = {one.value: one.name for one in signal.Signals}.get(-code, f"signal {-code}")
        return f"{what} crashes the library that reads it ({name}); fetch it again, or leave it out"

    def kill(self, why: str) -> None:
        """End the process at once, whatever it does."""
        self.killed = why
        self._process.kill()

    def end(self) -> None:
        """End the process, and wait until it has ended."""
        self._process.kill()
        self._process.wait()
        self.leave()

    def leave(self) -> None:
        """Close the pipes."""
        self._to.close()
        self._from.close()
        self._process.returncode = self._process.returncode or 0  # of a process that was started before a fork

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._to.write(view) :]
        except BrokenPipeError:
            raise _Crashed from None

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        self._fill(memoryview(data))
        return data

    def _fill(self, view: memoryview) -> None:
        while view:
            got = self._from.readinto(view)
            if not got:
                raise _Crashed
            view = view[got:]


inside = False
"""Whether this is the process for files from elsewhere."""
_lock = threading.Lock()
_idle: list[_Child] = []
_running: list[_Child] = []


def _take() -> tuple[_Child, bool]:
    """Return a process that nobody else uses, and whether it is new."""
    with _lock:
        child = _idle.pop() if _idle else None
    if new := child is None or not child.ready():
        if child:
            child.end()
        child = _Child()
    with _lock:
        _running.append(child)
    return child, new


def _give_back(child: _Child) -> None:
    """Keep a process for the next call, or end it."""
    with _lock:
        _running.remove(child)
        if child.ready():
            _idle.append(child)
            return
    child.end()


def _forget() -> None:
    """Leave the processes to the one that this one was forked from."""
    global _lock
    _lock = threading.Lock()
    for child in _idle + _running:
        child.leave()
    _idle.clear()
    _running.clear()


atexit.register(end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _outcome(answer: dict[str, Any], what: str, bounds: Bounds) -> Any:
    """Return or raise what a call came to, after its warnings and what it printed.

    Both may quote the file, so nothing in them moves the cursor.
    """
    if answer["printed"]:
        sys.stderr.write(shown_lines(answer["printed"]))
    for category, text, file, line in answer["warnings"]:
        kind = getattr(builtins, category, UserWarning)
        warnings.warn_explicit(shown_lines(text), kind, file, line)
    if "refused" in answer:
        raise UserError(answer["refused"])
    if "failed" in answer:
        error = RuntimeError(f"{what}: {shown_lines(answer['failed'])}")
        error.add_note(shown_lines(answer["traceback"]))
        raise error
    if "value" not in answer:
        raise Ended(
            f"{what} takes over {bounds.memory / 1e9:.1f} GB of memory to be read; it is damaged, or unpacks to far "
            "more than its size; fetch it again, or cut it into shorter recordings"
        )
    return answer["value"]


def _passed(name: str) -> bool:
    return name in PASSED or name.startswith(("CPEP_", "LC_"))


def _folder() -> str | None:
    with suppress(FileNotFoundError):  # it was removed
        return str(Path.cwd())
    return None


def _memory() -> int:
    """Return the bytes of memory of the machine; many where the system does not say."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**62


def _code(name: str) -> int:
    """Return the code of a process that a signal ended; of a signal that the system lacks, a code of none."""
    return -int(getattr(signal, name, 2**30))


def _enlarge(pipe: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # a user may have filled the share of pipes
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
