"""Checksums of an exported folder: SHA-256, which every language has, as the runner needs NumPy alone.

card.json holds ``sums``, by the names of the other files, and ``sum``, of its own content without that entry: as JSON
with sorted names, no spaces, and nothing but ASCII.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cpep.runtime.files import read_json
from cpep.runtime.sums import damaged

CARD = "card.json"
REMEDY = "export the model again"


def sealed(card: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a card with the checksums of the other files of its folder, and its own."""
    rest = {**card, "sums": {path.name: _of(path) for path in sorted(folder.iterdir()) if path.name != CARD}}
    return {**rest, "sum": _own(rest)}


def is_export(folder: Path) -> bool:
    """Tell whether a folder is an exported model."""
    return (folder / CARD).is_file() and (folder / "run.py").is_file()


def has_sums(card: Any) -> bool:
    """Tell whether a card has checksums, as all but those of older versions have; what is no card is to have some."""
    return not isinstance(card, dict) or bool({"sum", "sums"} & card.keys())


def damage_of(folder: Path) -> list[str]:
    """Return a sentence for each file of an exported folder that is not as it was written; see ``has_sums``.

    Raises:
        UserError: card.json cannot be read, or is damaged.
    """
    card = read_json(folder / CARD)
    if not has_sums(card):
        return []
    if not isinstance(card, dict) or not isinstance(card.get("sums"), dict) or card.get("sum") != _own(card):
        raise damaged(folder / CARD, REMEDY)
    found = []
    for name, wanted in card["sums"].items():
        path = folder / Path(name).name
        if not path.is_file():
            found.append(f"{path} is missing; {REMEDY}")
        elif _of(path) != wanted:
            found.append(str(damaged(path, REMEDY)))
    return found


def _own(card: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in json.loads(json.dumps(card)).items() if name != "sum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
