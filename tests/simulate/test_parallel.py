from __future__ import annotations

import math
import os

import pytest

from cpep.simulate.parallel import in_processes, stopping
from cpep.types import UserError


def test_results_come_in_order_whatever_the_workers() -> None:
    items = [9.0, 4.0, 1.0]
    assert list(in_processes(math.sqrt, items, 1)) == [3, 2, 1]
    assert list(in_processes(math.sqrt, items, 2)) == [3, 2, 1]
    assert not stopping()


def test_a_killed_worker_is_a_sentence() -> None:
    with pytest.raises(UserError, match="worker process was killed"):
        list(in_processes(os._exit, [1, 1], 2))


def test_errors_of_the_call_come_through() -> None:
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(in_processes(math.sqrt, [1.0, -1.0], 2))
