"""How each kind of model is evaluated: which embeddings protocols are given, and how far its poses are off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_anchor, embed_emg, embedding_set, measured_pose, pooled_emg, predict_pose
from cpep.data.windows import Windows
from cpep.evaluate.linear import CcaToPose, ColumnStandard, RidgeToPose, choose_cca, choose_ridge
from cpep.evaluate.plane import map_of
from cpep.evaluate.pose_error import PoseError, pose_error
from cpep.evaluate.protocols.base import Outcome, part
from cpep.experiments.adapted import Adaptation, needed
from cpep.experiments.protocol import SplitData, mean_parts
from cpep.hand.kinematics import Hand
from cpep.models.baselines.regressor import PoseRegressor
from cpep.runtime.registry import Registry
from cpep.types import EmbeddingSet, FloatArray, Normalisation, Progress, no_progress

PAIRS = 6000
"""A linear map from EMG to pose is fitted on fewer windows than twice this."""
MAP_POINTS = 500
"""EMG windows, and poses, of the map of embeddings."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The row that is evaluated.

    Attributes:
        name: of the table.
        normalisation: of the EMG that classical features are computed from.
        pairs: windows of training and of validation people that CPEP is aligned on, for linear maps from EMG to pose.
        checkpoint: its model; a classical row has none.
        progress: called with EMG windows embedded and in all.
    """

    name: str
    normalisation: Normalisation = "recording"
    pairs: Sequence[Windows] = ()
    checkpoint: Model | None = None
    progress: Progress = no_progress

    @property
    def model(self) -> Model:
        """The model of a row that has one."""
        assert self.checkpoint is not None, f"{self.name} has no model"
        return self.checkpoint


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that is found out about one model.

    Attributes:
        outcomes: its answers under every protocol.
        errors: of the poses that it predicts.
        points: EMG and pose embeddings in two dimensions with gesture names.
    """

    outcomes: list[Outcome]
    errors: list[PoseError] = field(default_factory=list)
    points: dict[str, list[list[Any]]] = field(default_factory=dict)


Evaluator = Callable[[SplitData, Subject], Evaluation]

EVALUATORS: Registry[Evaluator] = Registry("evaluator")
"""By the name of a row, or else by what evaluates the kind of its model (``ModelSpec.evaluator``)."""


def evaluate(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate a row of the table.

    Raises:
        UserError: nothing is known of such a row.
    """
    base = subject.name.partition("/")[0]
    return EVALUATORS.get(base if base in EVALUATORS else subject.model.spec.evaluator)(data, subject)


def features(data: SplitData, subject: Subject) -> Evaluation:
    """Classical features of EMG, without a network."""
    kind = subject.normalisation
    if data.config.adapt:
        windows = needed(data)
        vectors = data.features_of(windows, kind)
        return Evaluation(Adaptation(data, windows, vectors, kind == "causal").labelled())
    vectors = data.features(kind)
    return Evaluation(data.outcomes(vectors=vectors, emg=vectors))


def encoder(data: SplitData, subject: Subject) -> Evaluation:
    """An EMG encoder that knows no pose: [CLS] and mean token."""
    model = subject.model
    pooled = data.of_session(model, lambda windows: pooled_emg(model, data.store, windows).x_ND)
    return Evaluation(data.outcomes(vectors=pooled, emg=pooled))


def aligned(data: SplitData, subject: Subject) -> Evaluation:
    """What ``encode_emg`` of an aligned model returns, and its poses."""
    if data.config.adapt:
        return Evaluation(adapted(data, subject))
    model = subject.model
    points = map_points(data, model) if subject.name == "cpep" else {}
    emg = embed_emg(model, data.store, data.windows, subject.progress)

    def vectors(windows: Windows) -> FloatArray:
        return (emg if windows is data.windows else embed_emg(model, data.store, windows)).averaged().x_ND

    of_session = data.of_session(model, vectors)
    outcomes = data.outcomes(vectors=of_session, emg=of_session, query=emg, gallery=data.pose(model))
    return Evaluation(outcomes, points=points)


def adapted(data: SplitData, subject: Subject) -> list[Outcome]:
    """The same after adaptation to each test person's recordings."""
    model, windows = subject.model, needed(data)
    emg = embed_emg(model, data.store, windows, subject.progress).averaged()

    def vectors(some: Windows) -> FloatArray:
        return (emg if some is windows else embed_emg(model, data.store, some).averaged()).x_ND

    causal = model.emg_frontend.normalisation == "causal"
    adaptation = Adaptation(data, windows, data.of_session(model, vectors, windows), causal)
    return [*adaptation.labelled(), *adaptation.zero_shot(emg, data.pose(model))]


def regression(data: SplitData, subject: Subject) -> Evaluation:
    """What the decoder of a regression reads; the nearest pose of the pose that it predicts; the error of that pose.

    Poses are compared at the times that the model predicts, as ``POSE_PARTS`` mean poses, each joint over its
    SD among training people; cosine, as for every other row.
    """
    model = subject.model
    net, anchor = model.net, data.store.device.anchor
    assert isinstance(net, PoseRegressor)
    probed = data.of_session(model, lambda windows: embed_emg(model, data.store, windows, subject.progress).x_ND)
    tested, trainers = data.of_role("test"), data.of_role("train")
    predicted_NSJ = predict_pose(model, data.store, tested)
    measured_NSJ, gallery_NSJ = (measured_pose(data.store, own, net.times_S) for own in (tested, trainers))
    gallery = embedding_set(data.store, trainers, mean_parts(gallery_NSJ))
    standard = ColumnStandard(part(gallery, data.split, "train", data.split.seen).x_ND)
    query = embedding_set(data.store, tested, standard(mean_parts(predicted_NSJ)))
    gallery = gallery.with_x(standard(gallery.x_ND))
    mean_J = gallery_NSJ[np.isin(trainers.label_N, data.split.seen)].mean(axis=(0, 1))
    hand = Hand() if anchor.is_hand else None
    errors = []
    for gestures, labels in data.gestures.items():
        mine = np.isin(tested.label_N, labels)
        errors.append(
            pose_error(
                predicted_NSJ[mine],
                measured_NSJ[mine],
                mean_J,
                query.user_N[mine],
                gestures=gestures,
                unit=anchor.unit,
                hand=hand,
            )
        )
    return Evaluation(data.outcomes(vectors=probed, emg=probed, query=query, gallery=gallery), errors)


def ceiling(data: SplitData, subject: Subject) -> Evaluation:
    """The frozen pose encoder of an aligned model itself: its vectors, and their own nearest neighbours."""
    pose = data.pose(subject.model)
    return Evaluation(data.outcomes(vectors=pose, query=pose, gallery=pose))


def ridge(data: SplitData, subject: Subject) -> Evaluation:
    """Linear regression from features to the pose, then the nearest pose."""
    return linear_to_pose(data, subject, partial(choose_ridge, strengths=data.config.ridge_strengths))


def cca(data: SplitData, subject: Subject) -> Evaluation:
    """Features and poses where they correlate most, then the nearest pose."""
    return linear_to_pose(data, subject, choose_cca)


def linear_to_pose(
    data: SplitData,
    subject: Subject,
    choose: Callable[[EmbeddingSet, EmbeddingSet, EmbeddingSet, EmbeddingSet], RidgeToPose | CcaToPose],
) -> Evaluation:
    """A linear map from features to where poses are compared with them, then the nearest pose.

    It is fitted on the windows that CPEP is aligned on, whatever their labels; of many, on some spread evenly, since
    neighbours share most of their samples.
    """
    kind = subject.normalisation
    some = [windows.select(np.arange(0, len(windows), 1 + len(windows) // PAIRS)) for windows in subject.pairs]
    train, train_pose, validation, validation_pose = (
        vectors for windows in some for vectors in (data.features_of(windows, kind), data.pose_points(windows))
    )
    fitted = choose(train, train_pose, validation, validation_pose)
    emg, pose = data.features(kind), data.pose_points(data.windows)
    query, gallery = emg.with_x(fitted.predict(emg.x_ND)), pose.with_x(fitted.standardise(pose.x_ND))
    return Evaluation(data.outcomes(query=query, gallery=gallery))


def map_points(data: SplitData, model: Model) -> dict[str, list[list[Any]]]:
    """Place some poses of the gallery and some EMG windows of test users in one plane."""
    rng = np.random.default_rng(data.seed)
    tested, gallery = (
        own.select(rng.permutation(len(own))[:MAP_POINTS]) for own in (data.of_role("test"), data.of_role("train"))
    )
    emg, pose = embed_emg(model, data.store, tested).averaged(), embed_anchor(model, data.store, gallery)
    sets = tuple(data.gestures.values())
    return map_of(emg, pose, sets, data.store.vocabulary, data.config.neighbours, data.seed)


_EVALUATORS: dict[str, Evaluator] = {
    "features": features,
    "ridge": ridge,
    "cca": cca,
    "pose": ceiling,
    "aligned": aligned,
    "encoder": encoder,
    "regression": regression,
}
for _name, _evaluator in _EVALUATORS.items():
    EVALUATORS.add(_name, _evaluator)
