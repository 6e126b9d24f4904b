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
from cpep.runtime.files import MOST_JSON, read_bytes
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
    """

    source: list[Any]
    skipped: str = ""
    device: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    sums: tuple[dict[str, str], ...] = ()

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
    texts = read_bytes(path, MOST_JSON + _size(partial / "emg.npy")).splitlines()
    if not texts or next(_plain(texts[:1], path), None) != first:
        return []
    found: list[Line] = []
    vocabulary, device, frame, block = {"rest"}, False, 0, 0
    for line, stamp in zip(_lines(texts[1:], path), stamps, strict=False):
        if line.source != stamp or (line.skipped and not keep_skipped):
            break
        new, device = set(line.labels), device or line.device is not None
        known = len(new) < len(line.labels) or new & vocabulary
        if len(line.sums) < len(line.entries):
            break
        if not line.skipped and (not line.entries or not device or known or out_of_order(line.entries, frame, block)):
            break
        vocabulary |= new
        frame += sum(entry.frames for entry in line.entries)
        block += sum(entry.power_blocks for entry in line.entries)
        found.append(line)
    return found if _written(partial, found, frame, block) else []


def _plain(texts: Sequence[bytes], path: Path) -> Iterator[Any]:
    """Yield the lines up to the first that cannot be read, which the kill cut off."""
    for text in texts:
        try:
            yield plain.parse(text, path, REMEDY, quoting=True)  # why a source was skipped may quote a file
        except UserError:
            return


def _lines(texts: Sequence[bytes], path: Path) -> Iterator[Line]:
    for value in _plain(texts, path):
        try:
            sealed = checked.convert(value, dict[str, Any], path, remedy=REMEDY)
            sums.refuse_broken_seal(sealed, path, REMEDY)
            line = checked.convert(sealed, Line, path, remedy=REMEDY, others=True)
            if line.device is not None:
                device_from_json(line.device, path)
        except UserError:
            return
        yield line


def _written(partial: Path, lines: Sequence[Line], frames: int, blocks: int) -> bool:
    """Tell whether the arrays hold what the lines say; the anchor may end where later recordings have none."""
    devices = [device_from_json(line.device) for line in lines if line.device is not None]
    return all(
        _size(partial / f"{name}.npy") >= HEADER_BYTES + rows * width
        for name, (rows, width) in (_layout(devices[-1], frames, blocks) if devices else {}).items()
    )


def _layout(device: Device, frames: int, blocks: int) -> dict[str, tuple[int, int]]:
    """Return rows, and bytes of a row, of each array but the anchor."""
    wide = 4 * device.channels
    small = {"valid": (frames, 1), **dict.fromkeys(("label", "prompt", "repetition"), (frames, 2))}
    return {"emg": (frames * frame_ratio(device.emg_rate), wide), "power": (blocks, wide), **small}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
