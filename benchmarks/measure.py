"""What a benchmark returns, and how two things are timed beside each other on a machine that others use too."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Figure:
    """One line of bench.json.

    Attributes:
        name: what was measured, with its unit: "EMG-MAE step, ms".
        value: ours.
        reference: what it is compared with, measured in the same run, or a limit that is set.
        ratio: how much better ours is; larger is always better.
        wanted: the goal for the ratio.
        bound: below this, something broke; far enough below ``wanted`` for a noisy machine.
    """

    name: str
    value: float
    reference: float
    ratio: float
    wanted: float
    bound: float


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long a call takes, s.

    Args:
        call: what is measured.
        clock: ``time.process_time`` for what runs on one thread of this process: waiting for a core that others
            use does not count.
    """
    begun = clock()
    call()
    return clock() - begun


def as_users() -> dict[str, str]:
    """Return the environment of a command that has as many threads as a user's has."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def processor_s(command: Sequence[str]) -> float:
    """Return the processor time of a command ``as_users`` and of all that it started, s."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=as_users())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def beside(
    ours: Callable[[], object],
    reference: Callable[[], object],
    rounds: int = 7,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Time two calls in turn: medians of ours and of the reference, s, and the median of reference over ours.

    Args:
        ours: what is measured.
        reference: what it is compared with.
        rounds: times that both are called.
        warm: rounds before, which do not count.
        clock: see ``seconds``.
    """
    for _ in range(warm):
        ours(), reference()
    pairs = [(seconds(ours, clock), seconds(reference, clock)) for _ in range(rounds)]
    ratio = statistics.median(b / a for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio
