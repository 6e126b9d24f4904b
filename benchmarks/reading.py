"""Steps of training on raw windows: recordings of mixed sizes beside equal ones, and a cold page cache beside a warm.

Two stores of the same length: one recording of an hour and 200 of 20 s, and 38 of 200 s. Steps on them take turns in
one process, in processor time. Then the mixed store leaves the page cache, and steps are taken by the clock, with the
reads of the training thread that wait for the disk; the same steps again, warm, are the reference.
"""

import ctypes
import mmap
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.measure import Figure
from benchmarks.recordings import of_length, simulated
from cpep.checkpoints.checkpoint import Model
from cpep.config.presets import preset
from cpep.config.schema import RunConfig
from cpep.data.readers.emg2pose import MetadataRow, write_metadata, write_recording
from cpep.data.recording import Recording
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store
from cpep.runtime import memory
from cpep.runtime.distributed import Steps
from cpep.train.loop import optimiser_of, train_step
from cpep.train.stage import STAGES
from cpep.train.task import Task, build_model

MIXED_S, EQUAL_S = (3600.0, *[20.0] * 200), (200.0,) * 38
USERS, STEPS = 10, 24
CONFIG: RunConfig = preset(
    "paper",
    ["data.window_s=1", "emg.width=64", "emg.depth=2", "emg.heads=4", "emg_mae.optim.batch=64", "device=cpu"],
)


def written(folder: Path, recording: Recording, lengths_s: tuple[float, ...]) -> Store:
    """Prepare a recording, repeated or cut to each length; recordings of one length are links to one file."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rows, first = [], {}
    for k, length in enumerate(lengths_s):
        name, user = f"{k:03d}", f"user_{k % USERS}"
        if (user, length) in first:
            os.link(first[user, length], raw / f"{name}.hdf5")
        else:
            first[user, length] = raw / f"{name}.hdf5"
            one = of_length(replace(recording, name=name, user=user), length)
            write_recording(raw / f"{name}.hdf5", one, start=0.0, simulated=True, compression=None)
        role = {1: "val", 2: "test"}.get(k % USERS, "train")
        rows.append(MetadataRow(user, "s0", "x", "right", split=role, filename=name))
    write_metadata(raw, rows)
    return prepare(raw, folder / "store")


def steps_of(store: Store, folder: Path) -> Callable[[int], float]:
    """Return a function that takes a step of the EMG autoencoder, as a training takes it, and returns its loss."""
    [split] = make_splits(store, unseen=store.vocabulary[-2:])
    task, stage = Task(store, split, CONFIG, 0, folder), STAGES.get("emg_mae")
    model: Model = build_model(task, stage.model)
    lesson, optim = stage.lesson(task, model, {}), CONFIG.emg_mae.optim
    optimiser, together = optimiser_of(lesson.trained.net, optim), Steps()
    return lambda step: train_step(lesson.trained.net, lesson.loss_at, optimiser, optim, 0, step, 1e-4, together)


def evict(store: Store) -> float:
    """Let the EMG of a store leave the page cache, and return the share of it that is still there."""
    held = store.emg_TC._map
    assert held is not None, "it is mapped"
    held.madvise(mmap.MADV_DONTNEED)  # pages that a process holds stay
    with (store.path / "emg.npy").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as found:
            pages = -(-len(found) // mmap.PAGESIZE)
            there = (ctypes.c_ubyte * pages)()
            start = ctypes.addressof(ctypes.c_char.from_buffer(found))
            if ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(found)), there):
                raise OSError(ctypes.get_errno(), "mincore")
            return sum(one & 1 for one in there) / pages


@contextmanager
def waits_counted() -> Iterator[Callable[[], int]]:
    """Try every read of a store without waiting first; the function that is given says how many had to wait.

    Page faults that wait for the disk count, too.
    """
    waited, read = 0, os.preadv

    def preadv(file: int, into: list[memoryview], first: int) -> int:
        nonlocal waited
        try:
            return read(file, into, first, os.RWF_NOWAIT)
        except BlockingIOError:
            waited += 1
            return read(file, into, first)

    os.preadv = preadv  # type: ignore[assignment]
    try:
        yield lambda: waited + resource.getrusage(resource.RUSAGE_THREAD).ru_majflt
    finally:
        os.preadv = read


def timed(step: Callable[[int], float], numbers: range, waited: Callable[[], int]) -> tuple[list[float], list[int]]:
    """Take steps; return what each took by the clock, s, and how often it waited for the disk."""
    seconds, waits = [], []
    for number in numbers:
        before, begun = waited(), time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - begun)
        waits.append(waited() - before)
    return seconds, waits


def figures() -> list[Figure]:
    """Return steps on mixed sizes beside equal ones, and waits for the disk and time of cold steps."""
    torch.set_num_threads(1)
    Path("runs").mkdir(exist_ok=True)  # on a disk: the folder of temporary files may be in memory
    with tempfile.TemporaryDirectory(dir="runs") as name, memory.kept():
        place = Path(name)
        recording = simulated(place / "cohort")
        stores = [written(place / kind, recording, s) for kind, s in (("mixed", MIXED_S), ("equal", EQUAL_S))]
        steps = [steps_of(store, place / str(k)) for k, store in enumerate(stores)]
        used: list[list[float]] = [[], []]
        for number in range(STEPS):
            for step, times in zip(steps, used, strict=True):
                begun = time.process_time()
                step(number)
                times.append(time.process_time() - begun)
        mixed, equal = (1 / statistics.median(times[2:]) for times in used)
        step = steps[0]
        left = evict(stores[0])
        step(STEPS)  # asks for the next one
        with waits_counted() as waited:
            cold, waits = timed(step, range(STEPS + 1, 2 * STEPS), waited)
            warm, _ = timed(step, range(STEPS + 1, 2 * STEPS), waited)
    print(f"reading: {left:.1%} of the store was in the page cache; waits of cold steps: {waits}")
    print(f"reading: longest step, cold {1e3 * max(cold):.0f} ms, warm {1e3 * max(warm):.0f} ms")
    clean, cold_s, warm_s = waits.count(0), statistics.median(cold), statistics.median(warm)
    return [
        Figure("steps a second on recordings of mixed sizes, beside equal", mixed, equal, mixed / equal, 0.95, 0.85),
        Figure("cold steps without a wait for the disk", clean, len(waits), clean / len(waits), 1.0, 0.7),
        Figure("a step with a cold page cache, beside warm, s", cold_s, warm_s, warm_s / cold_s, 0.95, 0.5),
    ]
