"""Adaptation to each test person's own recordings, without their labels, and answers after it under four protocols.

A classifier of gesture against everything else cuts the recordings into movements; expectation maximisation over the
movements finds the person's means of gestures (``cpep.evaluate.person``). Every movement is taken for one of the
asked gestures. The sessions of a person are put together, each centred and scaled by itself. Where the EMG is
normalised causally, the answer to a window depends only on earlier movements of its recording; few-shot is then left
out, because the shown windows have no place in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cpep.data.splits import LeakError, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.evaluate.fewshot import repetitions_of
from cpep.evaluate.knn import unit_rows
from cpep.evaluate.person import GestureSpace, Prior, grouped_means, personal_shares
from cpep.evaluate.probe import LinearProbe
from cpep.evaluate.protocols.base import Outcome, Protocol, Scored, chosen
from cpep.evaluate.protocols.few_shot import FEW_SHOT
from cpep.evaluate.protocols.linear_probe import LINEAR_PROBE
from cpep.evaluate.protocols.zero_shot import ZERO_SHOT, ZERO_SHOT_ALL, gallery_of
from cpep.experiments.protocol import SplitData
from cpep.types import BoolArray, EmbeddingSet, FloatArray, IntArray

LEAST_S = 0.5
"""Least time from the start of the first window of a movement to the start of its last window, seconds."""
ACTIVITY_STRENGTH = 0.1
"""Penalty of the logistic regression that tells gestures from everything else."""
EVIDENCE_TEMPERATURE = 0.1
"""The cosine similarity of EMG and pose is divided by this to give a log-likelihood."""
POSED_VARIANCE = 3.0
"""Prior variance of a person's means about the mean of all gestures, where only poses of gestures are known."""
SHOWN_VARIANCE = 1.0
"""Prior variance of a person's mean about the mean of the shown windows: the variance of one movement."""
FIRST_WINDOWS = 20
"""Training people's centre counts as this many windows in the mean of a person's windows."""


def idle(store: Store, windows: Windows, split: Split) -> Windows:
    """Return the windows of training people that are not labelled with one gesture, away from unseen gestures.

    Adaptation needs some, to tell movements from everything else. Data with one label in each file have none.
    """
    allowed = split.allowed(store, windows, "train")
    return allowed.select(~np.isin(allowed.label_N, split.seen + split.unseen))


def needed(data: SplitData) -> Windows:
    """Return the windows that adaptation reads: all of test people; of training people gestures, and as many idle."""
    store, split, every = data.store, data.split, data.every
    own = np.isin(every.users(store), split.users_test)
    labelled = np.isin(every.start_N, data.of_role("train").start_N)
    idle_I = idle(store, every, split).start_N
    idle_I = idle_I[:: max(1, len(idle_I) // max(1, labelled.sum()))]
    return every.select(own | labelled | np.isin(every.start_N, idle_I))


@dataclass(frozen=True, eq=False)
class Person:
    """The recordings of a test person, to which a model is adapted, or if causal one of them; without labels.

    Attributes:
        x_ND: vectors of all windows, in the order of time.
        movement_N: number of each window's movement, in the order of time; -1 for windows outside of movements.
        causal: whether the answer to a window may depend only on movements before it.
    """

    x_ND: FloatArray
    movement_N: IntArray
    causal: bool

    @property
    def moving_N(self) -> BoolArray:
        """Whether a window belongs to a movement."""
        return self.movement_N >= 0

    def means(self, x_ND: FloatArray) -> FloatArray:
        """Return the mean vector of every movement."""
        return grouped_means(x_ND[self.moving_N], self.movement_N[self.moving_N])

    def shares(self, space: GestureSpace, prior: Prior, evidence_NK: FloatArray | None = None) -> FloatArray:
        """Return the probability of every gesture for every window, (N, K); see ``personal_shares``."""
        z_NF = space(self.x_ND)
        if evidence_NK is None:
            evidence_NK = np.zeros((len(z_NF), len(prior.mean_KF)))
        movement_EF, evidence_EK = self.means(z_NF), self.means(evidence_NK)
        share_NK, known_N = np.empty_like(evidence_NK), self.known_N
        for known in np.unique(known_N):
            mine = known_N == known
            evidence = evidence_NK[mine], evidence_EK[:known]
            share_NK[mine] = personal_shares(z_NF[mine], movement_EF[:known], prior, evidence)
        return share_NK

    def centre(self, x_ND: FloatArray, usual_D: FloatArray) -> FloatArray:
        """Return the mean of vectors over the movements that each window knows, (N, D).

        Args:
            x_ND: vectors of the person's windows.
            usual_D: the mean of training people, which counts as ``FIRST_WINDOWS`` windows.
        """
        count_E = np.bincount(self.movement_N[self.moving_N])
        count_K = FIRST_WINDOWS + np.cumsum([0, *count_E])
        sums_KD = np.cumsum([FIRST_WINDOWS * usual_D, *count_E[:, None] * self.means(x_ND)], axis=0)
        return np.asarray((sums_KD / count_K[:, None])[self.known_N])

    @property
    def known_N(self) -> IntArray:
        """Number of movements that each window knows, (N,): if causal, those that ended before it, else all."""
        numbers = np.arange(self.movement_N.max(initial=-1) + 1)
        if not self.causal:
            return np.full(len(self.x_ND), len(numbers))
        last_E = [np.flatnonzero(self.movement_N == number)[-1] for number in numbers]
        return np.asarray(np.searchsorted(last_E, np.arange(len(self.x_ND))))


class Adaptation:
    """What is learnt from training people, and the recordings of test people.

    Args:
        evaluated: the split that is evaluated.
        windows: see ``needed``.
        data: vectors of these windows, centred and scaled by their session.
        causal: whether the answer to a window may depend only on movements before it.
    """

    def __init__(self, evaluated: SplitData, windows: Windows, data: EmbeddingSet, causal: bool) -> None:
        self._given, self._protocols, self.causal = evaluated.given(), chosen(evaluated.config.protocols), causal
        self.split, self.hop_s = evaluated.split, evaluated.hop_s
        split = self.split
        self.classes = np.array(sorted(split.seen + split.unseen))
        asked_N = np.isin(windows.start_N, evaluated.windows.start_N)
        train_N = np.isin(data.user_N, split.users_train)
        gesture_N = train_N & asked_N & np.isin(data.label_N, self.classes)
        self._seen_N = gesture_N & np.isin(data.label_N, split.seen)
        known_N = self._seen_N | (train_N & ~gesture_N)
        self._activity = LinearProbe(ACTIVITY_STRENGTH).fit(data.x_ND[known_N], self._seen_N[known_N].astype(int))
        self._gestures = data.select(gesture_N)
        self._own_N = np.isin(data.user_N, split.users_test)
        self._data, self._asked_N = data.select(self._own_N), asked_N[self._own_N]
        # the order in time of several recordings is not known
        self._whose_N = self._data.recording_N if causal else self._data.user_N
        self._people = {name: self._person(name) for name in np.unique(self._whose_N)}

    def _person(self, name: str) -> Person:
        own = self._data.select(self._whose_N == name)
        return Person(own.x_ND, movements_of(own, self._activity, self.hop_s), self.causal)

    def labelled(self) -> list[Outcome]:
        """Return outcomes that use labelled EMG: of training people (linear probe), or of the person (few-shot)."""
        space, movements = self._learnt(self._gestures)
        prior, labels_K = space.prior(movements), np.unique(movements.label_N)
        share_NK = self._of_everybody(lambda _, person: person.shares(space, prior))
        outcomes = self._answered((LINEAR_PROBE,), share_NK, labels_K)
        return outcomes if self.causal else [*outcomes, *self._few_shot()]

    def _few_shot(self) -> Iterator[Outcome]:
        """Yield the outcomes of few-shot: gestures are told apart by shown windows and by the person's movements."""
        space, _ = self._learnt(self._of_seen())
        moved = {name: space(person.means(person.x_ND)) for name, person in self._people.items()}
        asked = self._data.select(self._asked_N & np.isin(self._data.label_N, self.classes))
        test = asked.with_x(space(asked.x_ND))
        for protocol in FEW_SHOT:
            if protocol in self._protocols:
                yield from protocol.ask(self._given, test, Shown(moved))

    def zero_shot(self, emg: EmbeddingSet, pose: EmbeddingSet) -> list[Outcome]:
        """Return the outcomes of zero-shot: clusters of movements are named by the poses that they resemble.

        Args:
            emg: embeddings of the windows of ``data``.
            pose: embeddings of the poses of the evaluated windows.
        """
        space, _ = self._learnt(self._of_seen())
        gallery = gallery_of(self._given, pose, tuple(self.classes))
        labels_K = np.unique(gallery.label_N)
        pose_KD = np.stack([gallery.x_ND[gallery.label_N == label].mean(axis=0) for label in labels_K])
        pose_KD = unit_rows(pose_KD - pose_KD.mean(axis=0))
        usual_D, own = emg.x_ND[self._seen_N].mean(axis=0), emg.select(self._own_N)
        prior = Prior(np.zeros((len(labels_K), space.dimensions)), np.full(space.dimensions, POSED_VARIANCE))

        def shares(name: str, person: Person) -> FloatArray:
            x_ND = own.x_ND[self._whose_N == name]
            alike_NK = unit_rows(x_ND - person.centre(x_ND, usual_D)) @ pose_KD.T
            return person.shares(space, prior, alike_NK / EVIDENCE_TEMPERATURE)

        share_NK = self._of_everybody(shares)
        return self._answered((ZERO_SHOT, ZERO_SHOT_ALL), share_NK, labels_K)

    def _learnt(self, windows: EmbeddingSet) -> tuple[GestureSpace, EmbeddingSet]:
        """Return the space of gestures of training people, and their movements."""
        movements = means_of_repetitions(windows, self.hop_s)
        return GestureSpace(movements, windows), movements

    def _of_seen(self) -> EmbeddingSet:
        """Return the windows of training people that zero-shot and few-shot may use: those of seen gestures."""
        split = self.split
        windows = self._gestures.select(np.isin(self._gestures.label_N, split.seen))
        if set(windows.user_N) - set(split.users_train) or set(windows.label_N) & set(split.unseen):
            raise LeakError("windows of unseen gestures, or of others than training people, reached zero-shot")
        return windows

    def _of_everybody(self, shares: Callable[[str, Person], FloatArray]) -> FloatArray:
        """Return the probabilities of all people's windows, (N, K), in the order of the windows."""
        parts = {name: shares(name, person) for name, person in self._people.items()}
        share_NK = np.empty((len(self._data), next(iter(parts.values())).shape[1]))
        for name, part_NK in parts.items():
            share_NK[self._whose_N == name] = part_NK
        return share_NK

    def _answered(self, protocols: tuple[Protocol, ...], share_NK: FloatArray, labels_K: IntArray) -> list[Outcome]:
        """Return outcomes; the answer to a window is the likeliest gesture among the classes of the protocol."""
        score_NK, outcomes = np.log(np.maximum(share_NK, np.finfo(float).tiny)), list[Outcome]()
        for protocol in protocols:
            scored = {}
            for gestures, labels in protocol.asked(self._given).items() if protocol in self._protocols else ():
                mine_N = self._asked_N & np.isin(self._data.label_N, labels)
                open_K = np.isin(labels_K, protocol.classes(self._given, gestures))
                scored[gestures] = Scored(self._data.select(mine_N), score_NK[mine_N][:, open_K], labels_K[open_K])
            outcomes += protocol.answered(self._given, scored)
        return outcomes


class Shown:
    """Tells a person's gestures apart by windows that the person showed, and by movements without labels.

    Args:
        movement_EF: movements of each person, in the ``GestureSpace`` of the windows.
    """

    def __init__(self, movement_EF: dict[str, FloatArray]) -> None:
        self._movement_EF = movement_EF

    def predict(self, shown: EmbeddingSet, x_ND: FloatArray) -> IntArray:
        """Return labels (N,) for vectors of the person who showed windows."""
        labels_K = np.unique(shown.label_N)
        mean_KF = np.stack([shown.x_ND[shown.label_N == label].mean(axis=0) for label in labels_K])
        prior = Prior(mean_KF, np.full(mean_KF.shape[1], SHOWN_VARIANCE))
        share_NK = personal_shares(x_ND, self._movement_EF[shown.user_N[0]], prior)
        return np.asarray(labels_K[share_NK.argmax(axis=1)])


def movements_of(own: EmbeddingSet, activity: LinearProbe, hop_s: float) -> IntArray:
    """Number the movements of a person in the order of time: windows in a row that are classified as gesture.

    Returns:
        The number of each window's movement, (N,); -1 for windows outside of movements, and for runs of windows
        that are shorter than ``LEAST_S``.
    """
    active_N = activity.predict(own.x_ND)
    run_N = repetitions_of(replace(own, label_N=active_N), hop_s)
    kept_N = (active_N == 1) & (np.bincount(run_N)[run_N] >= 1 + LEAST_S / hop_s - 1e-6)
    _, first, number = np.unique(run_N[kept_N], return_index=True, return_inverse=True)
    movement_N = np.full(len(own), -1)
    movement_N[kept_N] = np.argsort(np.argsort(first))[number]
    return movement_N


def means_of_repetitions(data: EmbeddingSet, hop_s: float) -> EmbeddingSet:
    """Return one vector of each repetition of a gesture: the mean of its windows."""
    repetition_N = repetitions_of(data, hop_s)
    first = np.unique(repetition_N, return_index=True)[1]
    return data.select(first).with_x(grouped_means(data.x_ND, repetition_N))
