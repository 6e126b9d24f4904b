"""The checkpoint and the gesture book that come with the package, made from the simulator alone.

``python -m cpep.share.demo CHECKPOINT STORE OUT RESULTS`` writes them as they are shipped; ``make live-demo`` runs
all steps, from the simulated cohort on.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from cpep.checkpoints.checkpoint import BOOK, CHECKPOINT, load, save
from cpep.checkpoints.modelcard import model_card
from cpep.data.licences import terms_of
from cpep.data.store.store import open_store
from cpep.live.book.build import book_of
from cpep.live.demo import demo_paths as demo_paths
from cpep.runtime.files import write_text
from cpep.runtime.hub import README
from cpep.share.card_results import read_results, results_text

RESULTS = "results.json"

OPENING = "import cpep\n\nmodel = cpep.load()"
NOTE = (
    "It comes with cpep, in half precision; the results are of the weights before rounding. What the live recogniser "
    "makes of it, with its book of gestures, is in docs/results/live.md of cpep."
)


def card_text(shipped: Path) -> str:
    """Return the model card of the checkpoint in a folder such as ``shipped``, with the results beside it."""
    model = load(shipped / CHECKPOINT)
    terms = terms_of(model.card.provenance["data"])
    results = results_text(read_results(shipped / RESULTS, model.card))
    title = "The live checkpoint of cpep"
    return model_card(title, OPENING, model.card, model.parameter_count, terms, results, NOTE)


def ship(checkpoint: Path, store: Path, out: Path, results: Path) -> None:
    """Write a checkpoint in half precision, the book of its seen gestures, its results and its model card."""
    save(load(checkpoint), out / CHECKPOINT, half=True)
    book_of(load(out / CHECKPOINT), open_store(store)).save(out / BOOK)
    shutil.copyfile(results, out / RESULTS)
    write_text(out / CHECKPOINT / README, card_text(out))


if __name__ == "__main__":
    ship(*map(Path, sys.argv[1:]))
