"""Statistics of short bins of EMG, from which energy tokens are made, computed once for a store.

Neighbouring windows share most of their samples and a training run reads each window many times. The bins of a
store are computed once, into a memory-mapped file beside its arrays, so that a step reads a few hundred
bytes a bin, not its samples. The file is derived: it may be deleted at any time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpep.data.store.finite import all_finite, emg_of
from cpep.data.store.store import Store, header_of, holds, map_array
from cpep.runtime.files import atomic_path, cache_folder
from cpep.types import IntArray, UserError

STATISTICS = 3
"""Mean square, zero crossings, slope sign changes."""

BLOCK_BINS = 4096
"""Bins computed at once."""


def bin_statistics(emg_TC: Tensor, bin_samples: int) -> Tensor:
    """Return mean square, and zero crossings and slope sign changes per sample, of bins: (..., bins, 3, C).

    The statistics of a bin use its own samples alone, so that it does not matter where a window or a chunk of a
    stream begins. The two rates do not depend on the gain (Hudgins et al. 1993, without their threshold).

    Args:
        emg_TC: EMG (..., T, C); samples after the last whole bin are left out.
        bin_samples: samples of a bin.
    """
    *batch, T, C = emg_TC.shape
    bins = T // bin_samples
    x_NKC = emg_TC[..., : bins * bin_samples, :].reshape(*batch, bins, bin_samples, C)
    power_NC = x_NKC.square().mean(dim=-2)
    crossings_NC = torch.signbit(x_NKC).diff(dim=-2).sum(dim=-2) / max(bin_samples - 1, 1)
    turns_NC = torch.signbit(x_NKC.diff(dim=-2)).diff(dim=-2).sum(dim=-2) / max(bin_samples - 2, 1)
    return torch.stack([power_NC, crossings_NC, turns_NC], dim=-2)


@dataclass(frozen=True)
class Bins:
    """The bins of a store, one recording after another.

    Attributes:
        path: the file.
        frames: frames of a bin.
        bin_V3C: statistics of every whole bin of every recording.
        first_E: first bin of each recording, and the number of all bins.
    """

    path: Path
    frames: int
    bin_V3C: Tensor
    first_E: IntArray

    def hold(self, offset_N: IntArray, frames: int) -> bool:
        """Tell whether windows that start ``offset_N`` frames into their recordings begin and end at bin edges."""
        return not (frames % self.frames or (offset_N % self.frames).any())

    def of_recording(self, index: int) -> Tensor:
        """Return the statistics (bins, 3, C) of one recording.

        Raises:
            UserError: the file is damaged.
        """
        return self._sound(self.bin_V3C[self.first_E[index] : self.first_E[index + 1]])

    def of_windows(self, entry_N: IntArray, offset_N: IntArray, frames: int) -> Tensor:
        """Return the statistics (N, frames / bin, 3, C) of windows that the bins ``hold``.

        Raises:
            UserError: the file is damaged.
        """
        first_N = self.first_E[entry_N] + offset_N // self.frames
        _, statistics, channels = self.bin_V3C.shape
        count, width = frames // self.frames, statistics * channels
        view = self.bin_V3C.as_strided((len(self.bin_V3C) - count + 1, count * width), (width, 1))
        return self._sound(view.index_select(0, torch.from_numpy(first_N)).view(-1, count, statistics, channels))

    def _sound(self, found: Tensor) -> Tensor:
        """Return statistics, which ``bins_of`` never writes where they are not finite."""
        if not all_finite(found):
            raise UserError(f"{self.path} is damaged: a value is not finite; delete it, and it is made again")
        return found


def bins_of(store: Store, bin_samples: int) -> Bins:
    """Open the bins of that length, computing them where they are not there yet, or their file is damaged.

    Those of a store that may only be read are kept in the user's cache folder.

    Args:
        store: prepared recordings.
        bin_samples: a multiple of the store's ``ratio``.

    Raises:
        UserError: EMG of the store is not finite, or the file cannot be written.
    """
    frames = bin_samples // store.ratio
    count_E = np.array([entry.frames // frames for entry in store.entries])
    first_E = np.concatenate([[0], np.cumsum(count_E)])
    shape = (int(first_E[-1]), STATISTICS, store.device.channels)
    path = store.path / f"bins{bin_samples}.npy"
    if not holds(path, np.dtype(np.float32), shape) and not os.access(store.path, os.W_OK):
        path = cache_folder() / "stores" / store.fingerprint / path.name
    if not holds(path, np.dtype(np.float32), shape):
        _write(store, bin_samples, count_E, shape, path)
    return Bins(path, frames, torch.from_numpy(map_array(path, np.dtype(np.float32), shape)), first_E)


def _write(store: Store, bin_samples: int, count_E: IntArray, shape: tuple[int, ...], path: Path) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(header_of(np.dtype(np.float32), shape))
        for index, (entry, count) in enumerate(zip(store.entries, count_E, strict=True)):
            first, block = entry.start * store.ratio, BLOCK_BINS * bin_samples
            for low in range(0, int(count) * bin_samples, block):
                rows = slice(first + low, first + min(low + block, int(count) * bin_samples))
                statistics = bin_statistics(torch.from_numpy(store.emg_TC[rows]), bin_samples)
                if not all_finite(statistics):
                    emg_of(store, index)  # says where it is not finite
                    raise UserError(f"{store.path}: EMG of the recording {entry.name} is too large; prepare it again")
                file.write(statistics.numpy().astype(np.float32).tobytes())
