"""Calls a function on many items in several processes, in order, and stops at Ctrl-C without a trace."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from cpep.runtime.jobs import begin_worker, shut_down, submit
from cpep.types import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

_stop: Any = threading.Event()


def stopping() -> bool:
    """Tell a long call that nobody waits for its result any more."""
    return bool(_stop.is_set())


def _start_worker(stop: Any) -> None:
    global _stop
    _stop = stop
    begin_worker(signal.SIG_IGN)  # Ctrl-C reaches every process; the parent sets the event


def in_processes(
    call: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield the result of every item in order; in this process where one worker is enough.

    Close the generator (``contextlib.closing``) so that an exception of the caller stops the workers at once.

    Args:
        call: picklable; may look at ``stopping()``.
        items: picklable.
        workers: processes at most.

    Raises:
        UserError: a process was killed.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(call, items)
        return
    context = multiprocessing.get_context("spawn")  # forked copies of a threaded BLAS may hang
    stop = context.Event()
    with ProcessPoolExecutor(workers, context, _start_worker, (stop,)) as pool:
        try:
            for future in [submit(pool, call, item) for item in items]:
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed (out of memory?); run the same command again to resume"
            ) from error
        finally:
            stop.set()
            shut_down(pool)
