"""A book that follows the person: what it learns from, and a stream with it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cpep.evaluate.knn import unit_rows
from cpep.evaluate.person import GestureSpace
from cpep.live.book.adapted import AdaptedBook, judge_of, space_of
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background
from cpep.live.recogniser import Recogniser
from cpep.live.session import Session
from cpep.live.signals import StreamStep
from cpep.types import EmbeddingSet, UserError
from tests.live.test_session import Recorded

NAMES = ("rest", "fist", "spread", "point")


def person(seed, own=0.8):
    """Return the mean embeddings of a person's gestures, (4, D); the first is of rest."""
    shared_KD = np.random.default_rng(5).normal(size=(len(NAMES), 16))
    return shared_KD + own * np.random.default_rng(seed).normal(size=shared_KD.shape)


@pytest.fixture
def people(untrained):
    """Return a model and the windows of as many people as it was validated on: (vectors, names, people)."""
    model = untrained()
    rng, count = np.random.default_rng(0), max(len(model.card.held_out().users_val), 1)
    turns = np.repeat([0, 1, 0, 2, 0, 3] * 4, 6)
    x_ND = np.concatenate([person(seed)[turns] for seed in range(count)])
    x_ND = unit_rows(x_ND + 0.1 * rng.normal(size=x_ND.shape)).astype(np.float32)
    return model, x_ND, np.tile(np.array(NAMES)[turns], count), np.repeat(np.arange(count), len(turns))


@pytest.fixture
def book(people):
    model, x_ND, name_N, _ = people
    found = GestureBook(model, Background(x_ND, np.zeros((len(x_ND), 0), np.float32), name_N))
    for name in NAMES:
        found.add_emg(name, x_ND[name_N == name][::3])
    return found


def test_the_space_is_that_of_the_named_windows_of_the_background_by_person(people, book):
    _, x_ND, name_N, person_N = people
    kept = np.flatnonzero(name_N != "rest")
    nothing_N = np.full(len(kept), "")
    windows = EmbeddingSet(
        x_ND[kept], np.unique(name_N[kept], return_inverse=True)[1], person_N[kept].astype(str), nothing_N,
        kept.astype(float), nothing_N,
    )  # fmt: skip
    movements = windows.select(slice(0, None, 6)).with_x(windows.x_ND.reshape(-1, 6, 16).mean(axis=1))
    wanted = GestureSpace(movements, windows)
    z_NF, wanted_NF = space_of(book)(x_ND), wanted(x_ND)
    np.testing.assert_allclose(z_NF @ z_NF.T, wanted_NF @ wanted_NF.T, rtol=1e-4, atol=1e-3)


def steps(who, gestures, start_s=0.0):
    """Yield steps of a person who makes gestures with rests between, 2 s each, with the entry that is made."""
    rng, time_s = np.random.default_rng(1), start_s
    for gesture in gestures:
        for entry in (0, gesture):
            for _ in range(40):
                x_D = (who[entry] + 0.1 * rng.normal(size=16)).astype(np.float32)
                yield StreamStep(0, time_s, x_D, 0.5 if entry else -2.0), entry
                time_s += 0.05


def test_a_stream_teaches_movements_alone_and_leaves_rest_and_none_as_they_are(book):
    judge = AdaptedBook(book)
    recogniser, moved = Recogniser(judge), 0.0
    for step, _ in steps(person(77), [1, 2, 3] * 12):
        state = recogniser.step(step)
        alone_E, nearest = book.judge(step.x_D)
        assert nearest == state.nearest
        assert state.alone_E[[0, -1]] == pytest.approx(alone_E[[0, -1]], abs=1e-6)
        assert state.alone_E.sum() == pytest.approx(1, abs=1e-5)
        moved = max(moved, float(np.abs(state.alone_E - alone_E).max()))
    assert judge.following.movements == 35  # the last one goes on
    assert moved > 1e-6
    assert judge.following.weight > 0.3
    assert judge.learnt.startswith("adapts to you without labels: 35 movements so far, ")


def test_a_book_without_named_windows_of_others_does_not_adapt(people, book):
    model, x_ND, name_N, _ = people
    bare = GestureBook(model)
    bare.add_emg("fist", x_ND[:20])
    with pytest.raises(UserError, match="this book cannot adapt"):
        judge_of(bare, adapts=True)
    assert judge_of(book, adapts=False) is book
    assert isinstance(judge_of(book, adapts=True), AdaptedBook)
    book.background = dataclasses.replace(book.background, name_N=np.full(len(name_N), ""))
    with pytest.raises(UserError, match="this book cannot adapt"):
        AdaptedBook(book)


def test_a_session_says_that_it_adapts_and_forgets(book):
    session = Session(Recorded(np.zeros((0, 16), np.float32)), book, adapts=True)
    assert session.view().adapted == "adapts to you without labels: 0 movements so far, 0 different"
    recogniser = Recogniser(session.known)
    for step, _ in steps(person(77), [1, 2]):
        recogniser.step(step)
    assert session.view().adapted.startswith("adapts to you without labels: 1 movement so far")
    session.forget()
    assert session.known.following.movements == 0
    assert Session(Recorded(np.zeros((0, 16), np.float32)), book).view().adapted == ""
