"""One mistake is told once; one person in two spellings is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cpep.data.copies import copies
from cpep.data.inspect import inspect_folder
from cpep.data.store.prepare import names_and_tables, prepare
from cpep.data.told import spelt_twice
from cpep.types import UserError

SIDECAR: dict[str, object] = {
    "emg": {"field": "emg"},
    "rate": 200,
    "kind": "raw",
    "unit": "uV",
    "user": {"pattern": "^[^_]+"},
}


def folder_of(folder: Path, names: list[str], **change: object) -> Path:
    folder.mkdir()
    (folder / "cpep.json").write_text(json.dumps(SIDECAR | change))
    for number, name in enumerate(names):
        np.savez(folder / f"{name}.npz", emg=np.random.default_rng(number).normal(size=(600, 2)))
    return folder


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rat": 3}, "unknown key 'rat'"),
        ({"emg": {"field": "signal"}}, "has no 'signal', which cpep.json asks for"),
        ({"user": {"pattern": "Z(.)"}}, "user pattern 'Z(.)' does not match"),
    ],
)
def test_a_mistake_of_the_sidecar_is_told_once(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    folder = folder_of(tmp_path / "raw", [f"S{k}" for k in range(1, 6)], **change)
    text = inspect_folder(folder).text()
    assert text.count(sentence) == 1 and "(5 recordings: S1, S2, S3, ...)" in text


def test_prepare_says_how_many_recordings_a_sidecar_describes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "raw", ["S1", "S2"], rat=3)
    with pytest.raises(UserError, match=r"unknown key 'rat'; did you mean 'rate'\? \(it describes 2 recordings\)$"):
        prepare(folder, tmp_path / "store")


def test_damaged_files_are_named_each(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "raw", ["S1", "S2", "S3"])
    for name in ("S1", "S2"):
        (folder / f"{name}.npz").write_bytes(b"x")
    text = inspect_folder(folder).text()
    assert "S1.npz is truncated" in text and "(2 recordings: S1, S2)" in text


def test_one_person_in_two_spellings(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "raw", ["S1_a", "S01_b", "s1_c", "S10_a", "S2_a"])
    notes = [note for name, note in inspect_folder(folder).notes if name == "users"]
    assert len(notes) == 1 and notes[0].startswith("'S01', 'S1', 's1' look like one person, but count as several")
    assert not spelt_twice(["S1", "S10", "T1", "1", "S1a", "李雷", "李", "Søren", "?", "!"])


def test_names_that_only_look_alike_are_noticed_by_inspect_and_prepare(tmp_path: Path) -> None:
    """Case, blanks, and the two spellings of a letter with an accent, which macOS has in the names of files."""
    names = {"0": "rest", "1": "Fist", "2": "fist ", "3": "thumb_up", "4": "thumb  up", "5": "fist 2", "6": "fist -2"}
    folder = folder_of(tmp_path / "raw", ["J\u00f6rg_1", "Jo\u0308rg_2"], label={"field": "label", "names": names})
    for path in folder.glob("*.npz"):
        np.savez(path, emg=np.load(path)["emg"], label=np.repeat(np.arange(6), 100))
    (folder / "metadata.csv").write_text("filename,split\nnobody,train\n")
    notes = names_and_tables(folder, prepare(folder, tmp_path / "store"))
    assert [name for name, _ in notes] == ["users", "labels", "labels", "metadata.csv", "metadata.csv"]
    assert notes[1][1].startswith("'Fist', 'fist' look like one gesture, but count as several; spell the name in")
    assert notes[2][1].startswith("'thumb up', 'thumb_up' look")
    assert [note for note in inspect_folder(folder).notes if note[0] != "users"] == notes[1:]


def test_copies_are_noticed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "raw", ["S1", "S2", "S3", "S4"])
    emg = {name: np.load(folder / f"{name}.npz")["emg"] for name in ("S1", "S2")}
    np.savez(folder / "S3.npz", emg=emg["S1"])
    np.savez(folder / "S4.npz", emg=np.stack([np.zeros(600), emg["S2"][:, 1]], 1))
    np.savez(folder / "S5.npz", emg=np.stack([np.zeros(600), emg["S2"][:, 0] + 1], 1))
    np.savez(folder / "S6.npz", emg=np.stack([emg["S2"][:, 0] * 2, emg["S1"][:, 1]], 1))
    assert list(copies((one.name, one.digests) for one in inspect_folder(folder).recordings)) == [
        ("S3", "its EMG is that of S1: one is a copy of the other; remove one"),
        ("S4", "its EMG is that of S2: one is a copy of the other; remove one"),
        ("S6", "EMG channel 1 is channel 1 of S1, sample by sample; one is a copy"),
    ]
    assert "S3: its EMG is that of S1" in inspect_folder(folder).text()


def test_damaged_files_of_one_kind_are_one_line_that_names_each(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"S{number}.hdf5").write_bytes(bytes([number]) * 300)
        (tmp_path / f"S{number}_A1_E1.mat").write_bytes(bytes([200 + number]) * 300)
    text = inspect_folder(tmp_path).text()
    lines = [line for line in text.splitlines() if "S0" in line]
    assert len(lines) == 2 and text.count("fetch it again") == 2
    assert "(4 recordings: S0, S1, S2, S3)" in lines[0] + lines[1]
    assert "(4 recordings: S0_A1_E1, S1_A1_E1, S2_A1_E1, S3_A1_E1)" in lines[0] + lines[1]
