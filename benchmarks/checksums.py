"""What checksums cost: steps that read blocks for the first time, later steps, `prepare`, and a store that opens.

Windows of 1 s of 16 channels at 2 kHz in batches of 256, on one thread, all files in the page cache, as a disk would
hide the work. The step trains a masked autoencoder of raw samples at half the width of benchmark ``training``. A run
reads each block for the first time once, so that the first figure is the worst that a step can pay.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, beside, seconds
from benchmarks.recordings import simulated, write_many
from benchmarks.training import own_step
from cpep.data.store import checks
from cpep.data.store.bins import bins_of
from cpep.data.store.checked_rows import CheckedRows
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store, open_store
from cpep.data.windows import SampleReader, Windows, list_windows
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.mae import MaskedAutoencoder
from cpep.runtime.sums import of_blocks

FILES, USERS, FILE_S, BATCH, BIN = 24, 4, 60.0, 256, 80
WANTED, BOUND = 0.97, 0.9
PREPARED = 0.95


def first_reads(rows: CheckedRows, windows: list[Windows], first_of, length: int) -> tuple[float, float]:
    """Return the mean time of a batch's check while blocks are new, and when all were read, s."""
    fresh = CheckedRows(rows.unchecked, rows.first_E, rows.block, rows.sum_K)

    def once() -> float:
        return sum(seconds(lambda one=one: fresh.check(first_of(one), length), time.process_time) for one in windows)

    return once() / len(windows), once() / len(windows)


def mae_step(read: SampleReader, windows: Windows):
    """Return a training step on the windows that a reader reads."""
    encoder = PatchEncoder(columns=16, steps=2000, token_steps=40, width=128, depth=4, heads=4, dropout=0.0)
    mae = MaskedAutoencoder(encoder, 0.5, 1, 4)
    return own_step(mae, lambda: mae(read(windows)))


def costs(store: Store) -> list[Figure]:
    """Return the figures of reading."""
    windows, rng = list_windows(store, 1.0, 0.25), np.random.default_rng(0)
    batches = [windows.select(rng.integers(len(windows), size=BATCH)) for _ in range(4)]
    bins = bins_of(store, BIN)
    start_E = np.array([entry.start for entry in store.entries])

    def first_bin(one: Windows) -> np.ndarray:
        return bins.checked.first_E[one.entry_N] + (one.start_N - start_E[one.entry_N]) // bins.frames

    raw = first_reads(store.emg_TC, batches, lambda one: one.start_N * store.ratio, 2000)
    binned = first_reads(bins.checked, batches, first_bin, windows.frames // bins.frames)
    step = mae_step(SampleReader(store, windows.frames, None), batches[0])
    step_s, _, _ = beside(step, lambda: None, rounds=5, clock=time.process_time)
    names = [f"{when} of {what}" for what in ("raw samples", "bins") for when in ("first reads", "later reads")]
    return [
        Figure(
            f"step without over with checks, {name}, ms", 1e3 * s, 1e3 * step_s, step_s / (step_s + s), WANTED, BOUND
        )
        for name, s in zip(names, (*raw, *binned), strict=True)
    ]


def figures() -> list[Figure]:
    """Return the cost of checks in steps, in `prepare` and where a store is opened."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = simulated(folder / "cohort")
        write_many(folder / "raw", recording, FILES, FILE_S, users=USERS, compression="lzf")
        prepare_s = seconds(lambda: prepare(folder / "raw", folder / "store"), time.process_time)
        store = open_store(folder / "store")
        assert store.anchor_MJ is not None
        rows = [(array.unchecked, array.block) for array in (store.emg_TC, store.anchor_MJ)]
        sums_s = seconds(lambda: [of_blocks(*one) for one in rows], time.process_time)
        found = checks.read(folder / "store")
        assert found is not None
        sums_s += seconds(lambda: checks.write(folder / "store", found.blocks), time.process_time)
        open_s = seconds(lambda: open_store(folder / "store"), time.process_time)
        return [
            Figure("prepare from lzf without over with sums, ms", 1e3 * sums_s, 1e3 * prepare_s,
                   1 - sums_s / prepare_s, PREPARED, BOUND),
            Figure("recorded time over time to open and check a store", open_s, store.seconds, store.seconds / open_s,
                   1e4, 1e3),
            *costs(store),
        ]  # fmt: skip
