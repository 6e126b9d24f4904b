from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cpep.data.inspect import inspect_folder, summarise
from cpep.data.readers.emg2pose import MetadataRow, write_metadata, write_recording
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic


def test_summary_against_loops() -> None:
    recording = emg2pose_like(samples=4000, seed=3)
    summary = summarise(recording)
    for index, gesture in enumerate(recording.vocabulary):
        samples = sum(1 for label in recording.label_T if label == index)
        labels = [-9, *recording.label_T]
        begins = sum(1 for a, b in itertools.pairwise(labels) if b == index and a != index)
        assert summary.seconds_of.get(gesture, 0.0) == samples / 2000
        assert summary.times_of.get(gesture, 0) == begins
    assert summary.seconds == 2.0 and summary.anchor_frames == 200
    assert summary.invalid_frames == sum(1 for valid in recording.valid_S if not valid)
    assert summary.notes == ()


def test_what_is_there_and_what_is_wrong(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=2, samples=5000)
    data = (tmp_path / "r0.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(data[: len(data) // 2])
    (tmp_path / "notes.txt").touch()
    (tmp_path / "lonely.csv").touch()
    flat = emg2pose_like("short", samples=400, seed=1, valid_S=np.zeros(20, bool), label_T=np.full(400, -1))
    flat.emg_TC[:, 5] = 0
    write_recording(tmp_path / "short.hdf5", flat, start=0, simulated=True)
    write_generic(
        tmp_path,
        {"emg": {"field": "e"}, "rate": 50, "kind": "envelope", "unit": "V", "user": "z"},
        e=np.eye(200, 3),
    )
    rows = [MetadataRow("u", "s", "x", "left", filename=name) for name in ("r0", "r1", "a", "cut", "gone")]
    write_metadata(tmp_path, rows)
    calls: list[tuple[int, int]] = []
    inspection = inspect_folder(tmp_path, lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 5) and calls[-1] == (5, 5)
    text = inspection.text()
    assert "4 by 3 users in 3 sessions" in text
    assert "16 channels, raw, 2000 Hz, noise_sd" in text and "3 channels, envelope, 50 Hz, uV" in text
    assert "joint angles of 20 joints in rad, 100 Hz, " in text
    assert "cut.hdf5 is truncated or damaged" in text.split("Cannot be read")[1]
    notes = text.split("Worth a look")[1]
    assert "short: only 0.20 s long" in notes and "short: no signal in EMG channel(s) 5" in notes
    assert "short: no frame of the anchor is valid" in notes
    assert "a: no pose, nor another anchor" in notes and "another device than" in notes
    assert "metadata.csv: 1 recording it lists, not here, the first gone" in notes
    assert "metadata.csv: 1 recording here that it does not list, the first short" in notes
    assert "1 file of other kinds (notes.txt)" in text
    assert "1 file .npz or .csv without a sidecar (lonely.csv)" in text


def test_columns_are_aligned(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=3)
    lines = inspect_folder(tmp_path).text().splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("  user"))) :][:4]
    assert len({len(line) for line in table}) == 1, table


def test_long_lists_are_cut(tmp_path: Path) -> None:
    for k in range(50):
        (tmp_path / f"bad{k}.hdf5").touch()
    text = inspect_folder(tmp_path).text()
    assert "0 by 0 users" in text and "... and 10 more" in text and text.count("is not an HDF5 file") == 40


@pytest.mark.data
def test_real_db1(shared_data: Callable[[str], Path]) -> None:
    inspection = inspect_folder(shared_data("ninapro_db1"))
    assert inspection.name == "ninapro_db1" and len(inspection.recordings) == 16
    assert all(one.times_of["thumb_extension"] == 10 for one in inspection.recordings)
    assert not inspection.unreadable and not inspection.notes
