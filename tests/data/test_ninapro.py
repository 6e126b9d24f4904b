from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from cpep.data.readers.ninapro import DB1, DB2, DB5, DB7, FINGER_MOVEMENTS, database_of, is_ninapro, read_recording
from cpep.types import UserError


def write(path: Path, channels: int = 10, samples: int = 60, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 3, 12], samples // 3)[:, None].astype(np.uint8)
    fields: dict[str, object] = {
        "emg": rng.uniform(size=(samples, channels)),
        "glove": rng.integers(50, 200, (samples, 22)).astype(float),
        "restimulus": label,
        "stimulus": np.roll(label, -5, axis=0),
        "rerepetition": (label > 0).astype(np.uint8),
        "repetition": np.full((samples, 1), 9),
        "subject": np.array([[7]]),
        "exercise": np.array([[1]]),
    }
    savemat(path, {name: value for name, value in (fields | changes).items() if value is not None})
    return path


def test_db1(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "S7_A1_E1.mat"))
    assert (recording.user, recording.session, recording.name) == ("7", "E1", "S7_A1_E1")
    device = recording.device
    assert (device.channels, device.emg_rate, device.emg_kind) == (10, 100.0, "envelope")
    assert device.ring == tuple(range(8)) and len(device.anchor_names) == 22 and device.anchor_unit == "count"
    assert recording.vocabulary == ("rest", *FINGER_MOVEMENTS)
    assert recording.vocabulary[3] == "middle_flexion" and recording.vocabulary[12] == "thumb_extension"
    assert recording.label_T.tolist() == [0] * 20 + [3] * 20 + [12] * 20
    assert recording.prompt_T is not None and recording.prompt_T[15:20].tolist() == [3] * 5
    assert recording.repetition_T is not None and recording.repetition_T.tolist() == [0] * 20 + [1] * 40
    assert recording.anchor_rate == 100.0 and recording.valid_S.all() and len(recording.valid_S) == 60


@pytest.mark.parametrize(
    ("name", "channels", "sensors", "database"),
    [
        ("S1_A1_E2.mat", 10, 22, DB1),
        ("S1_E1_A1.mat", 12, 22, DB2),
        ("S1_E1_A1.mat", 12, 18, DB7),
        ("s1_e2_a1.mat", 16, 22, DB5),
    ],
)
def test_databases_by_name_and_channels(tmp_path: Path, name, channels, sensors, database) -> None:
    path = write(tmp_path / name, channels, glove=np.ones((60, sensors)))
    assert is_ninapro(path) and database_of(path) == database
    recording = read_recording(path)
    assert recording.device.emg_rate == recording.anchor_rate == database.emg_rate
    assert len(recording.device.anchor_names) == sensors


@pytest.mark.parametrize(("name", "channels"), [("S1_A1_E1.mat", 12), ("S1_E1_A1.mat", 10), ("S1_E1_A1.mat", 14)])
def test_ambiguous_files_are_refused(tmp_path: Path, name: str, channels: int) -> None:
    with pytest.raises(UserError, match=f"{name}: {channels} channels under such a name are neither DB1"):
        read_recording(write(tmp_path / name, channels))


def test_labels_of_exercises_do_not_collide(tmp_path: Path) -> None:
    first = read_recording(write(tmp_path / "S1_E1_A1.mat", 12))
    second = read_recording(write(tmp_path / "S1_E2_A1.mat", 12))
    assert first.vocabulary == ("rest", "e1_3", "e1_12") and second.vocabulary == ("rest", "e2_3", "e2_12")
    assert second.label_T.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    assert not set(first.vocabulary[1:]) & set(second.vocabulary[1:])


def test_missing_fields(tmp_path: Path) -> None:
    path = tmp_path / "S1_A1_E1.mat"
    recording = read_recording(write(path, glove=None, restimulus=None, rerepetition=None))
    assert recording.anchor_SJ is None and len(recording.valid_S) == 0
    assert recording.label_T[15:20].tolist() == [3] * 5, "stimulus serves for restimulus"
    assert recording.repetition_T is not None and (recording.repetition_T == 9).all()
    with pytest.raises(UserError, match="neither restimulus nor stimulus"):
        read_recording(write(path, restimulus=None, stimulus=None))
    with pytest.raises(UserError, match="no field 'emg'"):
        read_recording(write(path, emg=None))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"emg": np.full((60, 10), np.nan)}, "S1_A1_E1: EMG is not finite"),
        ({"emg": np.full((60, 10), 1e300)}, "S1_A1_E1: EMG is not finite"),
        ({"restimulus": np.full((60, 1), 13)}, "13 are not those of exercise 1"),
        ({"restimulus": np.full((60, 1), 1.5)}, "restimulus holds something else than small whole numbers"),
        ({"restimulus": np.zeros((50, 1))}, "50 labels for 60 EMG samples"),
        ({"frequency": np.array([[2000.0]])}, "frequency is 2000 Hz where ninapro_db1 has 100 Hz"),
    ],
)
def test_wrong_contents(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_recording(write(tmp_path / "S1_A1_E1.mat", **changes))  # type: ignore[arg-type]


def test_glove_that_is_not_finite_is_invalid(tmp_path: Path) -> None:
    glove = np.ones((60, 22))
    glove[5, 3] = np.nan
    recording = read_recording(write(tmp_path / "S1_A1_E1.mat", glove=glove))
    assert np.flatnonzero(~recording.valid_S).tolist() == [5]
    assert recording.anchor_SJ is not None and np.isfinite(recording.anchor_SJ).all()


@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_a_sentence(tmp_path: Path, compressed: bool) -> None:
    path = write(tmp_path / "S1_A1_E1.mat")
    if not compressed:
        from scipy.io import loadmat

        savemat(path, {k: v for k, v in loadmat(path).items() if k[0] != "_"}, do_compression=False)
    data = path.read_bytes()
    for size in [0, 1, 60, 128, 130, *range(200, len(data), max(1, len(data) // 40))]:
        path.write_bytes(data[:size])
        try:
            recording = read_recording(path)
        except UserError as error:
            assert "S1_A1_E1" in str(error)
        else:  # cut after the fields that are needed
            assert len(recording.emg_TC) == 60


def test_other_files(tmp_path: Path) -> None:
    assert not is_ninapro(Path("arraymap.mat")) and not is_ninapro(Path("S1_A1_E1.txt"))
    with pytest.raises(UserError, match="cannot read"):
        read_recording(tmp_path / "S1_A1_E1.mat")


@pytest.mark.data
def test_real_db1(shared_data: Callable[[str], Path]) -> None:
    recording = read_recording(shared_data("ninapro_db1") / "S1_A1_E1.mat")
    assert recording.user == "1" and recording.emg_TC.shape == (101014, 10)
    assert np.unique(recording.label_T).tolist() == list(range(13))
    assert recording.repetition_T is not None and recording.repetition_T.max() == 10
    # A relabelled movement lies within its prompt, give or take the reaction: most samples agree.
    moving = recording.label_T > 0
    assert recording.prompt_T is not None
    assert (recording.prompt_T[moving] == recording.label_T[moving]).mean() > 0.7
