"""Embeds the windows of a store with a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import Model
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, Windows, anchor_at
from cpep.runtime import distributed, memory
from cpep.types import EmbeddingSet, FloatArray, Progress, no_progress

BATCH = 256


def emg_reader(model: Model, store: Store) -> Callable[[Windows], Tensor]:
    """Return a function that reads the input of the EMG network, as in training, to the network's device.

    Raises:
        UserError: the store is of another device, or the model has no EMG encoder.
    """
    model.card.refuse_other(store)
    frames, device = round(model.card.window_s * store.frame_rate), model.device
    frontend = model.in_unit(store.device.emg_unit).emg_frontend
    read = distributed.main_rank_first(lambda: frontend.reader(store, frames))  # writes the bins of the store
    return lambda windows: read(windows).to(device)


_known: WeakKeyDictionary[Windows, tuple[Store, EmbeddingSet]] = WeakKeyDictionary()
"""What is known of windows, once for all rows that embed them: names of recordings need as much memory as vectors."""


def embedding_set(store: Store, windows: Windows, x_ND: FloatArray) -> EmbeddingSet:
    """Return vectors of windows with their labels, users, recordings, sessions, and times in the recording (s).

    Sets of the same ``windows`` share all but the vectors.
    """
    own, known = _known.get(windows, (None, None))
    if known is None or own is not store:
        names, sessions = (
            np.array(names) for names in zip(*((e.name, e.session) for e in store.entries), strict=True)
        )
        first = np.array([entry.start for entry in store.entries])[windows.entry_N]
        known = EmbeddingSet(
            x_ND=np.empty((len(windows), 0), np.float32),
            label_N=windows.label_N,
            user_N=windows.users(store),
            recording_N=names[windows.entry_N],
            time_N=(windows.start_N - first) / store.frame_rate,
            session_N=sessions[windows.entry_N],
        )
        _known[windows] = store, known
    return known.with_x(x_ND)


def in_batches(
    windows: Windows, call: Callable[[Windows], Tensor], progress: Progress = no_progress, size: int = BATCH
) -> FloatArray:
    """Return the stacked results of ``call`` on batches of ``size`` windows; each rank computes a part.

    Raises:
        ValueError: there are no windows.
    """
    if not len(windows):
        raise ValueError("there are no windows")
    shared = len(windows) >= distributed.world_size()
    own = distributed.part(len(windows)) if shared else distributed.Part(0, len(windows), len(windows))
    found: FloatArray = np.empty(0)
    with torch.no_grad(), memory.kept():
        for start in range(own.start, own.stop, size):
            progress((start - own.start) * distributed.world_size(), len(windows))
            stop = min(start + size, own.stop)
            part = call(windows.select(np.arange(start, stop))).cpu().numpy()
            if start == own.start:
                found = np.empty((own.stop - own.start, *part.shape[1:]), part.dtype)
            found[start - own.start : stop - own.start] = part
    progress(len(windows), len(windows))
    return (
        distributed.gathered(torch.from_numpy(found), own).numpy()
        if distributed.world_size() > 1 and shared
        else found
    )


def embed_emg(model: Model, store: Store, windows: Windows, progress: Progress = no_progress) -> EmbeddingSet:
    """Embed the EMG of windows, as ``Model.encode_emg`` does."""
    read = emg_reader(model, store)
    x_ND = in_batches(windows, lambda w: model.embed_signal(read(w)), progress, model.spec.embed_batch)
    return embedding_set(store, windows, x_ND)


def pooled_emg(model: Model, store: Store, windows: Windows) -> EmbeddingSet:
    """Return the vectors that a linear probe reads; for an EMG encoder without anchor, [CLS] and mean token."""
    read = emg_reader(model, store)
    x_ND = in_batches(windows, lambda w: model.spec.probed(model.net, read(w)), size=model.spec.embed_batch)
    return embedding_set(store, windows, x_ND)


def embed_anchor(model: Model, store: Store, windows: Windows, progress: Progress = no_progress) -> EmbeddingSet:
    """Embed the anchor of windows with an aligned model, L2-normalised."""
    model.card.refuse_other(store)
    read = AnchorReader(store, round(model.card.window_s * store.frame_rate))
    view = model.card.anchor_view
    x_ND = in_batches(windows, lambda w: model.spec.embed_anchor(model.net, view(read(w)).to(model.device)), progress)
    return embedding_set(store, windows, x_ND)


def predict_pose(model: Model, store: Store, windows: Windows) -> FloatArray:
    """Return the anchor (N, S, J) that a regression model predicts for windows at its ``times_S``."""
    read, spec = emg_reader(model, store), model.spec
    return in_batches(windows, lambda w: spec.predict(model.net, read(w)).float(), size=spec.embed_batch)


def measured_pose(store: Store, windows: Windows, times_S: Tensor) -> FloatArray:
    """Return the measured anchor (N, S, J) of windows at given times, normalised as in training."""
    read = AnchorReader(store, windows.frames)
    return in_batches(windows, lambda w: anchor_at(read(w), times_S.cpu(), store.frame_rate))
