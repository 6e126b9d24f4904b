"""The one pool of worker processes: they leave no traceback at Ctrl-C, and end with the process that has them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, TypeVar

from cpep.runtime import signals
from cpep.types import UserError

Result = TypeVar("Result")

SET_PARENT_DEATH_SIGNAL = 1
"""Number of an option of prctl(2)."""
WAIT_S = 1.2
"""Seconds that Ctrl-C waits for calls that have nothing to save."""


def stopping() -> bool:
    """Tell a long call that nobody waits for its result any more."""
    return bool(_stop.is_set())


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Let a process that is started here be deaf to Ctrl-C until it calls ``hear_ctrl_c``."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_ctrl_c() -> None:
    """End what ``deaf_to_ctrl_c`` began."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class Pool:
    """Processes that leave no traceback at Ctrl-C and do not outlive this one; used in a ``with`` block.

    At the end of the block, calls that have not begun are dropped, and running calls are waited for; after Ctrl-C,
    calls that have nothing to save are waited for ``WAIT_S`` at most.

    Args:
        workers: processes.
        begin: called once in each process before its first call.
        interrupt: whether Ctrl-C, or an exception in the block, raises ``KeyboardInterrupt`` in the running calls,
            so that they save their state; else they go on and may look at ``stopping``.

    Raises:
        UserError: the folder of shared memory is full; or, at the end of the block, a process was killed.
    """

    def __init__(self, workers: int, begin: Callable[[], None] | None = None, *, interrupt: bool = False) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SystemExit(unguarded(sys.argv[0]))
        # Spawned, not forked: torch or a BLAS may have started threads in this process.
        context = multiprocessing.get_context("spawn")
        try:
            self._interrupt, self._stop = interrupt, context.Event()
        except OSError as error:
            raise UserError(no_shared_memory(error)) from error
        self._running: set[Future[Any]] = set()
        self._pool = ProcessPoolExecutor(workers, context, _begin_worker, (self._stop, interrupt, begin))

    def submit(self, call: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Submit a call; a process that is started for it ignores Ctrl-C until it is ready.

        Else Ctrl-C would print a traceback of a worker that still starts. The worker gets the call as bytes: the
        modules that it needs, torch among them, are imported where Ctrl-C ends the import.
        """
        with deaf_to_ctrl_c():
            future: Future[Any] = self._pool.submit(_work, pickle.dumps((call, arguments)))
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        impatient = not self._interrupt and isinstance(error, KeyboardInterrupt)
        killer = threading.Timer(WAIT_S, _kill_workers) if impatient else None
        if killer:
            killer.start()
        try:
            self._shut_down(interrupt=self._interrupt and error is not None)
        finally:
            if killer:
                killer.cancel()
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a worker process ended before its work was done (out of memory, unless a line above says why); run "
                "the same command again to resume"
            ) from error

    def _shut_down(self, *, interrupt: bool) -> None:
        """End the processes. Ctrl-C kills them meanwhile: an exception here would leave all of them waiting."""

        def kill(signum: int, frame: FrameType | None) -> None:
            signals.heard()
            _kill_workers()

        ours = threading.current_thread() is threading.main_thread()
        before = {one: signal.signal(one, kill) for one in signals.ENDS} if ours else {}
        try:
            for process in multiprocessing.active_children() if interrupt else ():
                if process.pid is not None:
                    with suppress(ProcessLookupError):  # it has ended since it was listed
                        os.kill(process.pid, signal.SIGINT)
            if interrupt:
                self._pool.shutdown(wait=False, cancel_futures=True)
                while running := list(self._running):  # one that was cancelled leaves the set, but ends no wait
                    wait(running, timeout=0.1)
                _kill_workers()  # all is saved: a process that has torch takes a second to end by itself
            self._pool.shutdown(cancel_futures=True)
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _kill_workers() -> None:
    """End the worker processes of this process, whatever they do."""
    for process in multiprocessing.active_children():
        process.kill()


def unguarded(script: str) -> str:
    """Say what is missing in a script that starts processes; each of them runs the script first."""
    return (
        f"{script} starts processes, which begin by running it themselves; put what it calls under a line "
        'if __name__ == "__main__":'
    )


def no_shared_memory(error: OSError) -> str:
    """Say why processes cannot share memory, and what to do."""
    return (
        f"cannot start worker processes: the folder of shared memory, /dev/shm on Linux, refuses a file "
        f"({error.strerror or error}); make room in it, or, in a container, give it more (docker run --shm-size=1g)"
    )


_stop: Any = threading.Event()
_working = _interrupted = False


def _begin_worker(stop: Any, interrupt: bool, begin: Callable[[], None] | None) -> None:
    """Set what Ctrl-C does in this worker (it reaches every process), and end the worker when its parent ends."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, _interrupt_call if interrupt else signal.SIG_IGN)
    _die_with_parent()
    hear_ctrl_c()
    if begin:
        begin()


def _interrupt_call(signum: int, frame: FrameType | None) -> None:
    """Stop the running call of a worker; an idle worker goes on, so that it prints no traceback."""
    global _interrupted
    first, _interrupted = not _interrupted, True
    if _working and first:  # once: a second one must not cut off the saving of the state
        raise KeyboardInterrupt


def follow_parent() -> None:
    """Wait for the parent process to end, and end this one then; for a thread of its own."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _die_with_parent() -> None:
    """Let this worker be killed when the thread that submitted its first call ends, and so when the parent ends.

    Linux does it, whatever the worker computes; elsewhere a thread has to wait until Python lets it run.
    """
    threading.Thread(target=follow_parent, daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _work(pickled: bytes) -> Any:
    """Run one call in a worker, unless it was interrupted before."""
    global _working
    _working = True
    try:
        if _interrupted:
            raise KeyboardInterrupt
        call, arguments = pickle.loads(pickled)  # imports modules: seconds on a busy machine
        return call(*arguments)
    finally:
        _working = False
