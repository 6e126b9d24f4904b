"""Patterns of users: what they find, and that none of them hangs."""

from __future__ import annotations

import random
import re
import time
import warnings

import pytest

from cpep.data.readers.patterns import check_pattern, found_by
from cpep.types import UserError

PIECES = (
    *("a", "S", "_", "-", ".", r"\.", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[a-z]", "[^_]", r"[\d_]", r"[^\w-]"),
    *("[]a]", "[^]a]", "[a[]", "(a)", "(?:_)", r"(\w+)", r"(\d+)", "(x)?", "+", "*", "?", "+?", "{2}", "{,2}"),
    *("|", "^", "$", r"\A", r"\Z", "ö", "(?i:s)", r"\\", r"\]"),
)
NAMES = ("S03_day2", "sub-01_ses-2", "Jörg_٣", "a.b c", "__aa]a[", "Ruhe\u00a0x", "")


def test_patterns_find_what_those_of_python_find() -> None:
    """Of the language that both have, on names of all scripts."""
    draw, compared = random.Random(0), 0
    for _ in range(1500):
        pattern = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 6)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                ours = re.compile(pattern)
                check_pattern(pattern)
            except (re.error, UserError):
                continue
        for name in NAMES:
            match = ours.search(name)
            wanted = ((match[1] if match.groups() else match[0]) or "") if match else ""
            assert found_by(pattern, name) == wanted, (pattern, name)
            compared += 1
    assert compared > 2000


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"(.*)*x", r"(?:a?){200}a{200}", r"((a{0,30}){0,30})b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """With Python's expressions the first takes longer than the age of the world."""
    began = time.process_time()
    try:
        found_by(pattern, "a" * 250)
    except UserError as error:
        assert "braces" in str(error)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"^.+?(?=_)", "look-ahead"),
        (r"(a)\1", "references"),
        ("(", "missing"),
        ("a" * 1001, "1,001 characters"),
        ("(?:(?:a{90}){90}){90}", "braces"),
        ("\ud800", "half of a character"),
    ],
)
def test_a_pattern_that_is_not_taken_is_a_sentence(pattern: str, words: str) -> None:
    """It says why, and what to write."""
    with pytest.raises(UserError, match=words):
        check_pattern(pattern)


def test_what_is_for_ascii_alone_is_not_taken_elsewhere() -> None:
    r"""RE2's \b parts Jö from rg."""
    assert found_by(r"\b(\w+)", "ann") == "ann"
    for pattern in (r"\b(\w+)", r"([^\W\d]+)"):
        with pytest.raises(UserError, match="ASCII alone"):
            found_by(pattern, "Jörg")
