"""What the tables of an EMG-BIDS data set that cpep writes mean, and labels of BIDS."""

from __future__ import annotations

import re

BIDS_VERSION = "1.11.1"
COLUMNS = {
    "kind": {
        "Description": "What the event is.",
        "Levels": {
            "label": "what the hand does",
            "prompt": "what the person was asked to do",
            "repetition": "number of the repetition",
            "bad": "no pose (BAD_IK), or no data (BAD_ACQ_SKIP)",
        },
    },
    "trial_type": {"Description": "Name of the gesture, or what is bad."},
}
SCANS = {
    "duration": {"Description": "Length without the filling of the last data record.", "Units": "s"},
    "stage": {"Description": "What the recording is of."},
    "side": {"Description": "Side of the body.", "Levels": {"left": "left", "right": "right"}},
    "source_file": {"Description": "Name of the recording that it was exported from."},
    "split": {"Description": "Role of the recording.", "Levels": {name: name for name in ("train", "val", "test")}},
}
PEOPLE = {"original_user": {"Description": "Name of the person in the recordings that were exported."}}


def label(text: str) -> str:
    """Return the letters and digits of a text.

    >>> label("user_00"), label("2022-10@2"), label("_")
    ('user00', '2022102', 'x')
    """
    return re.sub(r"[^0-9A-Za-z]", "", text) or "x"
