"""The checkpoint and the gesture book that come with the package, made from the simulator alone (docs/live.md)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def demo_paths() -> tuple[Path, Path]:
    """Return the folder of the shipped checkpoint, and the file of its book."""
    shipped = Path(str(resources.files("cpep.live"))) / "demo"
    return shipped / "checkpoint", shipped / "demo.book"
