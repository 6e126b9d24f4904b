"""Checkpoints: one folder of safetensors and json, written atomically, no pickle.

``model.safetensors`` holds the weights and the statistics that were fitted with them. ``config.json`` holds all that
is needed to rebuild and to judge the model: sizes, device, vocabulary, split, settings, provenance. From format 7 on
it also holds the checksum of the weights' file, and its own.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from cpep.checkpoints.card import Card
from cpep.checkpoints.model import Model as Model
from cpep.checkpoints.weights import REMEDY, Bounded, read_head, read_weights
from cpep.data.store.index import device_fields
from cpep.runtime import checked, leftovers, plain, sums
from cpep.runtime.files import MOST_JSON, atomic_path, read_bytes, write_json, write_tensors
from cpep.runtime.hub import local
from cpep.types import UserError

FORMAT, READABLE, CHECKED = 7, (5, 6, 7), 7
"""Format that is written, formats that are read, and the first with checksums; in format 5 the anchor is called pose.
"""
WEIGHTS = "model.safetensors"
"""Name of the file of the weights in a checkpoint."""
CHECKPOINT, BOOK = "checkpoint", "gestures.book"
"""Names of the checkpoint and of its book of gestures in a folder that holds both, such as `cpep train` writes."""


def save(model: Model, folder: Path, *, half: bool = False) -> None:
    """Write a checkpoint; the folder appears whole or not at all, and replaces an older checkpoint.

    Args:
        model: the model.
        folder: folder of the checkpoint.
        half: whether weights are written as 16-bit floats, which halves the file; they are read as 32-bit floats.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and not (folder / "config.json").is_file():
        raise UserError(f"{folder} exists and is no checkpoint; choose another folder")
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        tensors = {name: (t.half() if half else t).contiguous() for name, t in model.state_dict().items()}
        write_tensors(save_file, tensors, temporary / WEIGHTS, {})
        write_json(temporary / "config.json", config_of(model.card, temporary / WEIGHTS), safe=False)


def config_of(card: Card, weights: Path) -> dict[str, Any]:
    """Return the content of the ``config.json`` of a card and a file of weights."""
    return sums.sealed({"format": FORMAT, **dataclasses.asdict(card), "weights": sums.of_file(weights)})


def load(path: str | Path, *, revision: str | None = None) -> Model:
    """Load a checkpoint, in evaluation mode.

    Args:
        path: its folder, or the folder of `cpep train` that holds it; or ``hf://organisation/name`` or
            ``hf://organisation/name@revision`` (docs/how-to/sharing.md).
        revision: of an address, in place of ``@revision``.

    Raises:
        UserError: there is no checkpoint, it has another format, or files are damaged; a folder with a revision; see
            also ``hub.fetch``.
    """
    folder = local(path, revision)
    if not folder.exists():
        leftovers.remove(folder)  # a command that was killed while it replaced it
    if (folder / CHECKPOINT / "config.json").is_file():
        folder = folder / CHECKPOINT
    if not (folder / "config.json").is_file():
        inside = next((str(path) for path in sorted(folder.glob(f"fold*/seed*/*/{CHECKPOINT}"))), "")
        raise UserError(
            f"{folder} is not a checkpoint: it has no config.json"
            + (f"; the run in it has checkpoints, such as {inside}" if inside else "")
        )
    (card, sum_), weights = _card(folder / "config.json"), folder / WEIGHTS
    bounded = Bounded(read_head(weights), weights)
    if sum_:
        sums.refuse_other_file(weights, sum_, REMEDY)
    with checked.at(folder / "config.json"), bounded:
        model = Model(card)
    model.load_state_dict(read_weights(weights, model.state_dict()))
    return model.eval()


def _card(path: Path) -> tuple[Card, str]:
    """Return the card that a ``config.json`` holds, and the checksum of the weights; empty in older formats.

    Raises:
        UserError: another format, or a field that is no card's.
    """
    fields = plain.parse(read_bytes(path, MOST_JSON), path, REMEDY)
    version = fields.get("format") if isinstance(fields, dict) else None
    if not isinstance(version, int) or version not in READABLE:
        raise UserError(
            f"{path.parent} has another checkpoint format; this cpep reads formats {READABLE[0]} to {READABLE[-1]}"
        )
    sums.refuse_broken_seal(fields, path, REMEDY, required=version >= CHECKED)
    weights = fields.pop("weights", "")
    del fields["format"]
    fields.pop(sums.FIELD, None)
    if "device" in fields:
        fields["device"] = device_fields(fields["device"])
    return checked.convert(fields, Card, path, remedy=REMEDY), checked.convert(weights, str, path, remedy=REMEDY)


def book_beside(path: Path) -> Path | None:
    """Return the book that lies with a checkpoint, or in the folder that holds both; ``None`` where there is none."""
    places = [path / BOOK, *([path.parent / BOOK] if path.name == CHECKPOINT else [])]
    return next((place for place in places if place.is_file()), None)
