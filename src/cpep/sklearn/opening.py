"""Which model an estimator's ``checkpoint`` stands for."""

from __future__ import annotations

import copy
from pathlib import Path

from cpep.checkpoints.checkpoint import Model, book_beside, load
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background
from cpep.runtime.hub import local


def opened(checkpoint: str | Path | Model, unit: str) -> Model:
    """Return the model of an estimator.

    Args:
        checkpoint: ``shipped``, a folder, ``hf://organisation/name``, or a model, which is copied: a training that
            goes on would change it.
        unit: of the EMG; empty where it is not known.

    Raises:
        UserError: there is no such checkpoint, or it takes EMG of another unit.
    """
    model = copy.deepcopy(checkpoint).eval() if isinstance(checkpoint, Model) else load(checkpoint)
    return model.in_unit(unit) if unit else model


def background_of(checkpoint: str | Path | Model, model: Model) -> Background | None:
    """Return the EMG on which the book beside a checkpoint is calibrated; ``None`` where there is no book.

    Args:
        checkpoint: of an estimator.
        model: what it stands for.
    """
    if isinstance(checkpoint, Model):
        return None
    place = book_beside(local(checkpoint))
    return GestureBook.load(place, model).background if place else None
