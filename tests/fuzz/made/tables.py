"""Tables and arrays of anybody with a sidecar, and what looks at them: describe, inspect, uploads."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from cpep.data.describe import describe
from cpep.data.inspect import inspect_folder
from cpep.hand import JOINTS
from cpep.web.uploads import read_poses
from tests.data.exports import openbci
from tests.data.exports import protocol as labels
from tests.data.ninapro_files import write_7_3
from tests.fuzz.formats import Format
from tests.fuzz.made.recordings import emg2pose, prepared

ROWS, RATE = 300, 200


def _arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "emg": rng.normal(0, 20, (ROWS, 3)),
        "t": np.arange(ROWS) / RATE,
        "n": np.arange(ROWS) % 256,
        "pose": rng.uniform(0, 1, (90, 20)),
        "p": np.arange(90) / 60,
        "gesture": np.repeat([0, 1, 0, 2, 0], ROWS // 5),
    }


ARRAYS = {
    "emg": {"field": "emg", "columns": [0, 1, 2], "scale": 2.0, "clock": {"field": "t", "unit": "s"}},
    "counter": {"field": "n"},
    "rate": RATE,
    "kind": "raw",
    "unit": "mV",
    "highpass": 20,
    "notch": 50,
    "pose": {"field": "pose", "rate": 60, "unit": "rad", "clock": {"field": "p", "unit": "s"}, "names": list(JOINTS)},
    "label": {"field": "gesture", "names": {"0": "rest", "1": "fist", "2": "open"}},
    "user": {"pattern": "(S[0-9]+)_"},
    "session": "1",
    "side": "left",
    "ring": [0, 1, 2],
}
"""A sidecar with most of its keys."""
TABLE = {
    "emg": {"columns": ["emg_0", "emg_1", "emg_2"], "clock": {"field": "t", "unit": "ms"}},
    "rate": RATE,
    "kind": "raw",
    "unit": "uV",
    "label": {"field": "gesture", "names": {"0": "rest", "1": "fist", "2": "open"}},
    "user": {"pattern": "(S[0-9]+)_"},
    "side": "right",
}


def npz(folder: Path) -> None:
    """Write an .npz with its sidecar."""
    np.savez_compressed(folder / "S1_day2.npz", **_arrays())
    (folder / "S1_day2.json").write_text(json.dumps(ARRAYS))


def mat(folder: Path, write) -> None:
    """Write the same as .mat."""
    said = {key: value for key, value in ARRAYS.items() if key != "counter"}
    write(
        folder / "S1_day2.mat",
        {name: np.atleast_2d(value) if name != "gesture" else value[:, None] for name, value in _arrays().items()},
    )
    (folder / "S1_day2.json").write_text(json.dumps(said))


def table(folder: Path, ending: str, separator: str = ",", sidecar: bool = True) -> None:
    """Write a table with its sidecar."""
    arrays = _arrays()
    lines = [separator.join(["t", "emg_0", "emg_1", "emg_2", "gesture"])]
    for k in range(ROWS):
        cells = [
            f"{1000 * arrays['t'][k]:.1f}",
            *(f"{value:.3f}" for value in arrays["emg"][k]),
            str(arrays["gesture"][k]),
        ]
        lines.append(separator.join(cells))
    content = ("\n".join(lines) + "\n").encode()
    (folder / f"S1_day2{ending}").write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    if sidecar:
        (folder / "S1_day2.json").write_text(json.dumps(TABLE))


def export(folder: Path) -> None:
    """Write a recording of the OpenBCI GUI, with no sidecar."""
    label_T = labels(250, 1, hold_s=0.4, times=1)
    openbci(folder / "OpenBCI-RAW.txt", np.random.default_rng(0).normal(0, 20, (len(label_T), 4)))


def described(folder: Path, out: Path) -> None:
    """Describe the files, which writes a sidecar beside them, and read them by it."""
    describe([folder], force=True, told={"unit": "uV", "rate": 250.0, "user": "ann"})


def inspected(folder: Path, out: Path) -> None:
    """Inspect the folder."""
    inspect_folder(folder).text()


def uploaded(folder: Path, out: Path) -> None:
    """Read the files as the page does that they are dropped on."""
    read_poses([(path.name, path.read_bytes()) for path in sorted(folder.iterdir())], 100.0)


def upload(folder: Path) -> None:
    """Write an .npz with a pose of the hand, and its sidecar."""
    np.savez_compressed(folder / "S1.npz", **_arrays())
    said = {"emg": {"field": "emg"}, "rate": RATE, "kind": "raw", "unit": "uV", "user": "ann", "pose": ARRAYS["pose"]}
    (folder / "S1.json").write_text(json.dumps(said))


def one_hdf5(folder: Path) -> None:
    """Write one recording of emg2pose alone."""
    emg2pose(folder)
    for name in ("r1.hdf5", "metadata.csv"):
        (folder / name).unlink()


FORMATS = {
    "npz": Format(npz, prepared, ("*.npz",)),
    "mat-5": Format(partial(mat, write=savemat), prepared, ("*.mat",)),
    "mat-7.3": Format(partial(mat, write=write_7_3), prepared, ("*.mat",)),
    "csv": Format(partial(table, ending=".csv"), prepared, ("*.csv",)),
    "tsv": Format(partial(table, ending=".tsv", separator="\t"), prepared, ("*.tsv",)),
    "csv.gz": Format(partial(table, ending=".csv.gz"), prepared, ("*.gz",)),
    "sidecar-arrays": Format(npz, prepared, ("*.json",)),
    "sidecar-table": Format(partial(table, ending=".csv"), prepared, ("*.json",)),
    "describe": Format(export, described, changes=True),
    "describe-csv": Format(partial(table, ending=".csv", sidecar=False), described, changes=True),
    "inspect": Format(npz, inspected),
    "upload-npz": Format(upload, uploaded),
    "upload-hdf5": Format(one_hdf5, uploaded),
    # has no pose, so that it is refused also where it is whole
    "upload-csv": Format(partial(table, ending=".csv"), uploaded),
}
