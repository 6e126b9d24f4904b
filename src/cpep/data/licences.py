"""What the licence of the recordings says about weights that were trained on them."""

from __future__ import annotations

import re

from cpep.data.readers.registry import Terms, data_set
from cpep.types import UserError

HUB = (
    *("apache-2.0", "mit", "gpl-3.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("odc-by", "odbl", "pddl"),
)
"""Licences of data that the Hugging Face hub knows by these names."""

RESTRICTED = re.compile(r"\bnc\b|non-?\s?commercial|\bresearch\b|\bacademic\b", re.IGNORECASE)
"""Words of a licence that allows no commercial use."""


def terms_of(dataset: str, told: str = "") -> Terms:
    """Return the terms of the data that a checkpoint was trained on.

    Args:
        dataset: its name in the provenance of the checkpoint; may be empty.
        told: the licence of a data set of unknown terms, in the user's words.

    Raises:
        UserError: neither a reader's module nor the user gives the licence, or both do.
    """
    known, told = data_set(dataset).terms, " ".join(told.split())
    if known and told:
        raise UserError(f"the licence of {dataset} is known ({known.data}); leave --data-licence out")
    if known:
        return known
    if not told:
        raise UserError(
            f"cpep does not know the licence of {dataset or 'the data'} that this checkpoint was trained on; say it "
            "with --data-licence, in Python data_licence=, for example --data-licence CC-BY-4.0, or "
            '"own recordings, all rights reserved"'
        )
    weights = told.lower() if told.lower() in HUB else "other"
    return Terms(told, weights, bool(RESTRICTED.search(told)))
