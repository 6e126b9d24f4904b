"""What is read of a NinaPro file once its database is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.readers.folder import find_recordings
from cpep.data.readers.ninapro import FEW, MOST_CUT_PART, MOST_CUT_S, read_recording
from cpep.data.readers.ninapro_movements import FINGER_MOVEMENTS, FORCES, GRASPS, HAND_AND_WRIST
from cpep.data.recording import Recording
from cpep.data.store.prepare import prepare
from cpep.types import UserError
from tests.data.ninapro_files import fields, protocol, write_5, write_7_3

LABELS = ("restimulus", "stimulus", "rerepetition", "repetition")


def read(path: Path) -> Recording:
    (found,) = find_recordings(path)[0].parts()
    return found


def write_db1(path: Path, **changes: Any) -> Path:
    """Write a short file of DB1: rest, movement 3, movement 12."""
    label = np.repeat([0, 3, 12], 200)
    return write_5(path, fields(label, 10, 22) | {"stimulus": np.roll(label, -50)[:, None]} | changes)


def write_db2(path: Path, write: Callable[..., Path] = write_5, **changes: Any) -> Path:
    """Write a short file of DB2: movements 1 and 2 of 5 s at 2 kHz, 38,000 samples."""
    values = fields(protocol(2000, (1, 2)), 12, 22)
    return write(path, values | {name: one(values[name]) if callable(one) else one for name, one in changes.items()})


def test_db1(tmp_path: Path) -> None:
    recording = read(write_db1(tmp_path / "S7_A1_E1.mat"))
    assert (recording.user, recording.session, recording.name) == ("7", "E1", "S7_A1_E1")
    device = recording.device
    assert (device.channels, device.emg_rate, device.emg_kind, device.emg_unit) == (10, 100.0, "envelope", "V")
    assert device.ring == tuple(range(8)) and len(device.anchor_names) == 22 and device.anchor_unit == "count"
    assert recording.vocabulary == ("rest", *FINGER_MOVEMENTS)
    assert recording.label_T.tolist() == [0] * 200 + [3] * 200 + [12] * 200
    assert recording.prompt_T is not None and recording.prompt_T[150:200].tolist() == [3] * 50
    assert recording.repetition_T is not None and recording.repetition_T.tolist() == [0] * 200 + [1] * 400
    assert recording.anchor_rate == 100.0 and recording.valid_S.all() and len(recording.valid_S) == 600
    assert recording.repairs == recording.notes == ()


def test_every_exercise_has_movements_of_its_own(tmp_path: Path) -> None:
    """DB2 numbers them on, DB5 starts again: E2's first is the same grasp that DB5 calls movement 1 of E3."""
    named = {}
    for database, exercise, number, channels, rate in (
        ("db2", 1, 17, 12, 2000),
        ("db2", 2, 18, 12, 2000),
        ("db2", 3, 49, 12, 2000),
        ("db5", 1, 12, 16, 200),
        ("db5", 2, 17, 16, 200),
        ("db5", 3, 1, 16, 200),
    ):
        values = fields(protocol(rate, (number,)), channels, 0 if (database, exercise) == ("db2", 3) else 22)
        recording = read(write_5(tmp_path / database / f"S1_E{exercise}_A1.mat", values))
        (label,) = set(recording.label_T.tolist()) - {0}
        assert recording.device.emg_rate == rate and (recording.label_T == label).sum() == 5 * rate
        named[database, exercise] = recording.vocabulary[label]
    assert named == {
        ("db2", 1): HAND_AND_WRIST[16],
        ("db2", 2): GRASPS[0],
        ("db2", 3): FORCES[8],
        ("db5", 1): FINGER_MOVEMENTS[11],
        ("db5", 2): HAND_AND_WRIST[16],
        ("db5", 3): GRASPS[0],
    }


def test_db3_with_10_electrodes_and_db4_without_a_glove(tmp_path: Path) -> None:
    few = read(write_5(tmp_path / "S7_E1_A1.mat", fields(protocol(2000, (1, 17)), 10, 22)))
    assert (few.device.emg_rate, few.device.emg_kind, few.device.channels) == (2000.0, "raw", 10)
    assert few.device.ring == () and few.vocabulary[1] == "thumb_up"
    cometa = read(write_5(tmp_path / "S1_E1_A1.mat", fields(protocol(2000, (1, 12)), 12, 0) | {"frequency": 2000.0}))
    assert cometa.vocabulary == ("rest", *FINGER_MOVEMENTS) and cometa.anchor_SJ is None
    assert cometa.device.anchor_names == () and cometa.device.emg_unit == "" and "in which unit" in cometa.notes[0]


def test_sessions_and_empty_columns_of_db6_and_acquisitions_of_db8(tmp_path: Path) -> None:
    values = fields(protocol(2000, (1, 11), hold=4), 16, 0)
    values["emg"][:, 8:10] = 0
    db6 = read(write_5(tmp_path / "s3_d2_t1.mat", values))
    assert (db6.user, db6.session, db6.device.channels, db6.device.ring) == ("3", "D2_T1", 14, tuple(range(8)))
    np.testing.assert_array_equal(db6.emg_TC[:, 8], values["emg"][:, 10])
    assert [str(one) for one in db6.repairs] == ["2 empty EMG columns left out"]
    assert db6.vocabulary[db6.label_T.max()] == "db6_grasp_11"
    db8 = read(write_5(tmp_path / "S1_E1_A3.mat", fields(protocol(2000, (1, 9), hold=6), 16, 18)))
    assert (db8.session, db8.device.emg_rate, len(db8.device.anchor_names)) == ("A3", 2000.0, 18)
    assert db8.vocabulary[9] == "tripod_grip" and "sampled at 1111 Hz" in db8.notes[0] and db8.device.ring == ()


def test_matlab_7_3_gives_what_matlab_5_gives(tmp_path: Path) -> None:
    old = read(write_db2(tmp_path / "5" / "S1_E1_A1.mat"))
    new = read(write_db2(tmp_path / "73" / "S1_E1_A1.mat", write_7_3))
    assert new.device == old.device and new.vocabulary == old.vocabulary and new.repairs == ()
    for name in ("emg_TC", "anchor_SJ", "label_T", "prompt_T", "repetition_T"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))


@settings(max_examples=25, deadline=None)
@given(
    change=st.dictionaries(st.sampled_from(LABELS), st.integers(-700, 700), min_size=1),
    dtype=st.sampled_from(["u1", "i1", "i2", "f4", "f8"]),
    row=st.booleans(),
    turned=st.booleans(),
    version=st.sampled_from([write_5, write_7_3]),
)
def test_labels_of_another_length_are_cut_and_counted_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    change: dict[str, int],
    dtype: str,
    row: bool,
    turned: bool,
    version: Any,
) -> None:
    values = fields(protocol(2000, (1, 2)), 12, 22)
    samples = len(values["emg"])
    for name, more in change.items():
        longer = np.pad(values[name].ravel().astype(dtype), (0, max(more, 0)))
        values[name] = longer[: samples + more][None if row else slice(None)].reshape(*((1, -1) if row else (-1, 1)))
    emg = values["emg"]
    path = version(tmp_path_factory.mktemp("nina") / "S1_E1_A1.mat", values | ({"emg": emg.T} if turned else {}))
    used = {"restimulus", "stimulus", "rerepetition"}
    far = {name: more for name, more in change.items() if name in used and abs(more) > min(300, samples // 100)}
    if far:
        with pytest.raises(UserError, match=f"({'|'.join(far)}) has .* samples for {samples:,} EMG samples, too far"):
            read(path)
        return
    recording = read(path)
    ends = [samples, *(samples + more for name, more in change.items() if name in used)]
    np.testing.assert_array_equal(recording.emg_TC, emg[: min(ends)])
    assert recording.anchor_SJ is not None and recording.anchor_SJ.shape == (min(ends), 22)
    np.testing.assert_array_equal(recording.label_T, np.pad(protocol(2000, (1, 2)), (0, 700))[: min(ends)])
    counts = {one.what.split(" ")[0]: one.count for one in recording.repairs}
    assert counts.pop("samples", 0) == max(ends) - min(ends)
    assert counts == ({"EMG": samples} if turned else {})


def test_how_much_is_cut() -> None:
    assert min(MOST_CUT_S * 2000, MOST_CUT_PART * 875_707) > 272, "DB2, person 12"
    assert FEW == 5


def test_a_glove_of_another_length_is_refused_or_read_at_its_rate(tmp_path: Path) -> None:
    glove = fields(protocol(2000, (1, 2)), 12, 22)["glove"]
    own = {"short": glove[:-4000], "long": np.pad(glove, ((0, 4000), (0, 0))), "slow": glove[::80]}
    for name, array in own.items():
        with pytest.raises(UserError, match=f"its glove has {len(array):,} frames for {len(glove):,} EMG samples"):
            read(write_db2(tmp_path / name / "S1_E1_A1.mat", glove=array))
    (tmp_path / "slow" / "cpep.json").write_text('{"glove_rate": 25}')
    recording = read(tmp_path / "slow")
    assert recording.anchor_rate == 25 and recording.anchor_SJ is not None
    np.testing.assert_array_equal(recording.anchor_SJ, glove[::80].astype(np.float32))
    store = prepare(tmp_path / "slow", tmp_path / "store")
    label_M, glove_M = np.asarray(store.label_M), np.asarray(store.anchor_MJ[:, 0])
    assert (np.abs(label_M - glove_M) > 0.5).mean() < 0.02, "the glove says when its movement is made"
    (tmp_path / "short" / "S1_E1_A1.json").write_text('{"glove_rate": 25}')
    with pytest.raises(UserError, match=r"at 25 Hz its glove lasts 1360\.00 s where the EMG lasts 19\.00 s"):
        read(tmp_path / "short")


def test_a_turned_glove_is_read(tmp_path: Path) -> None:
    plain = read(write_db2(tmp_path / "a" / "S1_E1_A1.mat"))
    turned = read(write_db2(tmp_path / "b" / "S1_E1_A1.mat", glove=np.transpose, emg=np.transpose))
    np.testing.assert_array_equal(turned.anchor_SJ, plain.anchor_SJ)
    np.testing.assert_array_equal(turned.emg_TC, plain.emg_TC)


def test_a_glove_that_is_not_finite_is_invalid_and_noted(tmp_path: Path) -> None:
    glove = np.ones((600, 22))
    glove[5, 3], glove[9, 4] = np.nan, np.inf
    recording = read(write_db1(tmp_path / "S1_A1_E1.mat", glove=glove))
    assert np.flatnonzero(~recording.valid_S).tolist() == [5, 9]
    assert recording.anchor_SJ is not None and np.isfinite(recording.anchor_SJ).all()
    assert recording.notes == ("the glove is not finite in 2 frames, which are left out as not measured",)


def test_whole_numbers_are_no_volts(tmp_path: Path) -> None:
    recording = read(write_db2(tmp_path / "S1_E1_A1.mat", emg=lambda emg: np.rint(emg * 1e7).astype(np.int16)))
    assert recording.device.emg_unit == "count" and recording.emg_TC.dtype == np.float32
    assert any("whole numbers (int16)" in note for note in recording.notes)


def test_missing_fields(tmp_path: Path) -> None:
    path = tmp_path / "S1_A1_E1.mat"
    recording = read(write_db1(path, glove=None, restimulus=None, rerepetition=None))
    assert recording.anchor_SJ is None and len(recording.valid_S) == 0
    assert recording.label_T[150:200].tolist() == [3] * 50, "stimulus serves for restimulus"
    assert recording.notes == ("it has no restimulus, so the prompts (stimulus) serve as labels",)
    with pytest.raises(UserError, match="neither restimulus nor stimulus"):
        read(write_db1(path, restimulus=None, stimulus=None))
    with pytest.raises(UserError, match="no field 'emg'"):
        read(write_db1(path, emg=None))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"emg": np.full((600, 10), np.nan)}, "EMG is not finite"),
        ({"emg": np.full((600, 10), 1e300)}, "EMG is not finite"),
        ({"emg": np.full((600, 10), 1j)}, "emg holds something else than real numbers"),
        ({"glove": np.full((600, 22), 1j)}, "glove holds something else than real numbers"),
        ({"restimulus": "fist"}, "restimulus holds something else than small whole numbers"),
        ({"restimulus": np.full((600, 1), 13)}, "DB1 numbers its movements there 1 to 12"),
        ({"restimulus": np.full((600, 1), -1)}, "movements -1 to 12"),
        ({"restimulus": np.full((600, 1), 1.5)}, "restimulus holds something else than small whole numbers"),
        ({"restimulus": np.full((600, 1), np.inf)}, "restimulus holds something else than small whole numbers"),
        (
            {"stimulus": np.r_[np.full(4, np.nan), np.zeros(596)]},
            r"stimulus is not a number \(NaN\) in 4 of 600 samples",
        ),
        ({"repetition": np.full((600, 1), np.nan)}, r"repetition is not a number \(NaN\) in 600 of 600"),
        ({"restimulus": np.zeros((500, 1))}, "restimulus has 500 samples for 600 EMG samples, too far apart"),
        ({"restimulus": np.zeros((600, 2))}, "restimulus has 1,200 samples for 600 EMG samples"),
        ({"frequency": np.array([[2000.0]])}, "2000 Hz by its frequency.* DB1 has 100 Hz"),
    ],
)
def test_wrong_contents(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(write_db1(tmp_path / "S1_A1_E1.mat", **changes))


def test_a_sidecar_says_the_database(tmp_path: Path) -> None:
    path = write_db2(tmp_path / "S1_E1_A1.mat")
    (tmp_path / "cpep.json").write_text('{"database": "DB3"}')
    (source,) = find_recordings(tmp_path)
    assert source.sidecars == (tmp_path / "cpep.json",) and source.dataset() == "ninapro_db3"
    assert source.parts()[0].notes == ()
    for value, sentence in (
        ({"database": "ninapro_db8"}, "is no file of DB8, as its sidecar says: DB8 has 16 EMG channels"),
        ({"database": "ninapro_db9"}, "'database' is 'ninapro_db9'; it must be one of ninapro_db1"),
        (
            {"data_base": "ninapro_db3"},
            "unknown key 'data_base'; beside NinaPro files known are database, glove_rate",
        ),
        ({"glove_rate": 0}, "'glove_rate' is 0; it must be a positive number"),
        ({"glove_rate": True}, "'glove_rate' is True; it must be a positive number"),
        ([], "the sidecar must be a JSON object"),
    ):
        (tmp_path / "cpep.json").write_text(json.dumps(value))
        with pytest.raises(UserError, match=sentence):
            source.parts()
    assert path.is_file()


@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_a_sentence(tmp_path: Path, compressed: bool) -> None:
    label = np.repeat([0, 3, 12], 200)
    path = write_5(tmp_path / "S1_A1_E1.mat", fields(label, 10, 22), compressed)
    data = path.read_bytes()
    for size in [0, 1, 60, 128, 130, *range(200, len(data), max(1, len(data) // 40))]:
        path.write_bytes(data[:size])
        try:
            recording = read_recording(path)
        except UserError as error:
            assert "S1_A1_E1" in str(error)
        else:  # cut after the fields that are needed
            assert isinstance(recording, Recording) and len(recording.emg_TC) == 600


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_recording(tmp_path / "S1_A1_E1.mat")
    with pytest.raises(UserError, match=r"other\.mat is not named like a NinaPro recording \(S1_A1_E1\.mat, S1_E1"):
        read_recording(tmp_path / "other.mat")


@pytest.mark.data
def test_real_db1(shared_data: Callable[[str], Path]) -> None:
    recording = read(shared_data("ninapro_db1") / "S1_A1_E1.mat")
    assert recording.user == "1" and recording.emg_TC.shape == (101014, 10)
    assert recording.repairs == recording.notes == () and recording.vocabulary == ("rest", *FINGER_MOVEMENTS)
    assert np.unique(recording.label_T).tolist() == list(range(13))
    assert recording.repetition_T is not None and recording.repetition_T.max() == 10
    # A relabelled movement lies within its prompt, give or take the reaction: most samples agree.
    moving = recording.label_T > 0
    assert recording.prompt_T is not None
    assert (recording.prompt_T[moving] == recording.label_T[moving]).mean() > 0.7
