"""Where the checkpoint and the book are that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cpep.checkpoints.checkpoint import BOOK, CHECKPOINT


def demo_paths() -> tuple[Path, Path]:
    """Return the folder of the shipped checkpoint, and the file of its book."""
    folder = Path(str(resources.files("cpep.live"))) / "shipped"
    return folder / CHECKPOINT, folder / BOOK
