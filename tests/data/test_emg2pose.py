from __future__ import annotations

import errno
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cpep.data.readers import emg2pose
from cpep.data.readers.emg2pose import (
    JOINTS,
    MetadataRow,
    is_simulated,
    read_metadata,
    read_recording,
    write_metadata,
    write_recording,
)
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data.samples import emg2pose_like

finite = st.floats(-1e6, 1e6, width=32)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1, max_size=12
)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    samples = draw(st.integers(1, 90))
    frames = -(-samples // 20)
    vocabulary = ("rest", *draw(st.lists(names.filter(lambda n: n != "rest"), max_size=3, unique=True)))
    valid_S = draw(npst.arrays(bool, frames))
    pose_SJ = draw(npst.arrays(np.float32, (frames, 20), elements=finite))
    pose_SJ[(pose_SJ == 0).all(1), 0] = 0.5  # the layout has no way to say "valid and exactly zero"
    pose_SJ[~valid_S] = 0
    small = npst.arrays(np.int16, samples, elements=st.integers(0, 30))
    label_T = draw(npst.arrays(np.int16, samples, elements=st.integers(-1, len(vocabulary) - 1)))
    label_T[0] = 0
    return Recording(
        name="a",
        user=draw(names),
        session=draw(names),
        stage="FingerFreeform",
        side=draw(st.sampled_from(["left", "right"])),
        device=emg2pose.DEVICE,
        emg_TC=draw(npst.arrays(np.float32, (samples, 16), elements=finite)),
        anchor_SJ=pose_SJ,
        anchor_rate=100.0,
        valid_S=valid_S,
        label_T=label_T,
        vocabulary=vocabulary,
        prompt_T=draw(st.none() | small),
        repetition_T=draw(st.none() | small),
        mirror=tuple(draw(st.just([]) | st.permutations(range(16)))),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recording=recordings(), dtype=st.sampled_from(["f4", "f8"]), compression=st.sampled_from(["lzf", None]))
def test_round_trip(tmp_path: Path, recording: Recording, dtype, compression) -> None:
    path = tmp_path / "a.hdf5"
    write_recording(path, recording, start=1.7e9, simulated=True, compression=compression, pose_dtype=dtype)
    back = read_recording(path)
    for field in ("name", "user", "session", "stage", "side", "device", "anchor_rate", "vocabulary", "mirror"):
        assert getattr(back, field) == getattr(recording, field), field
    for field in ("emg_TC", "anchor_SJ", "valid_S", "label_T", "prompt_T", "repetition_T"):
        np.testing.assert_array_equal(getattr(back, field), getattr(recording, field), err_msg=field)
    assert is_simulated(path)


def test_same_recording_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_recording(tmp_path / name / "r.hdf5", emg2pose_like(), start=1e9, simulated=True)
    assert (tmp_path / "a/r.hdf5").read_bytes() == (tmp_path / "b/r.hdf5").read_bytes()


@pytest.mark.parametrize("rate", [60.0, 100.0])
def test_pose_is_interpolated_to_2_khz_and_failures_are_zero_rows(tmp_path: Path, rate: float) -> None:
    recording = emg2pose_like(samples=700, anchor_rate=rate)
    pose_SJ, valid_S = recording.anchor_SJ, recording.valid_S
    assert pose_SJ is not None
    write_recording(tmp_path / "a.hdf5", recording, start=0, simulated=True, pose_dtype="f8")
    with h5py.File(tmp_path / "a.hdf5") as file:
        angles_TJ = file["emg2pose/timeseries"]["joint_angles"]
    for t in range(700):
        left, rest = divmod(t * int(rate), 2000)
        right = min(left + 1, len(pose_SJ) - 1)
        if valid_S[left] and (rest == 0 or valid_S[right]):
            expected = pose_SJ[left] + (pose_SJ[right] - pose_SJ[left]) * np.float32(rest / 2000)
        else:
            expected = np.zeros(20)
        np.testing.assert_allclose(angles_TJ[t], expected, rtol=1e-5, err_msg=str(t))


def raw_file(path: Path, rows: int = 100, angles: str = "f8", **changes: object) -> Path:
    """A file written by hand, as the real ones are: no labels, and a stage with a suffix."""
    table = np.zeros(rows, [("time", "f8"), ("joint_angles", angles, (20,)), ("emg", "f4", (16,))])
    table["joint_angles"] = np.arange(1, rows + 1)[:, None] / 7
    table["joint_angles"][40:60] = 0
    table["emg"] = np.arange(rows * 16).reshape(rows, 16)
    attributes = {
        "user": "abc",
        "session": "x-1",
        "stage": "IndividualFingerPointingSnap_both",
        "side": "left",
        "sample_rate": 2000.0,
        "num_channels": 16,
    } | changes
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2pose")
        group.create_dataset("timeseries", data=table)
        group.attrs.update({key: value for key, value in attributes.items() if value is not None})
    return path


@pytest.mark.parametrize("angles", ["f4", "f8"])
def test_real_layout(tmp_path: Path, angles: str) -> None:
    recording = read_recording(raw_file(tmp_path / "a.hdf5", angles=angles))
    assert recording.stage == "IndividualFingerPointingSnap"
    assert recording.vocabulary == ("rest", "IndividualFingerPointingSnap")
    assert (recording.label_T == 1).all()
    assert recording.prompt_T is None and recording.mirror == ()
    assert recording.valid_S.tolist() == [True, True, False, True, True]
    assert recording.anchor_SJ is not None and recording.anchor_SJ.dtype == np.float32
    np.testing.assert_allclose(recording.anchor_SJ[:, 3], np.float32([1 / 7, 21 / 7, 0, 61 / 7, 81 / 7]))
    assert not is_simulated(tmp_path / "a.hdf5")


def test_non_finite_angles_are_invalid(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        table = file["emg2pose/timeseries"][()]
        table["joint_angles"][20, 3] = np.nan
        file["emg2pose/timeseries"][...] = table
    recording = read_recording(path)
    assert recording.valid_S.tolist() == [True, False, False, True, True]
    assert recording.anchor_SJ is not None and np.isfinite(recording.anchor_SJ).all()


def test_bytes_as_attributes(tmp_path: Path) -> None:
    assert read_recording(raw_file(tmp_path / "a.hdf5", user=np.bytes_("abc"))).user == "abc"


def test_every_truncation_is_a_sentence_that_names_the_file(tmp_path: Path) -> None:
    write_recording(tmp_path / "whole.hdf5", emg2pose_like(samples=9000), start=0, simulated=True)
    data = (tmp_path / "whole.hdf5").read_bytes()
    for size in [0, 3, 8, 100, *range(500, len(data), 20_000), len(data) - 1]:
        (tmp_path / "cut.hdf5").write_bytes(data[:size])
        with pytest.raises(UserError, match=r"cut\.hdf5 is (truncated or damaged|not an HDF5 file)"):
            read_recording(tmp_path / "cut.hdf5")


def test_damage_inside_is_a_sentence(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.hdf5", emg2pose_like(samples=9000), start=0, simulated=True)
    data = bytearray((tmp_path / "a.hdf5").read_bytes())
    with h5py.File(tmp_path / "a.hdf5") as file:
        chunk = file["emg2pose/timeseries"].id.get_chunk_info(0)
    data[chunk.byte_offset : chunk.byte_offset + 2000] = b"\xff" * 2000
    (tmp_path / "a.hdf5").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.hdf5 is truncated or damaged"):
        read_recording(tmp_path / "a.hdf5")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sample_rate": 1000.0}, r"a\.hdf5: sample_rate is 1000 Hz where emg2pose has 2000 Hz"),
        ({"user": None, "side": None}, r"a\.hdf5: .* lacks the attribute\(s\) user, side"),
        ({"rows": 0}, r"a\.hdf5 holds no samples"),
        ({"mirror": [0, 0, 1]}, r"a\.hdf5: mirror is not a permutation"),
    ],
)
def test_wrong_files(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_recording(raw_file(tmp_path / "a.hdf5", **changes))  # type: ignore[arg-type]


def test_a_check_reads_attributes_and_the_last_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    write_recording(path, emg2pose_like(samples=9000), start=1.0, simulated=False, compression="gzip")
    emg2pose.check_file(path)
    with h5py.File(path) as file:
        chunk = file["emg2pose/timeseries"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 64] = b"?" * 64
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.hdf5 is truncated or damaged"):
        emg2pose.check_file(path)
    with h5py.File(path, "a") as file:
        del file["emg2pose"].attrs["user"]
    with pytest.raises(UserError, match=r"lacks the attribute\(s\) user"):
        emg2pose.check_file(path)


def test_hdf5_of_another_kind(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["keyboard"] = [1]
    with pytest.raises(UserError, match="HDF5 but not emg2pose: it holds keyboard"):
        read_recording(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["emg2pose/timeseries"] = [1.0]
        file["emg2pose"].attrs.update(user="a", session="b", stage="c", side="left", sample_rate=2000.0)
    with pytest.raises(UserError, match=r"b\.hdf5 is not emg2pose: no dataset 'timeseries' with emg"):
        read_recording(tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "c.hdf5", "w") as file:
        table = np.zeros(5, [("joint_angles", "f4", (22,)), ("emg", "f4", (16,))])
        file["emg2pose/timeseries"] = table
        file["emg2pose"].attrs.update(user="a", session="b", stage="c", side="left", sample_rate=2000.0)
    with pytest.raises(UserError, match=r"joint_angles has shape \(22,\) where emg2pose has \(20,\)"):
        read_recording(tmp_path / "c.hdf5")


def test_missing_file_and_nan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.hdf5: No such file"):
        read_recording(tmp_path / "none.hdf5")
    path = raw_file(tmp_path / "bad.hdf5")
    with h5py.File(path, "r+") as file:
        table = file["emg2pose/timeseries"][()]
        table["emg"][17, 4] = np.inf
        file["emg2pose/timeseries"][...] = table
    with pytest.raises(UserError, match=r"bad: EMG is not finite .*sample 17, channel 4"):
        read_recording(path)


def test_labels_beyond_their_names(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.hdf5", emg2pose_like(), start=0, simulated=True)
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["emg2pose/gesture"].attrs["names"] = '["rest"]'
    with pytest.raises(UserError, match="go beyond the 1 names"):
        read_recording(tmp_path / "a.hdf5")


def test_writing_refuses_another_device(tmp_path: Path) -> None:
    recording = emg2pose_like()
    other = emg2pose.Device(16, 1000.0, "raw", "uV", (), JOINTS, "rad")
    with pytest.raises(ValueError, match="16 channels at 2000 Hz"):
        write_recording(
            tmp_path / "a.hdf5",
            Recording(**{**vars(recording), "device": other}),
            start=0,
            simulated=False,
        )
    assert list(tmp_path.iterdir()) == []


def test_no_space_is_a_sentence_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*a\.hdf5: No space left on device"):
        write_recording(tmp_path / "a.hdf5", emg2pose_like(), start=0, simulated=True)
    assert list(tmp_path.iterdir()) == []


@given(
    st.lists(
        st.builds(
            MetadataRow,
            user=names,
            session=names,
            stage=names,
            side=st.sampled_from(["left", "right"]),
            moving_hand=names,
            held_out_user=st.booleans(),
            held_out_stage=st.booleans(),
            split=st.sampled_from(["", "train", "val", "test"]),
            generalization=st.sampled_from(["", "user", "stage", "user_stage"]),
            start=st.floats(0, 2e9),
            end=st.floats(0, 2e9),
            filename=names.filter(lambda n: not n.endswith(".hdf5")),
        ),
        max_size=4,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_metadata_round_trip(tmp_path: Path, rows: list[MetadataRow]) -> None:
    write_metadata(tmp_path, rows)
    assert read_metadata(tmp_path) == rows


def test_metadata_as_published(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text(
        "session,user,stage,side,moving_hand,held_out_user,held_out_stage,split,generalization,start,end,filename,x\n"
        "s,u,Stage,left,both,False,True,test,stage,1.5,2.5,2022-a@1_left.hdf5,9\n"
    )
    (row,) = read_metadata(tmp_path)
    assert row == MetadataRow(
        "u", "s", "Stage", "left", "both", False, True, "test", "stage", 1.5, 2.5, "2022-a@1_left"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user,side\na,left\n", r"lacks the column\(s\) filename, session, split, stage"),
        (
            "user,session,stage,side,split,filename,start\na,b,c,left,train,f,x\n",
            "line 2: start is 'x', not a number",
        ),
        (
            "user,session,stage,side,split,filename\na,b,c,left,dev,f\n",
            "line 2: split is 'dev'",
        ),
        ("", "lacks the column"),
        ('user,"session\n', "not readable as CSV"),
    ],
)
def test_damaged_metadata(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_metadata(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_metadata(tmp_path / "other")
