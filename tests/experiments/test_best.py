"""Read-outs of the recommended system are chosen without test people and unseen gestures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpep.data.splits import LeakError, Split, make_splits, nested
from cpep.evaluate.person import evened
from cpep.experiments import best, views
from cpep.experiments.best import choose, unchosen, within
from cpep.experiments.evaluators import Subject
from cpep.experiments.protocol import SplitData
from cpep.experiments.readouts import Candidate, ReadOuts


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


def test_the_rule_keeps_all_that_are_as_good_as_the_best():
    named = [Candidate(view, even) for view in "ab" for even in (False, True)]
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
    assert choice.calibration in best.CALIBRATIONS


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
    one = readouts.candidates[1]
    np.testing.assert_array_equal(readouts.labelled(one), other.labelled(one))
    kind = next(iter(seen.posed))
    np.testing.assert_array_equal(readouts.posed(one, readouts.alike(kind)), other.posed(one, other.alike(kind)))


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
