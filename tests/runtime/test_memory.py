"""Memory of a process, as the system counts it."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from cpep.runtime import memory

MB = 1 << 20
pytestmark = pytest.mark.skipif(
    memory._glibc() is None or any(name.startswith("MALLOC_") for name in os.environ), reason="another C library"
)


def resident() -> float:
    """Return the memory of this process that is no file, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def filled(megabytes: int) -> np.ndarray:
    return np.ones(megabytes * MB, np.uint8)


def freed_memory_stays_in_the_block_and_is_given_back_after_it() -> None:
    before = resident()
    with memory.kept():
        with memory.kept():
            array = filled(96)
            del array
        assert resident() - before > 80, "an inner block does not end the outer one"
    assert resident() - before < 30


def arrays_between_holes_are_given_back_outside_of_blocks() -> None:
    before, small = resident(), []
    for _ in range(10):
        large = filled(64)
        small.append(filled(1))
        del large
    assert resident() - before < 30


def what_refers_to_itself_is_given_back() -> None:
    before = resident()
    knot = [filled(64)]
    knot.append(knot)  # type: ignore[arg-type]
    del knot
    memory.give_back()
    assert resident() - before < 30


@pytest.mark.parametrize(
    "check",
    [
        freed_memory_stays_in_the_block_and_is_given_back_after_it,
        arrays_between_holes_are_given_back_outside_of_blocks,
        what_refers_to_itself_is_given_back,
    ],
)
def test_memory_of_a_new_process(check: Callable[[], None]) -> None:
    """The process of the tests has holes of its own, into which an array may fit."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(check).result(timeout=60)


def test_settings_of_the_user_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        def mallopt(self, option: int, value: int) -> None:
            changed.append(option)

    changed: list[int] = []
    monkeypatch.setattr(memory, "_glibc", Libc)
    memory._set(memory.KEEP)
    assert changed == list(memory.KEEP)
    monkeypatch.setenv("MALLOC_TOP_PAD_", "7")
    memory._set(memory.KEEP)
    assert changed == list(memory.KEEP)
