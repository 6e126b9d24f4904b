"""The process that reads files from elsewhere: it answers ``cpep.runtime.confined``, one call after the other."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from cpep.runtime import confined
from cpep.runtime.confined import LENGTH, Bounds
from cpep.runtime.encoded import encode
from cpep.types import UserError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MOST_WARNINGS = 20
"""Different warnings of a call that are passed on."""
MOST_PRINTED = 10_000
"""Letters that a call prints and that are passed on."""
SIZES = Path("/proc/self/statm")
"""Pages of this process, on Linux; elsewhere its memory is not bounded."""


def serve() -> None:
    """Answer calls until nobody can ask any more."""
    confined.inside = True
    with os.fdopen(os.dup(0), "rb") as asked, os.fdopen(os.dup(1), "wb", buffering=0) as told:
        for standard in (0, 1):  # code that reads or prints must not take part
            os.dup2(os.open(os.devnull, os.O_RDWR), standard)
        while head := asked.read(LENGTH.size):
            answer, buffers = _answer(*pickle.loads(asked.read(*LENGTH.unpack(head))))
            text = json.dumps(answer).encode()
            _write(told, LENGTH.pack(len(text)) + text)
            for buffer in buffers:
                _write(told, buffer)
            buffers.clear()  # a large recording is not kept until the next call
            if answer["ends"]:
                return


def _write(told: io.RawIOBase, piece: bytes | memoryview) -> None:
    view = memoryview(piece)
    while view:
        view = view[told.write(view) or 0 :]


def _answer(
    function: str, arguments: bytes, bounds: Bounds, folder: str | None
) -> tuple[dict[str, Any], list[memoryview]]:
    """Call a function, and return what it came to, and the contents of the arrays in that."""
    answer: dict[str, Any] = {"ends": False}
    buffers: list[memoryview] = []
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as seen, redirect_stdout(printed), redirect_stderr(printed):
        warnings.simplefilter("always")
        try:
            if folder is not None:
                os.chdir(folder)
            called, given = _found(function), pickle.loads(arguments)
            with _bounded(bounds):
                answer["value"], buffers = encode(called(*given))
        except UserError as error:
            answer["refused"] = str(error)
        except MemoryError:
            answer["ends"] = True
        except Exception as error:  # whatever it is, the process that asked raises it
            answer |= {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    told = {(one.category.__name__, str(one.message), one.filename, one.lineno): None for one in seen}
    return answer | {"warnings": list(told)[:MOST_WARNINGS], "printed": printed.getvalue()[:MOST_PRINTED]}, buffers


def _found(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


@contextmanager
def _bounded(bounds: Bounds) -> Iterator[None]:
    """Bound time of computing and memory, and let no file be written; the system ends the process at the first."""
    if resource is None:
        yield
        return
    limits = {resource.RLIMIT_FSIZE: 0}
    if SIZES.exists():
        limits[resource.RLIMIT_AS] = int(SIZES.read_text().split()[0]) * resource.getpagesize() + bounds.memory
    before = {kind: resource.getrlimit(kind) for kind in limits}
    try:
        for kind, limit in limits.items():
            _, hard = before[kind]
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        signal.setitimer(signal.ITIMER_PROF, bounds.cpu_s)
        with _imports_uncounted():
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for kind, pair in before.items():
            resource.setrlimit(kind, pair)


@contextmanager
def _imports_uncounted() -> Iterator[None]:
    """Stop the clock of computing while modules are imported: a library may take longer than a small file."""
    plain, depth = builtins.__import__, 0

    def uncounted(*arguments: Any, **more: Any) -> Any:
        nonlocal depth
        left = 0.0 if depth else signal.setitimer(signal.ITIMER_PROF, 0)[0]
        depth += 1
        try:
            return plain(*arguments, **more)
        finally:
            depth -= 1
            if not depth:
                signal.setitimer(signal.ITIMER_PROF, left)

    builtins.__import__ = uncounted
    try:
        yield
    finally:
        builtins.__import__ = plain
