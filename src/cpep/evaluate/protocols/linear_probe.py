"""Linear probe: a linear classifier on frozen vectors, trained on labelled windows of training people.

The strength of its penalty is chosen on validation people's *seen* gestures. Unseen gestures have a second probe with
the same strength, fitted on training people's windows of unseen gestures.
"""

from __future__ import annotations

from collections.abc import Iterator

from cpep.config.schema import Readout
from cpep.evaluate.probe import SHRINKAGES, Lda, LinearProbe, Probe, choose_probe
from cpep.evaluate.protocols.base import VECTORS, Given, Outcome, Protocol, add
from cpep.types import EmbeddingSet


class LinearProbing(Protocol):
    """One linear classifier for all people."""

    name, title = "linear_probe", "linear probe"
    needs = (VECTORS,)
    default = True
    term = "Linear probe"
    words = (
        "A linear classifier on the numbers that a model makes of a window (its embedding), which stay as they are."
        " It is trained on labelled EMG of the training people, of unseen gestures too."
    )

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer test people's windows, among seen gestures and among unseen ones."""
        for gestures, labels in self.asked(given).items():
            train = given.part(VECTORS, "train", labels)
            probe = given.once(chosen_probe) if gestures == "seen" else refitted(given, train)
            test = given.part(VECTORS, "test", labels)
            yield self.outcome(given, gestures, test, probe.predict(test.x_ND))


def chosen_probe(given: Given) -> Probe:
    """Return the probe of seen gestures, fitted on training people; validation people choose its strength."""
    train, validation = (given.part(VECTORS, role, given.split.choosing) for role in ("train", "val"))
    make = make_probe(given)
    return choose_probe(train, validation, SHRINKAGES if make is Lda else given.config.strengths, make)


def refitted(given: Given, train: EmbeddingSet) -> Probe:
    """Return a probe of the chosen strength, fitted on other windows."""
    return make_probe(given)(given.once(chosen_probe).strength).fit(train.x_ND, train.label_N)


def make_probe(given: Given) -> type[LinearProbe] | type[Lda]:
    """Return the class of probe that ``evaluate.probe`` names."""
    return Lda if given.config.probe is Readout.lda else LinearProbe


LINEAR_PROBE = add(LinearProbing())
