"""NinaPro files of synthetic data, written as MATLAB 5 or 7.3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

HEADER_7_3 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."


def protocol(rate: float, movements: Sequence[int], hold: float = 5.0, rest: float = 3.0) -> np.ndarray:
    """Return the numbers of movements by sample: rest, movement, rest, movement, ..., rest."""
    pause = np.zeros(round(rest * rate), np.uint8)
    return np.concatenate(
        [pause, *(part for n in movements for part in (np.full(round(hold * rate), n, np.uint8), pause))]
    )


def fields(label: np.ndarray, channels: int, sensors: int, seed: int = 0) -> dict[str, Any]:
    """Return what a file holds: labels as columns, EMG louder in movements, a glove whose sensor 1 is the label."""
    rng = np.random.default_rng(seed)
    emg = rng.standard_normal((len(label), channels)) * 1e-5 * (1 + label[:, None])
    glove = rng.standard_normal((len(label), sensors)) + 100
    glove[:, :1] = label[:, None]
    column = label[:, None].astype(np.uint8)
    one = (column > 0).astype(np.uint8)
    found = {"emg": emg.astype(np.float32), "restimulus": column, "stimulus": np.roll(column, -3, axis=0)}
    found |= {"rerepetition": one, "repetition": np.roll(one, -3, axis=0)}
    return found | ({"glove": glove} if sensors else {})


def write_5(path: Path, values: Mapping[str, Any], compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {name: value for name, value in values.items() if value is not None}, do_compression=compressed)
    return path


def write_7_3(path: Path, values: Mapping[str, Any]) -> Path:
    """Write numbers and texts as MATLAB's ``save -v7.3`` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in values.items():
            if isinstance(value, str):
                file[name] = np.array([[ord(letter)] for letter in value], np.uint16)
                file[name].attrs["MATLAB_class"] = np.bytes_("char")
            elif value is not None:
                file[name] = np.atleast_2d(value).T
                file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(HEADER_7_3.ljust(116) + b"\0" * 8 + b"\x00\x02IM")
    return path
