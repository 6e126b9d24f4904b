"""The index of a store, ``store.json``, typed: nothing of it is used before all of it agrees with itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from cpep.data.readers.folder import PART, STORE_INDEX
from cpep.data.recording import Device, Repair, check_ring
from cpep.data.store import checks
from cpep.data.store.checks import StoreSums
from cpep.runtime import checked, plain
from cpep.runtime.checked import Count, Size
from cpep.runtime.files import MOST_JSON, read_bytes, size_of
from cpep.runtime.sums import damaged, of_bytes
from cpep.types import UserError, refuse_interpolation

AGAIN = "prepare the store again"
STORE_VERSION = 4
ANCHOR_FILES = {1: "pose", 2: "anchor", 3: "anchor", 4: "anchor"}
"""Name of the anchor's array by the versions of a store that cpep reads; from 3 on a file may have several parts."""
CHECKED = 4
"""First version with checksums."""
MOST_COLUMNS, MOST_LABELS = 4096, 2**15 - 1
SLOWEST_HZ = 4.0
"""Lowest rate of EMG at which a power block has a sample."""


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
    start: Count
    frames: Size
    power_start: Count
    power_blocks: Size
    split: str = ""
    part: Count = 0
    repairs: tuple[Repair, ...] = ()

    @property
    def source(self) -> str:
        """Name of the source, without the number of a part."""
        return self.name.removesuffix(f"{PART}{self.part}") if self.part else self.name


@dataclass(frozen=True)
class Index:
    """The content of ``store.json``; what says what the store was made of is plain values, which are compared alone.

    Attributes:
        version: of the format.
        name: of the data set.
        device: see `device_from_json`.
        vocabulary: names of the labels.
        ratio: EMG samples of a frame.
        power_block_s: length of a power block, seconds.
        skipped: names of the recordings that could not be read, with the reason.
        entry_fields: names of the fields of ``Entry``.
        entries: their values, a list for each recording.
        sources: name, sizes and times of all sources.
        metadata: the same of the tables that say who is tested.
        asked: conditioning that was asked for.
        divided: which store it is a division of, and how.
        arrays: hash of the arrays that it was made of.
    """

    version: Literal[1, 2, 3, 4]
    name: str
    device: dict[str, Any]
    vocabulary: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_LABELS)]
    ratio: Size
    power_block_s: Annotated[float, Meta(gt=0, le=3600)]
    skipped: tuple[tuple[str, str], ...]
    entry_fields: tuple[str, ...]
    entries: Annotated[tuple[tuple[Any, ...], ...], Meta(min_length=1)]
    sources: Any = None
    metadata: Any = None
    asked: Any = None
    divided: Any = None
    arrays: Any = None


@dataclass(frozen=True)
class Read:
    """An index whose parts agree with each other.

    Attributes:
        index: as it is in the file.
        device: of all recordings.
        entries: the recordings; the frames and power blocks of each follow those of the one before.
        fingerprint: hash of the file and of all checksums, so that it is another one where arrays differ.
        sums: checksums of all other files; ``None`` in older stores.
    """

    index: Index
    device: Device
    entries: tuple[Entry, ...]
    fingerprint: str
    sums: StoreSums | None


def read_index(folder: Path) -> Read:
    """Read the index of a store.

    Args:
        folder: of the store.

    Raises:
        UserError: it is missing or damaged, of another version, or does not agree with itself.
    """
    path, sums = folder / STORE_INDEX, checks.read(folder)
    data = read_bytes(path, MOST_JSON + size_of(folder / "emg.npy"))  # more recordings have more samples
    if sums and of_bytes(data) != sums.files[STORE_INDEX]:
        raise damaged(path, checks.remedy(folder))
    value = plain.parse(data, path, AGAIN, quoting=True)
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version not in ANCHOR_FILES:
        *most, last = ANCHOR_FILES
        raise UserError(
            f"{folder} was prepared by another version of cpep (format {version}, expected "
            f"{', '.join(map(str, most))} or {last}); prepare it again into a new folder"
        )
    if not sums and isinstance(version, int) and version >= CHECKED:
        raise UserError(f"{folder / checks.SUMS} is missing; {checks.remedy(folder)}")
    index = checked.convert(value, Index, path, remedy=AGAIN, others=True)
    used = {"name": index.name, "device": index.device, "vocabulary": index.vocabulary, "entries": index.entries}
    refuse_interpolation(used, path)  # what is skipped may quote a file that says anything
    device = device_from_json(index.device, f"{path}: device")
    entries = tuple(_entry(index.entry_fields, row, f"{path}: entries[{k}]") for k, row in enumerate(index.entries))
    if index.vocabulary[0] != "rest" or len(set(index.vocabulary)) < len(index.vocabulary):
        raise UserError(f"{path} is damaged: vocabulary does not begin with rest, or names a label twice; {AGAIN}")
    if wrong := out_of_order(entries):
        raise UserError(f"{path} is damaged: {wrong}; {AGAIN}")
    digest = hashlib.sha256(data)
    if sums:
        digest.update(sums.fingerprint.encode())
    return Read(index, device, entries, digest.hexdigest(), sums)


def device_from_json(value: Any, where: object = "device") -> Device:
    """Return a device from its JSON, in which tuples are lists; one without conditioning had none.

    Args:
        value: plain values.
        where: what holds them, for the sentence.

    Raises:
        UserError: they are no device.
    """
    device = checked.convert(device_fields(value), Device, where, remedy="it is damaged")
    if device.emg_rate < SLOWEST_HZ:
        raise UserError(f"{where}.emg_rate: {device.emg_rate:g} Hz is no rate of EMG")
    if len(device.anchor_names) > MOST_COLUMNS:
        raise UserError(f"{where}.anchor_names: {len(device.anchor_names):,} columns; {MOST_COLUMNS} are the most")
    return check_ring(device)


def device_fields(value: Any) -> Any:
    """Return the JSON of a device under the names of today, and what is no object as it is."""
    if not isinstance(value, dict):
        return value
    older = {"pose_names": "anchor_names", "pose_unit": "anchor_unit"}  # names of checkpoints of format 5
    return {"highpass_hz": 0.0, **{older.get(name, name): one for name, one in value.items()}}


def entry_from_json(value: Any, where: object) -> Entry:
    """Return an entry from its JSON, in which a repair is an object.

    Raises:
        UserError: it is none.
    """
    return checked.convert(value, Entry, where, remedy=AGAIN)


def _entry(names: Sequence[str], row: Sequence[Any], where: str) -> Entry:
    if len(row) != len(names):
        raise UserError(f"{where}: {len(row)} values for {len(names)} fields; {AGAIN}")
    return entry_from_json(dict(zip(names, row, strict=True)), where)


def out_of_order(entries: Sequence[Entry], frame: int = 0, block: int = 0) -> str:
    """Say which recording does not begin where the one before ends; empty where all do.

    Args:
        entries: recordings, in the order of the arrays.
        frame: where the first of them begins.
        block: its first power block.
    """
    for entry in entries:
        if (entry.start, entry.power_start) != (frame, block):
            return f"the recording {entry.name} does not begin where the one before ends"
        frame, block = frame + entry.frames, block + entry.power_blocks
    return ""
