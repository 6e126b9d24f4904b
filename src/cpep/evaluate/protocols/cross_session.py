"""Cross-session: a probe is trained on a test person's first session and tested on the person's later sessions.

The device was taken off and put on again between sessions. Sessions of a person are ordered by their names, with
numbers in names as numbers, like recordings in a store. Each person has a separate probe; its strength is the one
that validation people choose for the linear probe. People with one session take no part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cpep.data.readers.folder import natural
from cpep.evaluate.protocols.base import EMG, VECTORS, Given, Outcome, Protocol, add
from cpep.evaluate.protocols.linear_probe import refitted
from cpep.types import BoolArray, EmbeddingSet


class CrossSession(Protocol):
    """A probe for every test person, fitted on the person's first session."""

    name, title = "cross_session", "later sessions"
    sets = ("all",)
    needs = (VECTORS, EMG)
    term = "Later sessions"
    words = (
        "A linear classifier is trained on labelled EMG of the tested person's first session, and names the gestures"
        " of the person's later sessions, for which the device was put on again. People with one session take no"
        " part."
    )

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer the windows of test people's later sessions.

        A gesture that a person did not make in the first session is not asked of that person, but it counts for the
        chance level.
        """
        every = given.part(EMG, "test", self.asked(given)["all"])
        asked, predicted = [], []
        for user in np.unique(every.user_N):
            own_N = np.flatnonzero(every.user_N == user)
            own = every.select(own_N)
            first_N, later_N = first_and_later(own)
            if later_N.any() and len(np.unique(own.label_N[first_N])) > 1:
                asked.append(own_N[later_N])
                predicted.append(refitted(given, own.select(first_N)).predict(own.x_ND[later_N]))
        if asked:
            test = every.select(np.concatenate(asked))
            yield self.outcome(given, "all", test, np.concatenate(predicted))


def first_and_later(own: EmbeddingSet) -> tuple[BoolArray, BoolArray]:
    """Return masks of a person's windows: first session, and later sessions with gestures of the first.

    Args:
        own: labelled windows of the person.
    """
    first_N = own.session_N == min(np.unique(own.session_N).tolist(), key=natural)
    return first_N, ~first_N & np.isin(own.label_N, own.label_N[first_N])


CROSS_SESSION = add(CrossSession())
