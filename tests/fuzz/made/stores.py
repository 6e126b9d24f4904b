"""Stores, the folders of a preparing that was stopped, and what `cpep data export` and `cpep simulate` leave."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from cpep.data.bids.export import export_bids
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.store.store import open_store
from cpep.data.windows import list_windows
from cpep.simulate import simulate_cohort
from tests.data.samples import unseal, write_emg2pose
from tests.fuzz.formats import Format
from tests.synthetic import write_db1


class Stopped(BaseException):
    """A command is ended here, as Ctrl-C does."""


def raw(folder: Path, count: int = 2) -> Path:
    """Write some recordings."""
    (folder / "raw").mkdir(parents=True)
    write_emg2pose(folder / "raw", count, samples=800)
    return folder / "raw"


def store(folder: Path) -> None:
    """Write a store of four people without checksums, so that what is changed is read."""
    sealed(folder)
    unseal(folder / "store")


def sealed(folder: Path) -> None:
    """Write a store of four people."""
    recordings = write_db1(folder / "raw", users=4)
    prepare(recordings, folder / "store")
    for path in recordings.iterdir():
        path.unlink()
    recordings.rmdir()


def opened(folder: Path, out: Path) -> None:
    """Open a store, list windows, divide people, and read all of it."""
    found = open_store(folder / "store")
    repr(found), found.fingerprint, found.users, found.repairs, found.bare
    windows = list_windows(found, 2.0, 0.5)
    (split,) = make_splits(found)
    split.allowed(found, windows, "train")
    for array in (found.emg_TC, found.label_M, found.prompt_M, found.repetition_M, found.power_KC, found.anchor_MJ):
        if array is not None:
            np.isfinite(array).all()
    [found.vocabulary[label] for label in np.unique(found.label_M) if label >= 0]


def stopped(folder: Path) -> None:
    """Write what a preparing leaves that was stopped after its first recording."""

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Stopped

    with suppress(Stopped):
        prepare(raw(folder, 3), folder / "store", progress=stop)


def goes_on(folder: Path, out: Path) -> None:
    """Prepare the same again."""
    prepare(folder / "raw", folder / "store")


def exporting(folder: Path) -> None:
    """Write what an export leaves that was stopped."""

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Stopped

    with suppress(Stopped):
        export_bids(raw(folder), folder / "bids", progress=stop)


def exported(folder: Path, out: Path) -> None:
    """Export the same again."""
    export_bids(folder / "raw", folder / "bids")


def cohort(folder: Path) -> None:
    """Write the mark of a cohort."""

    def stop(done: int, total: int) -> None:
        raise Stopped

    with suppress(Stopped):
        simulate_cohort(folder / "cohort", users=1, minutes=1, seed=0, workers=1, progress=stop)


def simulated(folder: Path, out: Path) -> None:
    """Simulate the same again, up to where recordings would be made."""

    def stop(done: int, total: int) -> None:
        raise Stopped

    with suppress(Stopped):
        simulate_cohort(folder / "cohort", users=1, minutes=1, seed=0, workers=1, progress=stop)


FORMATS = {
    "store.json": Format(store, opened, ("store/store.json",)),
    "sums.json": Format(sealed, opened, ("store/sums.json",)),
    "store-arrays": Format(store, opened, ("store/*.npy",)),
    "journal": Format(stopped, goes_on, (".store.partial/*",), changes=True),
    "export-journal": Format(exporting, exported, (".bids*/*",), changes=True),
    "cohort.json": Format(cohort, simulated, ("cohort/*.json",), changes=True),
}
