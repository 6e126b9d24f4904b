"""Read-outs of the recommended system are chosen without test people and unseen gestures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from cpep.data.splits import LeakError, Split, make_splits, nested
from cpep.evaluate.person import TEMPERATURE, evened, scores
from cpep.experiments import best, views
from cpep.experiments.best import choose, unchosen, within
from cpep.experiments.evaluators import Subject
from cpep.experiments.protocol import SplitData
from cpep.experiments.readouts import Candidate, ReadOuts, Way


@pytest.fixture(scope="module")
def wide(split_data):
    """Return the same people with four of six in training, enough to leave one or two out."""
    store = split_data.store
    users = sorted(store.users)
    (split,) = make_splits(store, unseen=("3", "6"), test_users=users[:1], val_users=users[1:2])
    return SplitData(store, split, split_data.every, split_data.config, 0)


@pytest.fixture(scope="module")
def readouts(split_data):
    split = split_data.split
    seen = views.views_of(split_data, best.needed(split_data), (split.seen, split.unseen), None, "recording")
    return ReadOuts(seen)


def test_the_nested_split_holds_out_people_and_gestures_and_keeps_test_people_out():
    split = Split(tuple("abcdefgh"), ("v", "w"), ("x", "y"), tuple(range(8)), (8, 9), 0.5)
    inner = nested(split)
    assert set(inner.users_train) | set(inner.users_test) == set(split.users_train)
    assert len(inner.users_test) == 3
    assert inner.users_val == split.users_val
    assert set(inner.unseen) > set(split.unseen)
    assert set(inner.seen) | set(inner.unseen) == set(range(10))
    assert len(inner.seen) == 6
    assert nested(replace(split, users_train=("a", "b", "c"))) is None
    assert nested(replace(split, seen=(0, 1, 2))) is None


def test_even_counts_are_even_and_keep_the_order_within_a_gesture():
    score_EK = np.random.default_rng(0).normal(size=(60, 4)) * 2 + [4, 0, 0, -3]
    constant_K = (evened(score_EK) - score_EK)[0]
    np.testing.assert_allclose(evened(score_EK) - score_EK, np.tile(constant_K, (60, 1)), atol=1e-9)
    share_EK = np.exp(evened(score_EK))
    count_K = (share_EK / share_EK.sum(axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(count_K, 15, rtol=0.02)


def test_likelihoods_of_gestures_with_variances_of_their_own():
    rng = np.random.default_rng(0)
    z_NF, mean_KF, variance_KF = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.uniform(0.5, 3, size=(4, 3))
    expected_NK = np.stack(
        [multivariate_normal(m, np.diag(v)).logpdf(z_NF) for m, v in zip(mean_KF, variance_KF, strict=True)], axis=1
    )
    found_NK = TEMPERATURE * scores(z_NF, mean_KF, variance_KF)
    np.testing.assert_allclose(found_NK - found_NK[:1, :1], expected_NK - expected_NK[:1, :1])
    same_NK = scores(z_NF, mean_KF, np.tile(variance_KF[0], (4, 1))) - scores(z_NF, mean_KF, variance_KF[0])
    np.testing.assert_allclose(same_NK, same_NK[0, 0])


def test_the_rule_keeps_all_that_are_as_good_as_the_best():
    named = [Candidate(view, way) for view in "ab" for way in (Way.adapted, Way.even)]
    accuracy = dict(zip(named, (0.5, 0.54, 0.56, 0.4), strict=True))
    assert within(accuracy) == tuple(named[1:3])


def test_choices_see_no_test_person_and_no_unseen_gesture(wide):
    inside = best._inside(wide, Subject("features/best"))
    split, every = wide.split, inside.views.vectors[views.FEATURES]
    assert not set(every.user_N) & (set(split.users_test) | set(split.users_val))
    assert not set(every.label_N) & set(split.unseen)
    left_out = set(inside.views.unseen)
    assert left_out
    assert left_out <= set(split.seen)
    assert not set(every.label_N[inside.views.taught_N]) & left_out
    choice = choose(inside)
    assert choice.labelled
    assert choice.shown
    assert choice.posed
    assert not any(one.taught for one in choice.posed)
    assert choice.among
    assert choice.calibration in best.CALIBRATIONS


def test_causal_read_outs_are_chosen_without_what_a_person_shows(wide):
    choice = choose(best._inside(wide, Subject("features/best", normalisation="causal")))
    assert choice.labelled
    assert choice.posed
    assert choice.shown == ()


def test_ridges_refuse_windows_that_zero_shot_may_not_know(readouts):
    seen = readouts.views
    leaky = replace(seen, unseen=(), seen=seen.seen + seen.unseen)
    with pytest.raises(LeakError, match="reached zero-shot"):
        views._paired(leaky)


def test_labels_of_test_people_change_no_answer(readouts):
    seen = readouts.views
    every = seen.vectors[views.FEATURES]
    own_N = np.isin(every.user_N, seen.data.split.users_test)
    strange = replace(every, label_N=np.where(own_N, every.label_N[::-1], every.label_N))
    other = ReadOuts(replace(seen, vectors={views.FEATURES: strange}))
    kind = next(iter(seen.posed))
    for one in readouts.candidates:
        np.testing.assert_array_equal(readouts.labelled(one), other.labelled(one))
    for one in readouts.among:
        np.testing.assert_array_equal(readouts.posed(one, readouts.alike(kind)), other.posed(one, other.alike(kind)))


def test_emg_of_unseen_gestures_changes_no_answer_by_poses(readouts):
    seen = readouts.views
    every = seen.vectors[views.FEATURES]
    unseen_N = seen.train_N & np.isin(every.label_N, seen.unseen)
    assert unseen_N.any()
    strange = every.with_x(np.where(unseen_N[:, None], every.x_ND[::-1], every.x_ND))
    other = ReadOuts(replace(seen, vectors={views.FEATURES: strange}))
    alike_NK = readouts.alike(next(iter(seen.posed)))
    for one in readouts.among:
        np.testing.assert_array_equal(readouts.posed(one, alike_NK), other.posed(one, alike_NK))
    one = readouts.candidates[0]
    assert np.abs(readouts.labelled(one) - other.labelled(one)).max() > 0.01


def test_the_emg_of_seen_gestures_is_known_where_they_compete_and_nowhere_else(readouts):
    one = Candidate(views.FEATURES, Way.alone)
    labels_K, seen = readouts.views.labels_K, readouts.views.seen
    alike_NK = np.zeros((len(readouts.own), len(labels_K)))
    np.testing.assert_allclose(readouts.posed(one, alike_NK), 1 / len(labels_K))
    taught_NK = readouts.posed(replace(one, taught=True), alike_NK)
    seen_K = np.isin(labels_K, seen)
    mine_N = readouts.asked_N & np.isin(readouts.own.label_N, seen)
    told_N = labels_K[seen_K][taught_NK[mine_N][:, seen_K].argmax(axis=1)]
    assert np.mean(told_N == readouts.own.label_N[mine_N]) > 2 / len(seen)
    np.testing.assert_allclose(np.ptp(taught_NK[:, ~seen_K], axis=1), 0, atol=1e-12)


def test_a_seen_gesture_without_a_pose_leaves_the_others_where_they_are(readouts):
    one, labels_K = Candidate(views.FEATURES, taught=True), readouts.views.labels_K
    whole = readouts._posed_prior(one)
    dropped_K = labels_K == readouts.views.seen[0]
    fewer = ReadOuts(replace(readouts.views, labels_K=labels_K[~dropped_K]))._posed_prior(one)
    np.testing.assert_array_equal(fewer.mean_KF, whole.mean_KF[~dropped_K])
    np.testing.assert_array_equal(fewer.variance_F, whole.variance_F[~dropped_K])


def test_alone_reads_no_movement_of_the_person(readouts):
    other = ReadOuts(readouts.views)
    other._movement_N = {name: np.full_like(number, -1) for name, number in readouts._movement_N.items()}
    for way, same in ((Way.alone, True), (Way.adapted, False)):
        one = Candidate(views.FEATURES, way)
        assert np.array_equal(readouts.labelled(one), other.labelled(one)) == same


def test_every_protocol_is_answered_and_shuffled_poses_name_nothing(split_data, readouts):
    choice = unchosen(readouts)
    outcomes = {(one.protocol, one.gestures): one.score for one in best._outcomes(readouts, choice)}
    assert {("linear_probe", "seen"), ("zero_shot", "unseen"), ("zero_shot_all", "unseen")} <= outcomes.keys()
    assert ("few_shot_rep", "all") in outcomes
    assert set(best.words(choice)) == {protocol for protocol, _ in outcomes}


def test_without_rest_nothing_adapts_and_everything_is_answered(split_data):
    split, store = split_data.split, split_data.store
    windows = best.needed(split_data)
    rest_N = np.isin(windows.users(store), split.users_train) & ~np.isin(windows.label_N, split.seen + split.unseen)
    gestures = split.seen, split.unseen
    bare = ReadOuts(views.views_of(split_data, windows.select(~rest_N), gestures, None, "recording"))
    assert all((bare._person(name, bare.own.x_ND).movement_N == -1).all() for name in bare._movement_N)
    outcomes = {(one.protocol, one.gestures): one for one in best._outcomes(bare, unchosen(bare))}
    assert outcomes["linear_probe", "seen"].score.balanced_accuracy > 0.5
    assert ("zero_shot_all", "unseen") in outcomes


def test_causally_the_past_alone_answers(split_data):
    split = split_data.split
    windows, gestures = best.needed(split_data), (split.seen, split.unseen)
    known = ReadOuts(views.views_of(split_data, windows, gestures, None, "causal"))
    (recording, *_) = np.unique(known._whose_N)
    own_N = known._whose_N == recording
    changed, half = known.views.vectors[views.FEATURES], own_N.sum() // 2
    places = np.flatnonzero(known._own_N)[own_N]
    x_ND = changed.x_ND.copy()
    x_ND[places[half:]] = x_ND[places[half:]][::-1]
    other = ReadOuts(replace(known.views, vectors={views.FEATURES: changed.with_x(x_ND)}))
    one = known.candidates[0]
    np.testing.assert_allclose(known.labelled(one)[own_N][: half - 1], other.labelled(one)[own_N][: half - 1])
