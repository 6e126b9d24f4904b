"""emg2pose in EMG-BIDS, as NEMAR has it: the same store as from HDF5, but for 24-bit rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cpep.data.bids.files import tsv
from cpep.data.readers.emg2pose import DEVICE, write_recording
from cpep.data.readers.folder import find_recordings
from cpep.data.readers.metadata import MetadataRow, write_metadata
from cpep.data.recording import Recording
from cpep.data.resample import resample_anchor
from cpep.data.store.prepare import prepare
from cpep.types import UNKNOWN, UserError
from tests.data.bids_sets import as_columns, read_set, write_set
from tests.data.samples import emg2pose_like

SOURCE = "2022-10-18-cv-emg-pose-demonstration@2-recording-{run}_{side}"
SESSION = "2022-10-18-cv-emg-pose-demonstration@2"


def real(run: int, side: str = "right", samples: int = 9031) -> Recording:
    """A recording as the real ones are: its label is its stage, and its pose fails in places."""
    one = emg2pose_like(SOURCE.format(run=run, side=side), samples, seed=run, side=side, session=SESSION)
    unknown_T = np.full(samples, UNKNOWN, np.int16)
    return replace(one, user="01aff754c1", label_T=unknown_T, prompt_T=None, repetition_T=None, vocabulary=("rest",))


def write_nemar(
    top: Path, recording: Recording, run: int, joints: str = "", bad: bool = True, **said: object
) -> Path:
    """Write a recording as NEMAR's conversion does: padded with its last sample, BAD_IK where all angles are zero."""
    assert recording.anchor_SJ is not None
    samples = len(recording.emg_TC)
    pose_TJ, valid_T = resample_anchor(recording.anchor_SJ, recording.valid_S, 100, 2000, samples)
    padding = -samples % 2000
    scale = 1e6 if joints == "uV" else 1.0
    columns = as_columns(recording.emg_TC)
    columns |= {f"joint{k}": (joints, pose_TJ[:, k] * scale) for k in range(20)}
    padded = {label: (unit, np.pad(values, (0, padding), mode="edge")) for label, (unit, values) in columns.items()}
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~valid_T, [0]])))
    events = [
        ("onset", "duration", "trial_type", "side"),
        ("0.0", f"{samples / 2000 - 0.0005:.3f}", recording.stage, "x"),
    ]
    spans = zip(edges[::2], edges[1::2], strict=True)
    events += [(f"{begin / 2000}", f"{(end - begin) / 2000}", "BAD_IK", "x") for begin, end in spans] if bad else []
    stem = f"sub-01_ses-01_task-emg2pose_run-{run:02d}_recording-{recording.side}"
    return write_set(
        top,
        stem=stem,
        columns=padded,
        channels=(),
        rate=2000.0,
        events=events,
        said={
            "TaskName": "emg2pose",
            "SamplingFrequency": 2000.0,
            "SourceURL": "https://fb-ctrl-oss.s3.amazonaws.com/emg2pose/emg2pose_dataset.tar",
            "SourceFile": f"{recording.name}.hdf5",
            "Stage": recording.stage,
            "HandSide": recording.side,
            "EMGChannelCount": 16,
            "RecordingDuration": round(samples / 2000, 3),
            "ValidSamples": samples,
            "BDFPaddedSamples": padding,
            **said,
        },
    )


def write_tables(top: Path, rows: list[tuple[str, ...]]) -> None:
    (top / "participants.tsv").write_text("participant_id\toriginal_user\nsub-01\t01aff754c1\n")
    (top / "sub-01" / "ses-01" / "sub-01_ses-01_scans.tsv").write_text(tsv(rows))


def test_the_same_store_as_from_hdf5(tmp_path: Path) -> None:
    rows = [("filename", "source_file", "split", "generalization")]
    metadata = []
    for run, (side, split, joints) in enumerate([("left", "train", ""), ("right", "test", "uV")], start=1):
        recording = real(run, side, 9031 + 700 * run)
        write_recording(tmp_path / "hdf5" / f"{recording.name}.hdf5", recording, start=1e9, simulated=False)
        path = write_nemar(tmp_path / "bids", recording, run, joints)
        rows.append((f"emg/{path.name}", f"{recording.name}.hdf5", split, "none"))
        metadata.append(
            MetadataRow("01aff754c1", SESSION, recording.stage, side, split=split, filename=recording.name)
        )
    write_metadata(tmp_path / "hdf5", metadata)
    write_tables(tmp_path / "bids", rows)
    old, new = (prepare(tmp_path / kind, tmp_path / f"{kind}.store") for kind in ("hdf5", "bids"))
    assert new.device == old.device == DEVICE and new.name == old.name == "emg2pose"
    assert new.vocabulary == old.vocabulary
    for one, other in zip(new.entries, old.entries, strict=True):
        assert replace(one, name="", repairs=()) == replace(other, name="", repairs=())
    for name in ("valid_M", "label_M", "prompt_M", "repetition_M"):
        assert (getattr(new, name) == getattr(old, name)).all(), name
    assert new.anchor_MJ is not None and old.anchor_MJ is not None
    np.testing.assert_allclose(new.anchor_MJ, old.anchor_MJ, atol=3e-7)
    np.testing.assert_allclose(new.emg_TC, old.emg_TC, atol=3e-6)
    assert [str(one.repairs[0]) for one in new.entries] == [
        "269 samples of padding cut off at the end", "1,569 samples of padding cut off at the end",
    ]  # fmt: skip


def test_a_failed_pose_is_seen_without_events(tmp_path: Path) -> None:
    recording = real(1)
    write_nemar(tmp_path, recording, 1, bad=False)
    found = read_set(tmp_path)
    assert (found.valid_S == recording.valid_S).all() and not found.valid_S.all()


def test_splits_and_sessions_of_the_metadata(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        write_nemar(tmp_path, real(run, samples=2000), run)
    rows = [MetadataRow("u", "day 7", "s", "right", split=split, filename=real(run).name)
            for run, split in ((1, "train"), (2, "val"))]  # fmt: skip
    write_metadata(tmp_path, rows)
    (tmp_path / "metadata.csv").rename(tmp_path / "emg2pose_metadata.csv")
    sources = find_recordings(tmp_path)
    assert [source.split() for source in sources] == ["train", "val", ""]
    assert [source.parts()[0].session for source in sources] == ["day 7", "day 7", SESSION]
    store = prepare(tmp_path, tmp_path.with_name(f"{tmp_path.name}.store"))
    assert [entry.split for entry in store.entries] == ["train", "val", ""]
    name = sources[0].path.name
    write_tables(tmp_path, [("filename", "split"), (f"emg/{name}", "n/a")])
    assert sources[0].split() == "train", "scans.tsv without a split leaves it to the metadata"
    write_tables(tmp_path, [("filename", "split"), (f"emg/{name}", "practice")])
    with pytest.raises(UserError, match="must be train, val, test or n/a"):
        sources[0].split()


@pytest.mark.parametrize("change", ["rate", "names", "source"])
def test_other_data_are_not_taken_for_emg2pose(tmp_path: Path, change: str) -> None:
    columns = as_columns(np.random.default_rng(0).normal(size=(4000, 16)))
    said: dict[str, object] = {"TaskName": "emg2pose", "SamplingFrequency": 2000}
    if change == "source":
        said["TaskName"] = "grasp"
    if change == "names":
        columns = {f"emg_{label}": column for label, column in columns.items()}
    rate = 1000.0 if change == "rate" else 2000.0
    write_set(tmp_path, columns=columns, rate=rate, said=said | {"SamplingFrequency": rate})
    assert read_set(tmp_path).device.emg_unit == "uV"


def test_emg_scaled_once_more_is_refused(tmp_path: Path) -> None:
    recording = real(1, samples=4000)
    write_nemar(tmp_path, replace(recording, emg_TC=recording.emg_TC * np.float32(1e-6)), 1)
    with pytest.raises(UserError, match=r"EMG in SD of its noise has an RMS of 1e-06; its scale is another one"):
        read_set(tmp_path)


@pytest.mark.data
def test_sidecars_of_nemar(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Real text files of nm000281 beside made-up signals."""
    folder = shared_data("emg_bids") / "nm000281_sidecars"
    for path in folder.rglob("*"):
        if path.is_file():
            place = tmp_path / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    side_of = tmp_path / "sub-01" / "ses-01" / "emg"
    said = json.loads((side_of / "sub-01_ses-01_task-emg2pose_run-03_recording-right_emg.json").read_text())
    write_nemar(tmp_path / "made", real(3, samples=said["ValidSamples"]), 3)
    (made,) = (tmp_path / "made").rglob("*.bdf")
    made.rename(side_of / made.name)
    (source,) = [one for one in find_recordings(tmp_path) if "made" not in one.name]
    (recording,) = source.parts()
    assert (recording.user, recording.stage, recording.side) == ("01aff754c1", "unconstrained", "right")
    assert recording.session == "2022-10-18-1666080000-10a50-cv-emg-pose-demonstration@2"
    assert len(recording.emg_TC) == 91531 and recording.device == DEVICE and source.split() == "train"
    assert recording.vocabulary == ("rest", "unconstrained") and (recording.label_T == 1).all()
    assert not recording.valid_S[:9].any(), "BAD_IK of the real events.tsv: the first 0.0835 s"
