"""What the licence of the recordings says about weights that were trained on them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cpep.types import UserError

HUB = (
    *("apache-2.0", "mit", "gpl-3.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("odc-by", "odbl", "pddl"),
)
"""Licences of data that the Hugging Face hub knows by these names."""

RESTRICTED = re.compile(r"\bnc\b|non-?\s?commercial|\bresearch\b|\bacademic\b", re.IGNORECASE)
"""Words of a licence that allows no commercial use."""


@dataclass(frozen=True)
class Terms:
    """Under what terms data came, which the weights inherit.

    Attributes:
        data: the licence of the data, in words.
        weights: the licence of the weights, by the hub's name; ``other`` where it has none.
        non_commercial: whether commercial use is not allowed, or nobody said that it is.
    """

    data: str
    weights: str
    non_commercial: bool


EMG2POSE = Terms("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0", True)
KNOWN = {
    "emg2pose": EMG2POSE,
    "emg2pose (imported)": EMG2POSE,
    "emg2pose_simulated": Terms("made by the simulator of cpep (Apache-2.0), of no real person", "apache-2.0", False),
    "ninapro_db1": Terms("research use with citation (Atzori et al. 2014, Scientific Data)", "other", True),
}
"""Terms of data sets, by the name in a checkpoint's provenance."""


def terms_of(dataset: str, told: str = "") -> Terms:
    """Return the terms of the data that a checkpoint was trained on.

    Args:
        dataset: its name in the provenance of the checkpoint; may be empty.
        told: the licence of a data set that is not in ``KNOWN``, in the user's words.

    Raises:
        UserError: neither the table nor the user says what the licence is, or both do.
    """
    known, told = KNOWN.get(dataset), " ".join(told.split())
    if known and told:
        raise UserError(f"the licence of {dataset} is known ({known.data}); leave --data-licence out")
    if known:
        return known
    if not told:
        raise UserError(
            f"cpep does not know the licence of {dataset or 'the data'} that this checkpoint was trained on; say it "
            'with --data-licence, for example --data-licence CC-BY-4.0, or "own recordings, all rights reserved"'
        )
    weights = told.lower() if told.lower() in HUB else "other"
    return Terms(told, weights, bool(RESTRICTED.search(told)))
