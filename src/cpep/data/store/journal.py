"""The journal of a store that grows: a line for each source, from which a stopped run goes on.

Lines count as far as they can be read and agree with each other and with the arrays. What comes after is read from
the recordings again, so that a damaged journal costs time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cpep.data.recording import Device
from cpep.data.resample import frame_ratio
from cpep.data.store.index import Entry, device_from_json, out_of_order
from cpep.data.store.store import HEADER_BYTES
from cpep.runtime import checked, plain, sums
from cpep.runtime.files import MOST_JSON, read_bytes, size_of
from cpep.types import UserError

Stamp = list[Any]
"""Name of a source, then size and modification time of each of its files: tells whether it is the same."""

JOURNAL = "journal.jsonl"
REMEDY = "it is read from the recordings again"


@dataclass(frozen=True)
class Line:
    """One source that is done.

    Attributes:
        source: its stamp.
        skipped: why it could not be read; empty where it was.
        device: of the store from this source on, where that is new; see ``device_from_json``.
        labels: that are new with this source.
        entries: its recordings.
        sums: checksums of the blocks of each one's large arrays, by their names.
        small: checksum of each one's small arrays; see ``small_sum``.
    """

    source: list[Any]
    skipped: str = ""
    device: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    sums: tuple[dict[str, str], ...] = ()
    small: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The line as it is written."""
        return json.dumps(sums.sealed(asdict(self))) + "\n"


def lines_that_hold(partial: Path, first: dict[str, Any], stamps: list[Stamp], keep_skipped: bool) -> list[Line]:
    """Return the lines of an earlier run's journal that still hold, without the first; another first one ends it.

    Args:
        partial: folder of the growing store.
        first: what the first line has to be.
        stamps: of all sources, in order.
        keep_skipped: whether recordings that were skipped stay skipped.
    """
    path = partial / JOURNAL
    if not path.is_file():
        return []
    texts = read_bytes(path, MOST_JSON + size_of(partial / "emg.npy")).splitlines()
    if not texts or next(_plain(texts[:1], path), None) != first:
        return []
    found: list[Line] = []
    device: Device | None = None
    vocabulary, frame, block = {"rest"}, 0, 0
    for line, stamp in zip(_lines(texts[1:], path), stamps, strict=False):
        if line.source != stamp or (line.skipped and not keep_skipped):
            break
        device, new = device if line.device is None else device_from_json(line.device), set(line.labels)
        known = len(new) < len(line.labels) or new & vocabulary
        if not line.skipped and (not line.entries or known or out_of_order(line.entries, frame, block)):
            break
        if line.entries and (device is None or not _on_disk(partial, line, device)):
            break
        vocabulary |= new
        frame += sum(entry.frames for entry in line.entries)
        block += sum(entry.power_blocks for entry in line.entries)
        found.append(line)
    return found


def _plain(texts: Sequence[bytes], path: Path) -> Iterator[Any]:
    """Yield the lines up to the first that cannot be read, which the kill cut off."""
    for text in texts:
        try:
            yield plain.parse(text, path, REMEDY, quoting=True)  # why a source was skipped may quote a file
        except UserError:
            return


def sealed_lines(texts: Sequence[bytes], path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a journal up to the first that is not as it was written."""
    for value in _plain(texts, path):
        try:
            sums.refuse_broken_seal(value, path, REMEDY)
        except UserError:
            return
        yield value


def _lines(texts: Sequence[bytes], path: Path) -> Iterator[Line]:
    for sealed in sealed_lines(texts, path):
        try:
            line = checked.convert(sealed, Line, path, remedy=REMEDY, others=True)
            if line.device is not None:
                device_from_json(line.device, path)
        except UserError:
            return
        yield line


def _on_disk(partial: Path, line: Line, device: Device) -> bool:
    """Tell whether the arrays hold what a line says; large ones are checked block by block when they are read."""
    if not len(line.entries) == len(line.sums) == len(line.small):
        return False
    samples = (line.entries[-1].start + line.entries[-1].frames) * frame_ratio(device.emg_rate)
    long_enough = size_of(partial / "emg.npy") >= HEADER_BYTES + samples * 4 * device.channels
    return long_enough and line.small == tuple(small_sum(partial, entry, device) for entry in line.entries)


def small_sum(partial: Path, entry: Entry, device: Device) -> str:
    """Return the checksum of validity, labels, prompts, repetitions and power of a recording, as they are on disk.

    Args:
        partial: folder of the growing store.
        entry: the recording.
        device: of the store.
    """
    wide = 4 * device.channels
    layout = {"valid": 1, "label": 2, "prompt": 2, "repetition": 2}
    places = {name: (entry.start * width, entry.frames * width) for name, width in layout.items()}
    places["power"] = entry.power_start * wide, entry.power_blocks * wide
    return sums.of_bytes(b"".join(_bytes(partial / f"{name}.npy", *place) for name, place in places.items()))


def _bytes(path: Path, start: int, count: int) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES + start)
        return file.read(count)
