"""`cpep reproduce` at the paper preset, made tiny, over eight gloo ranks beside one process: one table.

Every number of results.json must be equal, and every loss in the notes of the stages to ``LOSSES_APART``: the ranks'
gradients are summed in another order. In fp32, since bf16 rounds each rank's gradient before the sum.

As a script: ``torchrun --standalone --nproc-per-node 8 -m benchmarks.one_table DATA OUT``, or without torchrun.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import CORES, Figure
from cpep.runtime.files import read_json

RANKS, LOSSES_APART = 8, 1e-5
STAGES = ("emg_mae", "pose_mae", "align")
TINY = (
    "precision=fp32",
    *(f"{side}.{size}" for side in ("emg", "pose") for size in ("width=16", "depth=1", "heads=2")),
    *(f"{stage}.optim.{much}" for stage in STAGES for much in ("steps=12", "batch=36", "checks=3")),
)
"""A batch of 36 windows is not divided evenly by eight ranks."""
COUNTS = ("steps", "kept_step", "stopped", "parameters", "gflop")


def arguments(data: Path, out: Path, more: tuple[str, ...] = ()) -> list[str]:
    """Return the arguments of the command."""
    settings = [word for one in TINY for word in ("--set", one)]
    command = ["reproduce", "--data", str(data), "--out", str(out), "--preset", "paper", "--recipe", "paper"]
    return [*command, *settings, *more]


def as_ranks(ranks: int, data: Path, out: Path, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run the command over so many ranks, each with one thread, and return its results."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    call = [sys.executable, *launch, "-m", "benchmarks.one_table", str(data), str(out), *more]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run(call, check=True, env=env, stdout=subprocess.DEVNULL)
    return read_json(out / "results.json")


def values_of(found: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested results with its name."""
    if isinstance(found, dict | list):
        for key, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield from values_of(value, f"{name}/{key}")
    else:
        yield name, found


def unequal(one: dict[str, Any], other: dict[str, Any]) -> tuple[list[str], int]:
    """Return the names of values of results.json that differ, and the number of all; what a run took apart."""
    first, second = (dict(values_of({**found, "run": None})) for found in (one, other))
    names = first.keys() | second.keys()
    return sorted(name for name in names if first.get(name) != second.get(name)), len(names)


def losses_apart(one: Path, other: Path) -> float:
    """Return the largest relative difference of a loss in the notes of all stages; infinite if counts differ."""
    notes = sorted(one.glob("fold*/seed*/*/stage.json"))
    apart = 0.0
    for path in notes:
        first, second = read_json(path), read_json(other / path.relative_to(one))
        if any(first[name] != second[name] for name in COUNTS):
            return float("inf")
        for (_, *losses), (_, *others) in zip(first["points"], second["points"], strict=True):
            apart = max(apart, *(abs(a - b) / abs(a) for a, b in zip(losses, others, strict=True)))
    return apart if len(notes) > 2 else float("inf")


def figures() -> list[Figure]:
    """Return how many values of the table are equal, and how far apart losses are."""
    from cpep.simulate import Variability, simulate_cohort

    with tempfile.TemporaryDirectory() as folder:
        data, alone, ranked = (Path(folder) / name for name in ("cohort", "alone", "ranked"))
        simulate_cohort(data, users=6, minutes=1.0, seed=0, variability=Variability(), workers=CORES)
        one, other = as_ranks(1, data, alone), as_ranks(RANKS, data, ranked)
        names, count = unequal(one, other)
        apart = losses_apart(alone, ranked)
    for name in names[:20]:
        print(f"one_table: {name} differs", file=sys.stderr)
    same = count - len(names)
    return [
        Figure("values of results.json over 8 ranks, beside one process", same, count, same / count, 1.0, 1.0),
        Figure("losses over 8 ranks, apart from one process", apart, LOSSES_APART, LOSSES_APART / apart, 1.0, 1.0),
    ]


if __name__ == "__main__":
    from cpep.cli.main import main

    sys.exit(main(arguments(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]))))
