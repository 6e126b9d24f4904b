"""Recordings in the formats of others: emg2pose, NinaPro, EMG-BIDS, XDF; and HDF5 that leads to other files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from cpep.data.bids.files import tsv
from cpep.data.readers.emg2pose import write_recording
from cpep.data.readers.metadata import MetadataRow, write_metadata
from cpep.data.store.prepare import prepare
from tests.data.bids_sets import as_columns, emg, write_set
from tests.data.leading_out import WAYS, whole_file
from tests.data.ninapro_files import fields, protocol, write_7_3
from tests.data.samples import emg2pose_like
from tests.data.test_xdf import emg_stream, marker_stream, pose_stream
from tests.data.xdf_writer import write_xdf
from tests.fuzz.formats import Format

SAID = {
    "xdf": {"emg": "Band", "anchor": "Hand", "markers": "Cues"},
    "user": {"pattern": "sub-(.+)_ses"},
    "session": "2",
    "unit": "uV",
    "rate": 500,
    "highpass": 20,
    "ring": [0, 1, 2, 3],
    "pose": {"unit": "deg", "channels": ["index_mcp"]},
    "label": {"names": {"fist": "fist", "spread": "open", "Rest": "rest", "rest": "rest"}},
}
"""A sidecar of an XDF file with most of its keys."""


def prepared(folder: Path, out: Path) -> None:
    """Read all as `cpep data prepare` does."""
    prepare(folder, out / "store")


def emg2pose(folder: Path) -> None:
    """Write two recordings with their metadata.csv."""
    for k in range(2):
        recording = emg2pose_like(f"r{k}", 300, seed=k)
        write_recording(folder / f"r{k}.hdf5", recording, start=1e9, simulated=True)
    row = MetadataRow("u0", "s0", "FingerFreeform", "right", split="train", filename="r0")
    other = MetadataRow("u1", "s1", "FingerFreeform", "right", split="test", filename="r1", start=1.5, end=2e9)
    write_metadata(folder, [row, other])


def hdf5_out(folder: Path) -> None:
    """Write a recording whose samples lie in another file; damage may repair or hide it."""
    ways = list(WAYS)
    for number in (0, 2, 4, 5):
        below = folder / f"w{number}"
        below.mkdir()
        other = folder.parents[1] / "outside" / "other.hdf5"
        whole_file(other)
        whole_file(below / "r0.hdf5")
        with h5py.File(below / "r0.hdf5", "a") as file:
            WAYS[ways[number]][0](file, other)


def ninapro(folder: Path, write) -> None:
    """Write a movement of database 1."""
    label = protocol(100, [1, 2], hold=1.0, rest=0.5)
    values = fields(label, 10, 22) | {"subject": np.array([[1.0]]), "exercise": np.array([[1.0]])}
    write(folder / "S1_A1_E1.mat", values)


def bids(folder: Path, ending: str) -> None:
    """Write a data set of one person with its tables."""
    rows = emg(3, 400)
    events = [["onset", "duration", "trial_type"], ["0.1", "0.1", "fist"], ["0.25", "0.1", "open"]]
    write_set(folder, columns=as_columns(rows), ending=ending, events=events, record_s=0.1)
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "made", "BIDSVersion": "1.11.0", "License": "CC0"})
    )
    (folder / "participants.tsv").write_text(tsv([["participant_id", "hand"], ["sub-01", "left"]]))


def xdf(folder: Path, stated: bool) -> None:
    """Write EMG, a pose on another clock, and markers; with or without what a sidecar says of it."""
    short = {"rows": emg_stream().rows[:1200], "stamp_T": emg_stream().stamp_T[:1200]}
    pose = pose_stream()
    path = folder / "sub-P01_ses-2_task-x_eeg.xdf"
    write_xdf(
        path, marker_stream(), pose_stream(rows=pose.rows[:140], stamp_T=pose.stamp_T[:140]), emg_stream(**short)
    )
    if stated:
        path.with_suffix(".json").write_text(json.dumps(SAID))


FORMATS = {
    "emg2pose": Format(emg2pose, prepared, ("*.hdf5",)),
    "metadata.csv": Format(emg2pose, prepared, ("metadata.csv",)),
    "hdf5-outside": Format(hdf5_out, prepared),
    "ninapro-5": Format(partial(ninapro, write=savemat), prepared),
    "ninapro-5-packed": Format(partial(ninapro, write=partial(savemat, do_compression=True)), prepared),
    "ninapro-7.3": Format(partial(ninapro, write=write_7_3), prepared),
    "bids-bdf": Format(partial(bids, ending=".bdf"), prepared),
    "bids-edf": Format(partial(bids, ending=".edf"), prepared),
    "xdf": Format(partial(xdf, stated=False), prepared),
    "xdf-sidecar": Format(partial(xdf, stated=True), prepared, ("*.json",)),
}
