"""Folders of recordings for the benchmarks, in the emg2pose layout."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpep.data.readers.emg2pose import MetadataRow, read_recording, write_metadata, write_recording
from cpep.data.recording import Recording

RATE, ROW_BYTES = 2000, 152
"""Samples a second, and bytes of one in an emg2pose file: time, 20 angles and 16 channels."""


def simulated(folder: Path) -> Recording:
    """Return a recording of the simulator."""
    from cpep.simulate import simulate_cohort  # not above: processes that read import this module

    simulate_cohort(folder, users=1, minutes=1.0, workers=1)
    return read_recording(next(folder.glob("*.hdf5")))


def write_many(
    folder: Path,
    recording: Recording,
    files: int,
    seconds: float,
    *,
    users: int,
    compression: str | None,
    sessions: int = 1,
) -> int:
    """Write a recording, repeated or cut to a length, under many names; return the bytes that reading them yields.

    One file of each user is written; the others are hard links to it, so that a large folder takes little space.
    The files of a user are in so many sessions.
    """
    folder.mkdir()
    names = [f"{k % users:03d}-{k}" for k in range(files)]
    for k, name in enumerate(names):
        first = folder / f"{names[k % users]}.hdf5"
        if k < users:
            one = of_length(replace(recording, name=name, user=f"user_{k}"), seconds)
            write_recording(first, one, start=0.0, simulated=True, compression=compression)
        else:
            os.link(first, folder / f"{name}.hdf5")
    roles = ["test", "val", *["train"] * 8]
    rows = [
        MetadataRow(
            f"user_{k % users}",
            f"s{k // users % sessions}",
            "x",
            "right",
            split=roles[k % users % len(roles)],
            filename=name,
        )
        for k, name in enumerate(names)
    ]
    write_metadata(folder, rows)
    return round(files * seconds * RATE) * ROW_BYTES


def of_length(recording: Recording, seconds: float) -> Recording:
    """Return a recording, repeated or cut to a length."""
    samples, frames = round(seconds * RATE), round(seconds * recording.anchor_rate)
    lengths = dict.fromkeys(("emg_TC", "label_T", "prompt_T", "repetition_T"), samples)
    lengths |= dict.fromkeys(("anchor_SJ", "valid_S"), frames)
    arrays = {name: getattr(recording, name) for name in lengths}
    return replace(recording, **{name: np.resize(x, (lengths[name], *x.shape[1:])) for name, x in arrays.items()})
