"""A cohort of the default length, as `cpep simulate` makes it, on one core and on two.

The fastest of some rounds in turn counts: what else runs on a machine slows two cores down more than one. Two workers
take 1.5 s to start, which is in it.
"""

import tempfile
from pathlib import Path

from benchmarks.measure import CORES, Figure, seconds
from cpep.simulate import simulate_cohort
from cpep.simulate.plan import MINUTES

USERS, ROUNDS = 8, 3


def pace(workers: int, users: int = USERS) -> float:
    """Return the seconds of recording that are made in a second."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cohort"
        return users * MINUTES * 60 / seconds(lambda: simulate_cohort(out, users=users, workers=workers))


def figures() -> list[Figure]:
    pace(1, users=1)
    rounds = [(pace(1), pace(2) if CORES > 1 else 0.0) for _ in range(ROUNDS)]
    one, two = (max(paces) for paces in zip(*rounds, strict=True))
    made = [Figure("simulate, s of recording a second on one core, beside 60", one, 60, one / 60, 1, 0.3)]
    if CORES > 1:
        made.append(Figure("simulate, s of recording a second on two cores", two, one, two / one, 1.9, 1.1))
    return made
