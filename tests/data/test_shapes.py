"""Arrays that lie on their side are refused, and read where the sidecar says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data.samples import write_generic

RNG = np.random.default_rng(0)
EMG = RNG.normal(size=(600, 8)).astype(np.float32)
POSE = RNG.normal(size=(180, 5)).astype(np.float32)
GESTURE = np.repeat([0, 1], 300)
LABEL = {"label": {"field": "gesture", "names": {"0": "rest", "1": "fist"}}}
ANGLES = {"field": "pose", "unit": "rad", "rate": 60}


def read(folder: Path, said: dict[str, object], **arrays: np.ndarray) -> Recording:
    base = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    write_generic(folder, base | said, **arrays)
    return find_recordings(folder)[0].parts()[0]


LYING: dict[str, tuple[dict[str, object], dict[str, np.ndarray], str]] = {
    "labels": (LABEL, {"emg": EMG.T, "gesture": GESTURE}, "'gesture' has 600 values, one for each of its columns"),
    "a short one with labels": (LABEL, {"emg": EMG[:12].T, "gesture": GESTURE[:12]}, "'gesture' has 12 values"),
    "no labels": ({}, {"emg": EMG.T}, "it would be 8 samples of 600 channels"),
    "one channel": ({}, {"emg": EMG[:, :1].T}, "it would be 1 samples of 600 channels"),
    "a ring": ({"ring": list(range(8))}, {"emg": EMG.T}, "it would be 8 samples"),
    "columns": ({"emg": {"field": "emg", "columns": [0, 1]}}, {"emg": EMG.T}, "it would be 8 samples"),
    "many": ({}, {"emg": np.zeros((1000, 1100), np.float32)}, "it would be 1000 samples of 1100 channels"),
    "a pose": ({"pose": ANGLES}, {"emg": EMG, "pose": POSE.T}, "the EMG lasts as long as 180 frames"),
    "a pose of names": (
        {"pose": ANGLES | {"names": list("abcde")}},
        {"emg": EMG[:200], "pose": POSE.T},
        "the sidecar gives 5 names, one for each of its rows",
    ),
    "a pose with a clock": (
        {"pose": ANGLES | {"clock": {"field": "t", "unit": "s"}}},
        {"emg": EMG, "pose": POSE.T, "t": np.arange(180) / 60},
        "'t' has 180 values",
    ),
    "not lying": ({"emg": {"field": "emg", "transposed": True}}, {"emg": EMG}, "take \"transposed\" out of 'emg'"),
}


@pytest.mark.parametrize("kind", LYING)
def test_transposed_arrays_are_refused(tmp_path: Path, kind: str) -> None:
    said, arrays, reason = LYING[kind]
    with pytest.raises(UserError, match="looks transposed: ") as found:
        read(tmp_path, said, **arrays)
    assert reason in str(found.value) and "transposed" in str(found.value).partition(";")[2]


def test_transposed_arrays_are_read_where_the_sidecar_says_so(tmp_path: Path) -> None:
    said = LABEL | {"emg": {"field": "emg", "transposed": True, "columns": [1, 0]}}
    recording = read(
        tmp_path, said | {"pose": ANGLES | {"transposed": True}}, emg=EMG.T, pose=POSE.T, gesture=GESTURE
    )
    assert (recording.emg_TC == EMG[:, [1, 0]]).all() and recording.label_T.tolist() == GESTURE.tolist()
    assert recording.anchor_SJ is not None and (recording.anchor_SJ == POSE).all()


def test_epochs_and_wide_anchors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(4, 8, 150\), expected \(rows, columns\); cpep reads whole recordings"):
        read(tmp_path / "a", {}, emg=EMG.reshape(4, 150, 8).transpose(0, 2, 1))
    features = RNG.normal(size=(90, 768)).astype(np.float32)
    anchor = {"anchor": {"field": "f", "kind": "features", "rate": 30}}
    recording = read(tmp_path / "b", anchor, emg=EMG, f=features)
    assert recording.anchor_SJ is not None and recording.anchor_SJ.shape == (90, 768)
