"""Kills commands at their n-th file operation, gives them again, and compares: ``python -m tests.fuzz.kills --help``.

A command runs in a process that is forked after all imports. Just before an operation on a file of its output (open
for writing, rename, remove, mkdir, fsync and the like) the process ends as SIGKILL ends it; or it is killed at a
random moment. Every second time the file that was opened last is cut at a random place first: that is what a kill in
the middle of writing it leaves. The same command is then given again: it must end well, with the bytes of a command
that nobody killed, dates and seconds apart, and nothing else may be left behind.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.killed_commands import COMMANDS, Command, Inputs, digests

WATCHED = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILLED, LONGEST_S = 99, 180.0


@dataclass(frozen=True)
class Kill:
    """When a command is killed: at a file operation, or after some seconds.

    Attributes:
        at: number of the operation, from 1; 0 for never.
        cut: share of what was written last that is kept, or negative for all.
        after_s: seconds, where it is positive.
    """

    at: int = 0
    cut: float = -1.0
    after_s: float = 0.0


@dataclass(frozen=True)
class Found:
    """What became of a trial; ``wrong`` is empty where all is well."""

    command: str
    kill: Kill
    killed: bool
    wrong: str


class Watch:
    """Counts operations on files below a folder in this process, and ends it at one of them."""

    def __init__(self, home: Path, kill: Kill) -> None:
        self.home, self.kill, self.seen = str(home), kill, 0
        self._last: tuple[str, int] | None = None
        self._inside = False

    def begin(self) -> None:
        """Watch from now on; there is no end but that of the process."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self._count("", 0)
            real(descriptor)

        os.fsync = fsync
        sys.addaudithook(self._hook)

    def _hook(self, event: str, values: tuple[object, ...]) -> None:
        if event not in WATCHED or self._inside:
            return
        path = os.fspath(values[0]) if isinstance(values[0], (str, Path)) else ""
        if event == "open":
            if not isinstance(values[2], int) or not values[2] & WRITING or not path.startswith(self.home):
                return
        elif path.startswith("/") and not path.startswith(self.home):
            return
        self._count(path if event == "open" else "", values[2] if event == "open" else 0)

    def _count(self, path: str, flags: object) -> None:
        self._inside = True
        try:
            self.seen += 1
            if self.seen == self.kill.at:
                self._end()
            if path:
                kept = 0 if isinstance(flags, int) and flags & os.O_TRUNC else _size(path)
                self._last = (path, kept)
            else:
                self._last = None
        finally:
            self._inside = False

    def _end(self) -> None:
        if self._last and self.kill.cut >= 0 and (size := _size(self._last[0])) > self._last[1]:
            os.truncate(self._last[0], self._last[1] + int(self.kill.cut * (size - self._last[1])))
        os._exit(KILLED)


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def run(command: Command, inputs: Inputs, home: Path, kill: Kill, says: Path) -> tuple[int, int]:
    """Run a command in a forked process; return how it ended and, unless it was killed, its number of operations."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reads)
        status = 1
        try:
            os.setsid()
            _quiet(says)
            watch = Watch(home, kill)
            watch.begin()
            status = command.run(inputs, home)
            (inputs.scratch / "modules").write_text("\n".join(sys.modules))
            os.write(writes, str(watch.seen).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writes)
    status = _end_of(pid, kill.after_s)
    seen = os.read(reads, 20)
    os.close(reads)
    _wait_for_group(pid)
    return status, int(seen or 0)


def _quiet(says: Path) -> None:
    descriptor = os.open(says, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for one in (1, 2):
        os.dup2(descriptor, one)
    sys.stdout, sys.stderr = (os.fdopen(one, "w", buffering=1, closefd=False) for one in (1, 2))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _end_of(pid: int, after_s: float) -> int:
    begun = time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - begun
        if 0 < after_s <= passed or passed > LONGEST_S:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
            return os.waitstatus_to_exitcode(status) if passed <= LONGEST_S else 124
        time.sleep(0.002)


def _wait_for_group(group: int) -> None:
    """Wait for the workers of a process to end, as they do when it is gone."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    os.killpg(group, signal.SIGKILL)


def trial(command: Command, inputs: Inputs, kill: Kill, wanted: dict[str, str]) -> Found:
    """Kill a command and give it again."""
    home = Path(tempfile.mkdtemp(prefix="kill-", dir=inputs.scratch))
    says = inputs.scratch / "says.txt"
    try:
        command.begin(inputs, home)
        status, _ = run(command, inputs, home, kill, says)
        killed = status in (KILLED, -signal.SIGKILL)
        if not killed and status != 0:
            return Found(command.name, kill, killed, f"ended with {status}: {_tail(says)}")
        status, _ = run(command, inputs, home, Kill(), says)
        found = digests(command, home)
        if status and not (status == command.there and found == wanted):
            return Found(command.name, kill, killed, f"the second time ended with {status}: {_tail(says)}")
        return Found(command.name, kill, killed, _differences(wanted, found))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _tail(says: Path) -> str:
    return " ".join(says.read_text(errors="replace").split())[-400:]


def _differences(wanted: dict[str, str], found: dict[str, str]) -> str:
    more, less = sorted(found.keys() - wanted.keys()), sorted(wanted.keys() - found.keys())
    other = sorted(name for name in wanted.keys() & found.keys() if wanted[name] != found[name])
    parts = [("left behind", more), ("missing", less), ("different", other)]
    return "; ".join(f"{what}: {', '.join(names[:5])}" for what, names in parts if names)


def reference(command: Command, inputs: Inputs) -> tuple[dict[str, str], int, float]:
    """Return what a command writes that nobody kills, its number of operations, and its seconds."""
    found = []
    for _ in range(2):
        home = Path(tempfile.mkdtemp(prefix="kill-", dir=inputs.scratch))
        command.begin(inputs, home)
        begun = time.monotonic()
        status, seen = run(command, inputs, home, Kill(), inputs.scratch / "says.txt")
        assert status == 0, f"{command.name}: {_tail(inputs.scratch / 'says.txt')}"
        _import(inputs.scratch / "modules")
        found.append((digests(command, home), seen, time.monotonic() - begun))
        shutil.rmtree(home)
    assert found[0][0] == found[1][0], f"{command.name} writes something else each time: " + _differences(
        found[0][0], found[1][0]
    )
    return found[1]


def _import(names: Path) -> None:
    """Import in this process what a command imported, so that the next ones need not."""
    for name in names.read_text().splitlines():
        if not name.startswith(("__", "tests")):
            with suppress(ImportError, AttributeError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)


def kills(command: Command, count: int, operations: int, seconds: float, seed: int) -> list[Kill]:
    """Return moments: spread over all operations, and one in ten at random."""
    draw = random.Random(f"{command.name} {seed}")
    timed = max(1, count // 10) if command.timed else 0
    places = list(range(1, operations + 1))
    draw.shuffle(places)
    chosen = [places[k % len(places)] for k in range(count - timed)]
    at = [Kill(at=place, cut=draw.random() if k % 2 else -1.0) for k, place in enumerate(chosen)]
    return at + [Kill(after_s=draw.uniform(0.01, seconds)) for _ in range(timed)]


def campaign(
    names: Sequence[str],
    count: int,
    seed: int,
    tell: Callable[[Found], None],
    seconds: float = 1e9,
    inputs: str = "all",
) -> list[tuple[str, int, list[Found]]]:
    """Try ``count`` kills of each command; return its name, its number of operations and what was found."""
    end = time.monotonic() + seconds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # so that no command starts processes unasked
    results = []
    with Inputs.made(inputs) as made:
        for name in names:
            command = COMMANDS[name]
            wanted, operations, lasts = reference(command, made)
            begun = time.monotonic()
            found = []
            for kill in kills(command, count, operations, lasts, seed):
                if time.monotonic() > end:
                    break
                found.append(trial(command, made, kill, wanted))
                tell(found[-1])
            results.append((name, operations, found))
            print(f"{name}: {len(found)} kills in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return results


def table(results: Sequence[tuple[str, int, list[Found]]]) -> str:
    """Return a table: command, operations, trials, killed, resumed and identical."""
    lines = [f"{'command':<14}{'operations':>12}{'trials':>8}{'killed':>8}{'identical':>11}{'wrong':>7}"]
    total: Counter[str] = Counter()
    for name, operations, found in results:
        killed, wrong = sum(one.killed for one in found), sum(bool(one.wrong) for one in found)
        total.update(trials=len(found), killed=killed, wrong=wrong)
        lines.append(f"{name:<14}{operations:>12}{len(found):>8}{killed:>8}{len(found) - wrong:>11}{wrong:>7}")
    trials, wrong = total["trials"], total["wrong"]
    lines.append(f"{'all':<14}{'':>12}{trials:>8}{total['killed']:>8}{trials - wrong:>11}{wrong:>7}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help=f"of {', '.join(COMMANDS)}")
    parser.add_argument("--kills", type=int, default=80, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no trial after this time")
    parser.add_argument("--inputs", choices=("all", "raw"), default="all", help="raw: commands need recordings alone")
    asked = parser.parse_args()

    def tell(found: Found) -> None:
        if found.wrong:
            print(f"{found.command} {found.kill}: {found.wrong}", flush=True)

    results = campaign(asked.commands, asked.kills, asked.seed, tell, asked.seconds, asked.inputs)
    print(table(results))
    return int(any(one.wrong for _, _, found in results for one in found))


if __name__ == "__main__":
    sys.exit(main())
