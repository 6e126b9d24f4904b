"""All checksums of what a path holds: a store, a checkpoint, a book, an enrolment, or all of these in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cpep.checkpoints.checkpoint import WEIGHTS, load
from cpep.data.store import checks
from cpep.data.store.store import is_store, open_store
from cpep.data.store.verify import damage_of
from cpep.live.book.files import refuse_damaged
from cpep.live.enrol.enrolment import Enrolment
from cpep.types import Progress, UserError, no_progress


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
        path: store, checkpoint, book, enrolment, or a folder with any of them, such as that of a run.
        progress: called with the bytes that were read, and all bytes, for each store.

    Raises:
        UserError: nothing there has checksums.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist")
    sound: list[str] = []
    bare: list[str] = []
    damaged: list[str] = []
    for kind, found in _within(path):
        try:
            if kind == "store":
                _store(found, progress, sound, bare, damaged)
            else:
                KINDS[kind](found)
                sound.append(f"{found}: {kind}")
        except UserError as error:
            damaged.append(str(error))
    if not (sound or bare or damaged):
        raise UserError(f"{path} is no store, checkpoint, book or enrolment, and holds none")
    return Verified(tuple(sound), tuple(bare), tuple(damaged))


def _store(path: Path, progress: Progress, sound: list[str], bare: list[str], damaged: list[str]) -> None:
    if (path / checks.SUMS).exists():
        found = damage_of(path, progress)
        damaged += found
        sound += [] if found else [f"{path}: store"]
    else:
        open_store(path)
        bare.append(f"{path}: store of an older version, without checksums; prepare it again to get some")


KINDS: dict[str, Callable[[Path], object]] = {
    "checkpoint": load,
    "book": refuse_damaged,
    "enrolment": Enrolment.load,
}
"""How each kind is read whole, which compares its checksums."""


def _within(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the place of all that can be checked at a path or below it."""
    if path.is_file():
        if path.suffix in (".book", ".enrol"):
            yield path.suffix[1:].replace("enrol", "enrolment"), path
        return
    if is_store(path) or (path / checks.SUMS).is_file():
        yield "store", path
        return
    if (path / "config.json").is_file() and (path / WEIGHTS).exists():
        yield "checkpoint", path
    for inner in sorted(path.iterdir()):
        if not inner.is_symlink() and not inner.name.startswith("."):
            yield from _within(inner)
