"""The one pool of worker processes: for jobs that depend on each other, and for results in order."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType, TracebackType
from typing import Any, TypeVar

from cpep.runtime import memory, signals
from cpep.types import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """A function to call once the jobs named in ``needs`` are done.

    Attributes:
        name: unique.
        call: picklable, without arguments; it leaves its result on disk and returns at once when it is there.
        needs: names of jobs.
    """

    name: str
    call: partial[Any]
    needs: tuple[str, ...] = ()


SET_PARENT_DEATH_SIGNAL = 1
"""Number of an option of prctl(2)."""
WAIT_S = 1.2
"""Seconds that Ctrl-C waits for calls that have nothing to save."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_alone() -> int:
    """Return the threads of a stage that no other runs beside: ``OMP_NUM_THREADS``, else one for each core.

    Raises:
        UserError: the variable holds no number.
    """
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2" is for nested regions
    if given and not (given.isdecimal() and int(given)):
        raise UserError(f"OMP_NUM_THREADS={given}: give a whole number from 1 on, or unset it")
    return int(given) if given else cores()


def wait_asleep() -> None:
    """Let threads sleep while they wait for each other, unless ``OMP_WAIT_POLICY`` is set; to be called before torch.

    By default they spin for milliseconds after every operation. Where other programs use the cores too, each such
    wait lasts as long as the scheduler keeps the other thread off its core: a stage took 13 times as long with two
    threads as with one. Sleeping costs nothing that can be measured on idle cores (docs/results/performance.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run_all(jobs: Sequence[Job], workers: int, threads: int, note: Callable[[str], None] = lambda name: None) -> None:
    """Run every job, each in a process of ``threads`` threads, ``workers`` at a time; one worker is this process.

    After a mistake in one job, or Ctrl-C, the others save their state and end.

    Args:
        jobs: in an order in which they could run one after another; of the jobs that are ready, the first runs.
        workers: processes.
        threads: threads of each.
        note: called with the name of each job that is done.

    Raises:
        UserError: what a job raised, or a process was killed.
    """
    if workers <= 1:
        for job in jobs:
            job.call()
            note(job.name)
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with Pool(workers, interrupt=True) as pool:
        waiting, done = list(jobs), set[str]()
        running: dict[Future[Any], str] = {}
        while waiting or running:
            ready = [job for job in waiting if done.issuperset(job.needs)]
            assert ready or running, f"jobs wait for each other: {[job.name for job in waiting]}"
            for job in ready[: workers - len(running)]:
                running[pool.submit(_do, job.call)] = job.name
                waiting.remove(job)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                future.result()
                done.add(name)
                note(name)


def _do(call: partial[Any]) -> None:
    """Call a job and return nothing: its result is on disk. What it leaves in memory is given back."""
    try:
        call()
    finally:
        memory.give_back()


def in_order(
    call: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    begin: Callable[[], None] | None = None,
) -> Generator[Result, None, None]:
    """Call a function on items side by side and yield the results in order, two per process in memory.

    Close the generator (``contextlib.closing``) so that an exception of the caller stops the workers at once. Calls
    that are running then are waited for; a long call should look at ``stopping``.

    Args:
        call: picklable, as are items and results.
        items: its arguments, one a call; work on them begins in their order.
        workers: processes at most; with one, everything happens here.
        begin: called once in each process before its first item.

    Raises:
        UserError: a process was killed.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        if begin:
            begin()
        yield from map(call, items)
        return
    with Pool(workers, begin) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
                "a worker process was killed (out of memory?); run the same command again to resume"
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
