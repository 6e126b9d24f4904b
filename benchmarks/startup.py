"""What users wait for first: `cpep --help` and an embedding, beside the imports that they cannot do without."""

import statistics
import subprocess
import sys

from benchmarks.measure import Figure, beside, processor_s

FIRST = "import cpep, numpy; cpep.load().encode_emg(numpy.zeros((1, 16, 2000), numpy.float32))"
ROUNDS = 7


def figures() -> list[Figure]:
    """Return the time of the help by the clock, and of the first embedding in processor time."""

    def start(*code: str) -> None:
        subprocess.run([sys.executable, "-c", *code], check=True, stdout=subprocess.DEVNULL)

    ours, reference, ratio = beside(
        lambda: start("from cpep.cli.main import run; run()", "--help"),
        lambda: start("import typer"),
        rounds=15,
        warm=2,
    )
    return [Figure("cpep --help beside import typer, s", ours, reference, ratio, 0.5, 0.3), first_embedding()]


def first_embedding() -> Figure:
    """Return processor time, because torch alone takes a second: waiting for a core would be most of it."""
    pairs = [
        tuple(processor_s([sys.executable, "-c", code]) for code in (FIRST, "import torch")) for _ in range(ROUNDS)
    ]
    ours, torch = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    return Figure("cpep.load() to an embedding beside import torch, s", ours, torch, ratio, 1 / 1.5, 0.5)
