"""How each kind of model is evaluated: its embeddings for the protocols, and the errors of its poses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_emg, embedding_set, measured_pose, pooled_emg, predict_pose
from cpep.config.schema import AnchorView, Readouts
from cpep.data.windows import Windows
from cpep.evaluate.challenge import ChallengeError
from cpep.evaluate.linear import CcaToPose, ColumnStandard, RidgeToPose, choose_cca, choose_ridge
from cpep.evaluate.pose_errors import PoseError, pose_error
from cpep.evaluate.projection import Map, maps_of
from cpep.evaluate.protocols.base import Outcome, part
from cpep.experiments.adapted import Adaptation, needed
from cpep.experiments.challenged import challenge
from cpep.experiments.protocol import SplitData, mean_parts, thinned
from cpep.experiments.window_features import embedded
from cpep.hand.kinematics import Hand
from cpep.models.baselines.regressor import PoseRegressor
from cpep.runtime.registry import Registry
from cpep.types import EmbeddingSet, FloatArray, Normalisation, Progress, no_progress


@dataclass(frozen=True, eq=False)
class Subject:
    """The row that is evaluated.

    Attributes:
        name: name of the row.
        normalisation: normalisation of the EMG for classical features.
        view: columns of the anchor that linear maps lead to.
        pairs: training and validation people's windows on which CPEP is aligned, for linear maps from EMG to pose.
        checkpoint: model of the row; a classical row has none.
        progress: called with EMG windows embedded and in all.
        choosing: model that knows less, by which read-outs are chosen; see ``cpep.train.choice``.
        shuffled: whether the row is a control that learns from poses paired at random.
    """

    name: str
    normalisation: Normalisation = "recording"
    view: AnchorView = AnchorView.recorded
    pairs: Sequence[Windows] = ()
    checkpoint: Model | None = None
    progress: Progress = no_progress
    choosing: Model | None = None
    shuffled: bool = False

    @property
    def model(self) -> Model:
        """The model of a row that has one."""
        assert self.checkpoint is not None, f"{self.name} has no model"
        return self.checkpoint


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of one row.

    Attributes:
        outcomes: answers under every protocol.
        errors: errors of predicted poses, and of those as the challenge scores them.
        maps: embeddings of EMG and of poses in a plane, for each set of gestures.
        choice: the read-outs that were chosen, in words, by what they are for.
    """

    outcomes: list[Outcome]
    errors: list[PoseError | ChallengeError] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    choice: dict[str, str] = field(default_factory=dict)


Evaluator = Callable[[SplitData, Subject], Evaluation]

EVALUATORS: Registry[Evaluator] = Registry("evaluator", ["cpep.experiments.best"])
"""All evaluators, by the name of a row, or else by ``ModelSpec.evaluator`` of the row's model."""


def evaluate(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate a row of the table.

    Raises:
        UserError: the row has no evaluator.
    """
    if data.config.readouts is Readouts.chosen:
        return EVALUATORS.get(Readouts.chosen.value)(data, subject)
    base = subject.name.partition("/")[0]
    return EVALUATORS.get(base if base in EVALUATORS else subject.model.spec.evaluator)(data, subject)


def features(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate classical features of EMG, without a network."""
    kind = subject.normalisation
    if data.config.adapt:
        windows = needed(data)
        vectors = data.features_of(windows, kind)
        return Evaluation(Adaptation(data, windows, vectors, kind == "causal").labelled())
    vectors = data.features(kind)
    return Evaluation(data.outcomes(vectors=vectors, emg=vectors))


def encoder(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate an EMG encoder without a pose encoder: its vectors are [CLS] and the mean token."""
    model = subject.model

    def vectors(windows: Windows) -> FloatArray:
        return pooled_emg(model, data.store, windows).x_ND

    if data.config.adapt:
        windows, causal = needed(data), model.emg_frontend.normalisation == "causal"
        return Evaluation(Adaptation(data, windows, data.of_session(model, vectors, windows), causal).labelled())
    pooled = data.of_session(model, vectors)
    return Evaluation(data.outcomes(vectors=pooled, emg=pooled))


def aligned(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate an aligned model: its embeddings of EMG and, where the recordings have an anchor, of poses."""
    if data.config.adapt:
        return Evaluation(adapted(data, subject))
    model = subject.model
    emg = embedded(model, data.store, data.windows, subject.progress)

    def vectors(windows: Windows) -> FloatArray:
        return embedded(model, data.store, windows).averaged().x_ND

    of_session = data.of_session(model, vectors)
    if data.store.anchor_MJ is None:
        return Evaluation(data.outcomes(vectors=of_session, emg=of_session))
    pose = data.pose(model)
    outcomes = data.outcomes(vectors=of_session, emg=of_session, query=emg, gallery=pose)
    return Evaluation(outcomes, maps=mapped(data, emg.averaged(), pose) if subject.name == "cpep" else [])


def adapted(data: SplitData, subject: Subject) -> list[Outcome]:
    """Return the outcomes of an aligned model after adaptation to each test person's recordings."""
    model, windows = subject.model, needed(data)
    emg = embedded(model, data.store, windows, subject.progress).averaged()

    def vectors(some: Windows) -> FloatArray:
        return embedded(model, data.store, some).averaged().x_ND

    causal = model.emg_frontend.normalisation == "causal"
    adaptation = Adaptation(data, windows, data.of_session(model, vectors, windows), causal)
    zero_shot = adaptation.zero_shot(emg, data.pose(model)) if data.store.anchor_MJ is not None else []
    return [*adaptation.labelled(), *zero_shot]


def regression(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate a model that predicts poses: the features of its decoder, zero-shot by predicted poses, and errors.

    Where the recordings have no anchor, the features alone are evaluated.
    For zero-shot, a pose is ``POSE_PARTS`` mean poses at the times that the model predicts, each joint standardised
    by training people. Predicted and measured poses are compared by cosine, as for every other row.
    """
    model = subject.model
    net, anchor = model.net, data.store.device.anchor
    assert isinstance(net, PoseRegressor)
    probed = data.of_session(model, lambda windows: embed_emg(model, data.store, windows, subject.progress).x_ND)
    if data.store.anchor_MJ is None:
        return Evaluation(data.outcomes(vectors=probed, emg=probed))
    tested, trainers = data.of_role("test"), data.of_role("train")
    predicted_NSJ = predict_pose(model, data.store, tested)
    measured_NSJ, gallery_NSJ = (measured_pose(data.store, own, net.times_S) for own in (tested, trainers))
    gallery = embedding_set(data.store, trainers, mean_parts(gallery_NSJ))
    standard = ColumnStandard(part(gallery, data.split, "train", data.split.choosing).x_ND)
    query = embedding_set(data.store, tested, standard(mean_parts(predicted_NSJ)))
    gallery = gallery.with_x(standard(gallery.x_ND))
    mean_J = gallery_NSJ[np.isin(trainers.label_N, data.split.choosing)].mean(axis=(0, 1))
    hand = Hand() if anchor.is_hand else None
    errors: list[PoseError | ChallengeError] = []
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
    asked = challenge(model, data.store, data.split, data.every, data.config.bootstrap, data.seed)
    errors += [asked] if asked else []
    return Evaluation(data.outcomes(vectors=probed, emg=probed, query=query, gallery=gallery), errors)


def ceiling(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate the frozen pose encoder of an aligned model: its embeddings of poses take the place of EMG."""
    pose = data.pose(subject.model)
    return Evaluation(data.outcomes(vectors=pose, query=pose, gallery=pose))


def ridge(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate ridge regression from features to the pose, then the nearest pose."""
    return linear_to_pose(data, subject, partial(choose_ridge, strengths=data.config.ridge_strengths))


def cca(data: SplitData, subject: Subject) -> Evaluation:
    """Evaluate canonical correlation of features and poses, then the nearest pose."""
    return linear_to_pose(data, subject, choose_cca)


def linear_to_pose(
    data: SplitData,
    subject: Subject,
    choose: Callable[[EmbeddingSet, EmbeddingSet, EmbeddingSet, EmbeddingSet], RidgeToPose | CcaToPose],
) -> Evaluation:
    """Evaluate a linear map from features to a space of poses, then the nearest pose.

    It is fitted on the windows on which CPEP is aligned, whatever their labels. Of many windows only some are used,
    at equal distances, since neighbours share most of their samples.
    """
    kind, view = subject.normalisation, subject.view
    some = [thinned(windows) for windows in subject.pairs]
    train, train_pose, validation, validation_pose = (
        vectors for windows in some for vectors in (data.features_of(windows, kind), data.pose_points(windows, view))
    )
    fitted = choose(train, train_pose, validation, validation_pose)
    emg, pose = data.features(kind), data.pose_points(data.windows, view)
    query, gallery = emg.with_x(fitted.predict(emg.x_ND)), pose.with_x(fitted.standardise(pose.x_ND))
    return Evaluation(data.outcomes(query=query, gallery=gallery))


def mapped(data: SplitData, emg: EmbeddingSet, pose: EmbeddingSet) -> list[Map]:
    """Return the maps of test people's EMG and training people's poses: those that zero-shot compares."""
    tested = emg.select(np.isin(emg.user_N, data.split.users("test")))
    trainers = pose.select(np.isin(pose.user_N, data.split.users("train")))
    return maps_of(tested, trainers, data.gestures, data.store.vocabulary, data.seed)


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
