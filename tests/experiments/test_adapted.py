"""Adaptation uses no label of a test person, no unseen gesture in zero-shot, and causally no future."""

from dataclasses import replace

import numpy as np
import pytest

from cpep.data.splits import LeakError
from cpep.evaluate.fewshot import repetitions_of
from cpep.evaluate.person import GestureSpace, Prior
from cpep.evaluate.probe import LinearProbe
from cpep.experiments.adapted import Adaptation, Person, Shown, idle, means_of_repetitions, movements_of, needed
from cpep.experiments.protocol import SplitData
from cpep.types import EmbeddingSet


@pytest.fixture(scope="module")
def windows(split_data):
    return needed(split_data)


@pytest.fixture(scope="module")
def data(split_data, windows):
    return split_data.features_of(windows, "recording")


@pytest.fixture(scope="module")
def poses(split_data, windows):
    """Return what stands in for embeddings of EMG, of all windows, and of pose, of those evaluated."""
    return [split_data.pose_points(some) for some in (windows, split_data.windows)]


def answers(outcomes):
    return {(one.protocol, one.gestures): one.predicted_N for one in outcomes}


def test_what_is_read_is_all_of_test_people_and_nothing_unseen_without_a_label(split_data, windows):
    store, split = split_data.store, split_data.split
    users = windows.users(store)
    own = np.isin(users, split.users_test)
    assert own.sum() == np.isin(split_data.every.users(store), split.users_test).sum()
    assert not np.isin(users, split.users_val).any()
    rest = windows.select(~own & ~np.isin(windows.label_N, split.seen + split.unseen))
    assert len(rest) > 100
    split.refuse_leak(store, rest, "train")


def test_labels_of_test_people_change_no_answer(split_data, windows, data, poses):
    strange = np.where(np.isin(data.user_N, split_data.split.users_test), data.label_N[::-1], data.label_N)
    one, other = (
        Adaptation(split_data, windows, replace(data, label_N=label), False) for label in (data.label_N, strange)
    )
    one_share, other_share = ([] for _ in range(2))
    for adaptation, kept in ((one, one_share), (other, other_share)):
        adaptation._answered = lambda protocols, share, _, kept=kept: kept.append(share) or []
        adaptation._few_shot = list
        adaptation.labelled()
        adaptation.zero_shot(*poses)
    assert len(one_share) == len(other_share) == 2
    assert all(np.array_equal(a, b) for a, b in zip(one_share, other_share, strict=True))


def test_zero_shot_is_blind_to_emg_of_unseen_gestures(split_data, windows, data, poses):
    train = np.isin(data.user_N, split_data.split.users_train)
    hidden = train & np.isin(data.label_N, split_data.split.unseen)
    assert hidden.any()
    blind = [data, poses[0]]
    blind = [one.with_x(np.where(hidden[:, None], np.nan, one.x_ND)) for one in blind]
    plain = answers(Adaptation(split_data, windows, data, False).zero_shot(*poses))
    found = answers(Adaptation(split_data, windows, blind[0], False).zero_shot(blind[1], poses[1]))
    assert (
        plain.keys()
        == found.keys()
        == {(name, gestures) for name in ("zero_shot", "zero_shot_all") for gestures in ("seen", "unseen")}
    )
    assert all(np.array_equal(plain[key], found[key]) for key in plain)


def test_zero_shot_refuses_movements_that_it_may_not_know(split_data, windows, data, poses):
    adaptation = Adaptation(split_data, windows, data, False)
    adaptation._gestures = replace(
        adaptation._gestures, user_N=np.full(len(adaptation._gestures), split_data.split.users_test[0])
    )
    with pytest.raises(LeakError, match="reached zero-shot"):
        adaptation.zero_shot(*poses)


def test_every_protocol_is_answered_well_where_gestures_lie_apart(split_data, windows, data, poses):
    adaptation = Adaptation(split_data, windows, data, False)
    outcomes = [*adaptation.labelled(), *adaptation.zero_shot(*poses)]
    found = {(one.protocol, one.gestures): one for one in outcomes}
    assert {name for name, _ in found} == {
        *("linear_probe", "zero_shot", "zero_shot_all"),
        *("few_shot_1", "few_shot_2", "few_shot_5", "few_shot_rep"),
    }
    assert found["linear_probe", "seen"].score.balanced_accuracy > 0.8
    assert found["zero_shot", "unseen"].score.balanced_accuracy > 0.8  # a pose names itself
    assert set(found["zero_shot", "unseen"].predicted_N) <= set(split_data.split.unseen)
    both = found["zero_shot_all", "seen"].generalised
    assert both is found["zero_shot_all", "unseen"].generalised and found["zero_shot", "seen"].generalised is None
    assert both.calibration == 0 and set(both.ausuc.per_user) == set(split_data.split.users_test)
    plain = SplitData(split_data.store, split_data.split, split_data.every, split_data.config, 0)
    vectors = plain.features("recording")
    wanted = plain.outcomes(vectors=vectors, emg=vectors)
    for one in wanted:  # of the same windows
        assert np.array_equal(one.test.time_N, found[one.protocol, one.gestures].test.time_N)


def test_causally_each_recording_is_by_itself_and_nothing_is_shown(split_data, windows, data):
    half = np.where(data.time_N < np.median(data.time_N), "1", "2")
    parts = replace(data, recording_N=np.char.add(np.char.add(data.user_N, "/"), half))
    whole, causal = (Adaptation(split_data, windows, parts, kind) for kind in (False, True))
    assert set(whole._people) == set(split_data.split.users_test)
    assert set(causal._people) == {f"{user}/{n}" for user in split_data.split.users_test for n in "12"}
    assert {one.protocol for one in causal.labelled()} == {"linear_probe"}


def test_where_every_file_holds_one_label_nothing_is_idle(split_data):
    store, split, every = split_data.store, split_data.split, split_data.every
    assert len(idle(store, every, split)) > 100
    assert not len(idle(store, replace(every, label_N=np.full(len(every), split.seen[0])), split))


def person(count=40, *, causal, seed=0):
    rng = np.random.default_rng(seed)
    return Person(rng.normal(size=(count, 3)), np.repeat([-1, 0, -1, 1, 2, -1, 3, -1], count // 8), causal)


@pytest.mark.parametrize("causal", [True, False])
def test_a_causal_answer_knows_nothing_of_what_comes(causal):
    space = GestureSpace(means_of_repetitions(labelled(), 0.25), labelled())
    prior = Prior(np.eye(3)[:2] * 3, np.ones(3))
    one = person(causal=causal)
    evidence = np.random.default_rng(1).normal(size=(40, 2))
    whole, centre = one.shares(space, prior, evidence), one.centre(one.x_ND, np.ones(3))
    for known in (7, 10, 23):
        later = (np.arange(40) >= known)[:, None]
        changed = replace(one, x_ND=one.x_ND + 5 * later)
        found = changed.shares(space, prior, evidence + 3 * later * [0, 1])
        assert np.allclose(found[:known], whole[:known]) == causal
        found = changed.centre(changed.x_ND, np.ones(3))
        assert np.allclose(found[:known], centre[:known]) == causal


def test_a_window_knows_the_movements_that_are_over_and_their_centre():
    one, usual = person(causal=True), np.ones(3)
    movement = one.movement_N
    centre = one.centre(one.x_ND, usual)
    for n in range(40):
        over = [k for k in range(4) if np.flatnonzero(movement == k)[-1] < n]
        assert one.known_N[n] == len(over)
        rows = one.x_ND[np.isin(movement, over)]
        assert np.allclose(centre[n], (20 * usual + rows.sum(0)) / (20 + len(rows)))
    whole = replace(one, causal=False)
    assert (whole.known_N == 4).all()
    assert np.allclose(whole.centre(one.x_ND, usual)[0], (20 * usual + one.x_ND[movement >= 0].sum(0)) / 40)
    still = Person(one.x_ND, np.full(40, -1), True)
    assert np.allclose(still.centre(one.x_ND, usual), 1) and (still.known_N == 0).all()


def labelled():
    rng = np.random.default_rng(5)
    label, user = np.tile([1, 1, 2, 2], 6), np.repeat(["a", "b", "c"], 8)
    return EmbeddingSet(rng.normal(size=(24, 3)), label, user, user, 10.0 * np.arange(24), user)


def test_a_movement_is_three_windows_in_a_row_that_are_taken_for_a_gesture():
    active = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    time = np.arange(15) * 0.25
    time[11:] += 5  # a gap
    recording = np.array(["b"] * 8 + ["a"] * 7)  # in the order of time, not of names
    own = EmbeddingSet(active[:, None], active, recording, recording, time, recording)
    probe = LinearProbe(0.1).fit(np.array([[0.0], [1.0]]), np.array([0, 1]))
    wanted = [-1, -1, -1, 0, 0, 0, -1, -1, 1, 1, 1, 2, 2, 2, 2]
    assert movements_of(own, probe, 0.25).tolist() == wanted
    assert (movements_of(own.with_x(0 * own.x_ND), probe, 0.25) == -1).all()


def test_one_vector_of_each_repetition():
    data = labelled()
    data = replace(data, time_N=0.25 * np.arange(24))
    found = means_of_repetitions(data, 0.25)
    number = repetitions_of(data, 0.25)
    assert len(found) == number.max() + 1 == 12
    for index, (x, label) in enumerate(zip(found.x_ND, found.label_N, strict=True)):
        assert np.allclose(x, data.x_ND[number == index].mean(0)) and set(data.label_N[number == index]) == {label}


def test_what_is_shown_names_the_clusters_of_movements():
    rng = np.random.default_rng(0)
    mean = np.array([[0.0, 0], [12, 0], [0, 12]])
    movement = np.concatenate([mean[k] + rng.normal(size=(10, 2)) for k in range(3)])
    person = np.array(["p"] * 3)
    shown = EmbeddingSet(mean + np.array([3.5, 0]), np.array([4, 2, 9]), person, person, np.arange(3.0), person)
    asked = mean + np.array([[-3, 0], [-3, 0], [5, 0]])
    assert Shown({"p": movement}).predict(shown, asked).tolist() == [4, 2, 9]
