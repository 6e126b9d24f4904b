"""The protocol of evaluation: its base class, its input and outcome, and the registry of all protocols.

A protocol asks which gestures the frozen embeddings of test people's windows mean. It is a module, of this package or
elsewhere, that adds an object to ``PROTOCOLS``; `run` runs the protocols that the settings choose. A protocol knows
embeddings, people, sessions and labels, but no models and no stores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from cpep.config.schema import EvaluateConfig
from cpep.data.splits import Role, Split
from cpep.evaluate.generalised import Generalised, answers
from cpep.evaluate.metrics import Score, described, indexed, score
from cpep.runtime.registry import Registry
from cpep.types import EmbeddingSet, FloatArray, IntArray

T = TypeVar("T")
P = TypeVar("P", bound="Protocol")

DEFAULT = "default"
"""Word in ``evaluate.protocols`` that stands for every protocol whose ``default`` is true."""

VECTORS = "vectors"
"""Embeddings of EMG, or of the anchor itself, that a classifier reads."""
EMG = "emg"
"""Embeddings of EMG alone, less the centre and over the spread of their session."""
QUERY, GALLERY = "query", "gallery"
"""Embeddings of EMG, and of the anchor of the same windows, in one space."""
ALL, ANSWERABLE = "all", "answerable"
"""Sets of gestures beside ``seen`` and ``unseen``: all of both, and the ones of both that training people have."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Answers of one row of the table for windows of test people, under one protocol.

    Attributes:
        protocol: name of the protocol.
        gestures: which gestures were asked: ``seen``, ``unseen`` or ``all``.
        predicted_N: predicted labels.
        test: the windows, with their true labels, as ``metrics.described`` gives them.
        classes: labels that could be answered.
        score: balanced accuracy with its interval.
        generalised: harmonic mean and area of seen and unseen gestures together, the same on both sets, where a
            protocol asks both with all gestures as answers.
        drawn: see ``Scored``.
    """

    protocol: str
    gestures: str
    predicted_N: IntArray
    test: EmbeddingSet
    classes: tuple[int, ...]
    score: Score
    generalised: Generalised | None = None
    drawn: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of gestures for windows of test people.

    Attributes:
        test: the windows.
        score_NK: score of each gesture for each window.
        labels_K: labels of these gestures, ascending, all among the protocol's ``classes``; of equal scores the first
            is the answer.
        drawn: how many anchors of how many in the gallery voted, where they were too many for all to vote.
    """

    test: EmbeddingSet
    score_NK: FloatArray
    labels_K: IntArray
    drawn: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """The input of protocols for one row of the table.

    Attributes:
        split: training, validation and test people; seen and unseen gestures.
        config: settings of the evaluation.
        seed: seed of everything random.
        hop_s: hop of the windows, seconds.
        embeddings: embeddings of the labelled windows of all people, by kind: ``VECTORS``, ``EMG``, ``QUERY``,
            ``GALLERY``. A row has the kinds that its model gives.
        sets: labels of each set of gestures that is asked; if empty, the sets of the split.
    """

    split: Split
    config: EvaluateConfig
    seed: int
    hop_s: float
    embeddings: Mapping[str, EmbeddingSet]
    sets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    _made: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    @property
    def gestures(self) -> Mapping[str, tuple[int, ...]]:
        """Labels of each set of gestures that is asked."""
        return self.sets or gestures_of(self.split)

    def part(self, kind: str, role: Role, labels: Sequence[int]) -> EmbeddingSet:
        """Return the embeddings of a kind, for the windows of a role's people with these labels."""
        return part(self.embeddings[kind], self.split, role, labels)

    def once(self, make: Callable[[Given], T]) -> T:
        """Return the result of a function of this object; it is called once, however many protocols ask for it."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made


class Protocol(ABC):
    """A protocol of evaluation.

    Attributes:
        name: in results.json and in ``evaluate.protocols``.
        title: title in words, over the columns of tables; a comma parts what several protocols share from the rest.
        sets: sets of gestures that are asked, one column each: ``seen``, ``unseen``, ``all``.
        needs: kinds of embeddings that it needs; rows without one of them have no answer.
        default: whether it is run unless ``evaluate.protocols`` says otherwise.
        term: term that the report explains; protocols with the same term are explained once; empty for none.
        words: the explanation, for readers who do not know the paper.
    """

    name: str
    title: str
    sets: tuple[str, ...] = ("seen", "unseen")
    needs: ClassVar[tuple[str, ...]] = (EMG,)
    default: bool = False
    term: str = ""
    words: str = ""

    @abstractmethod
    def run(self, given: Given) -> Iterable[Outcome]:
        """Answer the windows of test people; see ``outcome``. It yields nothing where they have no such windows."""

    def asked(self, given: Given) -> dict[str, tuple[int, ...]]:
        """Return the labels of each set of gestures that is asked; a set that cannot be asked is left out."""
        return {name: given.gestures[name] for name in self.sets if name in given.gestures}

    def classes(self, given: Given, gestures: str) -> tuple[int, ...]:
        """Return the labels that may be answered: the asked ones, unless a protocol overrides it.

        The chance level is one over their number.
        """
        return given.gestures[gestures]

    def outcome(self, given: Given, gestures: str, test: EmbeddingSet, predicted_N: IntArray) -> Outcome:
        """Score answers for windows of test people.

        Args:
            given: the input of the protocol.
            gestures: name of the set that is asked.
            test: the windows.
            predicted_N: the answers, each among ``classes``.

        Raises:
            ValueError: there are no windows, or a label is not among the classes.
        """
        classes = self.classes(given, gestures)
        draws, seed = given.config.bootstrap, given.seed
        found = score(test.label_N, predicted_N, test.user_N, classes, draws=draws, seed=seed)
        return Outcome(self.name, gestures, predicted_N, described(test), classes, found)

    def answered(self, given: Given, asked: Mapping[str, Scored]) -> Iterator[Outcome]:
        """Yield the outcome of each set of gestures: the answer is the gesture with the highest score.

        Args:
            given: the input of the protocol.
            asked: by name of the set.
        """
        for gestures, one in asked.items():
            yield self.outcome(given, gestures, one.test, answers(one.score_NK, one.labels_K))


PROTOCOLS: Registry[Protocol] = Registry("protocol of evaluation")
"""All protocols, in the order of the columns of tables."""


def add(protocol: P) -> P:
    """Register a protocol under its name and return it."""
    PROTOCOLS.add(protocol.name, protocol)
    return protocol


def chosen(names: Sequence[str]) -> tuple[Protocol, ...]:
    """Return the protocols that ``evaluate.protocols`` names, in the order of the registry.

    Raises:
        UserError: there is no such protocol; the nearest is named.
    """
    wanted = {PROTOCOLS.get(name).name for name in names if name != DEFAULT}
    return tuple(one for one in PROTOCOLS if one.name in wanted or (one.default and DEFAULT in names))


def run(given: Given) -> list[Outcome]:
    """Return the outcomes of every protocol that the settings choose and whose embeddings are given."""
    ready = [one for one in chosen(given.config.protocols) if given.embeddings.keys() >= set(one.needs)]
    return [outcome for protocol in ready for outcome in protocol.run(given)]


def part(data: EmbeddingSet, split: Split, role: Role, labels: Sequence[int]) -> EmbeddingSet:
    """Return the windows of a role's people with these labels."""
    return data.select(places(data, split, role, labels))


def places(data: EmbeddingSet, split: Split, role: Role, labels: Sequence[int]) -> IntArray:
    """Return the positions of the windows of a role's people with these labels."""
    names_U, person_N = indexed(data.user_N)
    return np.flatnonzero(np.isin(names_U, split.users(role))[person_N] & np.isin(data.label_N, labels))


def gestures_of(split: Split) -> dict[str, tuple[int, ...]]:
    """Return the labels of every set of gestures; empty sets are left out."""
    both = split.seen + split.unseen
    sets = {"seen": split.seen, "unseen": split.unseen, ALL: both, ANSWERABLE: both}
    return {name: labels for name, labels in sets.items() if labels}
