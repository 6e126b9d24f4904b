from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cpep.data.inspect import inspect_folder
from cpep.data.readers.emg2pose import MetadataRow, write_metadata, write_recording
from cpep.data.summary import summarise
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic
from tests.signal.emg import emg_like, hum, protocol


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
    assert summary.marks == ()


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
        e=np.abs(np.random.default_rng(0).normal(size=(200, 3))),
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
    unusable, odd = text.split("Unusable")[1].split("Unusual, but usable")
    assert "cut.hdf5 is truncated or damaged" in unusable
    assert "short is too short: 0.20 s, and a window takes 2 s; join or remove it" in unusable
    assert "channel 6 of short has no signal; " in unusable
    assert "no frame of the anchor of short is valid" in unusable
    assert "a is from another device: channels 3 instead of 16; one store cannot hold both" in unusable
    assert "no pose in a, nor another anchor" in odd
    assert "metadata.csv: 1 recording it lists, not here, the first gone" in odd
    assert "metadata.csv: 1 recording here that it does not list, the first short" in odd
    assert "1 file of other kinds (notes.txt)" in text
    assert "1 file .npz or .csv without a sidecar (lonely.csv)" in text
    assert "1 recording that cannot be read" in text.split("Left out:")[1]


def clean(folder: Path, people: int = 3, **changes: object) -> None:
    """Write a recording without a fault for each person."""
    for person in range(1, people + 1):
        emg_TC = emg_like(1000.0, 20.0, seed=person)
        names = {"0": "rest", **{str(k): f"g{k}" for k in range(1, 6)}}
        sidecar: dict[str, object] = {
            "emg": {"field": "emg"}, "rate": 1000, "kind": "raw", "unit": "mV", "user": {"pattern": "S\\d+"},
            "label": {"field": "label", "names": names},
        }  # fmt: skip
        write_generic(folder, sidecar | changes, f"S{person}", emg=emg_TC, label=protocol(1000.0, 20.0))


def test_a_clean_folder(tmp_path: Path) -> None:
    clean(tmp_path)
    text = inspect_folder(tmp_path).text()
    assert "Unusable" not in text
    assert text.endswith(
        "Unusual, but usable\n  no pose in any recording, nor another anchor; it serves training without pose alone"
    )
    write_emg2pose(tmp_path / "posed", count=2, samples=6000)
    assert inspect_folder(tmp_path / "posed").text().endswith("Nothing odd was found.")


def test_a_fault_is_told_once_in_the_words_of_who_recorded_it(tmp_path: Path) -> None:
    clean(tmp_path)
    with np.load(tmp_path / "S2.npz") as file:
        emg_TC, label_T = file["emg"], file["label"]
    emg_TC[:, 2] += 2 * hum(1000.0, len(emg_TC), 50.0, 1.5)[:, 0]
    np.savez(tmp_path / "S2.npz", emg=emg_TC + np.linspace(-40, 38, 8), label=label_T)
    odd = inspect_folder(tmp_path).text().split("Unusual, but usable")[1]
    assert re.search(
        r"channel 3 of S2 hums: \d\d % of its power is at 50 Hz and its harmonics; prepare with --notch 50", odd
    )
    assert "all 8 channels of S2 carry an offset of -40 to 38 mV; the high-pass takes it out" in odd
    for person in (1, 3):
        np.savez(tmp_path / f"S{person}.npz", emg=emg_TC + np.linspace(-40, 38, 8), label=label_T)
    odd = inspect_folder(tmp_path).text().split("Unusual, but usable")[1]
    assert "channel 3 of every recording hums" in odd and odd.count("hum") == 1


def test_one_recording_in_another_unit_is_noticed(tmp_path: Path) -> None:
    clean(tmp_path, unit="count")
    for times, said in ((1e-3, "weak"), (20.0, ""), (1e6, "strong")):
        emg_TC = emg_like(1000.0, 20.0, seed=2)
        np.savez(tmp_path / "S2.npz", emg=times * emg_TC, label=protocol(1000.0, 20.0))
        text = inspect_folder(tmp_path).text()
        found = re.findall(r"the EMG of S2 is [\d,]+ times as (\w+) as that of the other recordings", text)
        assert found == ([said] if said else []) and ("check `unit`" in text) == bool(said)


def test_left_out_against_loops(tmp_path: Path) -> None:
    clean(tmp_path, people=1)
    label_T = protocol(1000.0, 20.0)
    covered = {"single": set(), "window": set(), "moving": set()}  # type: ignore[var-annotated]
    for start in range(0, 20_000 - 2000 + 1, 250):
        found = set(label_T[start : start + 2000].tolist())
        frames = range(start // 10, start // 10 + 200)
        covered["window"].update(frames)
        covered["moving"].update(frames if found != {0} else ())
        covered["single"].update(frames if len(found) == 1 and found != {0} else ())
    (one,) = inspect_folder(tmp_path).recordings
    expected = [len(covered[name]) / 100 for name in ("window", "window", "moving", "single")]
    np.testing.assert_allclose(one.covered.after, expected)
    share = round(100 * expected[-1] / 20)
    assert f"windows of 2 s: {share} % of the time, in 1 of 1 recordings" in inspect_folder(tmp_path).text()


def test_the_text_is_short_for_a_large_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(60):
        emg_TC = emg_like(200.0, 6.0, seed=k)
        emg_TC[:, int(rng.integers(8))] = 0
        emg_TC[:, int(rng.integers(8))] *= 40
        sidecar = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "mV", "user": f"u{k}"}
        write_generic(tmp_path, sidecar, f"r{k}", emg=emg_TC)
    for k in range(60):
        (tmp_path / f"bad{k}.hdf5").touch()
    text = inspect_folder(tmp_path).text()
    assert len(text.splitlines()) <= 45, text


def test_columns_are_aligned(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=3)
    lines = inspect_folder(tmp_path).text().splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("  user"))) :][:4]
    assert len({len(line) for line in table}) == 1, table


def test_long_lists_are_cut(tmp_path: Path) -> None:
    for k in range(50):
        (tmp_path / f"bad{k}.hdf5").touch()
    base = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": {"pattern": "^[^_]+"}}
    for k in range(12):
        (tmp_path / f"odd{k}.npz").touch()
        (tmp_path / f"odd{k}.json").write_text(json.dumps(base | {f"key{k}": 1}))
    text = inspect_folder(tmp_path).text()
    assert "0 by 0 users" in text and text.count("is not an HDF5 file") == 1 and "bad19, ...)" in text
    assert "(50 recordings: bad0, bad1" in text and "... and 3 more" in text and text.count("unknown key") == 9


@pytest.mark.data
def test_real_db1(shared_data: Callable[[str], Path]) -> None:
    inspection = inspect_folder(shared_data("ninapro_db1"))
    assert inspection.name == "ninapro_db1" and len(inspection.recordings) == 16
    assert all(one.times_of["thumb_extension"] == 10 for one in inspection.recordings)
    assert not inspection.unreadable and not inspection.notes
    assert [finding.says for finding in inspection.findings] == ["channel 1 of S11_A1_E1 has next to no signal"]
