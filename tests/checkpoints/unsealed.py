"""Checkpoints without checksums, for tests of what they would refuse first."""

from __future__ import annotations

import json
from pathlib import Path


def unseal(folder: Path) -> None:
    """Make a checkpoint one of format 6."""
    plain = json.loads((folder / "config.json").read_text())
    rest = {name: value for name, value in plain.items() if name not in ("sum", "weights")}
    (folder / "config.json").write_text(json.dumps(rest | {"format": 6}))
