"""The read-out of a book: each way beside a slow one, which is chosen, and that it stays with the book."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background
from cpep.live.book.readout import ReadOut, accuracies, best, compared, sentence

NAMES = ("rest", "fist", "open", "point")


@pytest.fixture(scope="module")
def model(untrained):
    return untrained()


def windows(count, noise, seed):
    """Return windows around one direction a name, and their names."""
    way_ED = np.random.default_rng(0).normal(size=(len(NAMES), 16))
    entry_N = np.repeat(np.arange(len(NAMES)), count)
    x_ND = way_ED[entry_N] + noise * np.random.default_rng(seed).normal(size=(len(entry_N), 16))
    return unit_rows(x_ND.astype(np.float32)), entry_N


def book_of(model, noise, seed=2):
    """Return a book whose galleries are as noisy as asked, with a background of named windows."""
    x_ND, entry_N = windows(200, noise, 1)
    known_ND, known_N = windows(60, 1.4, seed)
    background = Background(known_ND, np.zeros((len(known_ND), 0), np.float32), np.array(NAMES)[known_N])
    return GestureBook(model, background).fit(x_ND, np.array(NAMES)[entry_N])


def slow(way, x_D, vector_GD, entry_G):
    """Return the similarity of one window to each entry, by loops."""
    cosine_G = [float(np.dot(x_D, vector_D)) for vector_D in vector_GD]
    nearest = sorted(range(len(cosine_G)), key=lambda g: -cosine_G[g])[:10]
    found = []
    for entry in range(len(NAMES)):
        own = [g for g in range(len(cosine_G)) if entry_G[g] == entry]
        if way == "nearest":
            found.append(np.mean(sorted((cosine_G[g] for g in own), reverse=True)[:10]))
        elif way == "vote":
            found.append(np.mean([entry_G[g] == entry for g in nearest]))
        else:
            mean_D = np.mean([vector_GD[g] for g in own], axis=0)
            found.append(np.dot(x_D, mean_D) / np.linalg.norm(mean_D))
    return found


def test_accuracies_are_those_of_a_slow_read_out():
    vector_GD, entry_G = windows(15, 2.0, 3)
    x_ND, target_N = windows(30, 1.0, 4)
    target_N[5::7] = -1
    found = accuracies(x_ND, target_N, vector_GD, entry_G, len(NAMES), 0)
    for way in ("nearest", "centre", "vote"):
        near_NE = np.array([slow(way, x_D, vector_GD, entry_G) for x_D in x_ND])
        moving_N = near_NE.argmax(axis=1) != 0
        alike_NE = (near_NE - near_NE[moving_N].mean(axis=0)) / near_NE[moving_N].std(axis=0)
        told_N = 1 + alike_NE[:, 1:].argmax(axis=1)
        expected = np.mean([(told_N[target_N == gesture] == gesture).mean() for gesture in (1, 2, 3)])
        assert found[way] == pytest.approx(expected, abs=0.012), way  # ties of the vote
    assert 0.5 < found["vote"] < 1
    assert accuracies(x_ND, np.where(target_N == 1, 1, -1), vector_GD, entry_G, len(NAMES), 0) == {}


def test_centres_are_chosen_where_they_are_clearly_better(model):
    noisy, clean = book_of(model, 6.0), book_of(model, 0.5)
    assert noisy.accuracy == {} and noisy.said.startswith("read-out: ten nearest of each gesture (the usual one")
    before = noisy.predict_proba(windows(20, 1.0, 5)[0])
    assert noisy.choose() == noisy.said and noisy.read_out is ReadOut.centre
    assert noisy.accuracy["centre"] > noisy.accuracy["nearest"] + 0.05
    assert f"mean of each gesture (balanced accuracy {noisy.accuracy['centre']:.2f}; ten nearest" in noisy.said
    clean.choose()
    assert clean.read_out is ReadOut.nearest and clean.accuracy.keys() == {"nearest", "centre", "vote"}
    x_ND, _ = windows(20, 1.0, 5)
    assert not np.allclose(noisy.predict_proba(x_ND), before)
    known_ND = noisy.background.emg_ND
    near_NE, known_NE = (
        np.array([slow("centre", x_D, noisy.vector_GD, noisy.entry_G) for x_D in some]) for some in (x_ND, known_ND)
    )
    moving_N = known_NE.argmax(axis=1) != 0
    expected_NE = (near_NE - known_NE[moving_N].mean(axis=0)) / known_NE[moving_N].std(axis=0)
    np.testing.assert_allclose(noisy.similarity(x_ND), expected_NE, atol=1e-4)
    p_NE, nearest_N = noisy.judge_all(x_ND)
    np.testing.assert_allclose(p_NE, noisy.predict_proba(x_ND), atol=1e-6)
    np.testing.assert_array_equal(nearest_N, (x_ND @ noisy.vector_GD.T).argmax(axis=1))  # its pose is shown


def test_what_is_added_later_is_read_in_the_same_way(model):
    book = book_of(model, 6.0)
    book.choose()
    other = book.copy()
    other.add_emg("claw", windows(5, 1.0, 6)[0])
    assert (
        other.read_out is ReadOut.centre and other.compared[0].shape == (5, 16) and book.compared[0].shape == (4, 16)
    )


def test_nearest_is_taken_unless_another_is_clearly_better():
    assert best({}) is best({"nearest": 0.6, "centre": 0.65, "vote": 0.9}) is ReadOut.nearest
    assert best({"nearest": 0.6, "centre": 0.66}) is ReadOut.centre
    assert sentence(ReadOut.centre, {"nearest": 0.55, "centre": 0.61, "vote": 0.5}) == (
        "read-out: mean of each gesture (balanced accuracy 0.61; ten nearest of each gesture 0.55, vote 0.50)"
    )
    vector_GD, entry_G = windows(3, 1.0, 7)
    assert compared(ReadOut.nearest, vector_GD, entry_G, 4)[0] is vector_GD


def test_a_book_keeps_its_read_out_and_older_books_keep_theirs(model, tmp_path):
    book, path = book_of(model, 6.0), tmp_path / "my.book"
    book.choose()
    book.save(path)
    again = GestureBook.load(path, model)
    x_ND = windows(20, 1.0, 5)[0]
    assert (again.read_out, again.said) == (book.read_out, book.said)
    np.testing.assert_allclose(again.predict_proba(x_ND), book.predict_proba(x_ND), atol=0.02)
    with safe_open(path, "numpy") as file:
        note = json.loads(file.metadata()["cpep"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for field in ("sum", "read_out", "accuracy"):
        del note[field]
    save_file(arrays, path, {"cpep": json.dumps(note | {"format": 2})})
    older = GestureBook.load(path, model)
    assert older.read_out is ReadOut.nearest and older.accuracy == {}
    plain = book_of(model, 6.0)
    np.testing.assert_allclose(older.predict_proba(x_ND), plain.predict_proba(x_ND), atol=0.02)
