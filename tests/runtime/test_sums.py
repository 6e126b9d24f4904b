"""Checksums: the same whatever way they are computed, and another one for every change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from cpep.runtime import sums
from cpep.types import UserError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("size", [0, 1, 4096, sums.AT_ONCE, 2 * sums.AT_ONCE + 7])
def test_a_file_is_read_in_pieces(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data)
    calls: list[tuple[int, int]] = []
    found = sums.of_file(tmp_path / "file", lambda done, total: calls.append((done, total)))
    assert found == xxhash.xxh3_64(data).hexdigest() == sums.of_bytes(data)
    assert calls[-1:] == [(size, size)][: bool(size)]


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_a_seal_holds_after_reading_and_breaks_with_any_change(value: dict[str, object]) -> None:
    written = json.loads(json.dumps(sums.sealed(value), indent=2))
    sums.refuse_broken_seal(dict(reversed(written.items())), "file.json", "copy it again")
    with pytest.raises(UserError, match="damaged: its content does not fit its checksum; copy it again"):
        sums.refuse_broken_seal({**written, "one more": 1}, "file.json", "copy it again")


def test_a_seal_may_be_missing_in_older_files_alone() -> None:
    sums.refuse_broken_seal({"a": 1}, "file.json", "", required=False)
    with pytest.raises(UserError, match="damaged"):
        sums.refuse_broken_seal({"a": 1}, "file.json", "")
    with pytest.raises(UserError, match="damaged"):
        sums.refuse_broken_seal({"a": 1, "sum": None}, "file.json", "", required=False)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    sums.refuse_other_file(path, sums.of_bytes(b"abc"), "copy it again")
    with pytest.raises(UserError, match="weights is damaged"):
        sums.refuse_other_file(path, sums.of_bytes(b"abe"), "copy it again")
    with pytest.raises(UserError, match=r"weights2 cannot be read \(No such file"):
        sums.refuse_other_file(tmp_path / "weights2", "", "copy it again")


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_blocks_of_rows(rows: int) -> None:
    array = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    slow = [int(xxhash.xxh3_64(array[at : at + rows].tobytes()).hexdigest(), 16) for at in range(0, 20, rows)]
    assert sums.of_blocks(array, rows).tolist() == slow
    assert sums.of_blocks(array[::2], rows).tolist() == sums.of_blocks(array[::2].copy(), rows).tolist()
    assert sums.of_blocks(array[:0], rows).tolist() == []


def test_arrays_with_their_names_types_shapes_and_notes() -> None:
    a, b = np.arange(6, dtype=np.float32), np.array(3)
    found = sums.of_arrays({"a": a, "b": b}, {"note": "x", "sum": "?"})
    assert found == sums.of_arrays({"b": b, "a": a}, {"note": "x"})
    others = [
        sums.of_arrays({"a": a, "c": b}, {"note": "x"}),
        sums.of_arrays({"a": b, "b": a}, {"note": "x"}),
        sums.of_arrays({"a": a.reshape(2, 3), "b": b}, {"note": "x"}),
        sums.of_arrays({"a": a.view(np.int32), "b": b}, {"note": "x"}),
        sums.of_arrays({"a": a, "b": b}, {"note": "y"}),
        sums.of_arrays({"a": a, "b": b}, {}),
    ]
    assert len({found, *others}) == 7
