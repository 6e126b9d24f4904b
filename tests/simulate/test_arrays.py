"""Simulated people as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.simulate import GESTURES, people
from cpep.types import UserError


@pytest.fixture(scope="module")
def two():
    return people(users=2, minutes=0.05, gestures=("fist", "point"), window_s=0.5)


def test_arrays_fit_each_other(two):
    X, y, groups, pose = two
    assert X.shape == (len(y), 16, 1000)
    assert pose.shape == (len(y), 20, 50)
    assert X.dtype == pose.dtype == np.float32
    assert set(groups) == {"person_0", "person_1"}
    for who in set(groups):
        assert set(y[groups == who]) == {"rest", "fist", "point"}


def test_a_window_shows_its_gesture(two):
    fist, point = (two.pose[two.y == name].mean(axis=(0, 2)) for name in ("fist", "point"))
    for name, found in (("fist", fist), ("point", point)):
        away = {other: np.abs(found - GESTURES[other].pose_J[:20]).mean() for other in ("fist", "point")}
        assert min(away, key=away.get) == name
    loud = two.X.std(axis=2).mean(axis=1)
    assert loud[two.y == "fist"].min() > loud[two.y == "rest"].max()


def test_windows_follow_each_other_by_the_hop():
    long, short = (people(users=1, minutes=0.05, gestures=("fist",), window_s=0.5, hop_s=hop) for hop in (0.5, 0.25))
    # a window of the coarse grid is one of the fine grid
    assert any(np.array_equal(long.X[0], window) for window in short.X)
    assert 1.5 < len(short.X) / len(long.X) < 2.6


def test_a_seed_gives_the_same_people():
    one, same, other = (people(users=1, minutes=0.05, gestures=("fist",), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.X, same.X)
    assert one.X.shape != other.X.shape or not np.array_equal(one.X, other.X)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"gestures": ["fits"]}, "no gesture 'fits'; there are fist"), ({"users": 0}, "give at least one user")],
)
def test_mistakes_are_sentences(change, sentence):
    with pytest.raises(UserError, match=sentence):
        people(**change)
