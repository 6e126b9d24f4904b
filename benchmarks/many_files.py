"""25,253 recordings, as many as emg2pose has: what grows with their number, and what with their size.

python benchmarks/many_files.py [FOLDER]     by hand: some minutes, 4 GB below FOLDER (runs/many_files), removed again

1. As many small files (hard links of 193, one of each user, each with a name and a row of metadata.csv of its own)
   are prepared: the cost of a file. 2. Files of a minute are prepared: the cost of a byte. Both together, what the
   real data cost: in CPU time, which does not depend on what else the machine does. 3. A store of the real size, 421
   hours in sparse files, is opened, listed and split: nothing may be quadratic.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import CORES
from benchmarks.recordings import simulated, write_many
from cpep.data.readers.folder import STORE_INDEX, find_recordings
from cpep.data.recording import Recording
from cpep.data.store.prepare import prepare
from cpep.data.store.store import open_store

FILES, USERS = 25_253, 193
SHORT_S, LONG_S, LONG_FILES, LONG_USERS = 0.5, 60.0, 100, 20
REAL_BYTES = 462.8e9


def stretch(store: Path, out: Path, frames: int) -> None:
    """Write a store of as many recordings, each that long, in files that take no space."""
    index = json.loads((store / STORE_INDEX).read_text())
    entries, blocks = [dict(zip(index["entry_fields"], row, strict=True)) for row in index["entries"]], frames // 25
    for k, entry in enumerate(entries):
        entry |= {"start": k * frames, "frames": frames, "power_start": k * blocks, "power_blocks": blocks}
        entries[k] = entry
    out.mkdir()
    rows = [list(entry.values()) for entry in entries]
    (out / STORE_INDEX).write_text(json.dumps(index | {"entries": rows, "version": 3}))  # which has no checksums
    per_entry = {"emg": frames * index["ratio"], "power": blocks}
    for path in store.glob("*.npy"):
        like = np.load(path, mmap_mode="r")
        rows = len(entries) * per_entry.get(path.stem, frames)
        header = {"descr": like.dtype.str, "fortran_order": False, "shape": (rows, *like.shape[1:])}
        with (out / path.name).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + rows * like[:1].nbytes)


def peak_mib(who: int) -> float:
    """Return the largest memory that this process, or the largest of its children, has taken."""
    return resource.getrusage(who).ru_maxrss / 1024


def cpu_s() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def timed(what: str, call: Callable[[], object]) -> object:
    """Call, and print how long it took and the largest memory so far."""
    begun, cpu = time.perf_counter(), cpu_s()
    result = call()
    took = f"{time.perf_counter() - begun:8.2f} s {cpu_s() - cpu:8.2f} CPU-s"
    print(f"  {what:<40} {took} {peak_mib(resource.RUSAGE_SELF):8.0f} MiB", flush=True)
    return result


def prepare_timed(what: str, folder: Path, out: Path, files: int) -> float:
    """Prepare; print and return the CPU time."""
    cpu, begun = cpu_s(), time.perf_counter()
    timed(what, lambda: prepare(folder, out, workers=CORES))
    took, cpu = time.perf_counter() - begun, cpu_s() - cpu
    print(f"  {files / took:,.1f} files/s as it went; {1000 * cpu / files:.1f} CPU-ms a file")
    return cpu


def count_bound(folder: Path, recording: Recording) -> float:
    """Prepare many small files; return the CPU time of one."""
    write_many(folder / "short", recording, FILES, SHORT_S, users=USERS, compression="lzf")
    out = folder / "short.store"
    print(f"{FILES:,} files of {SHORT_S} s, {CORES} processes; largest memory of this process so far")
    timed("list the folder", lambda: find_recordings(folder / "short"))
    cpu = prepare_timed("prepare", folder / "short", out, FILES)
    children, size = peak_mib(resource.RUSAGE_CHILDREN), (out / STORE_INDEX).stat().st_size
    print(f"  a reading process took at most {children:.0f} MiB; index {size / 1e6:.1f} MB")
    timed("prepare again, nothing to do", lambda: prepare(folder / "short", out, workers=CORES))
    return cpu / FILES


def size_bound(folder: Path, recording: Recording, per_file: float, compression: str | None) -> None:
    """Prepare files of a minute; print what the real data would cost."""
    size = write_many(folder / "long", recording, LONG_FILES, LONG_S, users=LONG_USERS, compression=compression)
    print(f"{LONG_FILES} files of a minute, compression {compression}")
    cpu = prepare_timed("prepare", folder / "long", folder / "long.store", LONG_FILES)
    shutil.rmtree(folder / "long")
    shutil.rmtree(folder / "long.store")
    by_count, by_size = FILES * per_file, REAL_BYTES / size * max(cpu - LONG_FILES * per_file, 0)
    print(
        f"  {size / cpu / 1e6:,.0f} MB a CPU-s; a reading process took at most "
        f"{peak_mib(resource.RUSAGE_CHILDREN):.0f} MiB\n"
        f"  431 GiB in {FILES:,} files on {CORES} idle cores: {by_count / CORES / 60:.1f} min for the files + "
        f"{by_size / CORES / 60:.0f} min for the bytes"
    )


def listing(path: Path) -> None:
    """Open, list and split a store."""
    from cpep.config.schema import DataConfig
    from cpep.data.sampler import Batches
    from cpep.data.splits import make_splits
    from cpep.data.windows import windows_of

    store = timed("open", lambda: open_store(path))
    hours, size = store.seconds / 3600, store.emg_TC.nbytes / 1e9
    print(f"  {len(store.entries):,} recordings, {hours:.0f} h, {size:.0f} GB of EMG")
    [split] = timed("make the split", lambda: make_splits(store, unseen=store.vocabulary[1:5]))
    windows = timed("list windows", lambda: windows_of(store, DataConfig()))
    allowed = timed(f"training windows of {len(windows):,}", lambda: split.allowed(store, windows, "train"))
    timed(f"refuse a leak in {len(allowed):,}", lambda: split.refuse_leak(store, allowed, "train"))
    batches = timed("pools of batches", lambda: Batches(allowed, allowed.users(store), 256, seed=0))
    timed("100 batches", lambda: [batches.at(step) for step in range(100)])


def main(place: Path = Path("runs/many_files")) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        recording = simulated(folder / "cohort")
        per_file = count_bound(folder, recording)
        for compression in ("lzf", None):
            size_bound(folder, recording, per_file, compression)
        stretch(folder / "short.store", folder / "wide.store", frames=6000)
        print("a store of the real size, its files sparse")
        listing(folder / "wide.store")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
