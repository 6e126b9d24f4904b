"""The map of a book stays as it is when entries are added or removed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cpep.evaluate.knn import unit_rows
from cpep.live.map import AMID, FEWEST_MAPPED, map_of, onto

NAMES = ("rest", "fist", "point", "spread", "three", "claw", "hook", "pinch", "thumb")


def book_of(names, each=12):
    """A book of vectors about a direction of each name."""
    parts = []
    for name in names:
        rng = np.random.default_rng(sum(map(ord, name)))
        parts.append(rng.normal(size=16) + 0.3 * rng.normal(size=(each, 16)))
    vector_GD = unit_rows(np.concatenate(parts).astype(np.float32))
    return SimpleNamespace(
        names=names, entries=names, vector_GD=vector_GD, entry_G=np.repeat(range(len(names)), each)
    )


def middles(found):
    return {name: found.place_M2[np.array(found.name_M) == name].mean(axis=0) for name in dict.fromkeys(found.name_M)}


@pytest.mark.parametrize("mirrored", [1, -1])
def test_a_layout_that_is_turned_mirrored_and_moved_comes_back(mirrored):
    rng = np.random.default_rng(0)
    before_N2, angle = rng.normal(size=(30, 2)), 2.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, mirrored])
    back_N2 = onto(before_N2 @ turn + [3, -7], np.arange(30) < 20, before_N2[:20])
    assert np.allclose(back_N2, before_N2)


def test_no_turn_nor_mirror_brings_the_shared_places_nearer():
    """The slow way: every angle to half a degree, each with and without a mirror."""
    rng = np.random.default_rng(1)
    place_N2, before_N2 = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    found_N2 = onto(place_N2, np.ones(12, bool), before_N2)
    least = np.inf
    for angle in np.deg2rad(np.arange(0, 360, 0.5)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for mirror in ([1, 1], [1, -1]):
            turned_N2 = (place_N2 - place_N2.mean(axis=0)) @ (turn @ np.diag(mirror)) + before_N2.mean(axis=0)
            least = min(least, np.square(turned_N2 - before_N2).sum())
    assert np.square(found_N2 - before_N2).sum() == pytest.approx(least, rel=1e-3)
    assert np.square(found_N2 - before_N2).sum() <= least


@pytest.mark.parametrize("names", [(*NAMES, "wave"), NAMES[:8]], ids=["added", "removed"])
def test_entries_stay_where_they_were_when_another_comes_or_goes(names):
    before = map_of(book_of(NAMES))
    after = map_of(book_of(names), before)
    was, now = middles(before), middles(after)
    assert set(now) == set(names)
    shared = [name for name in names if name in was]
    wide = np.ptp(before.place_M2, axis=0).max()
    assert max(np.linalg.norm(was[name] - now[name]) for name in shared) < 0.2 * wide


def test_a_point_is_the_median_place_of_the_nearest_vectors():
    found = map_of(book_of(NAMES))
    for x_D in np.random.default_rng(2).normal(size=(20, 16)).astype(np.float32):
        cosine_M = [np.dot(x_D, vector_D) / np.linalg.norm(x_D) for vector_D in found.vector_MD]
        near = sorted(range(len(cosine_M)), key=lambda m: -cosine_M[m])[:AMID]
        assert found.point(x_D) == pytest.approx(np.median(found.place_M2[near], axis=0))


def test_too_few_vectors_are_no_map():
    assert map_of(book_of(("rest",), FEWEST_MAPPED - 1)) is None
