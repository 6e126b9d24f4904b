"""cpep: Contrastive Pose-EMG Pre-training.

``cpep.load(path)`` opens a checkpoint, a folder or ``hf://organisation/name``; everything else is imported from its
module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cpep.version import __version__

__all__ = ["__version__", "load"]

if TYPE_CHECKING:
    from cpep.checkpoints.checkpoint import Model


def load(path: str | Path) -> Model:
    """Load a checkpoint, from a folder or from ``hf://organisation/name`` (``cpep.checkpoints``)."""
    # torch takes a second to import, which `cpep --help` need not wait for
    from cpep.checkpoints.checkpoint import load as load_checkpoint

    return load_checkpoint(path)
