"""Prepared store: all recordings of a folder as memory-mapped arrays with an index.

A store is a folder of ``.npy`` files, in which the recordings follow each other, ``store.json``, and ``sums.json``
(``cpep.data.store.checks``)::

    emg.npy         float32 (T, C)    T = M * ratio; right-handed channel order
    anchor.npy      float32 (M, J)    at the frame rate (about 100 Hz); absent where the device has no anchor
    valid.npy       bool    (M,)      where the anchor was measured; not read where the device has no anchor
    label.npy       int16   (M,)      the label that all samples of the frame carry, else -1
    prompt.npy      int16   (M,)      what was asked for; a gesture wins over rest within a frame
    repetition.npy  int16   (M,)      0 where none
    power.npy       float32 (K, C)    mean square of the EMG in blocks of 0.25 s of each recording

Labels index the store's vocabulary, in which the vocabularies of the recordings are merged by name.
``cpep.data.store.prepare`` writes stores.
"""

from __future__ import annotations

import io
import math
import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.folder import STORE_INDEX, natural
from cpep.data.recording import Device, Repair
from cpep.data.store import checks
from cpep.data.store.checked_rows import CheckedRows
from cpep.data.store.index import AGAIN, ANCHOR_FILES, read_index
from cpep.data.store.index import Entry as Entry
from cpep.data.store.index import device_from_json as device_from_json
from cpep.data.store.mapped import MappedFile, map_of
from cpep.types import UNKNOWN, BoolArray, FloatArray, IntArray, UserError

HEADER_BYTES = 128
"""Length of the header of every array of a store: of a ``.npy`` file of version 1.0."""


@dataclass(frozen=True, eq=False, repr=False)
class Store:
    """Memory-mapped recordings of one device; nothing is read until it is used. A pickle of it holds its path.

    Attributes:
        path: the folder of the store.
        name: of the data set.
        device: channels, rate, kind and unit of the EMG; columns of the anchor.
        vocabulary: names of the labels; entry 0 is ``rest``.
        frame_rate: frames per second of anchor and labels.
        ratio: EMG samples of a frame.
        entries: the recordings, in the order of the arrays.
        emg_TC: float32, read from disk and checked by its checksums where it is asked for, as ``emg_TC[first:stop]``;
            pages that are written to are private, the file never changes.
        anchor_MJ: float32, zero where invalid, likewise; ``None`` where the device has no anchor.
        valid_M: whether the anchor was measured in a frame; true where the device has none, so that no window is left
            out for one.
        label_M: what the hand does in a frame, index into ``vocabulary``, or UNKNOWN.
        prompt_M: what the person was asked to do, likewise.
        repetition_M: number of the repetition, 0 where none.
        power_KC: mean power of the channels in blocks of time.
        power_block_s: length of a power block, seconds.
        fingerprint: hash of the index and of all checksums: which recordings were prepared and how, and what is in
            them.
        skipped: names of the recordings that could not be read, with the reason.
    """

    path: Path
    name: str
    device: Device
    vocabulary: tuple[str, ...]
    frame_rate: float
    ratio: int
    entries: tuple[Entry, ...]
    emg_TC: CheckedRows
    anchor_MJ: CheckedRows | None
    valid_M: BoolArray
    label_M: IntArray
    prompt_M: IntArray
    repetition_M: IntArray
    power_KC: FloatArray
    power_block_s: float
    fingerprint: str
    skipped: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("emg_TC", "anchor_MJ"):
            if isinstance(array := getattr(self, name), np.ndarray):  # of a user: `dataclasses.replace(store, ...)`
                object.__setattr__(self, name, CheckedRows(array))

    def __repr__(self) -> str:
        """Say in a line what is in it, as the fields are arrays of hours."""
        device = self.device
        return (
            f"<Store {self.name!r}: {len(self.entries):,} recordings of {len(self.users):,} people, "
            f"{self.seconds / 60:,.1f} min; {device.channels} channels, {device.emg_kind}, {device.emg_rate:g} Hz, "
            f"{device.emg_unit}; {device.anchor if device.anchor_names else 'no pose'}; "
            f"{len(self.vocabulary):,} labels; {self.path}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle place and fingerprint alone: another process maps the arrays of this very store anew."""
        return open_same, (self.path.resolve(), self.fingerprint)

    def let_go(self) -> None:
        """Give up the pages of the arrays of labels and power that were read; the system keeps them while it can.

        Whoever has listed windows of the whole store needs them no more, and they would count as its memory: 0.9 GB
        of 370 h.
        """
        for array in (self.valid_M, self.label_M, self.prompt_M, self.repetition_M, self.power_KC):
            if (found := map_of(array)) and not array.flags["W"]:
                found.let_go()

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Ids of the people, sorted with numbers in their order."""
        return tuple(sorted({entry.user for entry in self.entries}, key=natural))

    @cached_property
    def bare(self) -> tuple[Entry, ...]:
        """Recordings without a valid frame of the anchor: all of them where the device has none."""
        if self.anchor_MJ is None:
            return self.entries
        return tuple(one for one in self.entries if not self.valid_M[one.start : one.start + one.frames].any())

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """What readers mended in all recordings together, by what it was."""
        counts: Counter[str] = Counter()
        for entry in self.entries:
            for repair in entry.repairs:
                counts[repair.what] += repair.count
        return tuple(Repair(what, count) for what, count in counts.items())

    @property
    def seconds(self) -> float:
        """Length of all recordings together."""
        return len(self.valid_M) / self.frame_rate

    @cached_property
    def _starts(self) -> IntArray:
        return np.array([entry.start for entry in self.entries], dtype=np.int64)

    def entry_of_frame(self, frame_N: IntArray) -> IntArray:
        """Return the index in ``entries`` of the recording that each frame belongs to.

        Raises:
            ValueError: a frame lies outside the store.
        """
        frames = np.asarray(frame_N)
        if frames.size and not (frames.min() >= 0 and frames.max() < len(self.valid_M)):
            raise ValueError(f"frames beyond the {len(self.valid_M)} frames of the store")
        return np.asarray(np.searchsorted(self._starts, frames, side="right") - 1)


def is_store(path: Path) -> bool:
    """Tell whether a folder is a prepared store."""
    return (path / STORE_INDEX).is_file()


def open_store(path: Path) -> Store:
    """Open a prepared store: check its index and its small arrays, and map the large ones, which are not read.

    Args:
        path: folder that ``prepare`` or `cpep data prepare` wrote.

    Raises:
        UserError: there is no store, it was written by another version, or a file of it is damaged.
    """
    if not is_store(path):
        raise UserError(f"{path} is no prepared store; make one with `cpep data prepare RECORDINGS {path}`")
    read = read_index(path)
    if read.sums:
        checks.refuse_damaged(path, read.sums)
    index, device, entries = read.index, read.device, read.entries
    frames = sum(entry.frames for entry in entries)
    blocks = sum(entry.power_blocks for entry in entries)
    ratio, columns = index.ratio, len(device.anchor_names)

    def mapped(name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
        return map_array(path / f"{name}.npy", np.dtype(dtype), shape)

    def fixed(name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
        """Map a small array that nobody may write to: ``Store.let_go`` would lose what was written."""
        array = mapped(name, dtype, shape)
        array.setflags(write=False)
        return array

    def checked(name: str, columns: int, ratio: int) -> CheckedRows:
        """Map a large array with so many rows a frame."""
        array = mapped(name, np.float32, (frames * ratio, columns))
        first_E = np.array([0, *accumulate(entry.frames * ratio for entry in entries)], np.int64)
        names, rate = [entry.name for entry in entries], device.emg_rate / index.ratio * ratio
        return checks.checked(path, name, array, first_E, names, rate, read.sums)

    store = Store(
        path=path,
        name=index.name,
        device=device,
        vocabulary=index.vocabulary,
        frame_rate=device.emg_rate / ratio,
        ratio=ratio,
        entries=entries,
        emg_TC=checked("emg", device.channels, ratio),
        anchor_MJ=checked(ANCHOR_FILES[index.version], columns, 1) if columns else None,
        valid_M=fixed("valid", np.bool_, (frames,)) if columns else np.broadcast_to(True, (frames,)),
        label_M=fixed("label", np.int16, (frames,)),
        prompt_M=fixed("prompt", np.int16, (frames,)),
        repetition_M=fixed("repetition", np.int16, (frames,)),
        power_KC=fixed("power", np.float32, (blocks, device.channels)),
        power_block_s=index.power_block_s,
        fingerprint=read.fingerprint,
        skipped=index.skipped,
    )
    _refuse_meaningless(store)
    return store


def _refuse_meaningless(store: Store) -> None:
    """Check that labels are in the vocabulary, and that what is true or false is nothing else.

    Raises:
        UserError: a file is damaged.
    """
    last = len(store.vocabulary) - 1
    for name, found_M in (("label", store.label_M), ("prompt", store.prompt_M)):
        low, high = int(found_M.min()), int(found_M.max())
        if low < UNKNOWN or high > last:
            raise UserError(
                f"{store.path / name}.npy is damaged: it holds {low if low < UNKNOWN else high}, and labels are "
                f"{UNKNOWN} to {last}; {AGAIN}"
            )
    if store.anchor_MJ is not None and int(store.valid_M.view(np.uint8).max()) > 1:
        raise UserError(f"{store.path / 'valid.npy'} is damaged: it holds more than true and false; {AGAIN}")


def open_same(path: Path, fingerprint: str) -> Store:
    """Open the store that a run began with.

    Args:
        path: of the store.
        fingerprint: that the store had at the beginning.

    Raises:
        UserError: as ``open_store``, or another store is there now.
    """
    store = open_store(path)
    if store.fingerprint != fingerprint:
        raise UserError(
            f"{path} is another store than the one that this run began with, and a table comes from one store; bring "
            "that one back, or begin again with another output folder"
        )
    return store


def map_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Map an array of a store into memory.

    The header of the file is compared with the one that such an array has; nothing in it is evaluated.

    Raises:
        UserError: the file is missing or damaged, or of another shape.
    """
    if not holds(path, dtype, shape):
        raise UserError(
            f"{path} is missing, damaged, or does not fit the index of its store: it is to have {HEADER_BYTES} bytes "
            f"of header and {shape} values of {dtype}; {AGAIN}"
        )
    return np.ndarray(shape, dtype, MappedFile(path), HEADER_BYTES)


def holds(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Tell whether a file has the header of an array, and as many bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found, wanted = file.read(HEADER_BYTES), header_of(dtype, shape)
        fits = len(found) == HEADER_BYTES and found[:10] == wanted[:10] and found.split() == wanted.split()
        return fits and os.fstat(file.fileno()).st_size == HEADER_BYTES + math.prod(shape) * dtype.itemsize


def header_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy`` file of an array."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    assert len(header.getvalue()) == HEADER_BYTES
    return header.getvalue()
