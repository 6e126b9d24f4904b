"""Some of the flips of ``tests.fuzz.flips``; all of them: ``python -m tests.fuzz.flips``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import flips


@pytest.mark.parametrize("seed", [1])
def test_no_flip_changes_a_number_without_a_word(tmp_path: Path, seed: int) -> None:
    found = list(flips.flips(tmp_path, 16, seed))
    assert not [one for one in found if one.found]
    assert sum(one.outcome == "noticed" for one in found) > 8
    assert f"{16:>6}" in flips.table(found).splitlines()[-1]


def test_what_is_not_noticed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the checksums of stores out of order, the harness says so."""
    monkeypatch.setattr("cpep.data.store.checks.refuse_damaged", lambda folder, sums: None)
    monkeypatch.setattr("cpep.data.store.checked_rows.CheckedRows.is_sound", lambda rows, block: True)
    found = list(flips.flips(tmp_path, 10, 2))
    assert any(one.outcome == "FOUND other numbers" for one in found)


@pytest.mark.parametrize("how", flips.DAMAGES)
def test_damage_is_what_it_is_called(how: str) -> None:
    data = np.random.default_rng(0).bytes(20_000)
    after = flips.damaged(data, how, np.random.default_rng(1))
    differ = [k for k, (one, other) in enumerate(zip(data, after, strict=False)) if one != other]
    assert (len(after) == len(data)) == (how != "cut")
    if how == "bit":
        assert len(differ) == 1 and (data[differ[0]] ^ after[differ[0]]).bit_count() == 1
    if how == "zeros":
        first = differ[0] // flips.PAGE * flips.PAGE
        assert not any(after[first : first + flips.PAGE])
    if how == "swap":
        assert sorted(after) == sorted(data) and len(differ) > flips.PAGE
