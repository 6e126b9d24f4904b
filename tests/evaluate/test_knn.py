"""The vote of nearest gallery vectors against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.evaluate import knn, search
from cpep.evaluate.knn import knn_vote, vote_scores


def slow_vote(query: np.ndarray, gallery: np.ndarray, label: np.ndarray, k: int) -> np.ndarray:
    answers = []
    for q in query.astype(np.float64):
        similarity = []
        for g in gallery.astype(np.float64):
            length = np.sqrt(q @ q) * np.sqrt(g @ g)
            similarity.append(q @ g / length if length else 0.0)
        order = sorted(range(len(gallery)), key=lambda i: (-round(similarity[i], 6), i))[:k]
        votes: dict[int, list[float]] = {}
        for i in order:
            count, total = votes.get(int(label[i]), [0, 0.0])
            votes[int(label[i])] = [count + 1, total + similarity[i]]
        answers.append(min(votes, key=lambda k: (-votes[k][0], -round(votes[k][1], 5), k)))
    return np.array(answers)


@pytest.mark.parametrize("k", [1, 4, 10, 500])
def test_vote_is_exact(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_COLUMNS", 50)  # several blocks, the last one partial
    rng = np.random.default_rng(k)
    label = rng.integers(1, 6, size=120)
    gallery = rng.normal(size=(120, 7)) + label[:, None] * np.linspace(-1, 1, 7)
    query = rng.normal(size=(50, 7)) * rng.uniform(0.01, 100, size=(50, 1))
    np.testing.assert_array_equal(knn_vote(query, gallery, label, k), slow_vote(query, gallery, label, k))


def test_ties_at_the_border_and_between_labels() -> None:
    """One-hot vectors with repeats: most similarities are equal."""
    rng = np.random.default_rng(0)
    gallery = np.eye(4)[rng.integers(4, size=60)]
    label = rng.integers(1, 5, size=60)
    query = np.concatenate([np.eye(4), np.zeros((1, 4)), np.eye(4)[[0, 0]] + np.eye(4)[[1, 2]]])
    for k in (1, 2, 3, 5, 8, 30):
        np.testing.assert_array_equal(knn_vote(query, gallery, label, k), slow_vote(query, gallery, label, k))


def test_a_tie_of_votes_goes_to_the_larger_similarity_then_the_smaller_label() -> None:
    query = np.array([[1.0, 0.0]])
    gallery = np.array([[1.0, 1.0], [1.0, 0.5], [1.0, 0.1], [1.0, 2.0]])
    assert knn_vote(query, gallery, np.array([1, 2, 2, 1]), 4)[0] == 2
    assert knn_vote(query, gallery, np.array([2, 1, 1, 2]), 4)[0] == 1
    assert knn_vote(query, gallery, np.array([7, 7, 2, 7]), 4)[0] == 7
    assert knn_vote(query, np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([5, 3]), 10)[0] == 3


def test_scores_are_votes_with_sums_of_similarities_between_equal_votes() -> None:
    gallery, label = np.array([[1.0, 0], [0, 1], [-1, 0], [0.6, 0.8]]), np.array([3, 1, 3, 8])
    score = vote_scores(np.array([[1.0, 0.0]]), gallery, label, 3)
    assert score[0].tolist() == pytest.approx([1 + 0 / 7, 1 + 1 / 7, 1 + 0.6 / 7])  # of labels 1, 3 and 8
    assert vote_scores(np.array([[1.0, 0.0]]), gallery, label, 2)[0, 0] == 0


def test_scale_does_not_matter_but_direction_does() -> None:
    gallery = np.array([[1000.0, 0.0], [0.0, 0.001]], np.float32)
    found = knn_vote(np.array([[0.001, 0.0], [0.0, 50.0]], np.float32), gallery, np.array([4, 9]), 1)
    assert found.tolist() == [4, 9]


def test_no_query_gives_no_answer() -> None:
    assert knn_vote(np.zeros((0, 2)), np.eye(2), np.array([1, 2])).tolist() == []


def test_refusals() -> None:
    with pytest.raises(ValueError, match="the gallery is empty"):
        knn_vote(np.eye(2), np.zeros((0, 2)), np.zeros(0, int))
    with pytest.raises(ValueError, match="do not fit"):
        knn_vote(np.eye(2), np.eye(3), np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="do not fit"):
        knn_vote(np.eye(2), np.eye(2), np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="not finite"):
        knn_vote(np.array([[np.nan, 1.0]]), np.eye(2), np.array([1, 2]))


def test_of_several_vectors_of_a_query_the_nearest_to_each_pose_counts():
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(40, 3, 5)), rng.normal(size=(60, 5))
    label = rng.integers(1, 4, 60)
    found = knn_vote(query, gallery, label, k=5)
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    for q in range(40):
        best = [max(float(v @ pose) / np.linalg.norm(v) for v in query[q]) for pose in unit]
        nearest = sorted(range(60), key=lambda g: -best[g])[:5]
        votes = {k: sum(label[g] == k for g in nearest) for k in (1, 2, 3)}
        winners = [k for k in votes if votes[k] == max(votes.values())]
        wanted = max(winners, key=lambda k: (sum(best[g] for g in nearest if label[g] == k), -k))
        assert found[q] == wanted
    assert np.array_equal(knn_vote(query[:, :1], gallery, label), knn_vote(query[:, 0], gallery, label))


def oracle(unit: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """The nearest by sums of float64, earlier vectors first among equals; of several vectors of a query the best."""
    similarity = (unit.astype(np.float64) @ gallery.astype(np.float64).T).round(12)
    return np.argsort(-(similarity if unit.ndim == 2 else similarity.max(axis=1)), axis=1, kind="stable")[:, :k]


@pytest.fixture(params=["float32", "bytes"])
def _small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_ROWS", 7)
    monkeypatch.setattr(search, "_COLUMNS", 200)  # several blocks, the last one partial
    monkeypatch.setattr(search, "_SAMPLE", 100)
    monkeypatch.setattr(search, "_MANY", 1)
    monkeypatch.setattr(search, "multiplies_bytes", lambda: request.param == "bytes")


def adversaries() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    draw = rng.standard_normal((1501, 24))
    close = draw[:1] + 1e-4 * draw
    closer = draw[:1] + 1e-6 * draw  # about as close as float32 can tell
    repeated = draw[rng.integers(40, size=1501)]
    rising = draw[np.argsort(draw[:, 0])]  # each block nearer than the one before
    some = draw[rng.integers(1501, size=30)] + 0.3 * rng.standard_normal((30, 24))
    several = some[:, None] + 0.5 * rng.standard_normal((30, 3, 24))
    zeros = np.where(np.arange(1501)[:, None] % 3, draw, 0)
    return {
        "random": (some, draw), "close": (close[:30] + 1e-4 * some, close), "closer": (some, closer),
        "repeated": (some, repeated), "rising": (np.eye(24)[:1].repeat(3, 0), rising), "several": (several, draw),
        "zeros": (np.concatenate([some, np.zeros((2, 24))]), zeros), "opposite": (-close[:5], close),
    }  # fmt: skip


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("case", adversaries())
def test_the_nearest_are_exact(case: str) -> None:
    query, gallery = (knn.unit_rows(x) for x in adversaries()[case])
    for k in (1, 10, 300, len(gallery)):
        found, similarity = search.nearest(query, gallery, k)
        np.testing.assert_array_equal(found, oracle(query, gallery, k))
        wanted = (query.astype(float) @ gallery.astype(float).T).reshape(len(query), -1, len(gallery)).max(axis=1)
        np.testing.assert_allclose(similarity, np.take_along_axis(wanted, found, axis=1), atol=1e-11)


def test_float32_alone_would_be_wrong() -> None:
    """The cases above would catch a search that stops at the products of float32."""
    query, gallery = (knn.unit_rows(x) for x in adversaries()["closer"])
    assert (np.argsort(-(query @ gallery.T), axis=1, kind="stable")[:, :10] != oracle(query, gallery, 10)).any()


@pytest.mark.parametrize("case", ["random", "closer", "repeated", "several"])
def test_what_is_found_for_a_query_does_not_depend_on_the_queries_beside_it(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, gallery = (knn.unit_rows(x) for x in adversaries()[case])
    whole, whole_similarity = search.nearest(query, gallery, 10)
    for rows in (1, 4, 16):
        monkeypatch.setattr(search, "_ROWS", rows)
        monkeypatch.setattr(search, "_COLUMNS", 30 * rows)
        found, similarity = search.nearest(query, gallery, 10)
        assert np.array_equal(found, whole) and np.array_equal(similarity, whole_similarity)
    alone, one_similarity = search.nearest(query[5:6], gallery, 10)
    assert np.array_equal(alone, whole[5:6]) and np.array_equal(one_similarity, whole_similarity[5:6])


def test_bytes_alone_would_be_wrong_and_leave_few_to_compare() -> None:
    rng = np.random.default_rng(0)
    query, gallery = (search.unit_rows(rng.standard_normal((n, 64))) for n in (20, 6000))
    coded = list(search.Coded.blocks(gallery))
    rounded = np.concatenate([one.code_GD * one.step for one in coded])
    assert np.linalg.norm(gallery - rounded, axis=1).max() <= max(one.error for one in coded) < 0.03
    assert (np.argsort(-(query @ rounded.T), axis=1)[:, :10] != oracle(query, gallery, 10)).any()
    border = np.sort(query @ gallery.T, axis=1)[:, -10:][:, :1]
    row, column = search._coded_candidates(query, coded, 10, border)
    assert len(row) < 0.02 * query.shape[0] * len(gallery)
    for q, wanted in enumerate(oracle(query, gallery, 10)):
        assert set(wanted) <= set(column[row == q])
