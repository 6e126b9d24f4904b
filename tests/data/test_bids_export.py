"""The export to EMG-BIDS: what cpep and MNE-BIDS read back, and what happens when it is stopped."""

from __future__ import annotations

import builtins
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.cli.main import main
from cpep.data.bids.export import export_bids
from cpep.data.bids.files import write_files
from cpep.data.readers.bids import read_recording
from cpep.data.readers.emg2pose import write_recording
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device, Recording, Repair
from cpep.data.store.prepare import prepare
from cpep.types import UserError
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic


def same(one: Recording, other: Recording, steps: float = 2**-22) -> None:
    """Check that two recordings are the same but for 24-bit rounding."""
    assert (one.user, one.session, one.stage, one.side) == (other.user, other.session, other.stage, other.side)
    assert one.device == other.device and one.vocabulary == other.vocabulary and one.mirror == other.mirror
    for name in ("label_T", "prompt_T", "repetition_T", "valid_S"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None) and (mine is None or (mine == theirs).all()), name
    np.testing.assert_allclose(one.emg_TC, other.emg_TC, rtol=0, atol=steps * np.abs(other.emg_TC).max())
    assert (one.anchor_SJ is None) == (other.anchor_SJ is None)
    if one.anchor_SJ is not None and other.anchor_SJ is not None:
        assert one.anchor_rate == other.anchor_rate
        kept_SJ = np.where(other.valid_S[:, None], other.anchor_SJ, 0)
        np.testing.assert_allclose(one.anchor_SJ, kept_SJ, rtol=0, atol=steps * max(np.abs(kept_SJ).max(), 1e-6))


def made(folder: Path, recording: Recording) -> Recording:
    """Export one recording alone and read it."""
    write_files(folder / "sub-01" / "emg", "sub-01_task-x", recording, "x", "mine")
    (folder / "participants.tsv").write_text(f"participant_id\toriginal_user\nsub-01\t{recording.user}\n")
    found = read_recording(folder / "sub-01" / "emg" / "sub-01_task-x_emg.bdf")
    assert isinstance(found, Recording)
    return found


@settings(max_examples=15, deadline=None)
@given(
    rate=st.sampled_from([100.0, 200.0, 250.0, 1000.0, 1300.0, 2000.0]),
    unit=st.sampled_from(["noise_sd", "uV", "mV", "V", "count", ""]),
    kind=st.sampled_from(["raw", "envelope"]),
    seconds=st.floats(0.2, 3.0),
    labels=st.lists(st.text('aB1_-/\u00e9"\u6f22', min_size=1), max_size=3, unique=True),
    anchor=st.sampled_from([(), (("a", "b"), "count", "glove"), (("emg_a", "b" * 30), "mm", "landmarks")]),
    seed=st.integers(0, 99),
)
def test_a_recording_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rate: float, unit: str, kind: Any, seconds: float, labels: list[str],
    anchor: tuple[Any, ...], seed: int,
) -> None:  # fmt: skip
    labels = [label for label in labels if label.strip().lower() not in ("rest", "n/a") and "${" not in label]
    rng, samples = np.random.default_rng(seed), int(seconds * rate)
    frame = {100.0: 1, 200.0: 2, 250.0: 2, 1000.0: 10, 1300.0: 13, 2000.0: 20}[rate]
    frames = -(-samples // frame)
    device = Device(3, rate, kind, unit, (2, 0, 1), *anchor)
    label_T = np.repeat(rng.integers(-1, len(labels) + 1, samples), 7)[:samples].astype(np.int16)
    recording = Recording(
        name="r", user="user_1", session="s-1", stage="a stage", side="left", device=device,
        emg_TC=rng.normal(0, 30, (samples, 3)).astype(np.float32),
        anchor_SJ=rng.normal(0, 90, (frames, 2)).astype(np.float32) if anchor else None,
        anchor_rate=rate / frame, valid_S=rng.random(frames) > 0.3 if anchor else np.zeros(0, bool),
        label_T=label_T, vocabulary=("rest", *labels), mirror=(1, 0, 2), repairs=(Repair("lost samples", 3),),
    )  # fmt: skip
    found = made(tmp_path_factory.mktemp("bids"), recording)
    if not anchor:
        recording = replace(recording, anchor_rate=found.anchor_rate)
    same(found, recording)
    assert found.repairs[0] == Repair("lost samples", 3)
    assert not any("though the file says" in note for note in found.notes)


@pytest.mark.parametrize("name", ["BAD_ACQ_SKIP", "boundary", "stage_start", "prompt/fist", "rest now"])
def test_a_gesture_may_be_called_anything(tmp_path: Path, name: str) -> None:
    recording = emg2pose_like(samples=3000, vocabulary=("rest", "fist", name))
    same(made(tmp_path, recording), recording)


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=3, samples=5000)
    left = emg2pose_like("r9", 4000, seed=0, side="left", mirror=tuple(range(15, -1, -1)))
    write_recording(tmp_path / "raw" / "r9.hdf5", left, start=1e9, simulated=True)
    assert main(["data", "export", "--bids", str(tmp_path / "raw"), str(tmp_path / "out")]) == 0
    old, new = find_recordings(tmp_path / "raw"), find_recordings(tmp_path / "out")
    assert [source.name.split("/")[-1] for source in new] == [
        "sub-u0_ses-s0_task-emg2posesimulated_run-01_recording-right",
        "sub-u0_ses-s0_task-emg2posesimulated_run-02_recording-left",
        "sub-u1_ses-s1_task-emg2posesimulated_run-01_recording-right",
        "sub-u2_ses-s2_task-emg2posesimulated_run-01_recording-right",
    ]
    for source, other in zip(new, (old[0], old[3], old[1], old[2]), strict=True):
        same(source.parts()[0], other.parts()[0])
        assert source.dataset() == "emg2pose_simulated"
    assert not (tmp_path / ".out.partial").exists()


def test_a_store_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=2, samples=5000)
    rows = "user,session,stage,side,split,filename\nu0,s0,x,right,train,r0\nu1,s1,x,right,test,r1\n"
    (tmp_path / "raw" / "metadata.csv").write_text(rows)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    export_bids(store.path, tmp_path / "out")
    again = prepare(tmp_path / "out", tmp_path / "again")
    assert again.device == store.device and again.vocabulary == store.vocabulary and again.name == store.name
    for one, other in zip(again.entries, store.entries, strict=True):
        assert replace(one, name="", repairs=()) == replace(other, name="", repairs=())
    assert [entry.split for entry in again.entries] == ["train", "test"]
    for name in ("valid_M", "label_M", "prompt_M", "repetition_M"):
        assert (getattr(again, name) == getattr(store, name)).all(), name
    np.testing.assert_allclose(again.emg_TC, store.emg_TC, atol=2e-6)
    assert again.anchor_MJ is not None and store.anchor_MJ is not None
    np.testing.assert_allclose(again.anchor_MJ, store.anchor_MJ, atol=2e-7)


def test_mne_bids_reads_the_same_numbers(tmp_path: Path) -> None:
    mne_bids = pytest.importorskip("mne_bids")
    (tmp_path / "raw").mkdir()
    (recording,) = write_emg2pose(tmp_path / "raw", count=1, samples=5000)
    export_bids(tmp_path / "raw", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*_emg.bdf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # MNE knows no column original_user
        raw = mne_bids.read_raw_bids(mne_bids.get_bids_path_from_fname(path), verbose="error")
    assert raw.get_channel_types() == ["emg"] * 16 + ["misc"] * 20 and raw.info["sfreq"] == 2000
    values = raw.get_data()[:, :5000]
    np.testing.assert_allclose(values[:16].T * 1e6, recording.emg_TC, atol=1e-5)
    assert recording.anchor_SJ is not None
    kept_SJ = np.where(recording.valid_S[:, None], recording.anchor_SJ, 0)
    np.testing.assert_allclose(values[16:, ::20].T, kept_SJ, atol=1e-6)
    marks = {(mark["description"], round(mark["onset"] * 2000)) for mark in raw.annotations}
    assert ("BAD_ACQ_SKIP", 5000) in marks and any(text == "BAD_IK" for text, _ in marks)
    labels = {text for text, _ in marks if not text.startswith("BAD_")}
    assert labels <= {"rest", "fist", "spread", "prompt/rest", "prompt/fist", "prompt/spread", "repetition/1"}


def test_what_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=3, samples=3000)
    export_bids(tmp_path / "raw", tmp_path / "whole")
    written: list[str] = []

    def stopping(folder: Path, stem: str, *rest: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(stem)
        write_files(folder, stem, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("cpep.data.bids.export.write_files", stopping)
        with pytest.raises(KeyboardInterrupt):
            export_bids(tmp_path / "raw", tmp_path / "out")
        assert not (tmp_path / "out").exists() and (tmp_path / ".out.partial").is_dir()
    with monkeypatch.context() as patched:
        patched.setattr("cpep.data.bids.export.write_files", lambda folder, stem, *rest: (
            written.append(stem), write_files(folder, stem, *rest)))  # fmt: skip
        export_bids(tmp_path / "raw", tmp_path / "out")
    assert len(written) == len(set(written)) == 3
    for path in (tmp_path / "whole").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_names_that_bids_cannot_hold_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for k, user in enumerate(("u_1", "u1", "u-1")):
        one = emg2pose_like(f"r{k}", 2000, user=user, session="a@1")
        write_recording(tmp_path / "raw" / f"r{k}.hdf5", one, start=1e9, simulated=True)
    export_bids(tmp_path / "raw", tmp_path / "out")
    found = [source.parts()[0] for source in find_recordings(tmp_path / "out")]
    assert sorted(one.user for one in found) == ["u-1", "u1", "u_1"] and {one.session for one in found} == {"a@1"}
    table = (tmp_path / "out" / "participants.tsv").read_text().split()
    assert table[2::2] == ["sub-u1", "sub-u1x2", "sub-u1x3"]


def test_mistakes_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=1)
    with pytest.raises(UserError, match="raw exists; choose another place"):
        export_bids(tmp_path / "raw", tmp_path / "raw")
    assert main(["data", "export", str(tmp_path / "raw"), str(tmp_path / "out")]) == 2
    assert "say what to write: --bids" in capsys.readouterr().err
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "edfio":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r'needs edfio; install it with pip install "cpep\[bids\]"'):
        export_bids(tmp_path / "raw", tmp_path / "out")


def test_sidecars_say_what_they_must(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=1, samples=3000)
    export_bids(tmp_path / "raw", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*_emg.json")
    said = json.loads(path.read_text())
    required = {
        "EMGPlacementScheme",
        "EMGReference",
        "SamplingFrequency",
        "PowerLineFrequency",
        "SoftwareFilters",
        "TaskName",
    }
    assert required <= set(said) and (said["ValidSamples"], said["BDFPaddedSamples"]) == (3000, 1000)
    assert "standard deviations of the noise floor" in json.dumps(said["SoftwareFilters"])


def test_a_device_whose_anchor_was_not_recorded(tmp_path: Path) -> None:
    recording = replace(emg2pose_like(samples=3000), anchor_SJ=None, valid_S=np.zeros(0, bool))
    found = made(tmp_path, recording)
    assert found.device == recording.device and not found.valid_S.any() and len(found.valid_S) == 150
    with pytest.raises(UserError, match="'n/a' is no name of a gesture"):
        made(tmp_path, emg2pose_like(samples=2000, vocabulary=("rest", "fist", "n/a")))


def test_an_anchor_at_another_rate_gives_the_same_store(tmp_path: Path) -> None:
    from cpep.data.store.frames import to_frames

    recording = emg2pose_like(samples=5000, pose_rate=60.0)
    one, other = to_frames(made(tmp_path, recording)), to_frames(recording)
    assert (one.valid_M == other.valid_M).all() and other.valid_M.any()
    np.testing.assert_allclose(one.anchor_MJ, other.anchor_MJ, atol=1e-6)


def test_what_a_store_was_filtered_by_is_said_and_not_done_again(tmp_path: Path) -> None:
    sidecar = {"emg": {"field": "emg"}, "rate": 1000, "kind": "raw", "unit": "mV", "user": "1"}
    emg_TC = np.random.default_rng(0).normal(5, 1, (4000, 3)).astype(np.float32)
    write_generic(tmp_path / "raw", sidecar, emg=emg_TC)
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.device.highpass_hz == 20
    export_bids(store.path, tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*_emg.json")
    assert json.loads(path.read_text())["SoftwareFilters"] == {"cpep high-pass": {"Cutoff (Hz)": 20.0}}
    again = prepare(tmp_path / "out", tmp_path / "again")
    assert again.device == replace(store.device, highpass_hz=0.0)
    np.testing.assert_allclose(again.emg_TC, store.emg_TC, atol=1e-6 * np.abs(store.emg_TC).max())
