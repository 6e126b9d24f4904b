"""Run the benchmarks, each in a process of its own, and keep their figures in runs/bench/bench.json.

python -m benchmarks            all of them
python -m benchmarks training   those named; the figures of the others stay as they were
python -m benchmarks quick      some that take under three minutes on two idle cores
"""

import argparse
import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import CORES
from cpep.runtime.files import read_json, write_json

OUT = Path("runs/bench/bench.json")
MODULES = (
    "training",
    "alignment",
    "compiled",
    "ranks",
    "one_table",
    "data",
    "reading",
    "prepare",
    "retrieval",
    "retrieval_large",
    "report",
    "report_million",
    "simulate",
    "reproduce",
    "memory",
    "startup",
    "streaming",
    "serve",
    "checksums",
)
QUICK = ("alignment", "retrieval", "report", "startup", "streaming")
"""Under three minutes on two idle cores."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run(module: str) -> list[dict]:
    """Run one benchmark in a process of its own, on one thread unless it starts more."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        call = [sys.executable, "-m", "benchmarks", "--only", module, str(out)]
        subprocess.run(call, check=True, env={**os.environ, **ONE_THREAD})
        return read_json(out)


def show(rows: list[dict]) -> bool:
    """Print the table; tell whether no figure is below its bound."""
    print(f"{'':<58} {'ours':>11} {'reference':>11} {'ratio':>8} {'wanted':>8}")
    for row in rows:
        verdict = "BROKEN" if row["ratio"] < row["bound"] else "" if row["ratio"] >= row["wanted"] else "below"
        numbers = f"{row['value']:>11.4g} {row['reference']:>11.4g} {row['ratio']:>8.3g} {row['wanted']:>8.3g}"
        print(f"{row['name']:<58} {numbers} {verdict}")
    return all(row["ratio"] >= row["bound"] for row in rows)


def main() -> None:
    """Parse, run, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="NAME", help=", ".join((*MODULES, "quick")))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    asked = [name for group in given.modules for name in (QUICK if group == "quick" else (group,))]
    if unknown := [name for name in asked if name not in MODULES]:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join((*MODULES, 'quick'))}")
    if given.only:
        figures = importlib.import_module(f"benchmarks.{given.only[0]}").figures()
        Path(given.only[1]).write_text(json.dumps([dataclasses.asdict(figure) for figure in figures]))
        return
    print(
        f"{platform.processor() or platform.machine()}, {CORES} cores, Python {platform.python_version()}", flush=True
    )
    kept = {row["name"]: row for row in (read_json(OUT) if OUT.exists() else [])}
    new = []
    for module in asked or MODULES:
        print(f"{module} ...", flush=True)
        new += run(module)
        kept |= {row["name"]: row for row in new}
        write_json(OUT, list(kept.values()))
    if not show(new):
        sys.exit("a figure is below its bound: something that was fast no longer is")


if __name__ == "__main__":
    main()
