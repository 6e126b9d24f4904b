"""What is asked of each kind of model: which vectors are probed, what is nearest to what, how far poses are off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_anchor, embed_emg, embedding_set, measured_pose, pooled_emg, predict_pose
from cpep.data.windows import Windows
from cpep.evaluate.linear import CcaToPose, ColumnStandard, RidgeToPose, choose_cca, choose_ridge
from cpep.evaluate.plane import map_of
from cpep.evaluate.pose_error import PoseError, pose_error
from cpep.experiments.adapted import Adaptation, needed
from cpep.experiments.protocol import Outcome, Protocol, mean_parts
from cpep.hand.kinematics import Hand
from cpep.models.baselines.regressor import PoseRegressor
from cpep.runtime.registry import Registry
from cpep.types import FloatArray, Normalisation, Progress, no_progress

PAIRS = 6000
"""A linear map from EMG to pose is fitted on fewer windows than twice this."""
MAP_POINTS = 500
"""EMG windows, and poses, of the map of embeddings."""


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


def classical(protocol: Protocol, name: str, kind: Normalisation, pairs: Sequence[Windows]) -> Evaluation:
    """Evaluate a row that has no network.

    Args:
        protocol: the split that it is evaluated on.
        name: ``features``, ``features/lda``, ``features/adapted``, ``ridge`` or ``cca``.
        kind: normalisation of the EMG that features are computed from.
        pairs: windows of training and of validation users that CPEP is aligned on, for maps from EMG to pose.
    """
    if name.startswith("features") and protocol.config.adapt:
        windows = needed(protocol)
        data = protocol.features_of(windows, kind)
        return Evaluation(Adaptation(protocol, windows, data, kind == "causal").labelled(name))
    if name.startswith("features"):
        return Evaluation(protocol.labelled(name, protocol.features(kind)))
    return Evaluation(linear_to_pose(protocol, name, kind, pairs))


def trained(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> Evaluation:
    """Evaluate a row that has a network.

    Args:
        protocol: the split that it is evaluated on.
        name: of the row; ``pose`` evaluates the pose encoder of an aligned model.
        model: its checkpoint.
        progress: called with EMG windows embedded and in all.
    """
    if name == "pose":
        return Evaluation(ceiling(protocol, model))
    return EVALUATORS.get(model.spec.evaluator)(protocol, name, model, progress)


def encoder(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> Evaluation:
    """Probe an EMG encoder that knows no pose."""
    pooled = protocol.of_session(model, lambda windows: pooled_emg(model, protocol.store, windows).x_ND)
    return Evaluation(protocol.labelled(name, pooled))


def pair(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> Evaluation:
    """Evaluate an aligned model, adapted to each person where the settings say so."""
    if protocol.config.adapt:
        return Evaluation(adapted(protocol, name, model, progress))
    points = map_points(protocol, model) if name == "cpep" else {}
    return Evaluation(aligned(protocol, name, model, progress), points=points)


def aligned(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> list[Outcome]:
    """Linear probe and zero-shot of what ``encode_emg`` returns."""
    emg = embed_emg(model, protocol.store, protocol.windows, progress)

    def vectors(windows: Windows) -> FloatArray:
        return (emg if windows is protocol.windows else embed_emg(model, protocol.store, windows)).averaged().x_ND

    of_session = protocol.of_session(model, vectors)
    return [*protocol.labelled(name, of_session), *protocol.zero_shot(name, emg, protocol.pose(model))]


def adapted(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> list[Outcome]:
    """The same after adaptation to each test person's recordings."""
    windows = needed(protocol)
    emg = embed_emg(model, protocol.store, windows, progress).averaged()

    def vectors(some: Windows) -> FloatArray:
        return (emg if some is windows else embed_emg(model, protocol.store, some).averaged()).x_ND

    causal = model.emg_frontend.normalisation == "causal"
    adaptation = Adaptation(protocol, windows, protocol.of_session(model, vectors, windows), causal)
    return [*adaptation.labelled(name), *adaptation.zero_shot(name, emg, protocol.pose(model))]


def regression(protocol: Protocol, name: str, model: Model, progress: Progress = no_progress) -> Evaluation:
    """Probe what the decoder reads; nearest pose of the predicted pose; the error of the predicted pose.

    Poses are compared at the times that the model predicts, as ``POSE_PARTS`` mean poses, each joint over its
    SD among training people; cosine, as for every other row.
    """
    net, anchor = model.net, protocol.store.device.anchor
    assert isinstance(net, PoseRegressor)
    probed = protocol.of_session(model, lambda windows: embed_emg(model, protocol.store, windows, progress).x_ND)
    tested, trainers = protocol.of_role("test"), protocol.of_role("train")
    predicted_NSJ = predict_pose(model, protocol.store, tested)
    measured_NSJ, gallery_NSJ = (measured_pose(protocol.store, own, net.times_S) for own in (tested, trainers))
    gallery = embedding_set(protocol.store, trainers, mean_parts(gallery_NSJ))
    standard = ColumnStandard(protocol.part(gallery, "train", protocol.split.seen).x_ND)
    query = embedding_set(protocol.store, tested, standard(mean_parts(predicted_NSJ)))
    gallery = gallery.with_x(standard(gallery.x_ND))
    mean_J = gallery_NSJ[np.isin(trainers.label_N, protocol.split.seen)].mean(axis=(0, 1))
    hand = Hand() if anchor.is_hand else None
    errors = []
    for gestures, labels in protocol.gestures.items():
        mine = np.isin(tested.label_N, labels)
        errors.append(
            pose_error(
                predicted_NSJ[mine],
                measured_NSJ[mine],
                mean_J,
                query.user_N[mine],
                gestures=gestures,
                unit=anchor.read_unit,
                hand=hand,
            )
        )
    return Evaluation([*protocol.labelled(name, probed), *protocol.zero_shot(name, query, gallery)], errors)


def ceiling(protocol: Protocol, model: Model) -> list[Outcome]:
    """The frozen pose encoder itself: linear probe and its own nearest neighbours."""
    pose = protocol.pose(model)
    return [*protocol.probe("pose", pose), *protocol.zero_shot("pose", pose, pose)]


def map_points(protocol: Protocol, model: Model) -> dict[str, list[list[Any]]]:
    """Place some poses of the gallery and some EMG windows of test users in one plane."""
    rng = np.random.default_rng(protocol.seed)
    tested, gallery = (
        own.select(rng.permutation(len(own))[:MAP_POINTS])
        for own in (protocol.of_role("test"), protocol.of_role("train"))
    )
    emg, pose = embed_emg(model, protocol.store, tested).averaged(), embed_anchor(model, protocol.store, gallery)
    sets = tuple(protocol.gestures.values())
    return map_of(emg, pose, sets, protocol.store.vocabulary, protocol.config.neighbours, protocol.seed)


def linear_to_pose(protocol: Protocol, name: str, kind: Normalisation, pairs: Sequence[Windows]) -> list[Outcome]:
    """Linear map from features to the pose (``ridge``) or to what both share (``cca``), then the nearest pose.

    Fitted on the windows that CPEP is aligned on, whatever their labels; of many, on some spread evenly, since
    neighbours share most of their samples.
    """
    some = [windows.select(np.arange(0, len(windows), 1 + len(windows) // PAIRS)) for windows in pairs]
    data = [(protocol.features_of(windows, kind), protocol.pose_points(windows)) for windows in some]
    (train, train_pose), (validation, validation_pose) = data
    fitted: RidgeToPose | CcaToPose
    if name == "ridge":
        fitted = choose_ridge(train, train_pose, validation, validation_pose, protocol.config.ridge_strengths)
    else:
        fitted = choose_cca(train, train_pose, validation, validation_pose)
    features, pose = protocol.features(kind), protocol.pose_points(protocol.windows)
    query, gallery = fitted.predict(features.x_ND), fitted.standardise(pose.x_ND)
    return protocol.zero_shot(name, features.with_x(query), pose.with_x(gallery))


EVALUATORS: Registry[Callable[[Protocol, str, Model, Progress], Evaluation]] = Registry("evaluator")
"""By the name that a kind of model says (``ModelSpec.evaluator``)."""
EVALUATORS.add("encoder", encoder)
EVALUATORS.add("aligned", pair)
EVALUATORS.add("regression", regression)
