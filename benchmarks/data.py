"""Windows of 2 s, 16 channels at 2 kHz, in batches of 256, all files in the page cache.

From the prepared store by ``SampleReader``; beside a copy of as many bytes that lie together in the same map; and
beside h5py on gzip files, which are kept open, each window a slice of the compound data set, as the loader of
emg2pose reads. A batch takes 66 MB. In memory that is new from the system both copies would take six times as long as
in memory that the process keeps, as it does in training, and any difference would be hidden.
"""

import tempfile
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import torch

from benchmarks.measure import Figure, beside, seconds
from benchmarks.recordings import simulated, write_many
from cpep.data.readers.folder import find_recordings
from cpep.data.store.prepare import prepare
from cpep.data.windows import SampleReader, list_windows
from cpep.runtime import memory

FILES, USERS, FILE_S, WINDOW_S, BATCH = 24, 4, 60.0, 2.0, 256


def figures() -> list[Figure]:
    """Return both ratios."""
    with memory.kept(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = simulated(folder / "cohort")
        write_many(folder / "raw", recording, FILES, FILE_S, users=USERS, compression="gzip")
        store = prepare(folder / "raw", folder / "store")
        windows = list_windows(store, WINDOW_S, 0.05)
        read = SampleReader(store, windows.frames, None)
        rng = np.random.default_rng(0)
        flat_TC = torch.from_numpy(store.emg_TC[:])
        samples = windows.frames * store.ratio
        files = [h5py.File(source.path)["emg2pose/timeseries"] for source in find_recordings(folder / "raw")]

        def ours() -> torch.Tensor:
            return read(windows.select(rng.integers(len(windows), size=BATCH)))

        def copy() -> torch.Tensor:
            first = rng.integers(len(flat_TC) - BATCH * samples)
            return flat_TC[first : first + BATCH * samples].clone()

        def gzip() -> np.ndarray:
            first_B = rng.integers(round(FILE_S * 2000) - samples, size=BATCH)
            picks = zip(rng.integers(FILES, size=BATCH), first_B, strict=True)
            return np.stack([files[file][first : first + samples]["emg"] for file, first in picks])

        store_s, copy_s, to_copy = beside(ours, copy, rounds=61, warm=5)
        gzip_s = median(seconds(gzip) for _ in range(5))  # not in turn: what it leaves of the heap would slow ours
    return [
        Figure("windows from the store over memcpy, windows/s", BATCH / store_s, BATCH / copy_s, to_copy, 0.95, 0.5),
        Figure(
            "windows from the store over h5py of gzip, windows/s",
            BATCH / store_s,
            BATCH / gzip_s,
            gzip_s / store_s,
            100,
            30,
        ),
    ]
