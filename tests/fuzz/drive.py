"""Makes trials in processes that are forked after the imports, and ends those that hang."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.fuzz.formats import Format
from tests.fuzz.trial import OUTSIDE, SECRET_TEXTS, Bench, Mutant, Verdict
from tests.fuzz.watch import memory

BATCH = 100
"""Trials of one process."""
KILLED_S = 120.0
"""After so long without an answer a process is killed: it is in a library that no signal interrupts."""
MORE_BYTES = 4 << 30
"""Memory that may be reserved beyond that of the imports, so that a trial cannot take the machine's."""


def make(formats: dict[str, Format], home: Path) -> dict[str, Path]:
    """Write the valid input of each format below a folder, and return where."""
    found = {}
    outside = home / OUTSIDE
    outside.mkdir(parents=True)
    (outside / "secret.txt").write_text(SECRET_TEXTS[0])
    for name, one in formats.items():
        found[name] = home / "made" / name.replace("/", "_")
        found[name].mkdir(parents=True)
        one.make(found[name])
    return found


def trials(
    formats: dict[str, Format],
    made: dict[str, Path],
    home: Path,
    mutants: Sequence[Mutant],
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Verdict]:
    """Make trials one after the other, each in a process that a hang or a crash of it cannot harm.

    Args:
        formats: by name.
        made: their valid inputs.
        home: folder for temporary files; ``home/outside`` is what nobody may read.
        mutants: what to try.
        enough: asked before each batch.
    """
    place = home / f"trials{os.getpid()}"
    place.mkdir(exist_ok=True)
    at = 0
    while at < len(mutants) and not enough():
        batch = mutants[at : at + BATCH]
        for verdict in _batch(formats, made, place, batch):
            at += 1
            yield verdict
    shutil.rmtree(place, ignore_errors=True)


def _batch(
    formats: dict[str, Format], made: dict[str, Path], place: Path, batch: Sequence[Mutant]
) -> Iterator[Verdict]:
    """Make trials in one child until all are made, or one of them ended it; that one is found."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _work(formats, made, place, batch, write)
    os.close(write)
    done, started, rest = 0, time.monotonic(), b""
    try:
        while done < len(batch):
            ready, _, _ = select.select([read], [], [], max(started + KILLED_S - time.monotonic(), 0))
            part = os.read(read, 1 << 16) if ready else b""
            if not part:
                yield _fallen(child, batch[done], time.monotonic() - started, hung=not ready)
                return
            rest += part
            *lines, rest = rest.split(b"\n")
            for line in lines:
                done, started = done + 1, time.monotonic()
                yield Verdict(**json.loads(line))
    finally:
        os.close(read)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _fallen(child: int, mutant: Mutant, seconds: float, hung: bool) -> Verdict:
    """Return the verdict of a trial that ended its process, or that never ends."""
    if hung:
        mb = memory(child, "VmHWM")
        return Verdict(
            str(mutant), "found", "time", "it does not end, nor can it be interrupted", round(seconds, 1), mb
        )
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Verdict(str(mutant), "found", "killed", f"the process ended with {status}", round(seconds, 1), 0.0)


def _work(
    formats: dict[str, Format], made: dict[str, Path], place: Path, batch: Sequence[Mutant], write: int
) -> None:
    """Make trials and write their verdicts; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + MORE_BYTES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        bench = Bench(place, made)
        for mutant in batch:
            verdict = bench.run(mutant, formats[mutant.format])
            os.write(write, json.dumps(verdict.plain()).encode() + b"\n")
        status = 0
    finally:
        os._exit(status)
