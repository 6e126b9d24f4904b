"""metadata.csv as people's spreadsheets write it, and other tables that are called so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cpep.data.inspect import inspect_folder
from cpep.data.readers.folder import find_recordings
from cpep.data.readers.split_files import find_split_files, splits_of
from cpep.data.store.prepare import prepare
from cpep.types import UserError
from tests.data.samples import write_emg2pose, write_generic

ROWS = ("u0,s,x,left,train,r0", "u1,s,x,left,test,r1", "u2,s,x,left,val,r2")
OWN = "\n".join(["user,session,stage,side,split,filename", *ROWS]) + "\n"
SIDECAR: dict[str, object] = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}


def splits(folder: Path) -> dict[str, str]:
    return splits_of(find_split_files(folder, find_recordings(folder)))


@pytest.mark.parametrize(
    "data",
    [
        OWN.encode("utf-8-sig"),
        OWN.replace("\n", "\r\n").encode(),
        OWN.replace(",", ";").encode(),
        OWN.replace(",left,", ",LEFT,").encode(),
        OWN.replace(",test,", ",Test,").replace(",train,", ", TRAIN ,").encode(),
        OWN.replace("u0,", "1.0,").encode(),
        OWN.replace(",", ", ").replace("split", " split ").encode(),
        OWN.replace("r0\n", '"r0.hdf5"\n').encode(),
        OWN.replace("r0\n", "r0.HDF5\n").encode(),
        OWN.replace("r0\n", "emg2pose_dataset/r0.hdf5\n").encode(),
        OWN.replace("r0\n", "C:\\data\\r0.hdf5\n").encode(),
        (OWN + ROWS[0] + "\n").encode(),
        (OWN + "u9,s,x,left,test,gone\n").encode(),
    ],
)
def test_dialects_of_metadata(tmp_path: Path, data: bytes) -> None:
    write_emg2pose(tmp_path, count=2)
    (tmp_path / "r1.hdf5").rename(tmp_path / "r1.HDF5")
    (tmp_path / "metadata.csv").write_bytes(data)
    assert splits(tmp_path) == {"r0": "train", "r1": "test"}


def test_what_metadata_cannot_say(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=2)
    for text, sentence in (
        (OWN + "u0,s,x,left,test,a/r0.hdf5\n", "r0 is train in line 2 and test in line 5; leave one of them"),
        (OWN.replace(",split", ",part"), r"lacks the column\(s\) split"),
        (OWN.replace(",val,", ",dev,"), "line 4: split is 'dev'"),
    ):
        (tmp_path / "metadata.csv").write_text(text)
        with pytest.raises(UserError, match=sentence):
            prepare(tmp_path, tmp_path.parent / "store")


def test_another_table_of_this_name_is_passed_over_with_a_note(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_generic(raw, SIDECAR, emg=np.random.default_rng(0).normal(size=(500, 2)))
    for text, column in (
        ("participant,age,hand\nS1,30,é\n", "filename"),
        ("filename;age\na;30\n", "split"),
        ("", "filename"),
    ):
        (raw / "metadata.csv").write_bytes(text.encode("latin-1"))
        notes = [note for name, note in inspect_folder(raw).notes if name == "metadata.csv"]
        assert notes == [f"it has no column '{column}', so it is no table of splits and is passed over"]
        assert splits(raw) == {}
    store = prepare(raw, tmp_path / "store")
    assert [entry.split for entry in store.entries] == [""]
    (raw / "metadata.csv").write_text("filename,split\na.npz,val\n")  # the user's own
    assert splits(raw) == {"a": "val"}


def test_tables_in_subfolders_are_for_what_lies_there(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for day in ("day1", "day2"):
        (raw / day).mkdir(parents=True)
        write_emg2pose(raw / day, count=2)
    (raw / "day1" / "metadata.csv").write_text(OWN)
    (raw / "metadata.csv").write_text(OWN.replace("train", "val"))
    assert splits(raw) == {"day1/r0": "train", "day1/r1": "test", "day2/r0": "val", "day2/r1": "test"}
    store = prepare(raw, tmp_path / "store")
    assert [(entry.name, entry.split) for entry in store.entries][:2] == [("day1/r0", "train"), ("day1/r1", "test")]
    assert ("day1/metadata.csv", "1 recording it lists, not here, the first r2") in inspect_folder(raw).notes
    (raw / "day1" / "metadata.csv").write_text(OWN.replace("train", "val"))
    with pytest.raises(UserError, match="is a store of other recordings, or they changed since"):
        prepare(raw, tmp_path / "store")
