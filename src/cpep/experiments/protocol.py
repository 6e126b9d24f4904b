"""The protocol of results.md on one split: which windows fit, choose and test each read-out.

A read-out is fitted on training users, its strength is chosen on validation users' *seen* gestures, and it is
scored on test users. For unseen gestures a linear probe is fitted with the strength that seen gestures chose.
What nobody of training users was recorded with is not asked, nor what nobody of test users makes (``Asked``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_anchor, embedding_set, in_batches
from cpep.config.schema import EvaluateConfig, Readout
from cpep.data.level import Normaliser, fit_prior
from cpep.data.normalise import Standards, typical
from cpep.data.splits import Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, SampleReader, Windows, hop_of, list_windows
from cpep.evaluate.features import classical_features
from cpep.evaluate.fewshot import SHOTS, Shots, answers, choose_classifier
from cpep.evaluate.knn import knn_vote
from cpep.evaluate.metrics import Score, score
from cpep.evaluate.person import numbered
from cpep.evaluate.probe import SHRINKAGES, Lda, LinearProbe, Probe, choose_probe
from cpep.experiments.asked import Asked
from cpep.models.cpep import Cpep
from cpep.types import EmbeddingSet, FloatArray, IntArray, Normalisation

ROLES: tuple[Role, ...] = ("train", "val", "test")
POSE_PARTS = 4
"""Parts of a window whose mean pose a regression predicts."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Predictions of one model under one protocol for the windows of the test users.

    Attributes:
        model: name per results.md.
        protocol: ``linear_probe``, ``zero_shot``, ``zero_shot_all``, ``few_shot_1`` (2, 5) or ``few_shot_rep``.
        gestures: ``seen``, ``unseen`` or ``all``: which windows were tested.
        predicted_N: labels.
        test: the windows.
        classes: labels that could be answered.
        score: balanced accuracy with its interval.
    """

    model: str
    protocol: str
    gestures: str
    predicted_N: IntArray
    test: EmbeddingSet
    classes: tuple[int, ...]
    score: Score


class Protocol:
    """Evaluates models on one split of one store.

    Args:
        store: prepared recordings.
        split: who and what was held out.
        windows: all windows of the store.
        config: read-outs.
        seed: of the bootstrap.

    Attributes:
        gestures: the sets that are asked, ``seen`` and ``unseen``, with the labels that can be answered.
        options: labels that can be answered among all.
    """

    def __init__(self, store: Store, split: Split, windows: Windows, config: EvaluateConfig, seed: int) -> None:
        self.store, self.split, self.config, self.seed = store, split, config, seed
        self.every = windows
        both = split.seen + split.unseen
        parts = [split.evaluated(store, windows, role, both) for role in ROLES]
        self.windows = windows.select(_positions(windows, parts))
        self._features: dict[Normalisation, EmbeddingSet] = {}
        self._apart: dict[Normalisation, Standards] = {}
        self._poses: dict[str, EmbeddingSet] = {}
        self.hop_s = hop_of(store, windows)
        asked = Asked.of(store, split, windows)
        self.gestures, self.options = asked.gestures, asked.taught["seen"] + asked.taught["unseen"]

    def part(self, data: EmbeddingSet, role: Role, labels: tuple[int, ...]) -> EmbeddingSet:
        """Return the windows of a role's users with these labels."""
        return data.select(np.isin(data.user_N, self.split.users(role)) & np.isin(data.label_N, labels))

    def of_role(self, role: Role) -> Windows:
        """Return the evaluated windows of a role's users."""
        return self.windows.select(np.isin(self.windows.users(self.store), self.split.users(role)))

    def under(self, config: EvaluateConfig) -> Protocol:
        """Return the protocol with other read-outs; what was computed once serves both."""
        other = copy(self)
        other.config = config
        return other

    def labelled(self, model: str, data: EmbeddingSet) -> list[Outcome]:
        """What reads frozen vectors by labels: of training people (linear probe), of the test person (few-shot)."""
        return [*self.probe(model, data), *self.few_shot(model, data)]

    def probe(self, model: str, data: EmbeddingSet) -> list[Outcome]:
        """Linear probe on frozen vectors, on seen and on unseen gestures; logistic regression, or LDA."""
        seen, lda = self.split.seen, self.config.probe is Readout.lda
        make: type[LinearProbe] | type[Lda] = Lda if lda else LinearProbe
        train, validation = self.part(data, "train", seen), self.part(data, "val", seen)
        chosen = choose_probe(train, validation, SHRINKAGES if lda else self.config.strengths, make)
        outcomes = []
        for name, labels in self.gestures.items():
            fitted: Probe = chosen
            if name == "unseen":
                train = self.part(data, "train", labels)
                fitted = make(chosen.strength).fit(train.x_ND, train.label_N)
            test = self.part(data, "test", labels)
            outcomes.append(self.outcome(model, "linear_probe", name, fitted.predict(test.x_ND), test, labels))
        return outcomes

    def few_shot(self, model: str, data: EmbeddingSet) -> list[Outcome]:
        """Every test person's own gestures, all of them, after some windows of each were shown with labels.

        Where no gesture was repeated, nothing is left to ask.
        """
        classes = self.split.seen + self.split.unseen
        train, validation = self.part(data, "train", self.split.seen), self.part(data, "val", self.split.seen)
        chosen = choose_classifier(train, validation, self.hop_s, self.seed)
        return self.shots(model, self.part(data, "test", classes), chosen)

    def shots(self, model: str, test: EmbeddingSet, classifier: Shots) -> list[Outcome]:
        """Ask test people's windows of a classifier that was shown some of them.

        A gesture that a person made once is not asked of that person; chance counts it all the same.
        """
        classes, outcomes = self.split.seen + self.split.unseen, []
        for shots in SHOTS:
            asked, predicted = answers(classifier, test, self.hop_s, shots, self.seed)
            if len(asked):
                found = self.outcome(model, f"few_shot_{shots or 'rep'}", "all", predicted, asked, classes)
                windows = int(numbered(asked.recording_N, asked.time_N).max()) + 1  # each is asked in several draws
                outcomes.append(replace(found, score=replace(found.score, n_windows=windows)))
        return outcomes

    def zero_shot(self, model: str, query: EmbeddingSet, pose: EmbeddingSet) -> list[Outcome]:
        """Nearest poses of training users, among the gestures of the set and among all.

        Args:
            model: name of the row.
            query: embeddings of the EMG windows (or predicted poses).
            pose: embeddings of the poses of the same windows; the gallery is the training users' part.
        """
        outcomes = []
        for name, labels in self.gestures.items():
            test = self.part(query, "test", labels)
            for protocol, gallery_labels in (("zero_shot", labels), ("zero_shot_all", self.options)):
                gallery = self.gallery(pose, gallery_labels)
                voted = knn_vote(test.x_ND, gallery.x_ND, gallery.label_N, self.config.neighbours)
                outcomes.append(self.outcome(model, protocol, name, voted, test, gallery_labels))
        return outcomes

    def outcome(
        self,
        model: str,
        protocol: str,
        gestures: str,
        predicted_N: IntArray,
        test: EmbeddingSet,
        classes: tuple[int, ...],
    ) -> Outcome:
        """Score predictions; chance is one over the number of classes that could be answered."""
        result = score(test.label_N, predicted_N, test.user_N, classes, draws=self.config.bootstrap, seed=self.seed)
        return Outcome(model, protocol, gestures, predicted_N, test, classes, result)

    def gallery(self, pose: EmbeddingSet, labels: tuple[int, ...]) -> EmbeddingSet:
        """Return training people's poses of gestures: the share that is set, at least one of each gesture."""
        gallery = self.part(pose, "train", labels)
        if set(gallery.user_N) & set(self.split.users_test):
            raise AssertionError("the gallery holds poses of test users")
        if self.config.gallery == 1:
            return gallery
        rng, mask_G = np.random.default_rng(self.seed), np.zeros(len(gallery), bool)
        for label in np.unique(gallery.label_N):
            mine = np.flatnonzero(gallery.label_N == label)
            count = max(1, round(self.config.gallery * len(mine)))
            mask_G[rng.choice(mine, count, replace=False)] = True
        return gallery.select(mask_G)

    def pose(self, model: Model) -> EmbeddingSet:
        """Embed the pose of the evaluated windows, once for all models that share a frozen pose encoder."""
        assert isinstance(model.net, Cpep)
        weights = [tensor.cpu().numpy().tobytes() for tensor in model.net.anchor.state_dict().values()]
        key = hashlib.sha256(b"".join(weights)).hexdigest()
        if key not in self._poses:
            self._poses[key] = embed_anchor(model, self.store, self.windows)
        return self._poses[key]

    def features(self, kind: Normalisation) -> EmbeddingSet:
        """Compute classical features of the evaluated windows, centred and scaled by their session; once."""
        if kind not in self._features:
            self._features[kind] = self.features_of(self.windows, kind)
        return self._features[kind]

    def features_of(self, windows: Windows, kind: Normalisation) -> EmbeddingSet:
        """Compute classical features of windows, centred and scaled by their session."""
        device, level_C = self.store.device, fit_prior(self.store, self.split.users_train)
        read = SampleReader(self.store, self.windows.frames, Normaliser(kind, level_C))

        def of_batch(part: Windows) -> FloatArray:
            return classical_features(read(part).numpy(), device.emg_rate, device.emg_kind)

        def vectors(some: Windows) -> FloatArray:
            return _in_numpy(some, of_batch)

        if kind not in self._apart:
            self._apart[kind] = self._standards(kind, vectors)
        return self._less(self._apart[kind], vectors, windows)

    def of_session(
        self, model: Model, vectors: Callable[[Windows], FloatArray], windows: Windows | None = None
    ) -> EmbeddingSet:
        """Compute vectors of windows (those evaluated), less centre and over spread of their session's windows."""
        return self._standardised(model.emg_frontend.normalisation, vectors, windows)

    def _standardised(
        self, kind: Normalisation, vectors: Callable[[Windows], FloatArray], windows: Windows | None = None
    ) -> EmbeddingSet:
        """Compute vectors of windows (those evaluated), less centre and over spread of their session's windows.

        No label is needed, and learnt and classical vectors are treated alike: what is particular to a person
        or to how the band sits moves all windows of a session together.
        """
        return self._less(self._standards(kind, vectors), vectors, self.windows if windows is None else windows)

    def _standards(self, kind: Normalisation, vectors: Callable[[Windows], FloatArray]) -> Standards:
        """Return centre and spread of vectors, for any window: of all windows of the session that do not overlap."""
        store, frames = self.store, self.windows.frames
        length_s = frames / store.frame_rate
        apart = list_windows(store, length_s, length_s)
        rows_ND = vectors(apart)

        def rows_of(index: int) -> FloatArray:
            return np.asarray(rows_ND[apart.entry_N == index])

        prior = typical(store, rows_of, self.split.users_train)
        return Standards(store, kind, rows_of, frames, prior)

    def _less(self, standards: Standards, vectors: Callable[[Windows], FloatArray], windows: Windows) -> EmbeddingSet:
        standard = standards.of(windows.entry_N, windows.start_N + windows.frames)
        return embedding_set(self.store, windows, (vectors(windows) - standard.centre_F) / standard.spread_F)

    def pose_points(self, windows: Windows) -> EmbeddingSet:
        """Return the mean pose of each part of every window, (N, parts x J)."""
        read = AnchorReader(self.store, windows.frames)
        points_NP = _in_numpy(windows, lambda part: mean_parts(read(part).numpy()))
        return embedding_set(self.store, windows, points_NP)


def mean_parts(pose_NSJ: FloatArray) -> FloatArray:
    """Return the mean pose of each part of windows, (N, parts x J)."""
    parts = np.array_split(pose_NSJ, min(POSE_PARTS, pose_NSJ.shape[1]), axis=1)
    return np.concatenate([part_NSJ.mean(axis=1) for part_NSJ in parts], axis=1)


def _positions(windows: Windows, parts: list[Windows]) -> IntArray:
    starts = np.concatenate([part.start_N for part in parts])
    return np.flatnonzero(np.isin(windows.start_N, starts))


def _in_numpy(windows: Windows, call: Callable[[Windows], FloatArray]) -> FloatArray:
    return in_batches(windows, lambda part: torch.from_numpy(call(part)))
