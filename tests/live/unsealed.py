"""Books and enrolments without a checksum, for tests of what it would refuse first."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

BEFORE = {"cpep": 2, "cpep_enrolment": 1}
"""Last formats without a checksum, by the keys of the notes."""


def unseal(path: Path) -> None:
    """Make a book or an enrolment one of an older format."""
    with safe_open(path, "numpy") as file:
        ((key, text),) = file.metadata().items()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    note = json.loads(text)
    del note["sum"]
    save_file(arrays, path, {key: json.dumps(note | {"format": BEFORE[key]})})
