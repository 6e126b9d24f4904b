"""Tries damaged inputs: ``python -m tests.fuzz [FORMAT ...] --seconds 3600 --seed 1``; see ``make fuzz``.

Each verdict is a line of ``--log``; ``--summary LOG ...`` prints a table of several logs. What is found is printed as
``FORMAT FILE DAMAGE``, and ``--replay 'FORMAT FILE DAMAGE'`` tries it again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.fuzz import formats as known
from tests.fuzz.drive import make, trials
from tests.fuzz.trial import Mutant, Verdict, draw

ROUND = 50
"""Mutants of a format, before those of the next one."""


def main(argv: Sequence[str] | None = None) -> int:
    """Try mutants, print what is found and a table; return 1 where something is."""
    asked = _arguments(argv)
    if asked.summary:
        verdicts = [Verdict(**json.loads(line)) for path in asked.summary for line in path.read_text().splitlines()]
        print(table(verdicts))
        return 0
    found = known.load(*asked.modules)
    names = [name for name in found if not asked.formats or any(one in name for one in asked.formats)]
    given = [Mutant.parse(line) for line in _lines(asked)]
    if given:
        names = [name for name in found if name in {one.format for one in given}]
    home = Path(tempfile.mkdtemp(prefix="cpep-fuzz-"))
    verdicts = []
    try:
        chosen = {name: found[name] for name in names}
        made = make(chosen, home)
        if asked.keep:
            _keep(asked.keep, given, made)
            return 0
        planned = _planned(names, chosen, made, given, asked.mutants, asked.seed)
        end = time.monotonic() + asked.seconds
        enough = lambda: time.monotonic() > end  # noqa: E731
        for batch in planned:
            if enough():
                break
            for verdict in trials(chosen, made, home, batch, enough):
                verdicts.append(verdict)
                _tell(verdict, asked.log, asked.all)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(table(verdicts))
    return int(any(verdict.outcome == "found" for verdict in verdicts))


def _planned(
    names: list[str],
    formats: dict[str, known.Format],
    made: dict[str, Path],
    given: list[Mutant],
    count: int,
    seed: int,
) -> Iterator[list[Mutant]]:
    """Yield batches of mutants, some of each format in turn, until each had ``count``; first each input undamaged."""
    if given:
        yield given
        return
    files = {name: formats[name].files(made[name]) for name in names}
    yield [Mutant(name, files[name][0], "") for name in names]
    for start in range(0, count, ROUND):
        for name in names:
            numbers = range(start, min(start + ROUND, count))
            yield [draw(name, files[name], seed * 1_000_000 + number) for number in numbers]


def _lines(asked: argparse.Namespace) -> list[str]:
    if asked.replay:
        return list(asked.replay)
    if asked.seeds:
        return [line for line in asked.seeds.read_text().splitlines() if line and not line.startswith("#")]
    return []


def _keep(folder: Path, given: list[Mutant], made: dict[str, Path]) -> None:
    """Write damaged inputs into folders, to look at them."""
    for number, mutant in enumerate(given):
        place = folder / str(number)
        shutil.copytree(made[mutant.format], place)
        path = place / mutant.file
        path.write_bytes(mutant.apply(path.read_bytes(), path.read_bytes()))
        print(f"{place}: {mutant}")


def _tell(verdict: Verdict, log: Path | None, everything: bool) -> None:
    if verdict.outcome == "found" or everything:
        print(
            f"{verdict.outcome} {verdict.kind} | {verdict.mutant} | {verdict.seconds} s {verdict.mb} MB |",
            verdict.detail,
            flush=True,
        )
    if log:
        with log.open("a") as file:
            file.write(json.dumps(verdict.plain()) + "\n")


def table(verdicts: Iterable[Verdict]) -> str:
    """Return a table: format, mutants, read, refused, found, the slowest, the largest."""
    rows = [("format", "mutants", "read", "refused", "found", "slowest s", "largest MB")]
    by: dict[str, list[Verdict]] = {}
    for one in verdicts:
        by.setdefault(one.mutant.split(" ", 1)[0], []).append(one)
    every = [one for many in by.values() for one in many]
    for name, many in [*sorted(by.items()), ("all", every)]:
        counts = [sum(one.outcome == what for one in many) for what in ("read", "refused", "found")]
        slowest, largest = (max((getattr(one, what) for one in many), default=0.0) for what in ("seconds", "mb"))
        rows.append((name, str(len(many)), *map(str, counts), f"{slowest:.2f}", f"{largest:.0f}"))
    wide = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            f"{cell:<{w}}" if k == 0 else f"{cell:>{w}}" for k, (cell, w) in enumerate(zip(row, wide, strict=True))
        )
        for row in rows
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("formats", nargs="*", help="formats, or parts of their names; all unless given")
    parser.add_argument(
        "--modules", nargs="*", default=[], help=f"only the formats of these: {', '.join(known.MODULES)}"
    )
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--mutants", type=int, default=10**6, help="of each format, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file to which each verdict is added as a line of JSON")
    parser.add_argument("--all", action="store_true", help="print every verdict")
    parser.add_argument("--replay", nargs="*", metavar="LINE")
    parser.add_argument("--seeds", type=Path, help="file of lines to try again")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="write the inputs of --replay there, and try nothing"
    )
    parser.add_argument("--summary", nargs="*", type=Path, metavar="LOG")
    return parser.parse_args(argv)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
