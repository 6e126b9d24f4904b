"""Where the checkpoint and the book are that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cpep.checkpoints.checkpoint import CHECKPOINT

BOOK = "demo.book"


def demo_paths() -> tuple[Path, Path]:
    """Return the folder of the shipped checkpoint, and the file of its book."""
    shipped = Path(str(resources.files("cpep.live"))) / "shipped"
    return shipped / CHECKPOINT, shipped / BOOK
