from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cpep.checkpoints.embed import embedding_set, measured_pose
from cpep.config.schema import Readout
from cpep.data.windows import list_windows
from cpep.evaluate.fewshot import choose_classifier
from cpep.evaluate.linear import choose_ridge
from cpep.evaluate.probe import SHRINKAGES, Lda, LinearProbe, choose_probe
from cpep.experiments import evaluators as evaluation
from cpep.experiments.protocol import Protocol
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import PatchEncoder


def vectors(windows):
    """Return two columns that differ from window to window, by time alone."""
    return np.stack([np.sin(windows.start_N / 70), np.cos(windows.start_N / 45)], axis=1).astype(np.float32)


def test_what_moves_all_windows_of_a_wearing_is_taken_out(protocol):
    def moved(windows):
        gain = 1 + windows.entry_N[:, None]
        return vectors(windows) * gain + 100 * gain

    plain, other = (protocol._standardised("recording", f).x_ND for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-3)
    assert not np.allclose(plain, vectors(protocol.windows), atol=0.1)


def test_without_normalisation_people_keep_their_differences(protocol):
    def moved(windows):
        return vectors(windows) + windows.entry_N[:, None]

    found, entry = protocol._standardised("none", moved).x_ND, protocol.windows.entry_N
    means = [found[entry == index].mean(0) for index in np.unique(entry)]
    assert (np.ptp(means, axis=0) > 3).all()


@pytest.mark.parametrize("kind", ["none", "causal"])
def test_what_test_users_are_like_reaches_nobody_else(protocol, kind):
    tested = [k for k, entry in enumerate(protocol.store.entries) if entry.user in protocol.split.users_test]

    def moved(windows):
        return vectors(windows) + 1000 * np.isin(windows.entry_N, tested)[:, None]

    others = ~np.isin(protocol.windows.entry_N, tested)
    plain, other = (protocol._standardised(kind, f).x_ND[others] for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-5)


def test_the_map_shows_emg_of_test_users_and_poses_of_training_users(protocol, monkeypatch):
    shown = {}

    def embed(name, model, store, windows):
        shown[name] = set(windows.users(store))
        return embedding_set(store, windows, vectors(windows))

    for name in ("embed_emg", "embed_anchor"):
        monkeypatch.setattr(f"cpep.experiments.evaluators.{name}", partial(embed, name))
    evaluation.map_points(protocol, None)
    assert shown == {"embed_emg": set(protocol.split.users_test), "embed_anchor": set(protocol.split.users_train)}


def test_poses_are_embedded_once_for_each_frozen_encoder(protocol, monkeypatch):
    calls = []
    monkeypatch.setattr("cpep.experiments.protocol.embed_anchor", lambda model, *_: calls.append(model) or len(calls))

    def model(seed):
        torch.manual_seed(seed)
        emg, pose = (
            PatchEncoder(columns=3, steps=8, token_steps=2, width=8, depth=1, heads=2, dropout=0) for _ in "ab"
        )
        return SimpleNamespace(net=Cpep(emg, pose, 0.1, 0.02, 0.5))

    assert [protocol.pose(model(seed)) for seed in (0, 1, 0, 1)] == [1, 2, 1, 2]


TIMES = [0.25, 0.75, 1.25, 1.75]


class Regressor(PoseRegressor):
    """Has the shape of a regression model and no weights."""

    def __init__(self, times):
        super().__init__(joints=22, samples=200, rate=100.0, context=0, times_S=torch.tensor(times))


def regression(protocol, monkeypatch, predict):
    """Evaluate a regression that predicts what ``predict`` makes of the measured pose."""
    net, asked = Regressor(TIMES), []

    def predicted(model, store, windows):
        asked.append(windows)
        return predict(measured_pose(store, windows, net.times_S))

    monkeypatch.setattr("cpep.experiments.evaluators.predict_pose", predicted)
    monkeypatch.setattr(
        "cpep.experiments.evaluators.embed_emg",
        lambda model, store, windows, *_: embedding_set(store, windows, vectors(windows)),
    )
    model = SimpleNamespace(net=net, emg_frontend=SimpleNamespace(normalisation="recording"))
    found = evaluation.regression(protocol, "vemg2pose", model)
    score = {(o.protocol, o.gestures): o.score.balanced_accuracy for o in found.outcomes}
    return asked, score, {error.gestures: error for error in found.errors}


def test_a_regression_that_is_right_names_every_gesture(protocol, monkeypatch):
    asked, score, error = regression(protocol, monkeypatch, lambda pose: pose)
    assert error["seen"].values == error["unseen"].values == {"pose_nrmse": 0.0}
    assert all(score[name, kind] == 1 for name in ("zero_shot", "zero_shot_all") for kind in ("seen", "unseen"))
    shots = {f"few_shot_{shown}" for shown in (1, 2, 5, "rep")}
    assert {name for name, _ in score} == {"linear_probe", "zero_shot", "zero_shot_all", *shots}
    (windows,) = asked
    assert set(windows.users(protocol.store)) == set(protocol.split.users_test)


def test_a_regression_that_says_one_pose_is_at_chance(protocol, monkeypatch):
    _, score, error = regression(protocol, monkeypatch, lambda pose: np.zeros_like(pose) + pose.mean(axis=(0, 1)))
    assert score["zero_shot", "unseen"] == pytest.approx(1 / 2) and score["zero_shot", "seen"] == pytest.approx(
        1 / 10
    )
    assert error["seen"].values["pose_nrmse"] > 0.9


def test_errors_are_beside_those_of_the_mean_pose_of_training_people_and_seen_gestures(protocol, monkeypatch):
    store, split = protocol.store, protocol.split
    people = protocol.windows.users(store)
    mine = np.isin(people, split.users_train) & np.isin(protocol.windows.label_N, split.seen)
    mean_J = measured_pose(store, protocol.windows.select(mine), Regressor(TIMES).times_S).mean(axis=(0, 1))
    _, _, error = regression(protocol, monkeypatch, lambda pose: np.broadcast_to(mean_J, pose.shape))
    assert all(of.values == of.mean_pose for of in error.values())


def test_a_map_to_the_pose_is_fitted_on_the_windows_of_the_alignment_and_chosen_on_validation_people(
    protocol, monkeypatch
):
    given = []

    def choose(*data):
        given.extend(data[:4])
        return choose_ridge(*data)

    monkeypatch.setattr("cpep.experiments.evaluators.choose_ridge", choose)
    windows = list_windows(protocol.store, 2.0, 0.5)  # labelled throughout or not
    pairs = [
        windows.select(np.isin(windows.users(protocol.store), protocol.split.users(role)))
        for role in ("train", "val")
    ]
    evaluation.linear_to_pose(protocol, "ridge", "recording", pairs)
    assert [len(part) for part in given] == [len(pairs[0])] * 2 + [len(pairs[1])] * 2
    assert np.allclose(given[1].x_ND, protocol.pose_points(pairs[0]).x_ND)


def test_few_shot_learns_scatter_from_training_people_and_asks_test_people_of_all_gestures(protocol, monkeypatch):
    taught = []

    def choose(train, validation, hop_s, seed):
        taught.extend([train, validation])
        return choose_classifier(train, validation, hop_s, seed)

    monkeypatch.setattr("cpep.experiments.protocol.choose_classifier", choose)
    split = protocol.split
    outcomes = protocol.few_shot("features", protocol.features("recording"))
    assert [o.protocol for o in outcomes] == ["few_shot_1", "few_shot_2", "few_shot_5", "few_shot_rep"]
    for data, role in zip(taught, ("train", "val"), strict=True):
        assert set(data.user_N) == set(split.users(role)) and set(data.label_N) == set(split.seen)
    for outcome in outcomes:
        assert set(outcome.test.user_N) == set(split.users_test) and outcome.gestures == "all"
        assert set(outcome.classes) == set(outcome.test.label_N) == {*split.seen, *split.unseen}
    assert outcomes[-1].score.balanced_accuracy > 0.9  # synthetic hands
    assert protocol.hop_s == 0.25


def test_the_setting_of_the_read_out_decides_the_probe(protocol):
    data = embedding_set(protocol.store, protocol.windows, vectors(protocol.windows))
    train, validation, test = (protocol.part(data, role, protocol.split.seen) for role in ("train", "val", "test"))
    readouts = {Readout.logistic: (protocol.config.strengths, LinearProbe), Readout.lda: (SHRINKAGES, Lda)}
    found = []
    for readout, (strengths, make) in readouts.items():
        seen, _ = protocol.under(replace(protocol.config, probe=readout)).probe("features", data)
        wanted = choose_probe(train, validation, strengths, make).predict(test.x_ND)
        assert np.array_equal(seen.predicted_N, wanted)
        found.append(wanted)
    assert not np.array_equal(*found)


def test_a_smaller_gallery_keeps_its_share_of_every_gesture(protocol):
    data = embedding_set(protocol.store, protocol.windows, vectors(protocol.windows))
    gallery = protocol.gallery(data, protocol.split.seen)
    config = replace(protocol.config, gallery=0.25)
    smaller = Protocol(protocol.store, protocol.split, protocol.windows, config, 0).gallery(data, protocol.split.seen)
    assert len(gallery) == len(protocol.part(data, "train", protocol.split.seen))
    for label in protocol.split.seen:
        whole, kept = (int((own.label_N == label).sum()) for own in (gallery, smaller))
        assert kept == max(1, round(whole / 4))
    rows = {tuple(row) for row in gallery.x_ND.tolist()}
    assert all(tuple(row) in rows for row in smaller.x_ND.tolist())


def test_a_gallery_of_a_trace_keeps_one_pose_of_every_gesture(protocol):
    data = embedding_set(protocol.store, protocol.windows, vectors(protocol.windows))
    config = replace(protocol.config, gallery=1e-6)
    tiny = Protocol(protocol.store, protocol.split, protocol.windows, config, 0)
    assert sorted(tiny.gallery(data, (1, 2, 4)).label_N.tolist()) == [1, 2, 4]
