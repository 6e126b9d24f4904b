"""Few-shot: each test person shows some windows of every gesture with labels; all other repetitions are asked.

Each person is recognised alone, among all gestures, for several random choices of the shown windows. The scatter of
the windows of a gesture comes from training people's seen gestures; validation people choose its shrinkage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cpep.evaluate.fewshot import SHOTS, ShotClassifier, Shots, answers, choose_classifier, distinct
from cpep.evaluate.protocols.base import EMG, Given, Outcome, Protocol, add
from cpep.types import EmbeddingSet


class FewShot(Protocol):
    """Recognises every test person by the windows that the person showed.

    Args:
        shots: windows of each gesture that are shown; ``None`` for one repetition.
    """

    sets = ("all",)
    default = True
    term = "Few-shot"
    words = (
        "A classifier is given labelled EMG of the tested person: so many windows, or one repetition, of each"
        " gesture. It names the windows of the person's other repetitions. The number is the mean of five random"
        " choices of what is given."
    )

    def __init__(self, shots: int | None) -> None:
        self.shots = shots
        self.name = f"few_shot_{shots or 'rep'}"
        shown = "1 repetition" if shots is None else f"{shots} window" + "s" * (shots > 1)
        self.title = f"few-shot, {shown}"

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer the windows that test people did not show."""
        test = given.part(EMG, "test", self.asked(given)["all"])
        return self.ask(given, test, given.once(chosen_classifier))

    def ask(self, given: Given, test: EmbeddingSet, classifier: Shots) -> Iterator[Outcome]:
        """Show some windows of test people to a classifier, and score its answers to the others.

        A gesture that a person made once is not asked of that person, but it counts for the chance level.
        """
        asked, predicted_N = answers(classifier, test, given.hop_s, self.shots, given.seed)
        if len(asked):
            found = self.outcome(given, "all", asked, predicted_N)
            yield replace(found, score=replace(found.score, n_windows=distinct(asked)))  # asked in several draws


def chosen_classifier(given: Given) -> ShotClassifier:
    """Return the classifier fitted on training people's seen gestures; validation people choose its shrinkage."""
    train, validation = (given.part(EMG, role, given.split.choosing) for role in ("train", "val"))
    return choose_classifier(train, validation, given.hop_s, given.seed)


FEW_SHOT = tuple(FewShot(shots) for shots in SHOTS)
for _protocol in FEW_SHOT:
    add(_protocol)
