"""The share of the fuzzer that the suite runs: some mutants of each format, and all that was ever found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cpep
from tests.fuzz import formats
from tests.fuzz.trial import Mutant, Verdict
from tests.fuzz.watch import REPOSITORY

MUTANTS = int(os.environ.get("CPEP_FUZZ_MUTANTS", "2"))
"""Mutants of each format in the suite; `make fuzz` tries others for hours."""
SEEDS = Path(__file__).with_name("seeds.txt")


def kept(modules: tuple[str, ...]) -> list[str]:
    """Return the lines of what was found in formats of some modules."""
    names = formats.load(*modules)
    lines = [line for line in SEEDS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return [line for line in lines if Mutant.parse(line).format in names]


def tried(folder: Path, modules: tuple[str, ...], *arguments: str) -> dict[str, list[Verdict]]:
    """Run the fuzzer in a process without other threads, from which it forks, and return verdicts by format."""
    log = folder / "log.jsonl"
    command = [sys.executable, "-m", "tests.fuzz", "--modules", *modules, "--log", str(log), *arguments]
    path = os.pathsep.join([str(Path(cpep.__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert log.is_file(), done.stderr
    found: dict[str, list[Verdict]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        one = Verdict(**json.loads(line))
        found.setdefault(Mutant.parse(one.mutant).format, []).append(one)
    return found


def complaints(verdicts: list[Verdict]) -> list[str]:
    """Return what was found, as commands that find it again."""
    return [
        f"python -m tests.fuzz --replay '{one.mutant}': {one.kind} {one.detail}"
        for one in verdicts
        if one.outcome == "found"
    ]
