"""The arrays of a store while they grow, and the journal from which a stopped run goes on."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.folder import STORE_INDEX
from cpep.data.frames import POWER_BLOCK_S, Frames
from cpep.data.recording import Device
from cpep.data.resample import frame_ratio
from cpep.data.store import STORE_VERSION, Entry, device_from_json
from cpep.files import write_json, write_text
from cpep.types import UNKNOWN, IntArray, UserError

Stamp = list[Any]
"""Name of a source, then size and modification time of each of its files: tells whether it is the same."""

JOURNAL = "journal.jsonl"
HEADER_BYTES = 128
"""Room for the .npy header, which is written last, when the number of rows is known."""


class StoreWriter:
    """Appends recordings to the arrays in ``partial``; each one that is complete survives a kill.

    Args:
        partial: folder of the arrays; made where it is missing.
        stamps: of all sources, in order; the journal of an earlier run counts as far as it agrees with them.
        keep_skipped: whether recordings that an earlier run skipped stay skipped.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, partial: Path, stamps: list[Stamp], *, keep_skipped: bool) -> None:
        self.partial, self.stamps = partial, stamps
        self.entries: list[Entry] = []
        self.skipped: list[list[str]] = []
        self.vocabulary = ["rest"]
        self.device: Device | None = None
        self._arrays: dict[str, _Array] = {}
        lines = _agreeing(partial, stamps, keep_skipped)
        # The journal is cut before the arrays are: they may hold more than it says, never less.
        write_text(partial / JOURNAL, "".join(map(_text, [{"version": STORE_VERSION}, *lines])))
        self._journal = io.FileIO(partial / JOURNAL, "a")
        for line in lines:
            self._count(line)
        if self.device is not None:
            last = self.entries[-1]
            self._open(self.device, last.start + last.frames, last.power_start + last.power_blocks)

    @property
    def done(self) -> int:
        """Number of sources that are dealt with."""
        return len(self.entries) + len(self.skipped)

    def add(self, frames: Frames) -> None:
        """Append the next recording.

        Raises:
            UserError: its device differs from that of the others, or another process writes here too.
            OSError: no space; what was appended before stays valid.
        """
        stamp = self.stamps[self.done]
        if self.device is None:
            self._open(frames.device, 0, 0)
        elif frames.device != self.device:
            raise UserError(_difference(stamp[0], frames.device, self.entries[0].name, self.device))
        new = [label for label in frames.vocabulary if label not in self.vocabulary]
        vocabulary = [*self.vocabulary, *new]
        index_K = np.array([vocabulary.index(label) for label in frames.vocabulary], np.int16)
        entry = Entry(
            name=stamp[0],
            user=frames.user,
            session=frames.session,
            stage=frames.stage,
            side=frames.side,
            start=self._arrays["valid"].rows,
            frames=len(frames.valid_M),
            power_start=self._arrays["power"].rows,
            power_blocks=len(frames.power_KC),
        )
        columns = {
            "emg": frames.emg_TC,
            "pose": frames.pose_MJ,
            "valid": frames.valid_M,
            "label": _renumbered(frames.label_M, index_K),
            "prompt": _renumbered(frames.prompt_M, index_K),
            "repetition": frames.repetition_M,
            "power": frames.power_KC,
        }
        for name, array in self._arrays.items():
            array.append(columns[name])
        device = {} if self.device else {"device": asdict(frames.device)}
        self._log({"source": stamp, **device, "labels": new, "entry": asdict(entry)})

    def skip(self, reason: str) -> None:
        """Note that the next recording cannot be read."""
        self._log({"source": self.stamps[self.done], "skipped": reason})

    def finish(self, name: str, splits: dict[str, str], extra: dict[str, Any]) -> None:
        """Write headers and index, after which the folder is a store.

        Args:
            name: of the data set.
            splits: split of a recording by the last part of its name.
            extra: further fields of the index.

        Raises:
            UserError: no recording could be read.
        """
        if self.device is None:
            raise UserError(f"none of the {self.done} recordings is readable; the first: {self.skipped[0][1]}")
        for array in self._arrays.values():
            array.write_header()
        self.close()
        entries = [replace(entry, split=splits.get(entry.name.split("/")[-1], "")) for entry in self.entries]
        index = {
            "version": STORE_VERSION,
            "name": name,
            "device": asdict(self.device),
            "vocabulary": self.vocabulary,
            "ratio": frame_ratio(self.device.emg_rate),
            "power_block_s": POWER_BLOCK_S,
            "skipped": self.skipped,
            **extra,
            "sources": self.stamps,
            "entry_fields": [field.name for field in fields(Entry)],
            "entries": [list(asdict(entry).values()) for entry in entries],
        }
        write_json(self.partial / STORE_INDEX, index)

    def close(self) -> None:
        """Close all files."""
        for array in self._arrays.values():
            array.file.close()
        self._journal.close()

    def _log(self, line: dict[str, Any]) -> None:
        write_all(self._journal, _text(line).encode())
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        """Take a line of the journal into account."""
        if "skipped" in line:
            self.skipped.append([line["source"][0], line["skipped"]])
            return
        if "device" in line:
            self.device = device_from_json(line["device"])
        self.vocabulary += line["labels"]
        self.entries.append(Entry(**line["entry"]))

    def _open(self, device: Device, frames: int, blocks: int) -> None:
        """Open the arrays and cut them to the given number of frames and power blocks."""
        ratio, joints = frame_ratio(device.emg_rate), len(device.pose_names)
        layout = {
            "emg": (np.float32, device.channels, frames * ratio),
            "pose": (np.float32, joints, frames),
            "valid": (np.bool_, None, frames),
            "label": (np.int16, None, frames),
            "prompt": (np.int16, None, frames),
            "repetition": (np.int16, None, frames),
            "power": (np.float32, device.channels, blocks),
        }
        self._arrays = {
            name: _Array(self.partial / f"{name}.npy", np.dtype(dtype), columns, rows)
            for name, (dtype, columns, rows) in layout.items()
            if columns != 0
        }


class _Array:
    """A .npy file that grows by rows; its header stays empty until the end.

    Args:
        path: the file.
        dtype: of its elements.
        columns: width of a row; ``None`` for a flat array.
        rows: rows to keep of what is there.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], columns: int | None, rows: int) -> None:
        self.dtype, self.columns, self.rows = dtype, columns, rows
        path.touch()
        # Unbuffered: an error of the disk shows where it happens, and none is left for closing.
        self.file = io.FileIO(path, "r+")
        self.file.truncate(self._end())

    def _end(self) -> int:
        return HEADER_BYTES + self.rows * (self.columns or 1) * self.dtype.itemsize

    def append(self, array: npt.NDArray[Any]) -> None:
        if self.file.seek(0, io.SEEK_END) != self._end():
            raise UserError(f"another process writes {self.file.name!r} too; wait for it to end")
        write_all(self.file, np.ascontiguousarray(array, self.dtype).data.cast("B"))
        self.rows += len(array)

    def write_header(self) -> None:
        shape = (self.rows,) if self.columns is None else (self.rows, self.columns)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        )
        assert len(header.getvalue()) == HEADER_BYTES
        self.file.seek(0)
        write_all(self.file, header.getvalue())


def write_all(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all of ``data``: one call of the system may write less, when the disk fills or beyond 2 GB."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"


def _agreeing(partial: Path, stamps: list[Stamp], keep_skipped: bool) -> list[dict[str, Any]]:
    """Return the lines of an earlier run's journal that still hold, without its first."""
    path = partial / JOURNAL
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:  # the line that the kill cut off
            break
    if not lines or lines[0] != {"version": STORE_VERSION}:
        return []
    kept = []
    for line, stamp in zip(lines[1:], stamps, strict=False):
        if line["source"] != stamp or ("skipped" in line and not keep_skipped):
            break
        kept.append(line)
    return kept


def _renumbered(label_M: IntArray, index_K: IntArray) -> IntArray:
    """Return labels as indices into the vocabulary of the store."""
    return np.where(label_M >= 0, index_K[label_M], np.int16(UNKNOWN))


def _difference(name: str, device: Device, first_name: str, first: Device) -> str:
    """Say in a sentence how two devices differ."""
    differing = [field.name for field in fields(Device) if getattr(device, field.name) != getattr(first, field.name)]
    what = differing[0]
    return (
        f"{name} comes from another device than {first_name}: {what} {getattr(device, what)} instead of "
        f"{getattr(first, what)}; prepare them in separate folders"
    )
