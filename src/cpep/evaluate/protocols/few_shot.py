"""Few-shot: each test person shows some windows of every gesture with labels, and is asked all other repetitions.

Answers are of each person alone, among all gestures, in each of several draws of what is shown. Training people say
how windows of one gesture scatter, on seen gestures; validation people choose how far that is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cpep.evaluate.fewshot import SHOTS, ShotClassifier, Shots, answers, choose_classifier
from cpep.evaluate.person import numbered
from cpep.evaluate.protocols.base import EMG, Given, Outcome, Protocol, add
from cpep.types import EmbeddingSet


class FewShot(Protocol):
    """Every test person by what that person showed.

    Args:
        shots: windows of each gesture that are shown; none for one repetition.
    """

    sets = ("all",)
    default = True
    term = "Windows, repetition"
    words = (
        "Few-shot: the tested person shows that many windows, or one repetition, of each gesture with its label; the"
        " person's other repetitions are asked. Mean of five draws."
    )

    def __init__(self, shots: int | None) -> None:
        self.shots = shots
        self.name = f"few_shot_{shots or 'rep'}"
        self.title = "1 repetition" if shots is None else f"{shots} window" + "s" * (shots > 1)

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer what test people did not show."""
        test = given.part(EMG, "test", self.asked(given)["all"])
        return self.ask(given, test, given.once(chosen_classifier))

    def ask(self, given: Given, test: EmbeddingSet, classifier: Shots) -> Iterator[Outcome]:
        """Ask a classifier that was shown some windows of test people for the others.

        A gesture that a person made once is not asked of that person; chance counts it all the same.
        """
        asked, predicted_N = answers(classifier, test, given.hop_s, self.shots, given.seed)
        if len(asked):
            found = self.outcome(given, "all", asked, predicted_N)
            windows = int(numbered(asked.recording_N, asked.time_N).max()) + 1  # each is asked in several draws
            yield replace(found, score=replace(found.score, n_windows=windows))


def chosen_classifier(given: Given) -> ShotClassifier:
    """Return the classifier that validation people choose, fitted on training people's seen gestures."""
    train, validation = (given.part(EMG, role, given.split.seen) for role in ("train", "val"))
    return choose_classifier(train, validation, given.hop_s, given.seed)


FEW_SHOT = tuple(FewShot(shots) for shots in SHOTS)
for _protocol in FEW_SHOT:
    add(_protocol)
