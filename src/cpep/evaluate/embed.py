"""Embeds the windows of a store with a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoint import Model
from cpep.data.store import Store
from cpep.data.windows import PoseReader, Windows
from cpep.models.cpep import Cpep
from cpep.types import EmbeddingSet, FloatArray, Progress, no_progress

BATCH = 256


def emg_reader(model: Model, store: Store) -> Callable[[Windows], Tensor]:
    """Return a function that reads what the EMG encoder takes, as in training.

    Raises:
        UserError: the store is of another device, or the model has no EMG encoder.
    """
    model.card.refuse_other(store)
    frontend, _ = model.emg_side()
    return frontend.reader(store, round(model.card.window_s * store.frame_rate))


def embedding_set(store: Store, windows: Windows, x_ND: FloatArray) -> EmbeddingSet:
    """Attach labels, users, recordings and times to vectors of windows."""
    names = np.array([entry.name for entry in store.entries], dtype=np.str_)
    first = np.array([entry.start for entry in store.entries])[windows.entry_N]
    return EmbeddingSet(
        x_ND=x_ND,
        label_N=windows.label_N,
        user_N=windows.users(store),
        recording_N=names[windows.entry_N],
        time_N=(windows.start_N - first) / store.frame_rate,
    )


def in_batches(windows: Windows, call: Callable[[Windows], Tensor], progress: Progress = no_progress) -> FloatArray:
    """Apply ``call`` to batches of windows and stack what it returns."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(windows), BATCH):
            progress(start, len(windows))
            parts.append(call(windows.select(np.arange(start, min(start + BATCH, len(windows))))).numpy())
    progress(len(windows), len(windows))
    return np.concatenate(parts)


def embed_emg(model: Model, store: Store, windows: Windows, progress: Progress = no_progress) -> EmbeddingSet:
    """Embed the EMG of windows: L2-normalised for an aligned model, [CLS] for a masked autoencoder."""
    read, net = emg_reader(model, store), model.net
    embed = net.embed_emg if isinstance(net, Cpep) else net
    return embedding_set(store, windows, in_batches(windows, lambda w: embed(read(w)), progress))


def pooled_emg(model: Model, store: Store, windows: Windows) -> EmbeddingSet:
    """Return [CLS] and mean token of the EMG encoder, before any projection, for a linear probe."""
    read, (_, encoder) = emg_reader(model, store), model.emg_side()
    return embedding_set(store, windows, in_batches(windows, lambda w: encoder.pooled(read(w))))


def embed_pose(model: Model, store: Store, windows: Windows, progress: Progress = no_progress) -> EmbeddingSet:
    """Embed the pose of windows with an aligned model, L2-normalised."""
    model.card.refuse_other(store)
    assert isinstance(model.net, Cpep)
    embed = model.net.embed_pose
    read = PoseReader(store, round(model.card.window_s * store.frame_rate))
    return embedding_set(store, windows, in_batches(windows, lambda w: embed(read(w)), progress))
