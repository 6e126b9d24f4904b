"""What is noted beside the checkpoint of a finished stage: ``stage.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpep.runtime import checked, sums
from cpep.runtime.checked import Count, Finite, NotNegative, Size
from cpep.runtime.files import write_json

NAME = "stage.json"


@dataclass(frozen=True)
class StageNote:
    """The content of ``stage.json``; the provenance of the model stands there too, and is read from its checkpoint.

    Attributes:
        key: fingerprint of all that the stage depends on; see ``Task.key``.
        points: step, training loss and validation loss of every check.
        steps: that were taken.
        kept_step: step of the weights that were kept.
        validation: their validation loss; ``None`` where nothing was validated.
        parameters: of the model.
        gflop: operations of all steps, in 10^9.
        stopped: why it ended.
        scale: output scale that validation people chose; 0 where there was no choice.
    """

    key: str
    points: list[tuple[Count, Finite, Finite]]
    steps: Count
    kept_step: Count
    validation: Finite | None
    parameters: Size
    gflop: NotNegative
    stopped: str
    scale: NotNegative = 0.0


def read_note(folder: Path) -> StageNote:
    """Return the note of a finished stage.

    Args:
        folder: of the stage.

    Raises:
        UserError: it is missing or damaged.
    """
    path, remedy = folder / NAME, f"delete {folder}, and the same command trains this stage again"
    value = checked.read(path, dict[str, Any], remedy=remedy)
    sums.refuse_broken_seal(value, path, remedy, required=False)  # older ones have none
    return checked.convert(value, StageNote, path, remedy=remedy, others=True)


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Write the note of a finished stage: the fields of ``StageNote``, and what else is known of its model."""
    write_json(folder / NAME, sums.sealed(note))
