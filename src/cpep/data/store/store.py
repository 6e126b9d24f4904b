"""Prepared store: all recordings of a folder as memory-mapped arrays with an index.

A store is a folder of ``.npy`` files, in which the recordings follow each other, and ``store.json``::

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

import hashlib
import mmap
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cpep.data.readers.folder import PART, STORE_INDEX, natural
from cpep.data.recording import Device, Repair
from cpep.runtime.files import MOST_ROWS, parse_json
from cpep.types import BoolArray, FloatArray, IntArray, UserError, refuse_interpolation

STORE_VERSION = 3
ANCHOR_FILES = {1: "pose", 2: "anchor", 3: "anchor"}
"""Name of the anchor's array by the versions of a store that cpep reads; from 3 on a file may have several parts."""

MAP_NORESERVE = 0x4000
"""A flag of Linux that Python's mmap module does not name."""


@dataclass(frozen=True)
class Entry:
    """One recording of a store.

    Attributes:
        name: of its source; of a part of it ``S1~2``.
        start: first frame, counted over the store.
        frames: length.
        power_start: first power block, counted over the store.
        power_blocks: number of power blocks.
        split: ``train``, ``val`` or ``test`` where metadata.csv says so, else empty.
        part: number of this part of its source, from 1; 0 for a whole source.
        repairs: what the reader mended.
    """

    name: str
    user: str
    session: str
    stage: str
    side: str
    start: int
    frames: int
    power_start: int
    power_blocks: int
    split: str = ""
    part: int = 0
    repairs: tuple[Repair, ...] = ()

    @property
    def source(self) -> str:
        """Name of the source, without the number of a part."""
        return self.name.removesuffix(f"{PART}{self.part}") if self.part else self.name


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
        emg_TC: float32; pages that are written to are private, the file never changes.
        anchor_MJ: float32, zero where invalid; ``None`` where the device has no anchor.
        valid_M: whether the anchor was measured in a frame; true where the device has none, so that no window is left
            out for one.
        label_M: what the hand does in a frame, index into ``vocabulary``, or UNKNOWN.
        prompt_M: what the person was asked to do, likewise.
        repetition_M: number of the repetition, 0 where none.
        power_KC: mean power of the channels in blocks of time.
        power_block_s: length of a power block, seconds.
        skipped: names of the recordings that could not be read, with the reason.
    """

    path: Path
    name: str
    device: Device
    vocabulary: tuple[str, ...]
    frame_rate: float
    ratio: int
    entries: tuple[Entry, ...]
    emg_TC: FloatArray
    anchor_MJ: FloatArray | None
    valid_M: BoolArray
    label_M: IntArray
    prompt_M: IntArray
    repetition_M: IntArray
    power_KC: FloatArray
    power_block_s: float
    skipped: tuple[tuple[str, str], ...] = ()

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
        """Pickle the place of the store alone: another process maps its arrays anew."""
        return open_store, (self.path.resolve(),)

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

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the index: which recordings, of what size and time, were prepared and how."""
        return hashlib.sha256((self.path / STORE_INDEX).read_bytes()).hexdigest()

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


def read_index(path: Path) -> Any:
    """Return the index of a prepared store, as plain values; some of its texts may quote files that say anything.

    Raises:
        UserError: as ``cpep.runtime.files.parse_json``.
    """
    return parse_json(path / STORE_INDEX, MOST_ROWS)


def open_store(path: Path) -> Store:
    """Open a prepared store; no array is read.

    Args:
        path: folder that ``prepare`` or `cpep data prepare` wrote.

    Raises:
        UserError: there is no store, it was written by another version, or a file of it is damaged.
    """
    if not is_store(path):
        raise UserError(f"{path} is no prepared store; make one with `cpep data prepare RECORDINGS {path}`")
    index = read_index(path)
    try:
        return _open(path, index)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path / STORE_INDEX} is damaged ({error!r}); prepare the store again") from error


def _open(path: Path, index: Any) -> Store:
    if index.get("version") not in ANCHOR_FILES:
        *most, last = ANCHOR_FILES
        raise UserError(
            f"{path} was prepared by another version of cpep (format {index.get('version')}, expected "
            f"{', '.join(map(str, most))} or {last}); prepare it again into a new folder"
        )
    used = {name: index[name] for name in ("name", "device", "vocabulary", "entries")}
    refuse_interpolation(used, path / STORE_INDEX)  # what is skipped may quote a file that says anything
    device = device_from_json(index["device"])
    entries = tuple(entry_from_json(dict(zip(index["entry_fields"], row, strict=True))) for row in index["entries"])
    frames = sum(entry.frames for entry in entries)
    blocks = sum(entry.power_blocks for entry in entries)
    ratio = index["ratio"]

    def mapped(name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
        return map_array(path / f"{name}.npy", np.dtype(dtype), shape)

    columns = len(device.anchor_names)
    return Store(
        path=path,
        name=index["name"],
        device=device,
        vocabulary=tuple(index["vocabulary"]),
        frame_rate=device.emg_rate / ratio,
        ratio=ratio,
        entries=entries,
        emg_TC=mapped("emg", np.float32, (frames * ratio, device.channels)),
        anchor_MJ=mapped(ANCHOR_FILES[index["version"]], np.float32, (frames, columns)) if columns else None,
        valid_M=mapped("valid", np.bool_, (frames,)) if columns else np.broadcast_to(True, (frames,)),
        label_M=mapped("label", np.int16, (frames,)),
        prompt_M=mapped("prompt", np.int16, (frames,)),
        repetition_M=mapped("repetition", np.int16, (frames,)),
        power_KC=mapped("power", np.float32, (blocks, device.channels)),
        power_block_s=index["power_block_s"],
        skipped=tuple((name, reason) for name, reason in index["skipped"]),
    )


def device_from_json(value: dict[str, Any]) -> Device:
    """Return a device from its JSON, in which tuples are lists."""
    found = device_fields(value).items()
    fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in found}
    return Device(**fields)


def device_fields(value: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a device under the names of today; a device without conditioning had none."""
    older = {"pose_names": "anchor_names", "pose_unit": "anchor_unit"}  # names of checkpoints of format 5
    return {"highpass_hz": 0.0, **{older.get(name, name): one for name, one in value.items()}}


def entry_from_json(value: dict[str, Any]) -> Entry:
    """Return an entry from its JSON, in which a repair is an object."""
    return Entry(**value | {"repairs": tuple(Repair(**repair) for repair in value.get("repairs", ()))})


def map_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Map an array of a store into memory.

    Raises:
        UserError: the file is missing or damaged, or of another shape.
    """
    try:
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("another version of .npy")
            found_shape, fortran, found_dtype = np.lib.format.read_array_header_1_0(file)
            fits = (found_shape, fortran, found_dtype) == (shape, False, dtype)
            array = np.ndarray(shape, dtype, _mapping(file), file.tell()) if fits else None
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); prepare the store again") from error
    if array is None:
        raise UserError(f"{path} does not fit the index of its store; prepare the store again")
    return array


def _mapping(file: BinaryIO) -> mmap.mmap:
    """Map a file, copy on write: torch wants writable memory, and no mistake of a reader can change the file."""
    if sys.platform != "linux":
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    # Else Linux refuses a file larger than the memory, as all of it might be written to.
    flags = mmap.MAP_PRIVATE | MAP_NORESERVE
    return mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
