"""Compares the embeddings of an exported graph with those of its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_anchor, embed_emg
from cpep.config.schema import EvaluateConfig
from cpep.data.frontend import Frontend
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.windows import SampleReader, Windows, list_windows
from cpep.evaluate.knn import knn_vote, unit_rows
from cpep.export.folder import FLOAT, INT8
from cpep.export.graph import Calibrated, graph_of, repeated
from cpep.types import EmbeddingSet, FloatArray, IntArray, UserError

LOWEST_FLOAT = 0.9999
"""Smallest cosine of any window that a float32 graph must reach."""

MEAN_INT8, SAME_INT8, ACCURACY_INT8 = 0.999, 0.97, 0.01
"""Limits for the int8 graph: least mean cosine, least share of equal answers, largest difference of accuracy."""

MOST_WINDOWS, HOP_S = 1000, 0.25
"""How many windows are compared at most, and the hop of the windows of a store, seconds."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Windows, and the checkpoint's embeddings of them.

    Attributes:
        emg_NTC: EMG in the device's unit.
        beside: the graph's other inputs for the windows.
        x: the checkpoint's embeddings (N, D) or (N, Q, D).
        label_N: gestures of the windows; empty with noise.
        gallery: poses of training people, which name the windows; none with noise, or where the model has no pose
            encoder.
    """

    emg_NTC: FloatArray
    beside: dict[str, FloatArray]
    x: FloatArray
    label_N: IntArray
    gallery: EmbeddingSet | None


@dataclass(frozen=True)
class Likeness:
    """How close a graph is to the checkpoint.

    Attributes:
        lowest: smallest cosine of an embedding to the checkpoint's.
        mean: mean of these cosines.
        same: share of windows with the same zero-shot answer; none without a gallery.
        accuracy: share of right zero-shot answers; none without a gallery.
        wanted: the checkpoint's accuracy; none without a gallery.
    """

    lowest: float
    mean: float
    same: float | None
    accuracy: float | None
    wanted: float | None


def noise(model: Model, count: int = 64, seed: int = 0) -> Sample:
    """Return windows of noise; each channel of each window is the training people's level times a random factor."""
    graph, frontend, device = graph_of(model), model.emg_frontend, model.card.device
    rng, samples = np.random.default_rng(seed), model.card.samples
    loud_N1C = rng.lognormal(0, 1, (count, 1, device.channels))
    emg_NTC = rng.normal(size=(count, samples, device.channels)) * loud_N1C * frontend.level_C.numpy()
    emg_NTC = (np.abs(emg_NTC) if device.emg_kind == "envelope" else emg_NTC).astype(np.float32)
    before, (samples, after) = repeated(frontend.typical(), count), graph.first(emg_NTC)
    with torch.no_grad():
        x = model.embed_signal(frontend.signal(torch.from_numpy(emg_NTC), after)).numpy()
    return Sample(emg_NTC, graph.start(before, np.full(count, samples)), x, np.zeros(0, np.int64), None)


def held_out(model: Model, store: Store, split: Split) -> Sample:
    """Return windows of test people's gestures as offline evaluation embeds them, and training people's gallery.

    Raises:
        UserError: the store is of another device, or has no such window.
    """
    model.card.refuse_other(store)
    graph = graph_of(model)
    every = list_windows(store, model.card.window_s, HOP_S)
    labels = split.seen + split.unseen
    windows = _on_bins(model.emg_frontend, store, split.evaluated(store, every, "test", labels))
    shown = split.evaluated(store, every, "train", labels)
    for users, some in ((split.users_test, windows), (split.users_train, shown)):
        if not len(some):
            raise UserError(f"{store.path} has no labelled window of users {', '.join(users)} to check with")
    windows = windows.select(np.unique(np.linspace(0, len(windows) - 1, MOST_WINDOWS).astype(int)))
    gallery = None
    if model.spec.reads_anchor:
        gallery = embed_anchor(model, store, shown)
    emg_NTC = SampleReader(store, windows.frames, None)(windows).numpy()
    x = embed_emg(model, store, windows).x_ND
    return Sample(emg_NTC, _beside(graph, store, windows), x, windows.label_N, gallery)


def _on_bins(frontend: Frontend, store: Store, windows: Windows) -> Windows:
    """Return the windows that begin at the start of a bin of their recording, as the windows of a stream do."""
    first_N = np.array([entry.start for entry in store.entries])[windows.entry_N]
    frames = max(1, frontend.bin_samples // store.ratio)
    return windows.select((windows.start_N - first_N) % frames == 0)


def _beside(graph: Calibrated, store: Store, windows: Windows) -> dict[str, FloatArray]:
    """Return the graph's other inputs for windows of a store."""
    first_N = np.array([entry.start for entry in store.entries])[windows.entry_N]
    before_N = windows.start_N + windows.frames - graph.taken // store.ratio
    standard = graph.model.emg_frontend.normaliser(store).of(windows.entry_N, before_N)
    return graph.start(standard, (before_N - first_N) * store.ratio)


def parity(folder: Path, sample: Sample) -> dict[str, Likeness]:
    """Compare both graphs of an exported folder with the checkpoint; the keys are the names of their files."""
    return {name: _likeness(embedded(folder / name, sample), sample) for name in (FLOAT, INT8)}


def embedded(path: Path, sample: Sample) -> FloatArray:
    """Return a graph's embeddings of a sample, one window a call: int8 activations are scaled call by call."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    found = []
    for n in range(len(sample.emg_NTC)):
        inputs = {"emg": sample.emg_NTC[n : n + 1], **{name: v[n : n + 1] for name, v in sample.beside.items()}}
        found.append(session.run(["embedding"], inputs)[0])
    return np.concatenate(found)


def _likeness(found: FloatArray, sample: Sample) -> Likeness:
    cosine = (unit_rows(found) * unit_rows(sample.x)).sum(axis=-1)
    lowest, mean = float(cosine.min()), float(cosine.mean())
    if sample.gallery is None:
        return Likeness(lowest, mean, None, None, None)
    poses, neighbours = sample.gallery, EvaluateConfig().neighbours
    mine, wanted = (knn_vote(x, poses.x_ND, poses.label_N, neighbours) for x in (found, sample.x))
    right = [float((answer == sample.label_N).mean()) for answer in (mine, wanted)]
    return Likeness(lowest, mean, float((mine == wanted).mean()), *right)


def judged(found: dict[str, Likeness]) -> str:
    """Return one line for each graph on how close it is to the checkpoint, and one on the limits that int8 misses.

    Raises:
        UserError: the float32 graph differs from the checkpoint.
    """
    if not found[FLOAT].lowest >= LOWEST_FLOAT:
        raise UserError(
            f"{FLOAT} differs from the checkpoint: cosine {found[FLOAT].lowest:.5f} where {LOWEST_FLOAT} is the "
            "least allowed; nothing was written; please report this with the checkpoint's config.json"
        )
    missed = _missed(found[INT8])
    lines = [f"{name:<16} {_line(like)}" for name, like in found.items()]
    return "\n".join([*lines, *([f"{INT8} misses {', '.join(missed)}: use {FLOAT}"] if missed else [])])


def _missed(like: Likeness) -> list[str]:
    missed = [] if like.mean >= MEAN_INT8 else [f"a mean cosine of {MEAN_INT8}"]
    if like.same is not None and like.same < SAME_INT8:
        missed.append(f"the same answer on {SAME_INT8:.0%} of windows")
    if like.accuracy is not None and like.wanted is not None and abs(like.accuracy - like.wanted) > ACCURACY_INT8:
        missed.append(f"an accuracy within {ACCURACY_INT8:g}")
    return missed


def _line(like: Likeness) -> str:
    text = f"cosine {like.mean:.6f} on average, {like.lowest:.6f} at the lowest"
    if like.same is None:
        return text
    return f"{text}; same answer on {like.same:.1%} of windows, accuracy {like.accuracy:.3f} ({like.wanted:.3f})"
