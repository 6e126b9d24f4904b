"""The arrays of a store while they grow, and the journal from which a stopped run goes on."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.folder import STORE_INDEX
from cpep.data.recording import Device
from cpep.data.resample import frame_ratio
from cpep.data.store import checks
from cpep.data.store.arrays import GrowingArray, Placed, write_all
from cpep.data.store.checked_rows import rows_of_block
from cpep.data.store.checks import Blocks, unpacked
from cpep.data.store.frames import POWER_BLOCK_S
from cpep.data.store.index import STORE_VERSION, Entry, device_from_json
from cpep.data.store.journal import JOURNAL, Line, Stamp, lines_that_hold, small_sum
from cpep.runtime.files import write_json, write_text
from cpep.runtime.sums import of_blocks
from cpep.signal.conditioning import NOTHING_ASKED, Asked
from cpep.types import UNKNOWN, IntArray, UserError

SAFE_EVERY_S = 1.0
"""A kill or a cut of the power costs at most the work of this time: to wait for a disk after each file is slow."""


class StoreWriter:
    """Appends recordings to the arrays in ``partial``; what is complete survives a kill, but for ``SAFE_EVERY_S``.

    The large arrays are written by ``place``, in the process that reads; labels, whose numbers depend on the
    recordings before, and the journal are written here, in the order of the recordings. So a line of the journal says
    that all arrays hold its recording and the recordings before it.

    Args:
        partial: folder of the arrays; made where it is missing.
        stamps: of all sources, in order; the journal of an earlier run counts as far as it agrees with them.
        asked: conditioning that is asked for; a journal under another one does not count.
        keep_skipped: whether recordings that an earlier run skipped stay skipped.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(
        self,
        partial: Path,
        stamps: list[Stamp],
        asked: Asked = NOTHING_ASKED,
        *,
        keep_skipped: bool,
    ) -> None:
        self.partial, self.stamps, self.asked = partial, stamps, asdict(asked)
        self.entries: list[Entry] = []
        self.skipped: list[list[str]] = []
        self._sums: list[dict[str, str]] = []
        self.vocabulary = ["rest"]
        self.device: Device | None = None
        self.frames = self.blocks = self._files = 0
        self._arrays: dict[str, GrowingArray] = {}
        first = {"version": STORE_VERSION, "asked": self.asked}
        lines = lines_that_hold(partial, first, stamps, keep_skipped)
        # The journal is cut before the arrays are: they may hold more than it says, never less.
        write_text(partial / JOURNAL, "".join([json.dumps(first) + "\n", *(line.text for line in lines)]))
        self._journal = io.FileIO(partial / JOURNAL, "a")
        self._due: list[Line] = []
        self._safe_at = time.monotonic()
        for line in lines:
            self._count(line)
        if self.device is not None:
            self._open(self.device)
            for name, array in self._arrays.items():
                array.cut(self._rows(name, self.device))
        for path in partial.glob("*.npy"):  # what processes that read placed before its line was written
            if path.stem not in self._arrays:
                os.truncate(path, 0)

    @property
    def done(self) -> int:
        """Number of sources that were added or skipped."""
        return self._files + len(self.skipped)

    def add(self, parts: Sequence[Placed]) -> None:
        """Append the recordings of the next file, whose large arrays are written.

        Recordings without an anchor may stand among others: their anchor is invalid everywhere.

        Raises:
            UserError: their device is another one than before, or another process writes here too.
            OSError: no space; what was appended before stays valid.
        """
        stamp, first = self.stamps[self.done], parts[0]
        assert (first.start, first.power_start) == (self.frames, self.blocks), f"{stamp[0]} is in a wrong place"
        device = self.device or first.frames.device
        for placed in parts:
            mine = placed.frames.device
            if not device.anchor_names:
                device = device.with_anchor_of(mine)
            if (mine if mine.anchor_names else mine.with_anchor_of(device)) != device:
                other = self.entries[0].name if self.entries else first.frames.name
                raise UserError(_difference(placed.frames.name, mine, other, device))
        if self.device != device:
            self._open(device)
        labels = dict.fromkeys(label for placed in parts for label in placed.frames.vocabulary)
        new = [label for label in labels if label not in self.vocabulary]
        vocabulary = [*self.vocabulary, *new]
        entries = [self._append(placed, vocabulary, k if parts[1:] else 0) for k, placed in enumerate(parts, start=1)]
        known = None if self.device == device else asdict(device)
        sums = tuple(placed.sums for placed in parts)
        small = tuple(small_sum(self.partial, entry, device) for entry in entries)
        self._log(Line(stamp, "", known, tuple(new), tuple(entries), sums, small))

    def _append(self, placed: Placed, vocabulary: list[str], part: int) -> Entry:
        """Append the small arrays of one recording."""
        frames = placed.frames
        index_K = np.array([vocabulary.index(label) for label in frames.vocabulary], np.int16)
        entry = Entry(
            name=frames.name,
            user=frames.user,
            session=frames.session,
            stage=frames.stage,
            side=frames.side,
            start=placed.start,
            frames=placed.length,
            power_start=placed.power_start,
            power_blocks=placed.power_blocks,
            part=part,
            repairs=frames.repairs,
        )
        small = {
            "valid": frames.valid_M & bool(frames.device.anchor_names),
            "label": _renumbered(frames.label_M, index_K),
            "prompt": _renumbered(frames.prompt_M, index_K),
            "repetition": frames.repetition_M,
        }
        for name, array_M in small.items():
            self._arrays[name].append(array_M, placed.start)
        return entry

    def skip(self, reason: str) -> None:
        """Note that the next recording cannot be read."""
        self._log(Line(self.stamps[self.done], skipped=reason))

    def finish(self, name: str, splits: dict[str, str], extra: dict[str, Any]) -> None:
        """Write headers, index and checksums, after which the folder is a store.

        Args:
            name: of the data set.
            splits: split of a recording by the name of its source.
            extra: further fields of the index.

        Raises:
            UserError: no recording could be read.
        """
        if self.device is None:
            raise UserError(f"none of the {self.done} recordings is readable; the first: {self.skipped[0][1]}")
        for column, array in self._arrays.items():
            array.cut(self._rows(column, self.device))  # zeros where the last recordings have no anchor
            array.write_header(self._rows(column, self.device))
        self.close()
        entries = [replace(entry, split=splits.get(entry.source, "")) for entry in self.entries]
        index = {
            "version": STORE_VERSION,
            "name": name,
            "device": asdict(self.device),
            "vocabulary": self.vocabulary,
            "ratio": frame_ratio(self.device.emg_rate),
            "power_block_s": POWER_BLOCK_S,
            "skipped": self.skipped,
            "asked": self.asked,
            **extra,
            "sources": self.stamps,
            "entry_fields": [field.name for field in fields(Entry)],
            "entries": [list(asdict(entry).values()) for entry in entries],
        }
        write_json(self.partial / STORE_INDEX, index)
        checks.write(self.partial, self._blocks(self.device))

    def _blocks(self, device: Device) -> dict[str, Blocks]:
        """Return the checksums of the large arrays; where a recording has no anchor, they are of zeros."""
        found = {}
        for name, columns in (("emg", device.channels), ("anchor", len(device.anchor_names))):
            rows, sums = rows_of_block(columns), []
            for entry, mine in zip(self.entries, self._sums, strict=True):
                packed = mine.get(name)
                zeros_RJ = np.zeros((0 if packed else entry.frames, columns), np.float32)
                sums.append(unpacked(packed) if packed else of_blocks(zeros_RJ, rows))
            if columns:
                found[name] = Blocks(rows, np.concatenate(sums))
        return found

    def close(self) -> None:
        """Bring all to the disk and close all files."""
        try:
            self._make_safe()
        finally:
            for array in self._arrays.values():
                array.file.close()
            self._journal.close()

    def _make_safe(self) -> None:
        """Bring all arrays to the disk, also what other processes wrote, before the journal says that it is there."""
        if self._journal.closed:
            return
        for array in self._arrays.values():
            os.fsync(array.file.fileno())
        write_all(self._journal, "".join(line.text for line in self._due).encode())
        self._due, self._safe_at = [], time.monotonic()

    def _log(self, line: Line) -> None:
        self._count(line)
        self._due.append(line)
        if time.monotonic() - self._safe_at >= SAFE_EVERY_S:
            self._make_safe()

    def _count(self, line: Line) -> None:
        """Take a line of the journal into account."""
        if line.skipped:
            self.skipped.append([line.source[0], line.skipped])
            return
        if line.device is not None:
            self.device = device_from_json(line.device)
        self.vocabulary += line.labels
        self._files += 1
        self.entries += line.entries
        self._sums += line.sums
        self.frames += sum(entry.frames for entry in line.entries)
        self.blocks += sum(entry.power_blocks for entry in line.entries)

    def _open(self, device: Device) -> None:
        """Open the arrays."""
        layout = {
            "emg": (np.float32, device.channels),
            "anchor": (np.float32, len(device.anchor_names)),
            "valid": (np.bool_, None),
            "label": (np.int16, None),
            "prompt": (np.int16, None),
            "repetition": (np.int16, None),
            "power": (np.float32, device.channels),
        }
        self._arrays |= {
            name: GrowingArray(self.partial / f"{name}.npy", np.dtype(dtype), columns)
            for name, (dtype, columns) in layout.items()
            if columns != 0 and name not in self._arrays
        }

    def _rows(self, name: str, device: Device) -> int:
        """Return the rows of an array so far."""
        return {"emg": self.frames * frame_ratio(device.emg_rate), "power": self.blocks}.get(name, self.frames)


def _renumbered(label_M: IntArray, index_K: IntArray) -> IntArray:
    """Return labels as indices into the vocabulary of the store."""
    return np.where(label_M >= 0, index_K[label_M], np.int16(UNKNOWN))


def _difference(name: str, device: Device, first_name: str, first: Device) -> str:
    """Say in a sentence how two devices differ."""
    differing = [field.name for field in fields(Device) if getattr(device, field.name) != getattr(first, field.name)]
    what = differing[0]
    mine, others = (_short(getattr(one, what)) for one in (device, first))
    return (
        f"{name} comes from another device than {first_name}: {what} {mine} instead of {others}; prepare them in "
        "separate folders"
    )


def _short(value: Any) -> str:
    """Return a field as text; of names, the first and their number."""
    if not isinstance(value, tuple):
        return str(value)
    more = f" and {len(value) - 2} more" if len(value) > 2 else ""
    return (", ".join(map(str, value[:2])) or "none") + more
