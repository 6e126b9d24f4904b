"""The labelled windows of one store under one split, and their embeddings for the protocols of evaluation.

Gestures that no training person has, or no test person, are not asked (``Asked``).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embedding_set
from cpep.config.schema import AnchorView, EvaluateConfig
from cpep.data.anchor_view import ViewedAnchor
from cpep.data.normalise import Normaliser, Rows, typical
from cpep.data.splits import Role, Split
from cpep.data.statistics import MeanSd
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, Windows, hop_of, list_windows
from cpep.evaluate.protocols.base import ALL, ANSWERABLE, Given, Outcome, run
from cpep.evaluate.recentring import columns_of
from cpep.experiments.asked import Asked
from cpep.experiments.recentred import Recentred
from cpep.experiments.window_features import classical, embedded_anchor, in_blocks, in_numpy
from cpep.types import EmbeddingSet, FloatArray, IntArray, Normalisation

ROLES: tuple[Role, ...] = ("train", "val", "test")
POSE_PARTS = 4
"""Number of parts of a window that have a mean pose each."""

COVARIANCES_AT_ONCE = 2048
"""Windows whose covariances are recentred at once."""

PAIRS = 6000
"""Linear maps from EMG to pose are fitted on about this many windows, and fewer than twice as many."""


class SplitData:
    """Windows of one store under one split: embeds them, keeps what rows share, and runs the protocols.

    Args:
        store: prepared recordings.
        split: held-out people and unseen gestures.
        windows: all windows of the store.
        config: settings of the evaluation.
        seed: seed of the bootstrap and of everything else random.

    Attributes:
        every: all windows of the store.
        windows: the evaluated windows: labelled, of seen and unseen gestures.
        gestures: the sets that are asked, ``seen`` and ``unseen``, with the labels that can be answered.
        sets: these sets, all gestures, and all gestures that can be answered; see ``Given.sets``.
        hop_s: hop of the windows, seconds.
    """

    def __init__(self, store: Store, split: Split, windows: Windows, config: EvaluateConfig, seed: int) -> None:
        self.store, self.split, self.config, self.seed = store, split, config, seed
        self.every = windows
        both = split.seen + split.unseen
        parts = [split.evaluated(store, windows, role, both) for role in ROLES]
        self.windows = windows.select(_positions(windows, parts))
        self._features: dict[Normalisation, EmbeddingSet] = {}
        self._apart: dict[Normalisation, Normaliser] = {}
        self.hop_s = hop_of(store, windows)
        asked = Asked.of(store, split, windows)
        self.gestures = asked.gestures
        self.sets = {**asked.gestures, ALL: both, ANSWERABLE: asked.taught["seen"] + asked.taught["unseen"]}

    def given(self, **embeddings: EmbeddingSet) -> Given:
        """Return the input of protocols for a row, from its embeddings of ``windows`` by kind; see ``Given``."""
        return Given(self.split, self.config, self.seed, self.hop_s, embeddings, self.sets)

    def outcomes(self, **embeddings: EmbeddingSet) -> list[Outcome]:
        """Return the answers of a row under every chosen protocol whose embeddings are given."""
        return run(self.given(**embeddings))

    def of_role(self, role: Role) -> Windows:
        """Return the evaluated windows of a role's users."""
        return self.windows.select(np.isin(self.windows.users(self.store), self.split.users(role)))

    def under(self, config: EvaluateConfig) -> SplitData:
        """Return the same object with other settings; both share what was computed."""
        other = copy(self)
        other.config = config
        return other

    def pose(self, model: Model) -> EmbeddingSet:
        """Return embeddings of the evaluated windows' poses."""
        return embedded_anchor(model, self.store, self.windows)

    def features(self, kind: Normalisation) -> EmbeddingSet:
        """Return classical features of the evaluated windows, centred and scaled by their session; computed once."""
        if kind not in self._features:
            self._features[kind] = self.features_of(self.windows, kind)
        return self._features[kind]

    def features_of(self, windows: Windows, kind: Normalisation) -> EmbeddingSet:
        """Return classical features of windows, centred and scaled by their session."""
        vectors = self._classical(kind)
        if kind not in self._apart:
            self._apart[kind] = self._normaliser(kind, vectors)
        return self._less(self._apart[kind], vectors, windows)

    def recentred_of(self, windows: Windows, kind: Normalisation) -> EmbeddingSet:
        """Return covariances of channels after whitening by the session's mean covariance, as features of windows.

        They are centred and scaled by their session, like classical features; see ``cpep.evaluate.recentring``.
        """
        vectors, covariances = self._classical(kind), columns_of(self.store.device.channels)
        of_session = Recentred(
            self.store,
            kind,
            self.split.users_train,
            self._apart_windows(),
            lambda some: vectors(some)[:, -covariances:],
        )
        return self._standardised(kind, lambda some: in_blocks(some, of_session, COVARIANCES_AT_ONCE), windows)

    def _classical(self, kind: Normalisation) -> Callable[[Windows], FloatArray]:
        """Return the function from windows to their classical features, which computes those of a window once."""
        return classical(self.store, self.windows.frames, kind, self.split.users_train)

    def of_session(
        self, model: Model, vectors: Callable[[Windows], FloatArray], windows: Windows | None = None
    ) -> EmbeddingSet:
        """Return vectors of windows (the evaluated ones by default), less centre and over spread of their session."""
        return self._standardised(model.emg_frontend.normalisation, vectors, windows)

    def _standardised(
        self, kind: Normalisation, vectors: Callable[[Windows], FloatArray], windows: Windows | None = None
    ) -> EmbeddingSet:
        """Return vectors of windows (the evaluated ones by default), less centre and over spread of their session.

        This needs no label and is the same for learnt and classical vectors: the person and the position of the band
        shift all windows of a session together.
        """
        return self._less(self._normaliser(kind, vectors), vectors, self.windows if windows is None else windows)

    def _normaliser(self, kind: Normalisation, vectors: Callable[[Windows], FloatArray]) -> Normaliser:
        """Return centre and spread of vectors by session, from all windows of a session that do not overlap."""
        store, apart = self.store, self._apart_windows()
        length_s = apart.frames / store.frame_rate
        rows_ND = vectors(apart)

        def rows_of(index: int) -> FloatArray:
            return np.asarray(rows_ND[apart.entry_N == index])

        rows = Rows(store, MeanSd(), rows_of, length_s)
        return Normaliser(rows, kind, typical(rows, self.split.users_train))

    def _apart_windows(self) -> Windows:
        """Return all windows of the store that do not overlap."""
        length_s = self.windows.frames / self.store.frame_rate
        return list_windows(self.store, length_s, length_s)

    def _less(
        self, normaliser: Normaliser, vectors: Callable[[Windows], FloatArray], windows: Windows
    ) -> EmbeddingSet:
        found = normaliser.of(windows.entry_N, windows.start_N + windows.frames)
        return embedding_set(self.store, windows, (vectors(windows) - found.centre_F) / found.spread_F)

    def pose_points(self, windows: Windows, view: AnchorView = AnchorView.recorded) -> EmbeddingSet:
        """Return the mean pose of each part of every window, (N, parts x J)."""
        read = AnchorReader(self.store, windows.frames)
        viewed = ViewedAnchor(self.store.device.anchor, view, self.store.frame_rate)
        points_NP = in_numpy(windows, lambda part: mean_parts(viewed(read(part)).numpy()))
        return embedding_set(self.store, windows, points_NP)


def thinned(windows: Windows) -> Windows:
    """Return about ``PAIRS`` of many windows, at equal distances, since neighbours share most of their samples."""
    return windows.select(np.arange(0, len(windows), 1 + len(windows) // PAIRS))


def mean_parts(pose_NSJ: FloatArray) -> FloatArray:
    """Return the mean pose of each part of windows, (N, parts x J)."""
    parts = np.array_split(pose_NSJ, min(POSE_PARTS, pose_NSJ.shape[1]), axis=1)
    return np.concatenate([part_NSJ.mean(axis=1) for part_NSJ in parts], axis=1)


def _positions(windows: Windows, parts: list[Windows]) -> IntArray:
    starts = np.concatenate([part.start_N for part in parts])
    return np.flatnonzero(np.isin(windows.start_N, starts))
