"""A stream of 16 channels at 2 kHz on one core, with the shipped checkpoint, hops of 50 ms and 10,000 poses.

First the command: the processor time of ``cpep stream`` over a recording of five minutes, its start included. Then,
in this process, the time from the last sample of a hop to the recogniser's answer, in chunks of 20 ms as a device
sends them. Beside it is one step of an LDA pipeline as LibEMG has it (Hudgins' features of the newest window of
200 ms, LDA, rejection, majority vote of five), written here with scikit-learn's LDA because LibEMG needs another
NumPy. Times of steps are processor time: other programs take the core away for many times as long as a step.
"""

import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.measure import Figure, processor_s
from benchmarks.recordings import simulated
from cpep.checkpoints.checkpoint import load
from cpep.data.readers.emg2pose import write_recording
from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Entry
from cpep.live.demo import demo_paths
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk
from cpep.live.sources.registry import open_source
from cpep.live.stream import EmgStream, on_one_core
from cpep.types import FloatArray

RATE, CHANNELS, POSES = 2000, 16, 10_000
MADE_S, TIMES, SECONDS = 60.0, 5, 300.0
CHUNK, HOP = RATE // 50, RATE // 20
WARM, HOPS = 40, 2000
WINDOW, VOTES, REJECTED, CLASSES = 400, 5, 0.9, 9
P50_MS, P99_MS = 2.0, 4.0


def made_emg() -> FloatArray:
    """Return EMG of the simulated arm, (T, C)."""
    source, parts, samples = open_source("sim", 0), [], 0
    for chunk in source.chunks():
        parts.append(chunk.emg_TC)
        samples += len(chunk.emg_TC)
        if samples >= MADE_S * RATE:
            break
    source.close()
    return np.concatenate(parts)[: round(MADE_S * RATE)]


def large_book(model) -> GestureBook:
    """Return the shipped book with more poses: those that it has, each a little moved."""
    book, rng = GestureBook.load(demo_paths()[1], model), np.random.default_rng(0)

    def more(entry: Entry) -> Entry:
        at = rng.integers(len(entry.vector_GD), size=-(-POSES // len(book.entries)))
        noise = 0.05 / np.sqrt(entry.vector_GD.shape[1]) * rng.normal(size=(len(at), entry.vector_GD.shape[1]))
        return Entry(entry.name, unit_rows(entry.vector_GD[at] + noise), entry.pose_GJ[at])

    book.entries = tuple(more(entry) for entry in book.entries)
    book._settle()  # once, where `add` would nine times
    return book


def write_long(folder: Path, emg_TC: FloatArray) -> Path:
    """Write the recording of ``SECONDS``, with angles and labels that nobody reads; return its file."""
    recording, path = simulated(folder / "raw"), folder / "long.hdf5"
    frames = round(SECONDS * recording.anchor_rate)
    lengths = {"label_T": TIMES * len(emg_TC), "anchor_SJ": frames, "valid_S": frames}
    arrays = {
        name: np.resize(getattr(recording, name), (n, *getattr(recording, name).shape[1:]))
        for name, n in lengths.items()
    }
    long = replace(recording, emg_TC=np.tile(emg_TC, (TIMES, 1)), **arrays, prompt_T=None, repetition_T=None)
    write_recording(path, long, start=0.0, simulated=True)
    return path


def command_s(folder: Path, emg_TC: FloatArray, book: GestureBook) -> float:
    """Return the processor time of the command over the recording, s."""
    path = write_long(folder, emg_TC)
    book.save(folder / "large.book")
    command = [sys.executable, "-m", "cpep", "stream", str(demo_paths()[0]), "--book", str(folder / "large.book")]
    return min(processor_s([*command, "--source", f"replay:{path}", "--speed", "0"]) for _ in range(2))


class Heard(Observer):
    """Hears what is recognised."""

    def on_step(self, step, state) -> None:
        self.state = state


def recogniser_step(model, book: GestureBook) -> Callable[[FloatArray], None]:
    """Return what the live stream does with a chunk."""
    loop = Loop(EmgStream(model), Recogniser(book), Heard())
    return lambda emg_TC: loop.take(Chunk(emg_TC))


def hudgins(windows_NCT: FloatArray) -> FloatArray:
    """Return LibEMG's group HTD of windows: MAV, ZC, SSC, WL, each by its formula, without thresholds."""
    step_NCT = np.diff(windows_NCT, axis=2)
    crossings_NC = (np.abs(np.diff(np.sign(windows_NCT), axis=2)) == 2).sum(axis=2)
    turns_NC = (step_NCT[:, :, :-1] * -step_NCT[:, :, 1:] >= 0).sum(axis=2)
    return np.hstack([np.abs(windows_NCT).mean(axis=2), crossings_NC, turns_NC, np.abs(step_NCT).sum(axis=2)])


def lda_step(emg_TC: FloatArray) -> Callable[[FloatArray], int]:
    """Return one step of the LDA pipeline, fitted on windows that are each called by some name."""
    starts = range(0, len(emg_TC) - WINDOW, HOP)
    windows_NCT = np.stack([emg_TC[at : at + WINDOW].T for at in starts]).astype(np.float64)
    model = LinearDiscriminantAnalysis().fit(
        hudgins(windows_NCT), np.arange(len(windows_NCT)) * CLASSES // len(starts)
    )
    ring_TC, last = np.zeros((WINDOW, CHANNELS)), deque[int](maxlen=VOTES)

    def step(new_TC: FloatArray) -> int:
        ring_TC[: -len(new_TC)] = ring_TC[len(new_TC) :].copy()
        ring_TC[-len(new_TC) :] = new_TC
        share_1K = model.predict_proba(hudgins(ring_TC.T[None]))
        best = int(share_1K[0].argmax())
        last.append(best if share_1K[0, best] >= REJECTED else -1)
        names, counts = np.unique(list(last), return_counts=True)
        return int(names[counts.argmax()])

    return step


def times_ms(step: Callable[[FloatArray], object], emg_TC: FloatArray, chunk: int) -> FloatArray:
    """Return the processor time of the chunk that ends each hop, ms."""
    found = []
    for at in range(0, (WARM + HOPS) * HOP, chunk):
        part_TC = np.ascontiguousarray(emg_TC[at % (len(emg_TC) - chunk) :][:chunk])
        begun = time.process_time()
        step(part_TC)
        if (at + chunk) // HOP > at // HOP:
            found.append(1000 * (time.process_time() - begun))
    return np.array(found[WARM:])


def figures() -> list[Figure]:
    """Return the pace of the command, and the latency of a step."""
    on_one_core()
    model, emg_TC = load(demo_paths()[0]), made_emg()
    book = large_book(model)
    with tempfile.TemporaryDirectory() as name:
        whole_s = command_s(Path(name), emg_TC, book)
    ours, theirs = times_ms(recogniser_step(model, book), emg_TC, CHUNK), times_ms(lda_step(emg_TC), emg_TC, HOP)
    (p50, p99), (lda50, lda99) = (np.quantile(times, (0.5, 0.99)).tolist() for times in (ours, theirs))
    pace = SECONDS / whole_s
    return [
        Figure("cpep stream, s of recording a second of one core", pace, 1.0, pace, 25.0, 15.0),
        Figure("last sample to answer, median, beside 2 ms", p50, P50_MS, P50_MS / p50, 1.0, 0.5),
        Figure("last sample to answer, 99 %, beside 4 ms", p99, P99_MS, P99_MS / p99, 1.0, 0.4),
        Figure("last sample to answer, median, beside an LDA pipeline, ms", p50, lda50, lda50 / p50, 0.1, 0.05),
        Figure("last sample to answer, 99 %, beside an LDA pipeline, ms", p99, lda99, lda99 / p99, 0.1, 0.05),
    ]
