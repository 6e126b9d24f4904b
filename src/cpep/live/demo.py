"""Where the checkpoint and the book are that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cpep.checkpoints.checkpoint import CHECKPOINT

BOOK = "demo.book"
SHIPPED = "shipped"
"""Stands for the checkpoint that comes with cpep, where one is named."""


def demo_paths() -> tuple[Path, Path]:
    """Return the folder of the shipped checkpoint, and the file of its book."""
    shipped = Path(str(resources.files("cpep.live"))) / "shipped"
    return shipped / CHECKPOINT, shipped / BOOK


def place_of(checkpoint: str | Path) -> str | Path:
    """Return the folder of the shipped checkpoint for ``shipped``, and every other name as it is."""
    return demo_paths()[0] if str(checkpoint) == SHIPPED else checkpoint
