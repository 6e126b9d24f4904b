"""Work in several processes (``pool``): jobs that depend on each other, and results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from cpep.runtime import memory
from cpep.runtime.pool import Pool
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
