"""All of a store compared with its checksums: every small file, every block of the large arrays."""

from __future__ import annotations

from pathlib import Path

from cpep.data.store import checks
from cpep.data.store.checked_rows import CheckedRows
from cpep.data.store.store import Store, open_store
from cpep.runtime.sums import of_file
from cpep.types import Progress, UserError, no_progress


def damage_of(folder: Path, progress: Progress = no_progress) -> list[str]:
    """Return a sentence for each damaged file of a store, or stretch of a recording; empty where all is sound.

    Args:
        folder: of the store; one of an older version, without checksums, is opened alone.
        progress: called with the bytes that were read, and all bytes.

    Raises:
        UserError: the checksums themselves are missing or cannot be read.
    """
    sums = checks.read(folder)
    if sums is None:
        open_store(folder)
        return []
    found = []
    for name, wanted in sums.files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path} is missing")
        elif of_file(path) != wanted:
            found.append(f"{path} is damaged: its content does not fit its checksum")
    if found:
        return [*found, f"the large arrays of {folder} were not looked at: mend that first"]
    try:
        store = open_store(folder)
    except UserError as error:  # a large array is missing, or too short
        return [str(error)]
    arrays = {"emg": store.emg_TC, "anchor": store.anchor_MJ}
    large = {name: rows for name, rows in arrays.items() if rows is not None}
    done, total = 0, sum(rows.nbytes for rows in large.values())
    for name, rows in large.items():
        bad = []
        for block in range(rows.blocks):
            if not rows.is_sound(block):
                bad.append(rows.place(block))
            _, first, stop = rows.place(block)
            done += (stop - first) * rows.unchecked[:1].nbytes
            progress(done, total)
        found += _sentences(store, name, rows, bad)
    return found


def _sentences(store: Store, name: str, rows: CheckedRows, bad: list[tuple[int, int, int]]) -> list[str]:
    """Return a sentence for each stretch of damaged blocks that follow each other in one recording."""
    stretches: list[tuple[int, int, int]] = []
    for recording, first, stop in bad:
        if stretches and stretches[-1][0] == recording and stretches[-1][2] == first:
            first = stretches.pop()[1]
        stretches.append((recording, first, stop))
    rate = len(rows) / store.seconds
    return [
        f"{store.path / name}.npy is damaged in recording {store.entries[recording].name} at "
        f"{(first - int(rows.first_E[recording])) / rate:.2f} to {(stop - int(rows.first_E[recording])) / rate:.2f} s"
        for recording, first, stop in stretches
    ]
