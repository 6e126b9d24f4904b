"""Statistics of short bins of EMG, from which energy tokens are made, computed once for a store.

Neighbouring windows share most of their samples and a training run reads each window many times. The bins of a
store are computed once, into a memory-mapped file beside its arrays, so that a step reads a few hundred
bytes a bin, not its samples. The file is derived: it may be deleted at any time, and is computed anew where it is
damaged.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpep.data.store.checked_rows import CheckedRows, block_starts, rows_of_block
from cpep.data.store.checks import MOST_SUMS, packed, unpacked
from cpep.data.store.finite import all_finite, emg_of
from cpep.data.store.store import Store, header_of, holds, map_array
from cpep.runtime.checked import convert
from cpep.runtime.files import atomic_path, cache_folder, parse_json, write_json
from cpep.runtime.sums import Sums, of_blocks, refuse_broken_seal, sealed
from cpep.types import FloatArray, IntArray, UserError

STATISTICS = 3
"""Mean square, zero crossings, slope sign changes."""

BLOCK_BINS = 1024
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


def statistics_of(emg_TC: FloatArray, bin_samples: int) -> FloatArray:
    """Return ``bin_statistics`` of one array (T, C), by NumPy: of a few bins torch's calls take most of the time."""
    bins = len(emg_TC) // bin_samples
    x_NKC = emg_TC[: bins * bin_samples].reshape(bins, bin_samples, emg_TC.shape[1])
    out_N3C = np.empty((bins, STATISTICS, emg_TC.shape[1]), np.float32)
    np.mean(np.square(x_NKC), axis=1, out=out_N3C[:, 0])
    for place, moving_NKC in ((1, x_NKC), (2, x_NKC[:, 1:] - x_NKC[:, :-1])):
        below_NKC = np.signbit(moving_NKC)
        changes_NC = np.count_nonzero(below_NKC[:, 1:] != below_NKC[:, :-1], axis=1)
        np.divide(changes_NC, max(bin_samples - place, 1), out=out_N3C[:, place])
    return out_N3C


@dataclass(frozen=True)
class Bins:
    """The bins of a store, one recording after another.

    Attributes:
        frames: frames of a bin.
        shape: statistics and channels of a bin.
        checked: every whole bin of every recording, a row each.
    """

    frames: int
    shape: tuple[int, int]
    checked: CheckedRows

    def hold(self, offset_N: IntArray, frames: int) -> bool:
        """Tell whether windows that start ``offset_N`` frames into their recordings begin and end at bin edges."""
        return not (frames % self.frames or (offset_N % self.frames).any())

    def of_recording(self, index: int) -> Tensor:
        """Return the statistics (bins, 3, C) of one recording."""
        first, stop = self.checked.first_E[index : index + 2]
        return torch.from_numpy(self.checked.windows(np.array([first]), stop - first)).view(-1, *self.shape)

    def ahead(self, entry_N: IntArray, offset_N: IntArray, frames: int) -> None:
        """Ask the system for the bins of windows that will be read soon."""
        self.checked.ahead(self.checked.first_E[entry_N] + offset_N // self.frames, frames // self.frames)

    def of_windows(self, entry_N: IntArray, offset_N: IntArray, frames: int) -> Tensor:
        """Return the statistics (N, frames / bin, 3, C) of windows that the bins ``hold``."""
        first_N = self.checked.first_E[entry_N] + offset_N // self.frames
        count = frames // self.frames
        return torch.from_numpy(self.checked.windows(first_N, count)).view(-1, count, *self.shape)


def bins_of(store: Store, bin_samples: int) -> Bins:
    """Open the bins of that length, computing them where they are not there yet, or their file is damaged.

    Those of a store that may only be read are kept in the user's cache folder.

    Args:
        store: prepared recordings.
        bin_samples: a multiple of the store's ``ratio``.

    Raises:
        UserError: EMG of the store is damaged or not finite, or the file cannot be written.
    """
    frames, shape = bin_samples // store.ratio, (STATISTICS, store.device.channels)
    first_E = np.array([0, *accumulate(entry.frames // frames for entry in store.entries)], np.int64)
    path = store.path / f"bins{bin_samples}.npy"
    opened = _opened(store, path, first_E)
    if opened is None and not os.access(store.path, os.W_OK):
        path = cache_folder() / "stores" / store.fingerprint / path.name
        opened = _opened(store, path, first_E)
    if opened is None:
        _write(store, bin_samples, first_E, path)
        opened = _opened(store, path, first_E)
        assert opened is not None, f"{path} was written"
    array_VF, sum_K = opened

    def mend(recording: int, first: int, stop: int) -> None:
        """Compute damaged bins anew, in memory; the whole file is written anew when it is next opened."""
        with suppress(OSError):
            _sums(path).unlink(missing_ok=True)
        sample = store.entries[recording].start * store.ratio + (first - int(first_E[recording])) * bin_samples
        samples_TC = torch.from_numpy(store.emg_TC[sample : sample + (stop - first) * bin_samples])
        array_VF[first:stop] = bin_statistics(samples_TC, bin_samples).numpy().reshape(stop - first, -1)

    return Bins(frames, shape, CheckedRows(array_VF, first_E, rows_of_block(array_VF.shape[1]), sum_K, mend))


@dataclass(frozen=True)
class _Sums:
    """What is in the file of the checksums."""

    of: str
    sums: str
    sum: str


def _sums(path: Path) -> Path:
    """Return the file of the checksums of bins."""
    return path.with_suffix(".json")


def _opened(store: Store, path: Path, first_E: IntArray) -> tuple[FloatArray, Sums] | None:
    """Return the bins of a file and their checksums; ``None`` where they must be computed, or computed anew."""
    shape = (int(first_E[-1]), STATISTICS, store.device.channels)
    if not holds(path, np.dtype(np.float32), shape):
        return None
    try:
        plain = parse_json(_sums(path), MOST_SUMS)
        refuse_broken_seal(plain, path, "")
        found = convert(plain, _Sums, path)
        sum_K = unpacked(found.sums)
    except ValueError:  # UserError among them: it is written anew
        return None
    array_VF = map_array(path, np.dtype(np.float32), shape).reshape(shape[0], -1)
    fits = len(sum_K) == block_starts(first_E, rows_of_block(array_VF.shape[1]))[-1]
    return (array_VF, sum_K) if fits and found.of == store.fingerprint else None


def _write(store: Store, bin_samples: int, first_E: IntArray, path: Path) -> None:
    shape = (int(first_E[-1]), STATISTICS, store.device.channels)
    rows = rows_of_block(STATISTICS * store.device.channels)
    block, sums = max(BLOCK_BINS, rows) * bin_samples, [np.zeros(0, np.uint64)]
    with atomic_path(path, safe=False) as temporary, temporary.open("wb") as file:
        file.write(header_of(np.dtype(np.float32), shape))
        for index, (entry, count) in enumerate(zip(store.entries, np.diff(first_E).tolist(), strict=True)):
            first = entry.start * store.ratio
            for low in range(0, count * bin_samples, block):
                here = slice(first + low, first + min(low + block, count * bin_samples))
                found_N3C = bin_statistics(torch.from_numpy(store.emg_TC[here]), bin_samples).numpy()
                if not all_finite(found_N3C):
                    emg_of(store, index)  # says where it is not finite
                    raise UserError(f"{store.path}: EMG of the recording {entry.name} is too large; prepare it again")
                sums.append(of_blocks(found_N3C, rows))
                file.write(found_N3C.tobytes())
    write_json(_sums(path), sealed({"of": store.fingerprint, "sums": packed(np.concatenate(sums))}), safe=False)
