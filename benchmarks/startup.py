"""`cpep --help` beside `python -c "import typer"`, both as processes of their own."""

import subprocess
import sys

from benchmarks.measure import Figure, beside


def figures() -> list[Figure]:
    def start(*code: str) -> None:
        subprocess.run([sys.executable, "-c", *code], check=True, stdout=subprocess.DEVNULL)

    ours, reference, ratio = beside(
        lambda: start("from cpep.cli.main import run; run()", "--help"),
        lambda: start("import typer"),
        rounds=15,
        warm=2,
    )
    return [Figure("cpep --help beside import typer, s", ours, reference, ratio, 0.5, 0.3)]
