"""The fuzzer finds what it looks for: each kind of finding, planted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpep.types import UserError
from tests.fuzz import mutators
from tests.fuzz.__main__ import table
from tests.fuzz.drive import make, trials
from tests.fuzz.formats import Format
from tests.fuzz.trial import OUTSIDE, Mutant, Verdict, draw, odd_sentence

TEXT = b'{"a": [1, 2.5, {"b": "text"}], "c": null}'


def judged(tmp_path: Path, read: Callable[[Path, Path], object], **more: bool) -> Verdict:
    """Return the verdict on a reader of one undamaged file."""
    how = {"planted": Format(lambda folder: (folder / "a.json").write_bytes(TEXT), read, **more)}
    (verdict,) = trials(how, make(how, tmp_path), tmp_path, [Mutant("planted", "a.json", "")])
    return verdict


def traceback(folder: Path, out: Path) -> None:
    raise KeyError("lost")


def refusal(folder: Path, out: Path) -> None:
    raise UserError(f"{folder}: it is damaged; fetch it again")


def odd(folder: Path, out: Path) -> None:
    raise UserError(f"{folder!r} is damaged")


def memory(folder: Path, out: Path) -> None:
    np.ones(150_000_000, np.int8)


def crash(folder: Path, out: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def reading(folder: Path, out: Path) -> None:
    (folder.parents[1] / OUTSIDE / "secret.txt").read_text()


def writing(folder: Path, out: Path) -> None:
    (folder / "b.json").write_text("{}")


def beside(folder: Path, out: Path) -> None:
    os.close(os.open(folder.parent / "new", os.O_CREAT | os.O_WRONLY))


def leaking(folder: Path, out: Path) -> None:
    (out / "report.html").write_text(os.environ[mutators.SECRET])


def starting(folder: Path, out: Path) -> None:
    os.system("true")


def printing(folder: Path, out: Path) -> None:
    os.write(2, b"Traceback (most recent call last):\n  in a thread\nValueError: lost")


PLANTED = {
    traceback: "traceback", odd: "sentence", memory: "memory", crash: "killed", reading: "touched",
    writing: "touched", beside: "touched", leaking: "leaked", starting: "touched", printing: "traceback",
}  # fmt: skip


@pytest.mark.parametrize("read", PLANTED, ids=lambda read: read.__name__)
def test_each_kind_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path, Path], None]
) -> None:
    monkeypatch.setattr("tests.fuzz.trial.MOST_MB", 100)
    verdict = judged(tmp_path, read)
    assert (verdict.outcome, verdict.kind) == ("found", PLANTED[read])


def test_what_takes_long_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.trial.MOST_S", 0.2)
    assert judged(tmp_path, lambda folder, out: time.sleep(0.4)).kind == "time"


def test_what_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.trial.ENDED_S", 0.3)

    def endless(folder: Path, out: Path) -> None:
        while True:
            pass

    verdict = judged(tmp_path, endless)
    assert verdict.kind == "time" and "endless" in verdict.detail


def test_a_sentence_is_a_refusal_and_an_output_is_read(tmp_path: Path) -> None:
    assert judged(tmp_path / "a", refusal).outcome == "refused"
    assert judged(tmp_path / "b", lambda folder, out: (out / "x").write_text("x")).outcome == "read"
    assert judged(tmp_path / "c", writing, changes=True).outcome == "read"


@given(st.sampled_from(sorted(mutators.ALL)), st.integers(0, 10**6), st.binary(max_size=300), st.booleans())
def test_every_mutator_takes_every_file_and_repeats_itself(name: str, seed: int, data: bytes, valid: bool) -> None:
    data = TEXT if valid else data
    once, again = (mutators.safely(mutators.ALL[name], np.random.default_rng(seed), data, b"other") for _ in range(2))
    assert once == again


def test_a_mutant_is_a_line() -> None:
    one = draw("csv", ["a.csv", "b c.json"], 7)
    assert Mutant.parse(str(one)) == one and one.steps()
    assert Mutant.parse("csv b c.json none") == Mutant("csv", "b c.json", "")


def test_the_table_counts() -> None:
    verdicts = [Verdict("csv a none", outcome, "", "", k, 10.0 * k) for k, outcome in enumerate(("read", "found"))]
    assert table(verdicts).splitlines()[1].split() == ["csv", "2", "1", "0", "1", "1.00", "10"]


def test_odd_sentences() -> None:
    for text in ("", "x" * 5000, "PosixPath('a') is damaged", "a\x1b[2J", "\ud800"):
        assert odd_sentence(text)
    assert not odd_sentence("a.csv: it is damaged;\n\tfetch it again")
