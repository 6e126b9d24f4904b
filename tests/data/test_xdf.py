from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data.xdf_writer import Out, write_xdf

pytest.importorskip("pyxdf")

RATE, SECONDS = 500.0, 12.0
START = 1000.0
SKEW = -37.25
"""The clock of the computer that sends the pose, less that of the recorder."""

TIME_T = START + np.arange(int(RATE * SECONDS)) / RATE
TIME_S = START + np.arange(int(60 * SECONDS)) / 60


def curl(time: np.ndarray) -> np.ndarray:
    return 45 + 40 * np.sin(2 * np.pi * 0.5 * (time - START))


def emg_stream(**change: object) -> Out:
    rows_TC = np.random.default_rng(0).normal(0, 20, (len(TIME_T), 4))
    channels = [(f"E{k}", "microvolts", "EMG") for k in range(4)]
    return replace(Out("Band", "EMG", RATE, rows_TC, TIME_T, channels), **change)


def pose_stream(**change: object) -> Out:
    rows_SJ = np.stack([curl(TIME_S), -curl(TIME_S)], axis=1)
    channels = [("index_mcp", "degrees", "angle"), ("index_pip", "degrees", "angle")]
    clock = [(START + k - SKEW, SKEW) for k in range(0, 12, 2)]
    return replace(Out("Hand", "MoCap", 60, rows_SJ, TIME_S - SKEW, channels, clock), **change)


def marker_stream(**change: object) -> Out:
    texts = ["fist", "Rest", "spread", "rest"]
    return replace(Out("Cues", "Markers", 0, texts, START + np.array([2.0, 4.0, 6.5, 9.0])), **change)


def parts(path: Path, **sidecar: object) -> tuple[Recording, ...]:
    if sidecar:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    (source,) = find_recordings(path)
    return source.parts()


def refused(path: Path, sentence: str, **sidecar: object) -> None:
    with pytest.raises(UserError, match=sentence):
        parts(path, **sidecar)


def test_emg_pose_and_markers_on_one_clock(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "sub-P01_ses-2_task-x_eeg.xdf", marker_stream(), pose_stream(), emg_stream())
    (one,) = parts(path)
    assert (one.user, one.session, one.stage, one.name) == ("P01", "2", "x", "sub-P01_ses-2_task-x_eeg")
    assert (one.device.channels, one.device.emg_rate, one.device.emg_unit) == (4, RATE, "uV")
    np.testing.assert_allclose(one.emg_TC, emg_stream().rows, rtol=1e-5)
    assert one.vocabulary == ("rest", "fist", "spread")
    edges = np.flatnonzero(np.diff(one.label_T)) + 1
    np.testing.assert_allclose(edges / RATE, [2, 4, 6.5, 9], atol=1.5 / RATE)
    assert one.label_T[[0, *edges]].tolist() == [-1, 1, 0, 2, 0]
    assert one.anchor_SJ is not None and one.device.anchor_names == ("index_mcp", "index_pip")
    assert (one.device.anchor_unit, one.anchor_rate) == ("rad", 60)
    frame_S = START + np.arange(len(one.anchor_SJ)) / 60
    inside = one.valid_S
    assert inside.mean() > 0.98
    np.testing.assert_allclose(one.anchor_SJ[inside, 0], np.deg2rad(curl(frame_S[inside])), atol=2e-3)
    assert one.measured_rate == pytest.approx(RATE, rel=1e-4)


def test_a_gap_cuts_the_recording(tmp_path: Path) -> None:
    keep = (TIME_T < START + 5) | (TIME_T >= START + 8)
    emg = emg_stream(rows=np.asarray(emg_stream().rows)[keep], stamp_T=TIME_T[keep])
    first, second = parts(write_xdf(tmp_path / "sub-1.xdf", emg, pose_stream(), marker_stream()))
    assert (len(first.emg_TC), len(second.emg_TC)) == (5 * RATE, 4 * RATE)
    assert set(first.label_T.tolist()) == {-1, 0, 1} and second.label_T[0] == 2
    assert second.anchor_SJ is not None
    frame_S = START + 8 + np.arange(len(second.anchor_SJ)) / 60
    np.testing.assert_allclose(second.anchor_SJ[1:-2, 0], np.deg2rad(curl(frame_S[1:-2])), atol=2e-3)
    np.testing.assert_allclose(second.emg_TC, np.asarray(emg_stream().rows)[-len(second.emg_TC) :], rtol=1e-5)


def test_lost_samples_are_filled_and_counted(tmp_path: Path) -> None:
    keep = ~np.isin(np.arange(len(TIME_T)), [3000, 3001, 3002])
    emg = emg_stream(rows=np.asarray(emg_stream().rows)[keep], stamp_T=TIME_T[keep])
    (one,) = parts(write_xdf(tmp_path / "sub-1.xdf", emg))
    assert len(one.emg_TC) == len(TIME_T) and [repair.count for repair in one.repairs] == [3]
    np.testing.assert_allclose(one.emg_TC[3003:], np.asarray(emg_stream().rows)[3003:], rtol=1e-5)


def test_bursts_and_jitter_move_no_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    packets = TIME_T[np.minimum(np.arange(len(TIME_T)) // 16 * 16 + 15, len(TIME_T) - 1)]
    for stamp_T in (packets, np.sort(TIME_T + rng.uniform(-8e-4, 8e-4, len(TIME_T)))):
        (one,) = parts(write_xdf(tmp_path / "sub-1.xdf", emg_stream(stamp_T=stamp_T)))
        np.testing.assert_allclose(one.emg_TC, emg_stream().rows, rtol=1e-5)
        assert one.repairs == ()


def test_streams_that_fit_a_role_are_named(tmp_path: Path) -> None:
    left, right = emg_stream(name="Left"), emg_stream(name="Right")
    path = write_xdf(tmp_path / "sub-1.xdf", left, replace(right, rows=2 * np.asarray(right.rows)))
    refused(path, r"2 streams that can be the emg: 'Left' \(EMG, 4 channels, 500 Hz\), 'Right'")
    (one,) = parts(path, xdf={"emg": "Right"})
    np.testing.assert_allclose(one.emg_TC, 2 * np.asarray(left.rows), rtol=1e-5)
    refused(path, r"has no stream 'Middle', which sub-1\.json names as its emg; it has 'Left'", xdf={"emg": "Middle"})
    refused(path, "unknown key 'pose' in 'xdf'", xdf={"pose": "Right"})


def test_emg_by_name_and_by_the_types_of_channels(tmp_path: Path) -> None:
    types = [("E0", "uV", "EMG"), ("E1", "uV", "EMG"), ("E2", "uV", "EMG"), ("T", "none", "Trigger")]
    path = write_xdf(tmp_path / "sub-1.xdf", emg_stream(type="EEG", name="my emg band", channels=types))
    (one,) = parts(path)
    assert one.device.channels == 3 and "1 channels of 'my emg band' are of another type" in one.notes[0]
    path = write_xdf(tmp_path / "sub-1.xdf", emg_stream(type="EEG", name="cap"))
    refused(path, "has no stream of type EMG, and none with 'emg' in its name; it has 'cap'")


def test_what_is_not_stated_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "walk.xdf"
    refused(write_xdf(path, emg_stream()), r'whose recording it is; call the file sub-NAME.*walk\.json: \{"user"')
    refused(write_xdf(path, emg_stream(channels=())), r"'Band' states no unit; write it to walk\.json", user="ann")
    refused(
        write_xdf(path, emg_stream(rate=0)), r"states no rate; by its stamps it has 500 .*\{\"rate\": 500\}", user="a"
    )
    refused(write_xdf(path, emg_stream(), pose_stream(channels=())), "'Hand' has no units; say in", user="ann")
    mixed = [("x", "meters", "PositionX"), ("q", "degrees", "OrientationX")]
    path = write_xdf(path, emg_stream(rate=0, channels=()), pose_stream(channels=mixed))
    refused(path, "'Hand' has channels in degrees, meters; say", user="ann", rate=500, unit="mV")
    (one,) = parts(path, user="ann", rate=500, unit="mV", pose={"channels": ["q"]}, side="left")
    assert (one.device.emg_unit, one.device.anchor_names, one.device.anchor_unit) == ("uV", ("q",), "rad")
    np.testing.assert_allclose(one.emg_TC, 1000 * np.asarray(emg_stream().rows), rtol=1e-5)
    assert one.user == "ann" and one.side == "left"


def test_markers_by_number(tmp_path: Path) -> None:
    numbers = marker_stream(rows=np.array([[7.0], [0.0], [8.0], [9.0]]))
    path = write_xdf(tmp_path / "sub-1.xdf", emg_stream(), numbers)
    (one,) = parts(path, label={"names": {"7": "fist", "0": "rest", "8": "spread"}})
    assert one.vocabulary == ("rest", "fist", "spread")
    assert one.label_T[[0, 1001, 2001, 3251, 4501]].tolist() == [-1, 1, 0, 2, -1]


def test_damage_is_a_sentence(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "sub-1.xdf", emg_stream())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (one,) = parts(path)
    assert 0 < len(one.emg_TC) < len(TIME_T) and "damaged or cut off" in one.notes[0]
    path.write_bytes(b"RIFF" + whole[4:])
    refused(path, r"sub-1\.xdf is no XDF file, or damaged")


def test_what_cpep_filters_is_said_beside_the_file(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "sub-1.xdf", emg_stream())
    (usual,) = parts(path)
    (said,) = parts(path, highpass=0, notch=50)
    assert (usual.device.highpass_hz, usual.device.notch_hz) == (20, 0)
    assert (said.device.highpass_hz, said.device.notch_hz) == (0, 50)
    refused(path, "'highpass' is 'no'; it must be a frequency in Hz, or 0 for none", highpass="no")
