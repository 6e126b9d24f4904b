"""Every read-out that ``cpep/best`` chooses among, with its answers to the windows of test people.

All answer through the normal distributions of the adapted rows (``cpep.evaluate.person``), with the vectors of one
view: without adaptation, or by expectation maximisation over a person's movements, with or without counts made even.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from cpep.evaluate.knn import unit_rows
from cpep.evaluate.person import GestureSpace, Prior, personal_shares
from cpep.evaluate.probe import LinearProbe
from cpep.experiments.adapted import (
    ACTIVITY_STRENGTH,
    EVIDENCE_TEMPERATURE,
    POSED_VARIANCE,
    SHOWN_VARIANCE,
    Person,
    means_of_repetitions,
    movements_of,
)
from cpep.experiments.views import FEATURES, Views
from cpep.types import EmbeddingSet, FloatArray, IntArray

HALVES = 8
"""Random halves of the movements for each candidate; the answers of several candidates are averaged."""


class Way(StrEnum):
    """How a read-out adapts to a person.

    Attributes:
        alone: not at all: training people, poses or shown windows alone answer.
        adapted: by expectation maximisation over the person's movements.
        even: the same, and all gestures are taken to be made equally often.
    """

    alone = "without adaptation"
    adapted = ""
    even = "counts made even"


@dataclass(frozen=True, order=True)
class Candidate:
    """One read-out.

    Attributes:
        view: vectors that it reads.
        way: how it adapts to a person.
        taught: where gestures are known by poses, whether training people's EMG tells the seen ones, too.
    """

    view: str
    way: Way = Way.adapted
    taught: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        return ", ".join(filter(None, (self.view, self.way, "seen gestures by their EMG" if self.taught else "")))


class ReadOuts:
    """The answers of every candidate to the windows of test people.

    Args:
        views: windows of training and of test people.
    """

    def __init__(self, views: Views) -> None:
        self.views, self.hop_s = views, views.data.hop_s
        self.candidates = tuple(Candidate(view, way) for view in views.vectors for way in Way)
        every = views.vectors[FEATURES]
        self._own_N = np.isin(every.user_N, views.data.split.users_test)
        self.own = every.select(self._own_N)
        self.asked_N = views.asked_N[self._own_N]
        # the order in time of several recordings is not known
        self._whose_N = self.own.recording_N if views.causal else self.own.user_N
        self._movement_N = self._movements(every)

    def _movements(self, every: EmbeddingSet) -> dict[str, IntArray]:
        """Return the movements of each person; none where training people have no windows without a gesture."""
        taught_N = self.views.taught_N
        known_N = taught_N | (self.views.train_N & ~self.views.asked_N)
        people = {name: self.own.select(self._whose_N == name) for name in np.unique(self._whose_N)}
        if taught_N[known_N].all():
            return {name: np.full(len(own), -1) for name, own in people.items()}
        activity = LinearProbe(ACTIVITY_STRENGTH).fit(every.x_ND[known_N], taught_N[known_N].astype(int))
        return {name: movements_of(own, activity, self.hop_s) for name, own in people.items()}

    @property
    def among(self) -> tuple[Candidate, ...]:
        """Candidates where unseen gestures are asked or all compete: some know the EMG of seen gestures."""
        return (*self.candidates, *(replace(one, taught=True) for one in self.candidates))

    def _person(self, name: str, x_ND: FloatArray, way: Way = Way.adapted) -> Person:
        movement_N = self._movement_N[name]
        if way is Way.alone:
            movement_N = np.full_like(movement_N, -1)
        return Person(x_ND[self._whose_N == name], movement_N, self.views.causal)

    def _space(self, view: str, seen_alone: bool) -> tuple[GestureSpace, EmbeddingSet]:
        """Return the space of gestures of training people, and their movements."""
        taught_N = self.views.taught_N if seen_alone else self.views.train_N & self.views.asked_N
        windows = self.views.vectors[view].select(taught_N)
        movements = means_of_repetitions(windows, self.hop_s)
        return GestureSpace(movements, windows), movements

    @cached_property
    def _seen_spaces(self) -> Mapping[str, tuple[GestureSpace, EmbeddingSet]]:
        return {view: self._space(view, True) for view in self.views.vectors}

    def _own(self, view: str) -> FloatArray:
        return self.views.vectors[view].x_ND[self._own_N]

    def labelled(self, candidate: Candidate) -> FloatArray:
        """Return the probability of each asked gesture for every window, (N, K), in ascending order of labels."""
        space, movements = self._space(candidate.view, False)
        prior, x_ND = space.prior(movements), self._own(candidate.view)
        share_NK = np.empty((len(x_ND), len(prior.mean_KF)))
        for name in self._movement_N:
            person = self._person(name, x_ND, candidate.way)
            even = candidate.way is Way.even
            share_NK[self._whose_N == name] = person.shares(space, prior, even=even, halves=HALVES)
        return share_NK

    @property
    def labelled_K(self) -> IntArray:
        """Labels of the columns of ``labelled``."""
        every = self.views.vectors[FEATURES]
        return np.unique(every.label_N[self.views.train_N & self.views.asked_N])

    def alike(self, kind: str) -> FloatArray:
        """Return the cosine of every window and the mean pose of every gesture, less the person's mean, (N, K)."""
        posed = self.views.posed[kind]
        x_ND = posed.x_ND[self._own_N]
        alike_NK = np.empty((len(x_ND), len(posed.pose_KD)))
        for name in self._movement_N:
            person = self._person(name, x_ND)
            alike_NK[self._whose_N == name] = (
                unit_rows(person.x_ND - person.centre(person.x_ND, posed.usual_D)) @ posed.pose_KD.T
            )
        return alike_NK

    def posed(self, candidate: Candidate, alike_NK: FloatArray) -> FloatArray:
        """Return the probability of each gesture that has a pose, for every window, (N, K)."""
        space, x_ND = self._seen_spaces[candidate.view][0], self._own(candidate.view)
        prior, share_NK = self._posed_prior(candidate), np.empty_like(alike_NK)
        for name in self._movement_N:
            mine_N, person = self._whose_N == name, self._person(name, x_ND, candidate.way)
            evidence_NK = alike_NK[mine_N] / EVIDENCE_TEMPERATURE
            share_NK[mine_N] = person.shares(space, prior, evidence_NK, candidate.way is Way.even, HALVES)
        return share_NK

    def _posed_prior(self, candidate: Candidate) -> Prior:
        """Return the prior of gestures that have a pose: nothing is known of the EMG of those that are not taught."""
        space, movements = self._seen_spaces[candidate.view]
        mean_KF = np.zeros((len(self.views.labels_K), space.dimensions))
        variance_KF = np.full_like(mean_KF, POSED_VARIANCE)
        if not candidate.taught:
            return Prior(mean_KF, variance_KF[0])
        known = space.prior(movements)
        known_K, posed_K = np.unique(movements.label_N), self.views.labels_K
        taught_K = np.isin(posed_K, known_K)
        mean_KF[taught_K], variance_KF[taught_K] = known.mean_KF[np.isin(known_K, posed_K)], known.variance_F
        return Prior(mean_KF, variance_KF)

    def shown(self, candidates: tuple[Candidate, ...]) -> tuple[EmbeddingSet, ShownTo]:
        """Return the asked windows in the spaces of views, and what answers after windows are shown."""
        width, columns, parts = 0, {}, []
        moved: dict[str, dict[str, FloatArray]] = {}
        for view in dict.fromkeys(one.view for one in candidates):
            z_NF = self._seen_spaces[view][0](self._own(view))
            columns[view] = slice(width, width := width + z_NF.shape[1])
            parts.append(z_NF)
            moved[view] = {}
            for name in self._movement_N:
                person = self._person(name, z_NF)
                moved[view][name] = person.means(person.x_ND)
        test = self.own.select(self.asked_N).with_x(np.concatenate(parts, axis=1)[self.asked_N])
        return test, ShownTo(candidates, columns, moved)


@dataclass(frozen=True, eq=False)
class ShownTo:
    """Tells a person's gestures by windows that the person showed, and by movements without labels.

    Attributes:
        candidates: whose probabilities are averaged.
        columns: columns of each view in the vectors.
        moved: movements by view and person.
    """

    candidates: tuple[Candidate, ...]
    columns: Mapping[str, slice]
    moved: Mapping[str, Mapping[str, FloatArray]]

    def predict(self, shown: EmbeddingSet, x_ND: FloatArray) -> IntArray:
        """Return labels (N,) for vectors of the person who showed windows."""
        labels_K = np.unique(shown.label_N)
        mean_KF = np.stack([shown.x_ND[shown.label_N == label].mean(axis=0) for label in labels_K])
        total_NK: FloatArray = np.zeros((len(x_ND), len(labels_K)))
        for one in self.candidates:
            own = self.columns[one.view]
            prior = Prior(mean_KF[:, own], np.full(mean_KF[:, own].shape[1], SHOWN_VARIANCE))
            movement_EF = self.moved[one.view][shown.user_N[0]]
            if one.way is Way.alone:
                movement_EF = movement_EF[:0]
            even = one.way is Way.even
            total_NK += personal_shares(x_ND[:, own], movement_EF, prior, even=even, halves=HALVES)
        return np.asarray(labels_K[total_NK.argmax(axis=1)])
