"""Rows of a table that are written twice are no samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cpep.data.describe.draft import draft_of
from cpep.data.describe.look import look_at_table
from cpep.data.readers.generic import TWICE, read_recording
from cpep.data.readers.twice import written_once
from cpep.data.recording import Repair

ROWS, RATE = 4000, 1000
SIDECAR = {
    "emg": {"columns": ["emg1", "emg2"], "clock": {"field": "time", "unit": "s"}},
    "rate": RATE,
    "kind": "raw",
    "unit": "uV",
    "label": {"field": "gesture", "names": {"rest": "rest", "fist": "fist"}},
    "user": "ann",
}
RNG = np.random.default_rng(0)
LINES = [
    f"{k / RATE:.3f},{a:.4f},{b:.4f},{'fist' if 1500 <= k < 3000 else 'rest'}"
    for k, (a, b) in enumerate(RNG.normal(0, 30, (ROWS, 2)))
]


def written(folder: Path, lines: list[str]) -> Path:
    (folder / "a.json").write_text(json.dumps(SIDECAR))
    (folder / "a.csv").write_text("\n".join(["time,emg1,emg2,gesture", *lines]))
    return folder / "a.csv"


@pytest.mark.parametrize(
    "lines",
    [
        [line for line in LINES for _ in (0, 1)],
        LINES + LINES,
        LINES[:2500] + LINES[2000:],
        [line for k, line in enumerate(LINES) for _ in range(2 if 100 <= k < 180 else 1)],
    ],
    ids=["each row twice", "appended", "overlap", "some"],
)
def test_copies_are_left_out_and_counted(tmp_path: Path, lines: list[str]) -> None:
    path = written(tmp_path, LINES)
    wanted = read_recording(path, tmp_path / "a.json")
    found = read_recording(written(tmp_path, lines), tmp_path / "a.json")
    assert not isinstance(wanted, tuple) and not isinstance(found, tuple)
    for name in ("emg_TC", "label_T"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
    assert not wanted.repairs and found.repairs == (Repair(TWICE, len(lines) - ROWS),)
    draft = draft_of(look_at_table(path))
    assert draft.keys["rate"] == RATE and any("written twice" in sentence for _, sentence in draft.lines)


def test_samples_of_a_packet_share_a_time_and_some_are_equal() -> None:
    values = np.repeat(RNG.integers(-1, 2, (200, 1)), 8, axis=1).astype(np.float32)
    assert (np.diff(values[:, 0])[::2] == 0).any()
    assert written_once(np.repeat(np.arange(100) / 50, 2), values).all()


def test_copies_are_those_of_a_search_row_by_row() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        time_T, rows_TC = np.arange(30) / 10, rng.normal(size=(30, 2)).astype(np.float32)
        place = np.concatenate([np.arange(30), rng.integers(0, 30, int(rng.integers(0, 9)))])
        place = place[rng.permutation(len(place))]
        seen: set[bytes] = set()
        wanted = []
        for k in place:
            row = time_T[k].tobytes() + rows_TC[k].tobytes()
            wanted.append(row not in seen)
            seen.add(row)
        assert written_once(time_T[place], rows_TC[place]).tolist() == wanted
