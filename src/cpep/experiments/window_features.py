"""Vectors of the windows of a store, classical and learnt, computed once for all rows and splits of a process.

Classical ones also wait in a file of the run for its other processes, folds and seeds (``shared_in``).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import BATCH, embed_anchor, embed_emg, embedding_set, in_batches
from cpep.config.serialise import fingerprint
from cpep.data.normalise import Normaliser, power_rows, typical
from cpep.data.store.store import Store
from cpep.data.windows import SampleReader, Windows
from cpep.evaluate import features
from cpep.models.cpep import Cpep
from cpep.runtime import distributed, sums
from cpep.runtime.files import atomic_path
from cpep.types import EmbeddingSet, FloatArray, IntArray, Normalisation, Progress, no_progress

VALUES_AT_ONCE = 2**21
"""Samples of all channels that are read at once: 8 MB."""


class Known:
    """Vectors of windows that were computed before; windows of one length are told apart by their first frame."""

    def __init__(self) -> None:
        self._start_M: IntArray = np.zeros(0, np.int64)
        self._x_MD: FloatArray = np.zeros((0, 0), np.float32)
        self._is_new = False

    def of(self, windows: Windows, compute: Callable[[Windows], FloatArray]) -> FloatArray:
        """Return the vectors of windows, (N, D), of which ``compute`` gives those that are new."""
        new_N = ~np.isin(windows.start_N, self._start_M)
        if new_N.any():
            new = windows.select(new_N)
            x_ND = compute(new)
            start_M = np.concatenate([self._start_M, new.start_N])
            order_M = np.argsort(start_M)
            x_MD = np.concatenate([self._x_MD, x_ND]) if len(self._x_MD) else x_ND
            self._start_M, self._x_MD, self._is_new = start_M[order_M], x_MD[order_M], True
        return np.asarray(self._x_MD[np.searchsorted(self._start_M, windows.start_N)])

    def read(self, path: Path) -> None:
        """Take the vectors of a file; none where there is none or it is damaged, as they can be made again."""
        try:
            with np.load(path) as file:
                arrays, told = {name: file[name] for name in ("start", "x")}, str(file["sum"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
        if told == sums.of_arrays(arrays, {}):
            self._start_M, self._x_MD = arrays["start"], arrays["x"]

    def write(self, path: Path) -> None:
        """Write all vectors to a file, if some are new."""
        if self._is_new:
            arrays = {"start": self._start_M, "x": self._x_MD}
            with atomic_path(path, safe=False) as temporary, temporary.open("wb") as file:
                np.savez(file, sum=np.array(sums.of_arrays(arrays, {})), allow_pickle=False, **arrays)
            self._is_new = False


_known: WeakKeyDictionary[Store, dict[str, Known]] = WeakKeyDictionary()
_folders: WeakKeyDictionary[Store, Path] = WeakKeyDictionary()


@contextmanager
def shared_in(folder: Path, store: Store) -> Iterator[None]:
    """Take classical features of a store from files in a folder in this block, and leave what is new there.

    Two processes may write the same file: the later one stays, and what only the other one had is computed again.
    Ranks share nothing, as not all of them may see the folder.
    """
    if distributed.world_size() > 1:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    _folders[store] = folder
    try:
        yield
        for name, known in _known.get(store, {}).items():
            known.write(folder / f"{name}.npz")
    finally:
        del _folders[store]


@cache
def _version() -> str:
    """Return a checksum of the code of the features, so that those of other code are not taken for them."""
    return sums.of_file(Path(features.__file__))


def _known_of(store: Store, name: str) -> Known:
    """Return what is known under a name, at first from the file of that name."""
    held = _known.setdefault(store, {})
    if name not in held:
        held[name] = Known()
        if folder := _folders.get(store):
            held[name].read(folder / f"{name}.npz")
    return held[name]


def classical(
    store: Store, frames: int, kind: Normalisation, users_train: tuple[str, ...]
) -> Callable[[Windows], FloatArray]:
    """Return a function from windows to their classical features, (N, F), float32.

    Args:
        store: prepared recordings.
        frames: length of the windows.
        kind: normalisation of the EMG.
        users_train: people whose level is typical.
    """
    device, power = store.device, power_rows(store)
    prior = typical(power, users_train)
    normaliser = Normaliser(power, kind, prior)
    read = SampleReader(store, frames, normaliser)
    levels = prior.spread_F
    if kind == "recording":  # training people decide there only how silent a channel may be
        every_E = np.arange(len(store.entries))
        levels = normaliser.of(every_E, every_E).spread_F
    known = _known_of(store, fingerprint(store.fingerprint, frames, kind, sums.of_array(levels), _version()))
    size = max(1, VALUES_AT_ONCE // (frames * store.ratio * device.channels))

    def of_batch(part: Windows) -> FloatArray:
        return features.classical_features(read(part).numpy(), device.emg_rate, device.emg_kind)

    return lambda windows: known.of(windows, lambda new: in_numpy(new, of_batch, size))


_embedded: WeakKeyDictionary[Model, WeakKeyDictionary[Store, Known]] = WeakKeyDictionary()


def embedded(model: Model, store: Store, windows: Windows, progress: Progress = no_progress) -> EmbeddingSet:
    """Return what ``embed_emg`` does, for windows that the same model embedded before without its network."""
    known = _embedded.setdefault(model, WeakKeyDictionary()).setdefault(store, Known())
    x_ND = known.of(windows, lambda new: embed_emg(model, store, new, progress).x_ND)
    return embedding_set(store, windows, x_ND)


_posed: WeakKeyDictionary[Store, dict[str, Known]] = WeakKeyDictionary()


def embedded_anchor(model: Model, store: Store, windows: Windows) -> EmbeddingSet:
    """Return what ``embed_anchor`` does, for windows that the same pose encoder embedded before without a network.

    Aligned models of one fold have the same pose encoder, which is frozen.
    """
    net = model.net
    assert isinstance(net, Cpep), "an aligned model"
    weights = {name: tensor.cpu().numpy() for name, tensor in net.anchor.state_dict().items()}
    view = model.card.settings.data.anchor_view.value
    key = fingerprint(sums.of_arrays(weights, {}), net.anchor.heads, net.pool, view, windows.frames)
    known = _posed.setdefault(store, {}).setdefault(key, Known())
    return embedding_set(store, windows, known.of(windows, lambda new: embed_anchor(model, store, new).x_ND))


def in_numpy(windows: Windows, call: Callable[[Windows], FloatArray], size: int = BATCH) -> FloatArray:
    """Return the stacked results of ``call`` on batches of windows; see ``in_batches``."""
    return in_batches(windows, lambda part: torch.from_numpy(call(part)), size=size)


def in_blocks(windows: Windows, call: Callable[[Windows], FloatArray], size: int) -> FloatArray:
    """Return the stacked results of ``call`` on blocks of windows, all of them in every rank."""
    found: FloatArray = call(windows.select(np.arange(min(size, len(windows)))))
    if len(found) == len(windows):
        return found
    whole = np.empty((len(windows), *found.shape[1:]), found.dtype)
    whole[:size] = found
    for start in range(size, len(windows), size):
        some = np.arange(start, min(start + size, len(windows)))
        whole[some] = call(windows.select(some))
    return whole
