from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cpep.checkpoints.embed import embedding_set, measured_pose
from cpep.config.presets import preset
from cpep.config.schema import Readout
from cpep.data.windows import list_windows
from cpep.evaluate.fewshot import choose_classifier
from cpep.evaluate.linear import choose_ridge
from cpep.evaluate.probe import SHRINKAGES, Lda, LinearProbe, choose_probe
from cpep.evaluate.protocols.base import part
from cpep.evaluate.protocols.zero_shot import gallery_of
from cpep.experiments import evaluators, window_features
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import PatchEncoder


def vectors(windows):
    """Return two columns that differ from window to window, by time alone."""
    return np.stack([np.sin(windows.start_N / 70), np.cos(windows.start_N / 45)], axis=1).astype(np.float32)


def test_what_moves_all_windows_of_a_wearing_is_taken_out(split_data):
    def moved(windows):
        gain = 1 + windows.entry_N[:, None]
        return vectors(windows) * gain + 100 * gain

    plain, other = (split_data._standardised("recording", f).x_ND for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-3)
    assert not np.allclose(plain, vectors(split_data.windows), atol=0.1)


def test_without_normalisation_people_keep_their_differences(split_data):
    def moved(windows):
        return vectors(windows) + windows.entry_N[:, None]

    found, entry = split_data._standardised("none", moved).x_ND, split_data.windows.entry_N
    means = [found[entry == index].mean(0) for index in np.unique(entry)]
    assert (np.ptp(means, axis=0) > 3).all()


@pytest.mark.parametrize("kind", ["none", "causal"])
def test_what_test_users_are_like_reaches_nobody_else(split_data, kind):
    tested = [k for k, entry in enumerate(split_data.store.entries) if entry.user in split_data.split.users_test]

    def moved(windows):
        return vectors(windows) + 1000 * np.isin(windows.entry_N, tested)[:, None]

    others = ~np.isin(split_data.windows.entry_N, tested)
    plain, other = (split_data._standardised(kind, f).x_ND[others] for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-5)


def test_the_maps_hold_emg_of_test_users_and_poses_of_training_users(split_data, monkeypatch):
    shown = []
    monkeypatch.setattr(evaluators, "maps_of", lambda *given: shown.extend(set(one.user_N) for one in given[:2]))
    every = embedding_set(split_data.store, split_data.windows, vectors(split_data.windows))
    evaluators.mapped(split_data, every, every)
    assert shown == [set(split_data.split.users_test), set(split_data.split.users_train)]


def test_poses_are_embedded_once_for_each_frozen_encoder(split_data, monkeypatch):
    monkeypatch.setattr(window_features, "_posed", {})
    settings, embedded = preset("tiny"), []

    def embed(model, store, windows):
        embedded.append(len(windows))
        return SimpleNamespace(x_ND=np.full((len(windows), 2), model.seed))

    monkeypatch.setattr(window_features, "embed_anchor", embed)

    def model(seed):
        torch.manual_seed(seed)
        emg, pose = (
            PatchEncoder(columns=3, steps=8, token_steps=2, width=8, depth=1, heads=2, dropout=0) for _ in "ab"
        )
        return SimpleNamespace(
            net=Cpep(emg, pose, 0.1, 0.02, 0.5), card=SimpleNamespace(settings=settings), seed=seed
        )

    some = split_data.windows.select(np.arange(3))
    window_features.embedded_anchor(model(0), split_data.store, some)
    assert [split_data.pose(model(seed)).x_ND[0, 0] for seed in (0, 1, 0, 1)] == [0, 1, 0, 1]
    whole = len(split_data.windows)
    assert embedded == [3, whole - 3, whole]


TIMES = [0.25, 0.75, 1.25, 1.75]


class Regressor(PoseRegressor):
    """Has the shape of a regression model and no weights."""

    def __init__(self, times):
        super().__init__(joints=22, samples=200, rate=100.0, context=0, times_S=torch.tensor(times))


def regression(split_data, monkeypatch, predict):
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
    found = evaluators.regression(split_data, evaluators.Subject("vemg2pose", checkpoint=model))
    score = {(o.protocol, o.gestures): o.score.balanced_accuracy for o in found.outcomes}
    return asked, score, {error.gestures: error for error in found.errors}


def test_a_regression_that_is_right_names_every_gesture(split_data, monkeypatch):
    asked, score, error = regression(split_data, monkeypatch, lambda pose: pose)
    assert error["seen"].values == error["unseen"].values == {"pose_nrmse": 0.0}
    assert all(score[name, kind] == 1 for name in ("zero_shot", "zero_shot_all") for kind in ("seen", "unseen"))
    shots = {f"few_shot_{shown}" for shown in (1, 2, 5, "rep")}
    assert {name for name, _ in score} == {"linear_probe", "zero_shot", "zero_shot_all", *shots}
    (windows,) = asked
    assert set(windows.users(split_data.store)) == set(split_data.split.users_test)


def test_a_regression_that_says_one_pose_is_at_chance(split_data, monkeypatch):
    _, score, error = regression(split_data, monkeypatch, lambda pose: np.zeros_like(pose) + pose.mean(axis=(0, 1)))
    assert score["zero_shot", "unseen"] == pytest.approx(1 / 2) and score["zero_shot", "seen"] == pytest.approx(
        1 / 10
    )
    assert error["seen"].values["pose_nrmse"] > 0.9


def test_errors_are_beside_those_of_the_mean_pose_of_training_people_and_seen_gestures(split_data, monkeypatch):
    store, split = split_data.store, split_data.split
    people = split_data.windows.users(store)
    mine = np.isin(people, split.users_train) & np.isin(split_data.windows.label_N, split.seen)
    mean_J = measured_pose(store, split_data.windows.select(mine), Regressor(TIMES).times_S).mean(axis=(0, 1))
    _, _, error = regression(split_data, monkeypatch, lambda pose: np.broadcast_to(mean_J, pose.shape))
    assert all(of.values == of.mean_pose for of in error.values())


def test_a_map_to_the_pose_is_fitted_on_the_windows_of_the_alignment_and_chosen_on_validation_people(
    split_data, monkeypatch
):
    given = []

    def choose(*data, strengths):
        given.extend(data)
        return choose_ridge(*data, strengths)

    monkeypatch.setattr("cpep.experiments.evaluators.choose_ridge", choose)
    windows = list_windows(split_data.store, 2.0, 0.5)  # labelled throughout or not
    pairs = [
        windows.select(np.isin(windows.users(split_data.store), split_data.split.users(role)))
        for role in ("train", "val")
    ]
    found = evaluators.evaluate(split_data, evaluators.Subject("ridge", pairs=pairs))
    assert {o.protocol for o in found.outcomes} == {"zero_shot", "zero_shot_all"}
    assert [len(part) for part in given] == [len(pairs[0])] * 2 + [len(pairs[1])] * 2
    assert np.allclose(given[1].x_ND, split_data.pose_points(pairs[0]).x_ND)


def test_few_shot_learns_scatter_from_training_people_and_asks_test_people_of_all_gestures(split_data, monkeypatch):
    taught = []

    def choose(train, validation, hop_s, seed):
        taught.extend([train, validation])
        return choose_classifier(train, validation, hop_s, seed)

    monkeypatch.setattr("cpep.evaluate.protocols.few_shot.choose_classifier", choose)
    split = split_data.split
    outcomes = split_data.outcomes(emg=split_data.features("recording"))
    assert [o.protocol for o in outcomes] == ["few_shot_1", "few_shot_2", "few_shot_5", "few_shot_rep"]
    assert len(taught) == 2  # once for all four
    for data, role in zip(taught, ("train", "val"), strict=True):
        assert set(data.user_N) == set(split.users(role)) and set(data.label_N) == set(split.seen)
    for outcome in outcomes:
        assert set(outcome.test.user_N) == set(split.users_test) and outcome.gestures == "all"
        assert set(outcome.classes) == set(outcome.test.label_N) == {*split.seen, *split.unseen}
    assert outcomes[-1].score.balanced_accuracy > 0.9  # synthetic hands
    assert split_data.hop_s == 0.25


def test_the_setting_of_the_read_out_decides_the_probe(split_data):
    data = embedding_set(split_data.store, split_data.windows, vectors(split_data.windows))
    split = split_data.split
    train, validation, test = (part(data, split, role, split.seen) for role in ("train", "val", "test"))
    readouts = {Readout.logistic: (split_data.config.strengths, LinearProbe), Readout.lda: (SHRINKAGES, Lda)}
    found = []
    for readout, (strengths, make) in readouts.items():
        seen, _ = split_data.under(replace(split_data.config, probe=readout)).outcomes(vectors=data)
        wanted = choose_probe(train, validation, strengths, make).predict(test.x_ND)
        assert np.array_equal(seen.predicted_N, wanted)
        found.append(wanted)
    assert not np.array_equal(*found)


def test_sets_of_the_same_windows_share_what_is_known_of_them(split_data):
    store, windows = split_data.store, split_data.windows
    one, other = (embedding_set(store, windows, np.full((len(windows), 2), value)) for value in (0.0, 1.0))
    assert one.recording_N is other.recording_N and other.x_ND.min() == 1 and one.x_ND.max() == 0
    backwards = np.arange(len(windows))[::-1]
    few = embedding_set(store, windows.select(backwards), one.x_ND)
    for found, places in ((one, backwards[::-1]), (few, backwards)):
        for n, place in enumerate(places.tolist()):
            entry = store.entries[windows.entry_N[place]]
            said = (found.user_N[n], found.recording_N[n], found.session_N[n], found.label_N[n])
            assert said == (entry.user, entry.name, entry.session, windows.label_N[place])
            assert found.time_N[n] == (windows.start_N[place] - entry.start) / store.frame_rate


def test_a_smaller_gallery_keeps_its_share_of_every_gesture(split_data):
    data = embedding_set(split_data.store, split_data.windows, vectors(split_data.windows))
    seen, config = split_data.split.seen, replace(split_data.config, gallery=0.25)
    gallery, smaller = (gallery_of(one.given(), data, seen) for one in (split_data, split_data.under(config)))
    assert len(gallery) == len(part(data, split_data.split, "train", seen))
    for label in split_data.split.seen:
        whole, kept = (int((own.label_N == label).sum()) for own in (gallery, smaller))
        assert kept == max(1, round(whole / 4))
    rows = {tuple(row) for row in gallery.x_ND.tolist()}
    assert all(tuple(row) in rows for row in smaller.x_ND.tolist())


def test_a_gallery_of_a_trace_keeps_one_pose_of_every_gesture(split_data):
    data = embedding_set(split_data.store, split_data.windows, vectors(split_data.windows))
    given = split_data.under(replace(split_data.config, gallery=1e-6)).given()
    assert sorted(gallery_of(given, data, (1, 2, 4)).label_N.tolist()) == [1, 2, 4]
