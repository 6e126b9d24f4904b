"""The protocol of results.md on one split: which windows fit, choose and test each read-out.

A read-out is fitted on training users, its strength is chosen on validation users' *seen* gestures, and it is
scored on test users. For unseen gestures a linear probe is fitted with the strength that seen gestures chose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cpep.checkpoint import Model
from cpep.configs import EvaluateConfig
from cpep.data.splits import Role, Split
from cpep.data.standards import Standards, typical
from cpep.data.store import Store
from cpep.data.transforms import Normaliser, fit_prior
from cpep.data.windows import PoseReader, SampleReader, Windows, list_windows
from cpep.evaluate.embed import embed_emg, embed_pose, embedding_set, in_batches, pooled_emg
from cpep.evaluate.features import classical_features
from cpep.evaluate.metrics import Score, score
from cpep.evaluate.plane import map_of
from cpep.evaluate.probe import LinearProbe, choose_probe
from cpep.evaluate.rivals import choose_ridge
from cpep.evaluate.zeroshot import knn_vote
from cpep.models.cpep import Cpep
from cpep.types import EmbeddingSet, FloatArray, IntArray, Normalisation, Progress

ROLES: tuple[Role, ...] = ("train", "val", "test")
MAP_POINTS = 500
"""EMG windows, and poses, of the map of embeddings."""
POSE_PARTS = 4
"""Parts of a window whose mean pose a regression predicts."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Predictions of one model under one protocol for the windows of the test users.

    Attributes:
        model: name per results.md.
        protocol: ``linear_probe``, ``zero_shot`` or ``zero_shot_all``.
        gestures: ``seen`` or ``unseen``: which windows were tested.
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
    """

    def __init__(self, store: Store, split: Split, windows: Windows, config: EvaluateConfig, seed: int) -> None:
        self.store, self.split, self.config, self.seed = store, split, config, seed
        both = split.seen + split.unseen
        parts = [split.evaluated(store, windows, role, both) for role in ROLES]
        self.windows = windows.select(_positions(windows, parts))
        role_of = {user: role for role in ROLES for user in split.users(role)}
        self.role_N = np.array([role_of[user] for user in self.windows.users(store)])
        self._poses: dict[str, EmbeddingSet] = {}
        self.gestures = {"seen": split.seen, "unseen": split.unseen} if split.unseen else {"seen": split.seen}

    def evaluate(
        self, names: Sequence[str], model_of: Callable[[str], Model], kind: Normalisation, progress: Progress
    ) -> list[Outcome]:
        """Evaluate rows of the table by their names (results.md).

        Args:
            names: of the rows.
            model_of: returns the trained model of a stage.
            kind: normalisation of the EMG that classical features are computed from.
            progress: called with rows done and in all.
        """
        outcomes: list[Outcome] = []
        features: EmbeddingSet | None = None
        for done, name in enumerate(names):
            progress(done, len(names))
            if name in ("features", "ridge"):
                features = self.features(kind) if features is None else features
                outcomes += self.classical(features) if name == "features" else self.ridge(features)
            elif name == "emg_mae":
                outcomes += self.emg_mae(model_of(name))
            elif name == "pose":
                outcomes += self.ceiling(model_of("cpep"))
            else:
                outcomes += self.aligned(name, model_of(name))
        progress(len(names), len(names))
        return outcomes

    def part(self, data: EmbeddingSet, role: Role, labels: tuple[int, ...]) -> EmbeddingSet:
        """Return the windows of a role's users with these labels."""
        return data.select((self.role_N == role) & np.isin(data.label_N, labels))

    def probe(self, model: str, data: EmbeddingSet) -> list[Outcome]:
        """Linear probe on frozen vectors, on seen and on unseen gestures."""
        seen = self.split.seen
        chosen = choose_probe(self.part(data, "train", seen), self.part(data, "val", seen), self.config.strengths)
        outcomes = []
        for name, labels in self.gestures.items():
            fitted = chosen
            if name == "unseen":
                train = self.part(data, "train", labels)
                fitted = LinearProbe(chosen.strength).fit(train.x_ND, train.label_N)
            test = self.part(data, "test", labels)
            outcomes.append(self.outcome(model, "linear_probe", name, fitted.predict(test.x_ND), test, labels))
        return outcomes

    def zero_shot(self, model: str, query: EmbeddingSet, pose: EmbeddingSet) -> list[Outcome]:
        """Nearest poses of training users, among the gestures of the set and among all.

        Args:
            model: name of the row.
            query: embeddings of the EMG windows (or predicted poses).
            pose: embeddings of the poses of the same windows; the gallery is the training users' part.
        """
        outcomes = []
        everything = self.split.seen + self.split.unseen
        for name, labels in self.gestures.items():
            test = self.part(query, "test", labels)
            for protocol, gallery_labels in (("zero_shot", labels), ("zero_shot_all", everything)):
                gallery = self.part(pose, "train", gallery_labels)
                if set(gallery.user_N) & set(self.split.users_test):
                    raise AssertionError("the gallery holds poses of test users")
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

    def aligned(self, name: str, model: Model) -> list[Outcome]:
        """Linear probe and zero-shot of what ``encode_emg`` returns."""
        emg = embed_emg(model, self.store, self.windows)

        def vectors(windows: Windows) -> FloatArray:
            return emg.x_ND if windows is self.windows else embed_emg(model, self.store, windows).x_ND

        of_wearing = self._of_wearing(model, vectors)
        return [*self.probe(name, of_wearing), *self.zero_shot(name, emg, self.pose(model))]

    def emg_mae(self, model: Model) -> list[Outcome]:
        """Linear probe on the encoder of the EMG masked autoencoder."""
        of_wearing = self._of_wearing(model, lambda windows: pooled_emg(model, self.store, windows).x_ND)
        return self.probe("emg_mae", of_wearing)

    def ceiling(self, model: Model) -> list[Outcome]:
        """The frozen pose encoder itself: linear probe and its own nearest neighbours."""
        pose = self.pose(model)
        return [*self.probe("pose", pose), *self.zero_shot("pose", pose, pose)]

    def pose(self, model: Model) -> EmbeddingSet:
        """Embed the pose of the evaluated windows, once for all models that share a frozen pose encoder."""
        assert isinstance(model.net, Cpep)
        weights = [tensor.numpy().tobytes() for tensor in model.net.pose.state_dict().values()]
        key = hashlib.sha256(b"".join(weights)).hexdigest()
        if key not in self._poses:
            self._poses[key] = embed_pose(model, self.store, self.windows)
        return self._poses[key]

    def map_points(self, model: Model) -> dict[str, list[list[Any]]]:
        """Place some poses of the gallery and some EMG windows of test users in one plane."""
        rng = np.random.default_rng(self.seed)
        tested, gallery = (
            self.windows.select(rng.permutation(np.flatnonzero(self.role_N == role))[:MAP_POINTS])
            for role in ("test", "train")
        )
        emg, pose = embed_emg(model, self.store, tested), embed_pose(model, self.store, gallery)
        sets = tuple(self.gestures.values())
        return map_of(emg, pose, sets, self.store.vocabulary, self.config.neighbours, self.seed)

    def features(self, kind: Normalisation) -> EmbeddingSet:
        """Compute classical features of the evaluated windows, centred and scaled by their wearing."""
        device, level_C = self.store.device, fit_prior(self.store, self.split.users_train)
        read = SampleReader(self.store, self.windows.frames, Normaliser(kind, level_C))

        def of_batch(part: Windows) -> FloatArray:
            return classical_features(read(part).numpy(), device.emg_rate, device.emg_kind)

        return self._standardised(kind, lambda windows: _in_numpy(windows, of_batch))

    def _of_wearing(self, model: Model, vectors: Callable[[Windows], FloatArray]) -> EmbeddingSet:
        frontend, _ = model.emg_side()
        return self._standardised(frontend.normalisation, vectors)

    def _standardised(self, kind: Normalisation, vectors: Callable[[Windows], FloatArray]) -> EmbeddingSet:
        """Compute vectors of the evaluated windows, less centre and over spread of their wearing's windows.

        No label is needed, and learnt and classical vectors are treated alike: what is particular to a person
        or to how the band sits moves all windows of a wearing together.
        """
        store, frames = self.store, self.windows.frames
        length_s = frames / store.frame_rate
        apart = list_windows(store, length_s, length_s)
        rows_ND = vectors(apart)

        def rows_of(index: int) -> FloatArray:
            return np.asarray(rows_ND[apart.entry_N == index])

        prior = typical(store, rows_of, self.split.users_train)
        standards = Standards(store, kind, rows_of, frames, prior)
        standard = standards.of(self.windows.entry_N, self.windows.start_N + frames)
        return embedding_set(store, self.windows, (vectors(self.windows) - standard.centre_F) / standard.spread_F)

    def classical(self, features: EmbeddingSet) -> list[Outcome]:
        """Linear probe on classical features."""
        return self.probe("features", features)

    def ridge(self, features: EmbeddingSet) -> list[Outcome]:
        """Ridge regression from classical features to the pose, then nearest pose."""
        pose = embedding_set(self.store, self.windows, self.pose_points())
        seen = self.split.seen
        train, validation = self.part(features, "train", seen), self.part(features, "val", seen)
        train_pose, validation_pose = self.part(pose, "train", seen), self.part(pose, "val", seen)
        ridge = choose_ridge(train, train_pose, validation, validation_pose, self.config.ridge_strengths)
        predicted = features.with_x(ridge.predict(features.x_ND))
        return self.zero_shot("ridge", predicted, pose.with_x(ridge.standardise(pose.x_ND)))

    def pose_points(self) -> FloatArray:
        """Return the mean pose of each part of every evaluated window, (N, parts x J)."""
        read = PoseReader(self.store, self.windows.frames)

        def of_batch(windows: Windows) -> FloatArray:
            parts = np.array_split(read(windows).numpy(), POSE_PARTS, axis=1)
            return np.concatenate([part_BSJ.mean(axis=1) for part_BSJ in parts], axis=1)

        return _in_numpy(self.windows, of_batch)


def _positions(windows: Windows, parts: list[Windows]) -> IntArray:
    starts = np.concatenate([part.start_N for part in parts])
    return np.flatnonzero(np.isin(windows.start_N, starts))


def _in_numpy(windows: Windows, call: Callable[[Windows], FloatArray]) -> FloatArray:
    return in_batches(windows, lambda part: torch.from_numpy(call(part)))
