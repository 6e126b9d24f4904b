"""Each promise of the page on trust names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "trust.md"


def named() -> list[tuple[str, str]]:
    """Return the files and the names of tests in the page; a name is empty where a whole file is meant."""
    found = re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(found) > 20
    return found


def test_each_named_test_exists() -> None:
    missing = []
    for file, name in named():
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        if not text or (name and not re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_each_promise_names_one() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [line for line in rows if not line.startswith("| promise ")]
    assert [line for line in promises if "`tests/" not in line] == []
