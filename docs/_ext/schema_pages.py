"""JSON schemas of cpep's files, made from the dataclasses that they are checked against when they are read."""

import json
from typing import Any

from cpep.checkpoints.card import Card
from cpep.data.store.index import Index
from cpep.data.store.journal import Line
from cpep.experiments.fold import Saved
from cpep.experiments.runs import RunNote
from cpep.live.book import note as book
from cpep.live.enrol import enrolment
from cpep.models.ring import RingSizes
from cpep.report.kinds import Details, Results
from cpep.runtime.checked import schema
from cpep.train.note import StageNote

KINDS: dict[str, Any] = {
    "`store.json` of a store": Index,
    "a line of the journal of a store that is being prepared": Line,
    "`config.json` of a checkpoint": Card,
    "the note of a book": book.Note,
    "the note of an enrolment": enrolment.Note,
    "`ring.json` of an encoder for any ring": RingSizes,
    "`run.json` of a run": RunNote,
    "`stage.json` of a stage": StageNote,
    "`rows/*.json` of a fold": Saved,
    "`results.json`": Results,
    "`details.json`": Details,
}
"""What each kind of file is called on the page."""


def schemas() -> str:
    """Return the schema of each kind as a block that opens."""
    blocks = []
    for title, kind in KINDS.items():
        text = json.dumps(schema(kind), indent=1, default=str)
        blocks.append(f":::{{dropdown}} {title}\n```json\n{text}\n```\n:::\n")
    return "\n".join(blocks)
