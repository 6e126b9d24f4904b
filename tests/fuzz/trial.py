"""One trial: a valid input is damaged, read, and judged."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cpep.types import UserError
from tests.data.leading_out import Watch
from tests.fuzz import mutators
from tests.fuzz.formats import Format
from tests.fuzz.watch import READ_ONLY, Taken, Touched

MOST_S, MOST_MB = 5.0, 1000.0
"""What the reading of a small file may take."""
ENDED_S = 8.0
"""After so long a trial is interrupted, so that its traceback says where it was."""
LONGEST_SENTENCE = 4000
GUARD = Path(__file__).parent / "guard"
OUTSIDE = "outside"
"""Folder beside those of the trials, of which nobody may read a file, not even a library in C."""
SECRET_TEXTS = ("secret-of-a-file-5c1e", "secret-of-the-environment-9d07")
"""Content of a file beside the trial, and of an environment variable; in no output."""


@dataclass(frozen=True)
class Mutant:
    """One damaged input.

    Attributes:
        format: name of the format.
        file: which file of it is damaged.
        damage: names of mutators with their seeds, one after the other: ``bits:17+cut:3``; empty for none.
    """

    format: str
    file: str
    damage: str

    def __str__(self) -> str:
        """Return it as one line, which ``parse`` reads."""
        return f"{self.format} {self.file} {self.damage or 'none'}"

    @staticmethod
    def parse(line: str) -> Mutant:
        """Return what a line says."""
        name, rest = line.strip().split(" ", 1)
        file, damage = rest.rsplit(" ", 1)
        return Mutant(name, file, "" if damage == "none" else damage)

    def steps(self) -> list[tuple[str, int]]:
        """Return the mutators and their seeds."""
        return [(step.rpartition(":")[0], int(step.rpartition(":")[2])) for step in self.damage.split("+") if step]

    def apply(self, data: bytes, other: bytes) -> bytes:
        """Return the damaged content of the file."""
        for name, seed in self.steps():
            data = mutators.safely(mutators.ALL[name], np.random.default_rng(seed), data, other)
        return data


def draw(name: str, files: list[str], seed: int) -> Mutant:
    """Return the mutant of a format that a seed draws: every third one is damaged twice."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    file = files[int(rng.integers(len(files)))]
    able = mutators.of(file)
    count = 2 if rng.random() < 0.33 else 1
    steps = [f"{able[int(rng.integers(len(able)))].__name__}:{int(rng.integers(10**6))}" for _ in range(count)]
    return Mutant(name, file, "+".join(steps))


@dataclass(frozen=True)
class Verdict:
    """What became of a trial.

    Attributes:
        mutant: which.
        outcome: ``read``, ``refused`` or ``found``.
        kind: of what was found: traceback, time, memory, touched, leaked, sentence, killed.
        detail: the sentence, or the end of the traceback and where in cpep it came from.
        seconds, mb: what it took.
    """

    mutant: str
    outcome: str
    kind: str
    detail: str
    seconds: float
    mb: float

    def plain(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


class Ended(BaseException):
    """The trial took too long; no reader catches it."""


class Bench:
    """A folder in which trials are made one after the other, by one process.

    Args:
        home: an empty folder of this process; ``home/outside`` holds what nobody may read.
        made: folder of a format's valid input, by the name of the format.
    """

    def __init__(self, home: Path, made: dict[str, Path]) -> None:
        self.home, self.made, self.touched = home, made, Touched()
        self.input, self.out, self.tmp, self.said = (home / name for name in ("in", "out", "tmp", "said"))
        os.environ |= {mutators.SECRET: SECRET_TEXTS[1], "TMPDIR": str(self.tmp), "MPLCONFIGDIR": str(self.tmp)}
        tempfile.tempdir = str(self.tmp)
        readable = (home, next(iter(made.values())).parent, *READ_ONLY)
        os.environ["CPEP_FUZZ_READABLE"] = os.pathsep.join(os.path.realpath(one) for one in readable)
        sys.path.append(str(GUARD))  # so that processes which read files import its sitecustomize
        self.outside = [Watch(path) for path in (home.parent / OUTSIDE).iterdir()]
        signal.signal(signal.SIGALRM, self._look)

    def run(self, mutant: Mutant, how: Format) -> Verdict:
        """Damage, read and judge."""
        for one in (self.input, self.out, self.tmp):
            shutil.rmtree(one, ignore_errors=True)
        shutil.copytree(self.made[mutant.format], self.input, symlinks=True)
        for one in (self.out, self.tmp):
            one.mkdir()
        path = self.input / mutant.file
        whole = path.read_bytes()
        others = sorted(self.made[mutant.format].rglob("*"))
        other = next((one.read_bytes() for one in others if one.is_file() and one.name != path.name), whole)
        path.write_bytes(mutant.apply(whole, other))
        before = _listed(self.home)
        writable = (self.out, self.tmp, self.said, *([self.input] if how.changes else []))
        outcome, kind, detail = "read", "", ""
        self._peeked()  # by the trial before
        self.taken = taken = Taken()
        with (
            _captured(self.said),
            self.touched.noted((self.input, self.made[mutant.format].parent), writable) as touched,
        ):
            signal.setitimer(signal.ITIMER_REAL, ENDED_S, 1.0)
            try:
                how.read(self.input, self.out)
            except (UserError, *how.refusals) as error:
                outcome, detail = "refused", str(error)
            except Ended:
                outcome, kind, detail = "found", "time", _where()
            except BaseException as error:
                outcome, kind = "found", "traceback"
                told = [_last_frame(note) for note in getattr(error, "__notes__", ())]  # of another process
                detail = f"{type(error).__name__}: {str(error)[:300]} {' '.join(told) or _where()}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        seconds, mb = taken.seconds(), taken.mb()
        if outcome != "found":
            problem = self._problem(outcome, detail, seconds, mb, touched, _listed(self.home) - before)
            if problem:
                outcome, (kind, detail) = "found", problem
        return Verdict(str(mutant), outcome, kind, detail[:800], round(seconds, 3), round(mb, 1))

    def _problem(
        self, outcome: str, detail: str, seconds: float, mb: float, touched: list[str], new: set[str]
    ) -> tuple[str, str] | None:
        """Return what is wrong with a trial that ended without a traceback, if anything is."""
        said = self.said.read_bytes().decode("utf-8", "replace")
        if new:
            return "touched", f"appeared outside of the output: {sorted(new)[:3]}"
        if self._peeked():
            return "touched", f"read what lies in {OUTSIDE}: {detail[:200]}"
        if touched:
            return "touched", "; ".join(dict.fromkeys(touched))
        if "touched /" in detail or "touched (" in detail:
            return "touched", f"in the process that reads files: {detail[:300]}"
        if "Traceback (most recent call last)" in said:
            return "traceback", f"printed: {said.strip().splitlines()[-1][:300]} | {_last_frame(said)}"
        if any(secret in text for secret in SECRET_TEXTS for text in (detail, said, *self._written())):
            return "leaked", f"an output holds a secret: {detail[:200]}"
        if seconds > MOST_S:
            return "time", f"{seconds:.1f} s: {detail[:200]}"
        if mb > MOST_MB:
            return "memory", f"{mb:.0f} MB: {detail[:200]}"
        if outcome == "refused" and (odd := odd_sentence(detail)):
            return "sentence", f"{odd}: {detail[:300]!r}"
        return None

    def _peeked(self) -> bool:
        """Tell whether a file was opened, since the last time, that nobody may open."""
        return any([one.touched() for one in self.outside])

    def _look(self, *_: object) -> None:
        """Interrupt a trial that takes too long; one that only waits for a core goes on."""
        if self.taken.seconds() > ENDED_S:
            raise Ended

    def _written(self) -> Iterator[str]:
        for path in self.out.rglob("*"):
            if path.is_file() and path.stat().st_size < 10**7:
                yield path.read_bytes().decode("latin-1")


def odd_sentence(text: str) -> str:
    """Say what is wrong with a sentence for a user; empty where nothing is."""
    if not text.strip():
        return "it is empty"
    if len(text) > LONGEST_SENTENCE:
        return f"it has {len(text)} characters"
    if "PosixPath(" in text:
        return "it has a path as Python writes it"
    if any(
        (ord(letter) < 32 and letter not in "\n\t") or 0xD800 <= ord(letter) < 0xE000 or letter == "\x7f"
        for letter in text
    ):
        return "it has control characters or surrogates"
    return ""


def _listed(home: Path) -> set[str]:
    """Return what lies beside the folders of a trial."""
    return {one.name for one in os.scandir(home) if one.name not in ("said", "in", "out", "tmp")}


def _where() -> str:
    """Return the innermost line of cpep, or of the tests, that an error came through."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    ours = [one for one in frames if "/src/cpep/" in one.filename or one.filename.endswith("run.py")] or [
        one for one in frames if Path(one.filename) != Path(__file__)
    ]
    return f"@ {ours[-1].filename.rpartition('/src/')[2]}:{ours[-1].lineno} {ours[-1].name}" if ours else ""


def _last_frame(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "/src/cpep/" in line]
    return lines[-1].partition("/src/")[2] if lines else ""


@contextmanager
def _captured(path: Path) -> Iterator[None]:
    """Let all that is printed go to a file, also by libraries in C."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, one in zip((1, 2), kept, strict=True):
            os.dup2(one, number)
            os.close(one)
        os.close(file)
