"""A read-out that follows its person: what moves, by how much, and what must not move."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.evaluate.adapting import BOUND, HELD, MOST, NEAR, SHOWN, SURE, Adapting
from cpep.evaluate.readout import ReadOut
from tests.evaluate.test_readout import shown


def enrolled(**how):
    return ReadOut.fit(*shown(**how))


def windows(name, count, seed=1, **how):
    x_ND, name_N, _ = shown(takes=1, windows=count, seed=seed, **how)
    return x_ND[name_N == name]


def told(adapting, x_ND):
    return np.stack([adapting.shares(x_D) for x_D in x_ND])


def right(readout, p_NE, name):
    return (p_NE[:, :-1].argmax(axis=1) == readout.names.index(name)).mean()


def test_the_first_window_is_told_as_the_read_out_tells_it():
    found = enrolled()
    for x_D in windows("fist", 5):
        np.testing.assert_allclose(Adapting(found).shares(x_D), found.shares(x_D[None])[0], rtol=1e-9)


def test_a_window_is_told_before_it_teaches_and_later_ones_change_nothing():
    found, x_ND = enrolled(), np.concatenate([windows("fist", 30), windows("point", 30)])
    whole = told(Adapting(found), x_ND)
    np.testing.assert_array_equal(told(Adapting(found), x_ND[:40]), whole[:40])
    again = Adapting(found)
    told(again, x_ND)
    again.reset()
    np.testing.assert_array_equal(told(again, x_ND), whole)


def test_a_sure_window_moves_its_name_as_by_hand():
    found, x_ND = enrolled(), windows("spread", 8)
    adapting, e = Adapting(found), found.names.index("spread")
    mean_F, count = found.discriminant.mean_EF[e].copy(), SHOWN
    for x_D in x_ND:
        share = adapting.shares(x_D)
        if share[e] >= SURE:
            count = min(count + 1, MOST)
            mean_F = mean_F + (x_D @ found.discriminant.whitening_DF - mean_F) / count
    assert count > SHOWN
    away = np.sqrt(np.mean((mean_F - found.discriminant.mean_EF[e]) ** 2))
    assert adapting.moved_E[e] == pytest.approx(away, rel=1e-9)
    assert np.delete(adapting.moved_E, e).max() == 0


@pytest.mark.parametrize("name", ["fist", "rest"])
def test_minutes_of_one_gesture_teach_no_more_than_its_first_seconds(name):
    found = enrolled()
    held = windows(name, 1500) + 0.8  # held in another way than shown
    adapting, brief = Adapting(found), Adapting(found)
    p_NE = told(adapting, held)
    e = found.names.index(name)
    sure = np.flatnonzero(p_NE[:, :-1].max(axis=1) >= SURE)
    strays = int((p_NE[sure, :-1].argmax(axis=1) != e).sum())  # windows that look like another gesture
    told(brief, held[: sure[HELD + 2 * strays] + 1])
    assert adapting.moved_E[e] == pytest.approx(brief.moved_E[e], abs=0.01 + 0.02 * strays)
    assert adapting.moved_E[e] < 0.75 * np.sqrt(np.mean((0.8 * found.discriminant.whitening_DF.sum(axis=0)) ** 2))
    for other in ("fist", "point", "spread", "rest"):
        own = windows(other, 100, seed=4)
        assert right(found, told(adapting, own), other) > 0.95


def test_no_name_moves_beyond_the_bound_however_long_the_hand_changes():
    found, rng = enrolled(), np.random.default_rng(0)
    adapting = Adapting(found)
    direction = np.ones(6)
    for k in range(40):  # visits to all gestures, each farther away
        for name in ("fist", "point", "spread", "rest"):
            told(adapting, windows(name, 30, seed=int(rng.integers(1e6))) + 0.08 * k * direction)
    assert adapting.moved_E.max() == pytest.approx(BOUND)
    near_E = np.sqrt(np.square(adapting._near_EF - found.discriminant.mean_EF).mean(axis=1))
    assert near_E.max() <= NEAR + 1e-9


def test_gestures_that_were_never_shown_move_little_and_stay_none_of_them():
    names = ("rest", "a", "b", "c", "d", "e")
    x_ND, name_N, group_N = shown(names, takes=4, width=12, apart=10)
    known_N = name_N != "e"
    found = ReadOut.fit(x_ND[known_N], name_N[known_N], group_N[known_N])
    adapting = Adapting(found)
    other = windows("e", 2000, names=names, width=12, apart=10)
    assert np.median(told(adapting, other)[-500:, -1]) > 0.8


def test_it_follows_a_slow_change_that_the_read_out_loses():
    found = enrolled(apart=4.0)
    adapting = Adapting(found)
    follows, stays = [], []
    towards = shown(apart=4.0, takes=1)
    change_D = towards[0][towards[1] == "point"].mean(0) - towards[0][towards[1] == "fist"].mean(0)
    for k in range(40):  # everything drifts by half the way from one gesture to another
        for name in ("fist", "rest", "spread"):
            own = windows(name, 30, seed=k, apart=4.0) + 0.5 * k / 40 * change_D
            follows.append(right(found, told(adapting, own), name))
            stays.append(right(found, found.shares(own), name))
    assert np.mean(follows[-30:]) > np.mean(stays[-30:]) + 0.05
