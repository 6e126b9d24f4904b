"""Metrics against loops."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from cpep.evaluate import metrics
from cpep.evaluate.metrics import Answers, balanced_accuracy, cluster_bootstrap, described, score
from cpep.evaluate.paired import Difference, paired_bootstrap
from cpep.types import EmbeddingSet, FloatArray, IntArray, StrArray


def guesses(windows: int, users: int, classes: int, right: float, seed: int) -> tuple[IntArray, IntArray, StrArray]:
    """Labels, predictions that are right with a chance that differs by user, and users of unequal size."""
    rng = np.random.default_rng(seed)
    user = rng.choice(users, size=windows, p=np.arange(1, users + 1) / np.arange(1, users + 1).sum())
    label = rng.integers(1, classes + 1, size=windows)
    skill = np.clip(right + 0.2 * rng.normal(size=users), 0, 1)
    predicted = np.where(rng.random(windows) < skill[user], label, rng.integers(1, classes + 1, size=windows))
    return label, predicted, np.array([f"u{u}" for u in user])


def slow_balanced_accuracy(label: IntArray, predicted: IntArray) -> float:
    recalls = []
    for k in sorted(set(label.tolist())):
        hits = [p == k for y, p in zip(label, predicted, strict=True) if y == k]
        recalls.append(sum(hits) / len(hits))
    return sum(recalls) / len(recalls)


def slow_draws(label: IntArray, predicted: IntArray, user: StrArray, draws: int, seed: int) -> FloatArray:
    """Resample people, then their windows, one by one: balanced accuracy in every draw."""
    rng = np.random.default_rng(seed)
    names = sorted(set(user.tolist()))
    found = []
    for _ in range(draws):
        windows: list[int] = []
        for name in rng.choice(names, size=len(names)):
            own = np.flatnonzero(user == name)
            windows += rng.choice(own, size=len(own)).tolist()
        found.append(slow_balanced_accuracy(label[windows], predicted[windows]))
    return np.array(found)


def slow_difference(a: list[Answers], b: list[Answers], people: list[str]) -> float:
    """Pool the windows of people, drawn with repetition, run by run, and average balanced accuracies."""
    means = []
    for runs in (a, b):
        scores = []
        for run in runs:
            windows = [n for name in people for n in np.flatnonzero(run.user_N == name).tolist()]
            scores.append(slow_balanced_accuracy(run.label_N[windows], run.predicted_N[windows]))
        means.append(sum(scores) / len(scores))
    return means[0] - means[1]


@pytest.mark.parametrize("seed", range(5))
def test_balanced_accuracy_is_the_mean_recall(seed: int) -> None:
    label, predicted, _ = guesses(200, 3, 5, 0.4, seed)
    assert balanced_accuracy(label, predicted) == pytest.approx(slow_balanced_accuracy(label, predicted), abs=1e-12)
    assert balanced_accuracy(label, predicted) == pytest.approx(balanced_accuracy_score(label, predicted))


def test_balanced_accuracy_in_closed_form() -> None:
    label = np.array([1] * 90 + [2] * 10)
    assert balanced_accuracy(label, np.ones(100, int)) == 0.5  # however many windows the other class has
    assert balanced_accuracy(label, label) == 1.0
    assert balanced_accuracy(label, np.full(100, 7)) == 0.0  # an answer that is no label of these windows
    with pytest.raises(ValueError, match="no windows"):
        balanced_accuracy(label[:0], label[:0])
    with pytest.raises(ValueError, match="99 predictions for 100 labels"):
        balanced_accuracy(label, label[1:])


def test_bootstrap_agrees_with_resampling_window_by_window() -> None:
    label, predicted, user = guesses(150, 5, 3, 0.6, 1)
    slow = slow_draws(label, predicted, user, 3000, 0)
    low, high = cluster_bootstrap(label, predicted, user, draws=20_000)
    spread = slow.std()
    # Percentiles of 3,000 draws have a standard error of about 0.05 SD at the tails.
    assert (low, high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.2 * spread)
    without_people = cluster_bootstrap(label, predicted, np.full(150, "one"), draws=5000)
    assert high - low > 1.2 * (without_people[1] - without_people[0])  # people differ: ignoring that is too sure


def some_runs(right: float, seeds: int, windows: int, seed: int, users: int = 5) -> list[Answers]:
    """Runs whose windows, classes and sizes differ, of the same people in another order."""
    runs = []
    for run in range(seeds):
        label, predicted, user = guesses(windows + 10 * run, users, 3, right, 10 * seed + run)
        label[:users], user[:users] = 1, [f"u{u}" for u in range(users)][:: 1 - 2 * (run % 2)]  # nobody is missing
        runs.append(Answers(label, predicted, user))
    return runs


def test_paired_bootstrap_agrees_with_pooling_window_by_window() -> None:
    a, b = some_runs(0.7, 3, 60, 1), some_runs(0.5, 2, 90, 2)
    people = [f"u{u}" for u in range(5)]
    rng = np.random.default_rng(0)
    slow = [slow_difference(a, b, rng.choice(people, size=5).tolist()) for _ in range(1500)]
    found = paired_bootstrap(a, b, draws=20_000)
    assert found.mean == pytest.approx(slow_difference(a, b, people), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.2 * np.std(slow))


def test_paired_bootstrap_draw_by_draw() -> None:
    """The same generator, read by hand: how often each person was drawn."""
    a, b = some_runs(0.7, 2, 40, 3, users=4), some_runs(0.5, 1, 50, 4, users=4)
    times = np.random.default_rng(7).multinomial(4, np.full(4, 0.25), size=30)
    slow = [slow_difference(a, b, [f"u{u}" for u in range(4) for _ in range(row[u])]) for row in times]
    found = paired_bootstrap(a, b, draws=30, seed=7)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=1e-12)


def test_paired_bootstrap_needs_the_same_people_everywhere() -> None:
    (a,), b = some_runs(0.7, 1, 40, 3), some_runs(0.5, 2, 50, 4)
    few = Answers(*(array[a.user_N != "u3"] for array in (a.label_N, a.predicted_N, a.user_N)))
    with pytest.raises(ValueError, match=r"users \['u3'\] are not in every run"):
        paired_bootstrap([few], b)
    with pytest.raises(ValueError, match=r"users \['u3'\] are not in every run"):
        paired_bootstrap([a, few], b)
    assert few.counts[0] == a.of({"u0", "u1", "u2", "u4"}).counts[0] == ("u0", "u1", "u2", "u4")
    np.testing.assert_array_equal(few.counts[2], a.of({"u0", "u1", "u2", "u4"}).counts[2])
    with pytest.raises(ValueError, match="no run"):
        paired_bootstrap([], b)
    with pytest.raises(ValueError, match="only one"):
        paired_bootstrap([a.of({"u1"})], [a.of({"u1"})])


def test_bootstrap_draws_windows_within_people_as_a_multinomial() -> None:
    """The same generator, read by hand: user picks, then one multinomial of the user's cells."""
    label, predicted = np.array([1, 1, 2, 2, 1, 2]), np.array([1, 2, 2, 1, 1, 2])
    user = np.array(["a", "a", "a", "b", "b", "b"])
    rng = np.random.default_rng(3)
    cells = {
        0: np.array([1, 1, 1, 0]),
        1: np.array([1, 0, 1, 1]),
    }  # class 1 right, wrong; class 2 right, wrong
    total = np.zeros((7, 4))
    for _ in range(2):
        picks = rng.integers(2, size=7)
        total += rng.multinomial(np.array([3] * 7), np.array([cells[p] / 3 for p in picks]))
    expected = []
    for row in total:
        shares = [row[i] / (row[i] + row[i + 1]) for i in (0, 2) if row[i] + row[i + 1]]
        expected.append(sum(shares) / len(shares))
    low, high = cluster_bootstrap(label, predicted, user, draws=7, seed=3)
    assert (low, high) == pytest.approx(tuple(np.percentile(expected, [2.5, 97.5])))


def test_bootstrap_in_closed_form() -> None:
    label, predicted, user = guesses(60, 3, 3, 0.5, 0)
    assert cluster_bootstrap(label, label, user) == (1.0, 1.0)
    right, wrong, some = (Answers(label, answer, user) for answer in (label, label + 1, predicted))
    same = paired_bootstrap([some], [some])
    assert (same.mean, same.low, same.high, same.holds) == (0, 0, 0, False)
    total = paired_bootstrap([right], [wrong])
    assert (total.mean, total.low, total.high) == (1, 1, 1)
    there, back = paired_bootstrap([right], [some]), paired_bootstrap([some], [right])
    assert there.low > 0 > back.high and there.mean == -back.mean and there.holds and back.holds
    half = paired_bootstrap([right, wrong], [wrong])
    assert (half.mean, half.low, half.high) == (0.5, 0.5, 0.5)  # balanced accuracies are averaged over runs
    with pytest.raises(ValueError, match="59 users for 60 labels"):
        cluster_bootstrap(label, predicted, user[1:])


def test_bootstrap_is_fast_enough_for_a_whole_evaluation() -> None:
    label, predicted, user = guesses(50_000, 24, 29, 0.5, 0)
    started = time.perf_counter()
    low, high = cluster_bootstrap(label, predicted, user)
    assert low < balanced_accuracy(label, predicted) < high
    found = paired_bootstrap([Answers(label, predicted, user)], [Answers(label, label, user)])
    assert time.perf_counter() - started < 10  # measured: under 1 s
    assert found.high < 0


def test_score_holds_what_a_row_needs() -> None:
    label, predicted, user = guesses(300, 4, 3, 0.6, 5)
    classes = (3, 1, 2, 9)  # the order of the gallery; 9 is in it but never a label
    predicted[:5] = 9
    found = score(label, predicted, user, classes)
    assert found.balanced_accuracy == balanced_accuracy(label, predicted)
    assert found.chance == 0.25 and found.n_users == 4 and found.n_windows == 300
    assert found.macro_f1 == pytest.approx(f1_score(label, predicted, labels=[1, 2, 3], average="macro"))
    np.testing.assert_array_equal(found.confusion_KK, confusion_matrix(label, predicted, labels=classes))
    for name, value in found.per_user.items():
        own = user == name
        assert value == pytest.approx(slow_balanced_accuracy(label[own], predicted[own]))
    assert found.ci95 == cluster_bootstrap(label, predicted, user)
    with pytest.raises(ValueError, match=r"\[9\] are not among the classes"):
        score(label, predicted, user, (1, 2, 3))


def test_confusion_matrix_counts_pairs() -> None:
    label, predicted, _ = guesses(100, 2, 4, 0.3, 7)
    found = metrics.confusion_matrix(label, predicted, (1, 2, 3, 4))
    for i in range(4):
        for j in range(4):
            assert found[i, j] == sum(y == i + 1 and p == j + 1 for y, p in zip(label, predicted, strict=True))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.1, "better than"), (-0.1, -0.01, "worse than"), (-0.1, 0.1, "not told apart from")],
)
def test_difference_says_only_what_its_interval_allows(low: float, high: float, verdict: str) -> None:
    assert f"a is {verdict} b in zero-shot:" in Difference(0, low, high).sentence("a", "b", "zero-shot")


def test_windows_are_described_without_their_vectors_and_with_one_text_a_name() -> None:
    names = np.array(["b", "a", "b", "b", "c", "a"])
    data = EmbeddingSet(np.ones((6, 3)), np.arange(6), names, np.char.add(names, "/1"), np.arange(6.0), names)
    found = described(data)
    assert found.x_ND.shape == (6, 0)
    for name in ("label_N", "user_N", "recording_N", "time_N", "session_N"):
        assert getattr(found, name).tolist() == getattr(data, name).tolist()
    assert len({id(name) for name in found.recording_N}) == 3 and described(found).user_N is found.user_N
