"""Processor time from the last sample to the answer: the live stream and exported graphs, beside vemg2pose.

Windows of 1 s at 2 kHz with 16 channels, hops of 50 ms, a gesture book of 10,000 poses. The live stream computes the
newest bin alone, and its network by NumPy; a graph computes the bins of its whole window. vemg2pose is its forward
pass on the same window, of which the first 0.9 s are context, and needs no book.

python benchmarks/live.py [CHECKPOINT]     a checkpoint of such a device; without one the small preset, untrained
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import itertools
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from cpep.checkpoints.card import Card, encoder_arguments
from cpep.checkpoints.checkpoint import Model, load
from cpep.config.presets import preset
from cpep.config.serialise import as_dict
from cpep.data.frontend import Frontend
from cpep.data.recording import Device
from cpep.evaluate.knn import unit_rows
from cpep.export.folder import FLOAT, INT8, write_export
from cpep.export.graph import graph_of
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Entry
from cpep.live.recogniser import Recogniser
from cpep.live.signals import State, StreamStep
from cpep.live.stream import EmgStream
from cpep.models.baselines.emg2pose import Emg2Pose
from cpep.models.encoder import ENCODERS

RATE, CHANNELS, JOINTS, WINDOW_S, HOP_S, FRAME_RATE = 2000, 16, 20, 1.0, 0.05, 100.0
WINDOW, HOP = round(RATE * WINDOW_S), round(RATE * HOP_S)
POSES, ENTRIES = 10_000, 50
WIDE = ("emg.tokens=patch", "emg.token_ms=50", "emg.width=256", "emg.heads=8", "pose.width=256", "pose.heads=8")
WARM, BLOCK, BLOCKS = 40, 50, 16

Answer = Callable[[np.ndarray], object]
"""From a hop of EMG (HOP, CHANNELS) to what the recogniser says."""


def untrained(*settings: str) -> Model:
    """Return an aligned pair with random weights for this device."""
    config = preset("small", [f"data.window_s={WINDOW_S}", *settings])
    energy = ENCODERS.get(config.emg.tokens).reads_bins
    frontend = {
        "channels": CHANNELS,
        "rate": float(RATE),
        "emg_kind": "raw",
        "bin_samples": round(config.emg.bin_ms * RATE / 1000) if energy else 0,
        "rates": energy and config.emg.rates,
        "normalisation": config.data.normalisation.value,
    }
    steps, frames = WINDOW // (frontend["bin_samples"] or 1), round(WINDOW_S * FRAME_RATE)
    columns = Frontend(**frontend).columns
    torch.manual_seed(0)
    card = Card(
        kind="cpep",
        encoders={
            "emg": encoder_arguments(config.emg, columns, steps, steps / WINDOW_S),
            "pose": encoder_arguments(config.pose, JOINTS, frames, FRAME_RATE),
        },
        frontend=frontend,
        regressor={},
        device=Device(CHANNELS, float(RATE), "raw", "noise_sd", anchor_names=tuple(map(str, range(JOINTS)))),
        frame_rate=FRAME_RATE,
        window_s=WINDOW_S,
        vocabulary=(),
        split={},
        config=as_dict(config),
        provenance={},
    )
    return Model(card).eval()


def book_of(model: Model) -> GestureBook:
    """Return a book of made-up vectors."""
    rng, width = np.random.default_rng(0), model.card.encoders["pose"]["width"]
    vector_EKD = unit_rows(rng.normal(size=(ENTRIES, POSES // ENTRIES, width)))
    book = GestureBook(model)
    book.entries = tuple(
        Entry(f"{n}", vector_KD, np.zeros((len(vector_KD), 0))) for n, vector_KD in enumerate(vector_EKD)
    )
    book._settle()  # once, where `add` would fifty times
    return book


def live(model: Model, recogniser: Recogniser) -> Answer:
    """The live stream."""
    stream = EmgStream(model, HOP_S)

    def answer(emg_TC: np.ndarray) -> list[State]:
        return [recogniser.step(step) for step in stream.push(emg_TC)]

    return answer


def exported(model: Model, recogniser: Recogniser, path: Path) -> Answer:
    """An exported graph, called as its runner does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    beside = graph_of(model).beginning(1)
    window, samples = np.zeros((1, WINDOW, CHANNELS), np.float32), itertools.count(HOP, HOP)

    def answer(emg_TC: np.ndarray) -> State:
        window[0, :-HOP] = window[0, HOP:].copy()
        window[0, -HOP:] = emg_TC
        embedding, *after = session.run(None, {"emg": window, **beside})
        beside.update(zip(beside, after, strict=False))
        sample = next(samples)
        return recogniser.step(StreamStep(sample, sample / RATE, embedding[0], energy=0.0))

    return answer


def vemg2pose() -> Answer:
    """The forward pass of the velocity model of the emg2pose benchmark, at its full size."""
    torch.manual_seed(0)
    net = Emg2Pose(CHANNELS, float(RATE), WINDOW, JOINTS, "velocity").eval()
    window = torch.zeros(1, WINDOW, CHANNELS)

    @torch.no_grad()
    def answer(emg_TC: np.ndarray) -> np.ndarray:
        window[:, :-HOP] = window[:, HOP:].clone()
        window[0, -HOP:] = torch.from_numpy(emg_TC)
        return net(window)[0, -1].numpy()

    return answer


def timed(answers: dict[str, Answer]) -> dict[str, np.ndarray]:
    """Return the processor time of every hop, ms; all take turns, so that other work slows all alike."""
    rng = np.random.default_rng(0)
    hops = rng.normal(size=(BLOCK, HOP, CHANNELS)).astype(np.float32)
    found: dict[str, list[float]] = {name: [] for name in answers}
    for answer in answers.values():
        for hop in hops[:WARM]:
            answer(hop)
    for _ in range(BLOCKS):
        for name, answer in answers.items():
            for hop in hops:
                start = time.process_time()
                answer(hop)
                found[name].append(1000 * (time.process_time() - start))
    return {name: np.array(times) for name, times in found.items()}


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{cpu}, one thread, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"


def main(checkpoint: str = "") -> None:
    torch.set_num_threads(1)
    models = {
        "small": load(checkpoint) if checkpoint else untrained("data.normalisation=causal"),
        "width 256, raw patches of 50 ms": untrained("data.normalisation=none", *WIDE),
    }
    answers: dict[str, Answer] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for index, (name, model) in enumerate(models.items()):
            folder = Path(scratch) / str(index)
            write_export(folder, model, None)
            book = book_of(model)
            answers[f"{name}: live stream"] = live(model, Recogniser(book))
            answers[f"{name}: ONNX float32"] = exported(model, Recogniser(book), folder / FLOAT)
            answers[f"{name}: ONNX int8"] = exported(model, Recogniser(book), folder / INT8)
        answers["vemg2pose: eager torch"] = vemg2pose()
    found = timed(answers)
    reference = np.median(found["vemg2pose: eager torch"])
    print(f"{machine()}; {BLOCK * BLOCKS} hops each, ms from last sample to answer")
    print(f"{'':<48}{'p50':>8}{'p99':>8}{'vemg2pose / p50':>18}")
    for name, times in found.items():
        half, most = np.percentile(times, [50, 99])
        print(f"{name:<48}{half:>8.2f}{most:>8.2f}{reference / half:>18.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
