"""The recommended system: read-outs over features and embedding together, chosen inside training people.

Every read-out answers through the same expectation maximisation over a person's movements as the adapted rows
(``cpep.evaluate.person``), with the vectors of one view, and with or without all gestures taken to be made equally
often. One rule chooses for every data set: answers of all candidates that come within ``SAME`` of the best one on
people and gestures that were left out (``cpep.data.splits.nested``) are averaged.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cpep.config.schema import Readouts
from cpep.data.splits import nested
from cpep.data.windows import touches
from cpep.evaluate.fewshot import answers
from cpep.evaluate.generalised import harmonic
from cpep.evaluate.metrics import balanced_accuracy
from cpep.evaluate.protocols.base import Outcome, Protocol, Scored, chosen
from cpep.evaluate.protocols.few_shot import FEW_SHOT
from cpep.evaluate.protocols.linear_probe import LINEAR_PROBE
from cpep.evaluate.protocols.zero_shot import ZERO_SHOT, ZERO_SHOT_ALL
from cpep.experiments.adapted import EVIDENCE_TEMPERATURE, needed
from cpep.experiments.evaluators import EVALUATORS, Evaluation, Subject
from cpep.experiments.protocol import SplitData
from cpep.experiments.readouts import Candidate, ReadOuts
from cpep.experiments.views import views_of
from cpep.types import FloatArray, IntArray

SAME = 0.05
"""Candidates whose balanced accuracy is this near to the best one's are as good: fewer than ten people choose."""
CALIBRATIONS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
"""Constants that are taken from the log-probabilities of seen gestures, to choose from."""


@dataclass(frozen=True)
class Choice:
    """The candidates whose answers are averaged, for each kind of question.

    Attributes:
        labelled: where training people's EMG of all gestures is labelled.
        shown: where a person showed some windows; empty where answers are causal, as these have no place in time.
        likeness: kinds of likeness of EMG to poses that are averaged.
        posed: where seen gestures are asked by their poses alone.
        among: where unseen gestures are asked, or all compete.
        calibration: constant that is taken from the log-probabilities of seen gestures where all compete.
    """

    labelled: tuple[Candidate, ...]
    shown: tuple[Candidate, ...]
    likeness: tuple[str, ...]
    posed: tuple[Candidate, ...]
    among: tuple[Candidate, ...]
    calibration: float


Option = TypeVar("Option", bound=Hashable)


def within(accuracy: Mapping[Option, float]) -> tuple[Option, ...]:
    """Return the candidates whose accuracy is within ``SAME`` of the best one's."""
    best = max(accuracy.values())
    return tuple(one for one, value in accuracy.items() if value >= best - SAME)


def accuracy_of(readouts: ReadOuts, share_NK: FloatArray, labels_K: IntArray, asked: tuple[int, ...]) -> float:
    """Return the balanced accuracy on windows of some gestures among all answers, mean over people."""
    mine_N = readouts.asked_N & np.isin(readouts.own.label_N, asked)
    label_N, user_N = readouts.own.label_N[mine_N], readouts.own.user_N[mine_N]
    told_N = labels_K[share_NK[mine_N].argmax(axis=1)]
    of_people = [balanced_accuracy(label_N[user_N == u], told_N[user_N == u]) for u in np.unique(user_N)]
    return float(np.mean(of_people)) if of_people else 0.0


def choose(readouts: ReadOuts) -> Choice:
    """Choose on the people and gestures that were left out; see the module.

    A likeness is worth the mean of its accuracy on seen gestures among themselves and the best harmonic mean of seen
    and left-out gestures, with all as answers. A read-out by poses is worth the first where seen gestures are asked
    by their poses alone, and the second where unseen gestures are asked or all compete.
    """
    views = readouts.views
    both = views.seen + views.unseen
    of_labels = {
        one: accuracy_of(readouts, readouts.labelled(one), readouts.labelled_K, both) for one in readouts.candidates
    }
    shown = () if views.causal else within({one: _worth_shown(readouts, one) for one in readouts.candidates})
    if not views.posed:
        return Choice(within(of_labels), shown, (), (), (), 0.0)
    alike = {kind: readouts.alike(kind) for kind in views.posed}
    worth = {kind: _worth(readouts, alike_NK / EVIDENCE_TEMPERATURE) for kind, alike_NK in alike.items()}
    likeness = within({kind: (seen + together) / 2 for kind, (seen, together, _) in worth.items()})
    mean_NK = np.mean([alike[kind] for kind in likeness], axis=0)
    share = {one: readouts.posed(one, mean_NK) for one in readouts.among}
    found = {one: _worth(readouts, _log(share_NK)) for one, share_NK in share.items()}
    posed = within({one: found[one][0] for one in readouts.candidates})
    among = within({one: together for one, (_, together, _) in found.items()})
    calibration = _worth(readouts, _log(np.mean([share[one] for one in among], axis=0)))[2]
    return Choice(within(of_labels), shown, likeness, posed, among, calibration)


def _worth_shown(readouts: ReadOuts, one: Candidate) -> float:
    """Return the balanced accuracy after one repetition of each gesture is shown."""
    test, classifier = readouts.shown((one,))
    asked, told_N = answers(classifier, test, readouts.hop_s, None, readouts.views.data.seed)
    return balanced_accuracy(asked.label_N, told_N) if len(asked) else 0.0


def _worth(readouts: ReadOuts, score_NK: FloatArray) -> tuple[float, float, float]:
    """Return the accuracy on seen gestures alone, the best harmonic mean, see ``choose``, and its constant."""
    views = readouts.views
    seen_K = np.isin(views.labels_K, views.seen)
    among_seen = accuracy_of(readouts, score_NK[:, seen_K], views.labels_K[seen_K], views.seen)
    best = 0.0, 0.0
    for constant in CALIBRATIONS if views.unseen else ():
        calibrated_NK = score_NK - constant * seen_K
        pair = (accuracy_of(readouts, calibrated_NK, views.labels_K, asked) for asked in (views.seen, views.unseen))
        found = float(harmonic(*(np.array([value]) for value in pair))[0])
        best = max(best, (found, -constant))
    return among_seen, best[0], -best[1]


def unchosen(readouts: ReadOuts) -> Choice:
    """Return the choice where too few people or gestures leave some out: all candidates, and no calibration."""
    every, kinds = readouts.candidates, tuple(readouts.views.posed)
    return Choice(every, every, kinds, every if kinds else (), readouts.among if kinds else (), 0.0)


def _log(share_NK: FloatArray) -> FloatArray:
    return np.log(np.maximum(share_NK, 1e-12))


def best(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate the recommended system: choose read-outs inside training people, then answer test people's windows."""
    gestures = data.split.seen, data.split.unseen
    outer = ReadOuts(
        views_of(
            data,
            needed(data),
            gestures,
            subject.checkpoint,
            subject.normalisation,
            subject.view,
            subject.shuffled,
        )
    )
    inner = _inside(data, subject)
    choice = choose(inner) if inner else unchosen(outer)
    return Evaluation(list(_outcomes(outer, choice)), choice=words(choice))


def _inside(data: SplitData, subject: Subject) -> ReadOuts | None:
    """Return the read-outs of the nested split, away from unseen gestures; ``None`` where there is no such split."""
    split = nested(data.split)
    if split is None:
        return None
    inside = SplitData(data.store, split, data.every, data.config, data.seed)
    windows = needed(inside)
    windows = windows.select(~touches(data.store, windows, data.split.unseen, split.guard_s))
    left_out = tuple(label for label in split.unseen if label not in data.split.unseen)
    views = views_of(
        inside,
        windows,
        (split.seen, left_out),
        subject.choosing,
        subject.normalisation,
        subject.view,
        subject.shuffled,
    )
    return ReadOuts(views)


def _outcomes(readouts: ReadOuts, choice: Choice) -> Iterator[Outcome]:
    given, protocols = readouts.views.data.given(), chosen(readouts.views.data.config.protocols)
    if LINEAR_PROBE in protocols:
        score_NK = _log(np.mean([readouts.labelled(one) for one in choice.labelled], axis=0))
        asked = _asked(readouts, LINEAR_PROBE, {"seen": score_NK, "unseen": score_NK}, readouts.labelled_K)
        yield from LINEAR_PROBE.answered(given, asked)
    if choice.posed and {ZERO_SHOT, ZERO_SHOT_ALL} & set(protocols):
        alike_NK = np.mean([readouts.alike(kind) for kind in choice.likeness], axis=0)
        posed_NK, among_NK = (
            _log(np.mean([readouts.posed(one, alike_NK) for one in some], axis=0))
            for some in (choice.posed, choice.among)
        )
        for protocol, seen_NK in ((ZERO_SHOT, posed_NK), (ZERO_SHOT_ALL, among_NK)):
            if protocol in protocols:
                asked = _asked(readouts, protocol, {"seen": seen_NK, "unseen": among_NK}, readouts.views.labels_K)
                calibration = choice.calibration if protocol is ZERO_SHOT_ALL else 0.0
                yield from protocol.answered(given, asked, calibration)
    if not readouts.views.causal:
        test, classifier = readouts.shown(choice.shown)
        for few_shot in FEW_SHOT:
            if few_shot in protocols:
                yield from few_shot.ask(given, test, classifier)


def _asked(
    readouts: ReadOuts, protocol: Protocol, score: Mapping[str, FloatArray], labels_K: IntArray
) -> dict[str, Scored]:
    """Return the scores of the windows of each set of gestures that a protocol asks."""
    given, found = readouts.views.data.given(), {}
    for gestures, labels in protocol.asked(given).items():
        mine_N = readouts.asked_N & np.isin(readouts.own.label_N, labels)
        open_K = np.isin(labels_K, protocol.classes(given, gestures))
        found[gestures] = Scored(readouts.own.select(mine_N), score[gestures][mine_N][:, open_K], labels_K[open_K])
    return found


def words(choice: Choice) -> dict[str, str]:
    """Return what was chosen in words, by the name of the protocol."""
    labelled, shown, posed, among = (
        "; ".join(map(str, some)) for some in (choice.labelled, choice.shown, choice.posed, choice.among)
    )
    likeness = f"by likeness {', '.join(choice.likeness)}"
    return {
        LINEAR_PROBE.name: labelled,
        **{few_shot.name: shown for few_shot in FEW_SHOT},
        ZERO_SHOT.name: f"seen gestures: {posed}; unseen gestures: {among}; {likeness}",
        ZERO_SHOT_ALL.name: f"{among}; {likeness}, {choice.calibration:g} from seen gestures",
    }


EVALUATORS.add(Readouts.chosen.value, best)
