"""All checksums of what a path holds: a store, a checkpoint, a book, an enrolment, or all of these in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from cpep.checkpoints.checkpoint import WEIGHTS, load
from cpep.data.store import checks
from cpep.data.store.store import is_store
from cpep.data.store.verify import damage_of as store_damage
from cpep.download.noted import damage_of as download_damage
from cpep.download.noted import is_download
from cpep.export.sums import CARD, has_sums, is_export
from cpep.export.sums import damage_of as export_damage
from cpep.live.book.files import refuse_damaged
from cpep.live.enrol.enrolment import Enrolment
from cpep.runtime.files import MOST_ROWS, parse_json
from cpep.runtime.sums import FIELD, refuse_broken_seal, refuse_other_file
from cpep.train.note import NAME as NOTE
from cpep.train.state import refuse_damaged as refuse_damaged_state
from cpep.types import Progress, UserError, no_progress

NOTES = {"book": "cpep", "enrolment": "cpep_enrolment"}
"""Names of the note in files of these kinds."""
GETS = {"store": "prepare it again", "export": "export the model again"}
"""What to do about those that were written without checksums, where it is not just to make them again."""
AGAIN = "run the command again: what is damaged is computed anew"


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        sound: what was looked at and is sound, a line each.
        bare: what has no checksums, a sentence each.
        damaged: what is damaged, a sentence each.
    """

    sound: tuple[str, ...]
    bare: tuple[str, ...]
    damaged: tuple[str, ...]


def verify(path: Path, progress: Progress = no_progress) -> Verified:
    """Compare all that a path holds with its checksums.

    Args:
        path: store, checkpoint, book, enrolment, download, or a folder with any of them, such as that of a run.
        progress: called with what is done of each store or download, and all of it.

    Raises:
        UserError: nothing there has checksums.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist")
    sound: list[str] = []
    bare: list[str] = []
    damaged: list[str] = []
    for kind, one in _within(path):
        try:
            if found := KINDS[kind](one, progress):
                damaged += found
            elif _has_sums(kind, one):
                sound.append(f"{one}: {kind}")
            else:
                again = GETS.get(kind, "make it again")
                bare.append(f"{one}: {kind} of an older version, without checksums; {again} to get some")
        except UserError as error:
            damaged.append(str(error))
    if not (sound or bare or damaged):
        raise UserError(f"{path} is no store, checkpoint, book or enrolment, and holds none")
    return Verified(tuple(sound), tuple(bare), tuple(damaged))


def _read(call: Callable[[Path], object]) -> Callable[[Path, Progress], list[str]]:
    """Return a function that reads a file whole, which compares its checksums."""

    def read(path: Path, progress: Progress) -> list[str]:
        call(path)
        return []

    return read


def _has_sums(kind: str, path: Path) -> bool:
    """Tell whether something that is sound, as far as it was looked at, has checksums: older versions wrote none."""
    match kind:
        case "store":
            return (path / checks.SUMS).exists()
        case "checkpoint":
            return FIELD in parse_json(path / "config.json")
        case "export":
            return has_sums(parse_json(path / CARD))
        case "record":
            return FIELD in parse_json(path, MOST_ROWS)
        case "state" | "book" | "enrolment":
            with safe_open(path, "numpy") as file:
                notes = file.metadata()
            return FIELD in (notes if kind == "state" else json.loads(notes[NOTES[kind]]))
    return True


def _record(path: Path) -> None:
    """Compare a file of a run with the checksum in it, and the arrays beside it."""
    value = parse_json(path, MOST_ROWS)
    refuse_broken_seal(value, path, AGAIN, required=False)
    if isinstance(arrays := value.get("arrays"), str) and arrays:
        refuse_other_file(path.with_suffix(".npz"), arrays, AGAIN)


KINDS: dict[str, Callable[[Path, Progress], list[str]]] = {
    "store": store_damage,
    "download": download_damage,
    "export": lambda path, progress: export_damage(path),
    "checkpoint": _read(load),
    "record": _read(_record),
    "state": _read(refuse_damaged_state),
    "book": _read(refuse_damaged),
    "enrolment": _read(Enrolment.load),
}
"""What returns the damage of each kind, or raises it."""


def _within(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the place of all that can be checked at a path or below it."""
    if path.is_file():
        if path.suffix in (".book", ".enrol"):
            yield path.suffix[1:].replace("enrol", "enrolment"), path
        if path.name in ("run.json", NOTE) or (path.parent.name == "rows" and path.suffix == ".json"):
            yield "record", path
        if path.name == "state.safetensors":
            yield "state", path
        return
    if is_store(path) or (path / checks.SUMS).is_file():
        yield "store", path
        return
    if (path / "config.json").is_file() and (path / WEIGHTS).exists():
        yield "checkpoint", path
    if is_export(path):
        yield "export", path
    if is_download(path):
        yield "download", path
    for inner in sorted(path.iterdir()):
        if not inner.is_symlink() and not inner.name.startswith("."):
            yield from _within(inner)
