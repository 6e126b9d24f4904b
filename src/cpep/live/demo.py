"""The checkpoint and the gesture book that come with the package, made from the simulator alone (docs/live.md).

``python -m cpep.live.demo CHECKPOINT STORE OUT`` writes them as they are shipped; ``make live-demo`` does all of it.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from cpep.checkpoint import load, save
from cpep.data.store import open_store
from cpep.live.making import book_of

CHECKPOINT, BOOK = "checkpoint", "demo.book"


def demo_paths() -> tuple[Path, Path]:
    """Return the folder of the shipped checkpoint, and the file of its book."""
    shipped = Path(str(resources.files("cpep.live"))) / "shipped"
    return shipped / CHECKPOINT, shipped / BOOK


def ship(checkpoint: Path, store: Path, out: Path) -> None:
    """Write a checkpoint in half precision, and the book of its seen gestures."""
    save(load(checkpoint), out / CHECKPOINT, half=True)
    book_of(load(out / CHECKPOINT), open_store(store)).save(out / BOOK)


if __name__ == "__main__":
    ship(*map(Path, sys.argv[1:]))
