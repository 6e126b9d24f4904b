"""The cohort of `make demo`, as `cpep simulate` makes it, on one core and on two; four minutes.

Two workers take 1.5 s to start and do not end together, which a smaller cohort would not make up for.
"""

import tempfile
from pathlib import Path

from benchmarks.measure import CORES, Figure, seconds
from cpep.simulate import simulate_cohort
from cpep.simulate.plan import MINUTES

USERS = 24


def pace(workers: int, users: int = USERS) -> float:
    """Return the seconds of recording that are made in a second."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cohort"
        return users * MINUTES * 60 / seconds(lambda: simulate_cohort(out, users=users, workers=workers))


def figures() -> list[Figure]:
    pace(1, users=1)
    one = pace(1)
    made = [Figure("simulate, s of recording a second on one core, beside 60", one, 60, one / 60, 1, 0.3)]
    if CORES > 1:
        two = pace(2)
        made.append(Figure("simulate, s of recording a second on two cores", two, one, two / one, 1.9, 1.1))
    return made
