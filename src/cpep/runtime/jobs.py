"""Runs jobs that depend on each other, side by side on the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from cpep.types import UserError


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


KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36), "MALLOC_TOP_PAD_": str(2**28)}
"""What makes a worker keep the memory that it frees, on Linux with glibc; elsewhere it is ignored.

Else every large activation is given back to the system at once and comes back page by page, zeroed: NeuroPose embeds
2.4 times and trains 1.6 times as fast with it.
"""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(jobs: Sequence[Job], workers: int, threads: int, note: Callable[[str], None] = lambda name: None) -> None:
    """Run every job, each in a process of ``threads`` threads, ``workers`` at a time; in this process if one.

    Args:
        jobs: in an order in which they could run one after another; of those that can run, the first does.
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
    for name, value in KEEP_MEMORY.items():
        os.environ.setdefault(name, value)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker)
    complete = False
    try:
        _run(jobs, pool, workers, note)
        complete = True
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed (out of memory?); run the same command again to resume"
        ) from error
    finally:  # after a mistake in one job, or Ctrl-C, the others save their state and end
        shut_down(pool, interrupt=not complete)


def shut_down(pool: ProcessPoolExecutor, *, interrupt: bool = False) -> None:
    """Drop the calls that wait, interrupt those that run where asked to, and wait for their end.

    Ctrl-C meanwhile kills the workers: if it raised here, parent and workers would wait for each other.
    """

    def kill(signum: int, frame: FrameType | None) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, kill) if ours else None
    try:
        for process in multiprocessing.active_children() if interrupt else ():
            if process.pid is not None:
                os.kill(process.pid, signal.SIGINT)
        pool.shutdown(cancel_futures=True)
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


_working = _stopping = False


def submit(pool: ProcessPoolExecutor, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a call; a process that is started for it is deaf to Ctrl-C until ``begin_worker``.

    Without this, Ctrl-C while a worker still imports its modules prints a traceback from there.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return pool.submit(call, *arguments)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(call, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    """Set what Ctrl-C does in a worker, hear it from now on, and end when the parent does, however that ends."""
    signal.signal(signal.SIGINT, handler)
    threading.Thread(target=_follow_parent, daemon=True).start()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def start_worker() -> None:
    """Let Ctrl-C, which reaches every process, stop the job of a worker but leave an idle one without a traceback."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        global _stopping
        first, _stopping = not _stopping, True
        if _working and first:  # once: a second one must not cut off the saving of the state
            raise KeyboardInterrupt

    begin_worker(interrupt)


def work(call: partial[Any]) -> None:
    """Run one job in a worker, unless it was told to stop before."""
    global _working
    _working = True
    try:
        if _stopping:
            raise KeyboardInterrupt
        call()
    finally:
        _working = False


def _run(jobs: Sequence[Job], pool: ProcessPoolExecutor, workers: int, note: Callable[[str], None]) -> None:
    """Keep every worker busy with the first job of the list that can run."""
    waiting, done = list(jobs), set[str]()
    running: dict[Future[Any], str] = {}
    while waiting or running:
        ready = [job for job in waiting if done.issuperset(job.needs)]
        assert ready or running, f"jobs wait for each other: {[job.name for job in waiting]}"
        for job in ready[: workers - len(running)]:
            running[submit(pool, work, job.call)] = job.name
            waiting.remove(job)
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            name = running.pop(future)
            future.result()
            done.add(name)
            note(name)
