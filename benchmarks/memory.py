"""Resident memory of preparing and of training, with a few recordings and with a hundred times as many.

Every measured call is a process of its own, and its largest resident memory is what the system says at its end: its
own pages and those of files that it holds. Nothing is subtracted: 300,000 windows have an index of 10 MB, and 4,000
recordings one as large. The stores take 11 GB of disk.
The largest process of `cpep reproduce` is in ``benchmarks.reproduce``.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Figure
from benchmarks.recordings import simulated, write_many

FILES, USERS, FILE_S, TIMES = 40, 8, 20.0, 100
"""So few files still fill a batch."""
STAGES = {"emg_mae": (), "pose_mae": (), "cpep": ("emg_mae", "pose_mae")}
STEPS = "emg_mae.optim.steps=4", "pose_mae.optim.steps=4", "align.optim.steps=4", "align.rest=true"


def prepare(folder: Path) -> None:
    """Prepare the recordings of a folder in this process."""
    from cpep.data.store.prepare import prepare

    prepare(folder / "raw", folder / "store")


def train(folder: Path, name: str) -> None:
    """Train a stage of the small preset for a few steps."""
    from cpep.config.presets import preset
    from cpep.data.splits import make_splits
    from cpep.data.store.store import open_store
    from cpep.train.running import run
    from cpep.train.stage import STAGES as KNOWN
    from cpep.train.task import Task

    store = open_store(folder / "store")
    [split] = make_splits(store, unseen=store.vocabulary[-2:])
    starts = {one: folder / one / "checkpoint" for one in STAGES[name]}
    run(KNOWN.get(name), Task(store, split, preset("small", STEPS, "best"), 0, folder / name), starts)


CALLS: dict[str, Callable[..., None]] = {"prepare": prepare, "train": train}


def peak_mb(*call: str) -> float:
    """Make a call of ``CALLS`` in a process of its own, and return its largest resident memory, MB."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.memory", *call])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, call)
    return used.ru_maxrss / 1024


def figures() -> list[Figure]:
    """Return by how much memory grows with the recordings."""
    with tempfile.TemporaryDirectory(dir="runs") as name:
        place = Path(name)
        recording = simulated(place / "cohort")
        peaks = {}
        for times in (1, TIMES):
            folder = place / str(times)
            folder.mkdir()
            write_many(
                folder / "raw", recording, FILES * times, FILE_S, users=USERS, compression="lzf", sessions=times
            )
            peaks["prepare", times] = peak_mb("prepare", str(folder))
            for stage in STAGES:
                peaks[f"train {stage}", times] = peak_mb("train", str(folder), stage)
    found = []
    for what in dict.fromkeys(what for what, _ in peaks):
        once, many = peaks[what, 1], peaks[what, TIMES]
        found.append(Figure(f"{what}, {TIMES} x the recordings, MB", many, once, once / many, 1 / 1.2, 0.65))
    return found


if __name__ == "__main__":
    CALLS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
