"""Preparing a store from HDF5, beside reading the same files once with h5py, each on all cores.

Files of a minute in the page cache: compressed by lzf, and uncompressed, as the simulator writes them and, by their
size, the files of emg2pose are. The start of the processes counts on both sides; it is short beside so
many files. Uncompressed, reading is one copy out of the page cache, and half as many bytes again go into the store:
such files are prepared at a third of that speed, which still is faster than most disks.
"""

import multiprocessing
import shutil
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import h5py

from benchmarks.measure import CORES, Figure, seconds
from benchmarks.recordings import simulated, write_many
from cpep.data.store.prepare import prepare

FILES, USERS, FILE_S, ROUNDS = 144, 12, 60.0, 3


def read_once(path: Path) -> int:
    """Read a file."""
    with h5py.File(path) as file:
        return len(file["emg2pose/timeseries"][...])


def read_all(folder: Path) -> None:
    """Read every file of a folder, on all cores."""
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        assert min(pool.imap_unordered(read_once, folder.glob("*.hdf5"))) == FILE_S * 2000


def figures() -> list[Figure]:
    """Return a ratio for either kind of files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording, found = simulated(folder / "cohort"), []
        for title, compression, bound in (("lzf", "lzf", 0.4), ("uncompressed, in the page cache", None, 0.15)):
            raw, out, pairs = folder / "raw", folder / "store", []
            size = write_many(raw, recording, FILES, FILE_S, users=USERS, compression=compression) / 1e6
            for _ in range(ROUNDS):
                pairs.append((seconds(partial(prepare, raw, out, workers=CORES)), seconds(partial(read_all, raw))))
                shutil.rmtree(out)
            shutil.rmtree(raw)
            ours_s, read_s = (median(column) for column in zip(*pairs, strict=True))
            ratio = median(read / ours for ours, read in pairs)
            found.append(Figure(f"prepare from HDF5, {title}, MB/s", size / ours_s, size / read_s, ratio, 0.7, bound))
    return found
