"""The two tests that each file of the suite has for its formats; xdist gives each file to a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import formats
from tests.fuzz.share import MUTANTS, complaints, kept, tried


def of(*modules: str) -> tuple[Any, Any, Any]:
    """Return a fixture, a test of new mutants of each format, and a test of what was found before."""
    names = list(formats.load(*modules))

    @pytest.fixture(scope="module")
    def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Any:
        return tried(tmp_path_factory.mktemp("fuzz"), modules, "--mutants", str(MUTANTS))

    @pytest.mark.parametrize("name", names)
    def test_what_is_damaged_is_read_or_refused(verdicts: Any, name: str) -> None:
        found = verdicts[name]
        assert len(found) == 1 + MUTANTS
        assert not complaints(found), complaints(found)

    def test_what_was_found_before_is_mended(tmp_path: Path) -> None:
        lines = kept(modules)
        found = tried(tmp_path, modules, "--replay", *lines) if lines else {}
        assert sum(map(len, found.values())) == len(lines)
        assert not complaints([one for many in found.values() for one in many])

    return verdicts, test_what_is_damaged_is_read_or_refused, test_what_was_found_before_is_mended
