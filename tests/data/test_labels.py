"""Values of labels: the same where they are the same text or number, and never else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.inspect import inspect_folder
from cpep.data.readers.folder import find_recordings
from cpep.data.readers.labels import indices, is_rest, plain, read_names
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data.samples import write_generic

EMG = np.random.default_rng(0).normal(size=(300, 2))
CODE = np.repeat([0, 1, 2], 100)


def read(folder: Path, names: dict[str, str], gesture: np.ndarray) -> Recording:
    said = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    write_generic(folder, said | {"label": {"field": "gesture", "names": names}}, emg=EMG, gesture=gesture)
    return find_recordings(folder)[0].parts()[0]


def named(recording: Recording) -> list[str]:
    return [recording.vocabulary[label] if label >= 0 else "?" for label in recording.label_T[::100]]


KINDS: dict[str, tuple[list[str], np.ndarray]] = {
    "seven digits": (["1000000", "1000001", "1000002"], CODE + 1000000),
    "the same as floats": (["1000000", "1000001", "1000002"], CODE + 1000000.0),
    "unix times": (["0", "1698765432", "1698765433"], np.array([0, 1698765432, 1698765433])[CODE]),
    "sixty bits": (["0", "1152921504606846977", "1152921504606846978"], np.array([0, 2**60 + 1, 2**60 + 2])[CODE]),
    "underscores": (["rest", "1_1", "11"], np.array(["rest", "1_1", "11"])[CODE]),
    "zeros before": (["0", "01", "1"], np.array(["0", "01", "1"])[CODE]),
    "zeros in the file alone": (["0", "1", "2"], np.array(["00", "01", "02"])[CODE]),
    "fractions": (["0", "0.5", "1.5"], np.array([0, 0.5, 1.5])[CODE]),
    "fractions in float32": (["0.0", "0.10", "0.2"], np.array([0, 0.1, 0.2], np.float32)[CODE]),
    "integers as floats": (["0.0", "1.0", "2.0"], CODE),
    "negative": (["0", "-1", "-2.0"], -CODE),
    "bytes": (["rest", "fist", "spread"], np.array([b"rest", b"fist", b"spread"])[CODE]),
    "spaces": (["rest ", " fist", "spread"], np.array([" rest", "fist ", "spread"])[CODE]),
    "letters": (["ruhe", "é", "拳"], np.array(["ruhe", "é", "拳"])[CODE]),
    "a column": (["0", "1", "2"], CODE[:, None]),
    "small": (["0", "1", "2"], CODE.astype(np.uint8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_values(tmp_path: Path, kind: str) -> None:
    values, gesture = KINDS[kind]
    recording = read(tmp_path, dict(zip(values, ("rest", "fist", "spread"), strict=True)), gesture)
    assert named(recording) == ["rest", "fist", "spread"] and not recording.notes


@given(
    st.lists(
        st.integers(-(2**62), 2**62) | st.text("01_e.-", min_size=1, max_size=5), min_size=1, max_size=6, unique=True
    )
)
@settings(max_examples=60, deadline=None)
def test_different_codes_stay_apart(codes: list[int | str]) -> None:
    texts = {plain(str(code)): str(code) for code in codes}
    names = read_names({text: f"g{k}" for k, text in enumerate(texts.values())}, Path("cpep.json"))
    label_T, _ = indices(np.array(list(texts.values())), names, "g", Path("a.csv"), Path("cpep.json"))
    assert [names.vocabulary[label] for label in label_T] == [f"g{k}" for k in range(len(texts))]


def test_true_and_false(tmp_path: Path) -> None:
    for k, (no, yes) in enumerate([("False", "True"), ("false", "true"), ("0", "1")]):
        assert named(read(tmp_path / str(k), {no: "rest", yes: "fist"}, CODE > 0)) == ["rest", "fist", "fist"]


def test_words_for_rest(tmp_path: Path) -> None:
    for word in (
        "rest",
        "Rest",
        "REST",
        "No Motion",
        "no_movement",
        "NoGesture",
        "Idle",
        "Ruhe",
        "repos",
        "descanso",
        "休息",
    ):
        assert is_rest(word), word
    for word in ("neutral", "open hand", "fist", "none", "null", "wrist", "resting fist", ""):
        assert not is_rest(word), word
    recording = read(tmp_path, {"0": "No  Motion", "1": "fist", "2": "Relax"}, CODE)
    assert named(recording) == ["rest", "fist", "rest"] and recording.vocabulary == ("rest", "fist")
    assert recording.notes[0] == "rest: 'No Motion', 'Relax'"
    assert "rest: 'No Motion', 'Relax'" in inspect_folder(tmp_path).text()


def test_values_without_a_name_are_counted_and_missing_ones_are_not(tmp_path: Path) -> None:
    recording = read(tmp_path / "a", {"0": "rest"}, CODE)
    assert named(recording) == ["rest", "?", "?"]
    assert recording.notes == ("values 1, 2 of 'gesture' have no name: 200 samples are unknown",)
    recording = read(tmp_path / "b", {"1": "fist", "2": "spread"}, np.where(CODE == 0, np.nan, CODE))
    assert named(recording) == ["?", "fist", "spread"] and not recording.notes
    recording = read(tmp_path / "c", {"fist": "fist"}, np.array(["", "fist", "NA"])[CODE])
    assert named(recording) == ["?", "fist", "?"] and not recording.notes
    with pytest.raises(UserError, match=r"a\.json names none of the values of 'gesture' in .*a\.npz: 0, 1, 2"):
        read(tmp_path / "d", {"3": "fist"}, CODE)


def test_two_values_of_one_gesture_and_one_value_of_two(tmp_path: Path) -> None:
    recording = read(tmp_path / "a", {"0": "rest", "1": "fist", "2": "fist "}, CODE)
    assert named(recording) == ["rest", "fist", "fist"]
    assert recording.notes == ("fist: the values 1, 2 of 'gesture'",)
    with pytest.raises(UserError, match="1 is named 'fist' in one spelling and 'spread' in another; name it once"):
        read(tmp_path / "b", {"1": "fist", "1.0": "spread"}, CODE)
    with pytest.raises(UserError, match="the value '2' has an empty name; name it, or leave it out"):
        read(tmp_path / "c", {"1": "fist", "2": " "}, CODE)


def test_labels_of_moments_are_noticed(tmp_path: Path) -> None:
    onset = np.where(np.diff(CODE, prepend=0) > 0, CODE, 0)
    notes = read(tmp_path, {"0": "rest", "1": "fist", "2": "spread"}, onset).notes
    assert len(notes) == 1 and notes[0].startswith("fist, spread of 'gesture' never last over 2 samples")


def test_one_hot_labels_are_refused_with_what_to_do(tmp_path: Path) -> None:
    names = {"0": "rest", "1": "fist", "2": "spread"}
    with pytest.raises(
        UserError, match=r"\(300, 3\), expected one value a row; .*one-hot.* gesture\.argmax\(axis=1\)$"
    ):
        read(tmp_path / "a", names, np.eye(3)[CODE])
    with pytest.raises(UserError, match=r"numpy\.where\(gesture\.any\(axis=1\), gesture\.argmax\(axis=1\), -1\)$"):
        read(tmp_path / "b", names, np.eye(3, dtype=bool)[CODE][:, 1:])
    with pytest.raises(UserError, match=r"\(300, 2\), expected one value a row$"):
        read(tmp_path / "c", names, np.stack([CODE, CODE], 1))
