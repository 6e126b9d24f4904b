"""What read-outs may see of windows: classical features, the model's embedding, and likeness to poses of gestures.

A view is a set of vectors of windows. Likeness is measured where EMG and poses meet: in the space of embeddings,
where the model puts EMG or a ridge regression does, or in the space of the poses, by ridge regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import AnchorView
from cpep.data.splits import LeakError
from cpep.data.windows import Windows
from cpep.evaluate.knn import unit_rows
from cpep.evaluate.linear import ColumnStandard, RidgeToPose
from cpep.experiments.protocol import SplitData, thinned
from cpep.experiments.window_features import embedded, embedded_anchor
from cpep.types import BoolArray, EmbeddingSet, FloatArray, IntArray, Normalisation

FEATURES, EMBEDDING = "features", "embedding"
ALIGNED, RIDGE, POSE = "aligned", "ridge", "pose"
"""Kinds of likeness: by the model; by ridge regression to embeddings of poses; and to poses."""
RIDGE_STRENGTH = 0.5
"""Penalty of the ridge regressions, strong, as people differ (chosen on NinaPro DB1, unseen gestures 3, 6, 9, 12)."""


@dataclass(frozen=True, eq=False)
class Posed:
    """Windows in a space that EMG and poses share.

    Attributes:
        x_ND: the windows.
        usual_D: mean of training people's windows of seen gestures.
        pose_KD: mean pose of each gesture less the mean of all, of length one.
    """

    x_ND: FloatArray
    usual_D: FloatArray
    pose_KD: FloatArray


@dataclass(frozen=True, eq=False)
class Views:
    """The windows of one split for read-outs.

    Attributes:
        data: the labelled windows, for protocols.
        windows: labelled windows of training people, as many of them without a gesture, and all of test people.
        seen, unseen: gestures that are asked.
        vectors: vectors of the windows by view, each centred and scaled by its session.
        posed: the windows in spaces of poses by kind of likeness; empty where recordings have no pose.
        labels_K: gestures that have a pose, ascending.
        causal: whether answers may depend on the past alone.
    """

    data: SplitData
    windows: Windows
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    vectors: Mapping[str, EmbeddingSet]
    posed: Mapping[str, Posed]
    labels_K: IntArray
    causal: bool

    @property
    def train_N(self) -> BoolArray:
        """Whether a window is a training person's."""
        return np.isin(self.vectors[FEATURES].user_N, self.data.split.users_train)

    @property
    def asked_N(self) -> BoolArray:
        """Whether a window has a label that is asked."""
        labelled_N = np.isin(self.windows.start_N, self.data.windows.start_N)
        return labelled_N & np.isin(self.vectors[FEATURES].label_N, self.seen + self.unseen)

    @property
    def taught_N(self) -> BoolArray:
        """Whether a window is a training person's of a seen gesture."""
        return self.train_N & self.asked_N & np.isin(self.vectors[FEATURES].label_N, self.seen)


def views_of(
    data: SplitData,
    windows: Windows,
    gestures: tuple[tuple[int, ...], tuple[int, ...]],
    model: Model | None,
    kind: Normalisation,
    view: AnchorView = AnchorView.recorded,
    shuffled: bool = False,
) -> Views:
    """Compute all views of windows.

    Args:
        data: split and labelled windows.
        windows: see ``Views``.
        gestures: seen and unseen ones that are asked.
        model: aligned model; without it there is no embedding, and likeness is by ridge regression to poses alone.
        kind: normalisation of the EMG.
        view: which columns of the anchor are read.
        shuffled: whether ridge regressions learn from poses of other windows: the control.
    """
    seen, unseen = gestures
    features = data.features_of(windows, kind)
    recentred = data.recentred_of(windows, kind)
    vectors = {FEATURES: features.with_x(np.concatenate([features.x_ND, recentred.x_ND], axis=1))}
    emg = None
    if model is not None:
        aligned = model

        def of_model(some: Windows) -> FloatArray:
            return embedded(aligned, data.store, some).averaged().x_ND

        emg = embedded(model, data.store, windows).averaged()
        vectors[EMBEDDING] = data.of_session(model, of_model, windows)
    bare = Views(data, windows, seen, unseen, vectors, {}, np.array([], int), kind == "causal")
    if data.store.anchor_MJ is None:
        return bare
    return _posed(bare, model, None if emg is None else emg.x_ND, view, shuffled)


def _posed(
    views: Views, model: Model | None, emg_ND: FloatArray | None, columns: AnchorView, shuffled: bool
) -> Views:
    """Return views with likeness to poses."""
    data = views.data
    shown = thinned(views.windows.select(views.train_N & views.asked_N))
    gallery = data.pose_points(shown, columns)
    labels_K = np.unique(gallery.label_N)
    pairs = thinned(views.windows.select(_paired(views)))
    paired_N = np.isin(views.windows.start_N, pairs.start_N)
    points = data.pose_points(pairs, columns).x_ND
    standard = ColumnStandard(points)
    partner = np.random.default_rng(data.seed).permutation(len(points)) if shuffled else np.arange(len(points))
    posed: dict[str, Posed] = {}

    def add(name: str, x_ND: FloatArray, pose: EmbeddingSet) -> None:
        mean_KD = np.stack([pose.x_ND[pose.label_N == label].mean(axis=0) for label in labels_K])
        posed[name] = Posed(x_ND, x_ND[views.taught_N].mean(axis=0), unit_rows(mean_KD - mean_KD.mean(axis=0)))

    for view, vectors in views.vectors.items():
        fitted = RidgeToPose(RIDGE_STRENGTH).fit(vectors.x_ND[paired_N], standard(points)[partner])
        add(f"{POSE} from {view}", fitted.predict(vectors.x_ND), gallery.with_x(standard(gallery.x_ND)))
    if model is not None and emg_ND is not None:
        aimed_ND = embedded_anchor(model, data.store, pairs).x_ND
        pose = embedded_anchor(model, data.store, shown)
        add(ALIGNED, unit_rows(emg_ND).astype(np.float64), pose)
        for view, vectors in views.vectors.items():
            fitted = RidgeToPose(RIDGE_STRENGTH).fit(vectors.x_ND[paired_N], aimed_ND[partner])
            add(f"{RIDGE} from {view}", fitted.predict(vectors.x_ND), pose.with_x(fitted.standardise(pose.x_ND)))
    return replace(views, posed=posed, labels_K=labels_K)


def _paired(views: Views) -> BoolArray:
    """Return which windows ridge regressions learn from: training people's of seen gestures and of none."""
    other_N = views.train_N & ~np.isin(views.windows.start_N, views.data.windows.start_N)
    paired_N = (views.taught_N | other_N) & views.windows.valid_N
    split, vectors = views.data.split, views.vectors[FEATURES]
    if set(vectors.user_N[paired_N]) - set(split.users_train) or set(vectors.label_N[paired_N]) & set(split.unseen):
        raise LeakError("windows of unseen gestures, or of others than training people, reached zero-shot")
    return np.asarray(paired_N)
