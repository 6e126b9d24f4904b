"""Harmonic mean and area of seen and unseen gestures, against every constant tried in a loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cpep.evaluate.generalised import Both, answers, borders, generalised, interval, paired_figures

LABELS, SEEN = np.array([2, 3, 5, 7, 8]), (3, 7, 8)


def case(seed: int, windows: int = 60, users: int = 3, ties: bool = False) -> tuple[np.ndarray, ...]:
    """Return scores that know a little, labels and users; the last person makes seen gestures alone."""
    rng = np.random.default_rng(seed)
    label, user = rng.choice(LABELS, windows), rng.integers(users, size=windows)
    label[(user == users - 1) & ~np.isin(label, SEEN)] = SEEN[0]
    score = rng.normal(size=(windows, len(LABELS))) + 1.5 * (label[:, None] == LABELS) + np.isin(LABELS, SEEN)
    return ((score * 8).round() / 8 if ties else score), label, user.astype(str)


def slow_accuracies(predicted: np.ndarray, label: np.ndarray, user: np.ndarray) -> list[float]:
    """Return the means over people of balanced accuracy, on seen and on unseen gestures."""
    found = []
    for seen in (True, False):
        of_people = []
        for name in sorted(set(user)):
            shares = [
                np.mean(predicted[(user == name) & (label == k)] == k)
                for k in sorted(set(label[user == name]))
                if (k in SEEN) == seen
            ]
            of_people += [np.mean(shares)] if shares else []
        found.append(float(np.mean(of_people)))
    return found


def slow_curve(score: np.ndarray, label: np.ndarray, user: np.ndarray) -> list[list[float]]:
    """Return the accuracies at constants between all differences of two scores, from the least to the greatest."""
    at = np.unique([row[a] - row[b] for row in score for a in range(5) for b in range(5)])
    at = at[np.concatenate([[True], np.diff(at) > 1e-9])]
    constants = [at[0] - 1, *(at[:-1] + at[1:]) / 2, at[-1] + 1]
    seen_K = np.isin(LABELS, SEEN)
    return [slow_accuracies(LABELS[np.argmax(score - c * seen_K, axis=1)], label, user) for c in constants]


@pytest.mark.parametrize(("seed", "ties"), [(0, False), (1, True), (2, True)])
def test_both_figures_are_those_of_every_constant_in_a_loop(seed: int, ties: bool) -> None:
    score, label, user = case(seed, ties=ties)
    found = generalised(score, LABELS, label, user, SEEN, draws=20)
    curve = np.array(slow_curve(score, label, user))
    area = sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    assert found.ausuc.value == pytest.approx(area, abs=1e-12) and 0.1 < area < 0.9
    seen, unseen = slow_accuracies(LABELS[score.argmax(1)], label, user)
    assert found.harmonic_mean.value == pytest.approx(2 * seen * unseen / (seen + unseen))
    drawn = found.both.curve()
    assert len(drawn) <= 101 and np.abs(curve[:, None] - drawn).sum(2).min(0).max() < 1e-12  # points of the curve
    assert drawn[0].tolist() == pytest.approx(curve[0]) and drawn[-1].tolist() == pytest.approx(curve[-1])
    assert set(found.ausuc.per_user) == set(found.harmonic_mean.per_user) == {"0", "1"}
    for name in "01":
        own = user == name
        alone = generalised(score[own], LABELS, label[own], user[own], SEEN)
        for figure in ("harmonic_mean", "ausuc"):
            estimate = getattr(alone, figure)
            assert estimate.ci95 is None and estimate.value == getattr(found, figure).per_user[name]


def test_a_constant_is_taken_from_seen_scores_and_moves_no_area() -> None:
    score, label, user = case(3)
    plain = generalised(score, LABELS, label, user, SEEN)
    seen_K = np.isin(LABELS, SEEN)
    for constant in (-2.0, 0.7, 40.0):
        moved = generalised(score + constant * seen_K, LABELS, label, user, SEEN)
        assert moved.ausuc.value == pytest.approx(plain.ausuc.value, abs=1e-12)
        back = generalised(score + constant * seen_K, LABELS, label, user, SEEN, calibration=constant)
        assert back.harmonic_mean.value == pytest.approx(plain.harmonic_mean.value) and back.calibration == constant
    assert set(answers(score, LABELS, SEEN, 100.0)) <= {2, 5} and set(answers(score, LABELS, SEEN, -100.0)) <= {*SEEN}


def test_perfect_scores_give_one_and_one_kind_alone_gives_no_harmonic_mean() -> None:
    _, label, user = case(4)
    perfect = 1.0 * (label[:, None] == LABELS)
    found = generalised(perfect, LABELS, label, user, SEEN)
    for one in (found.harmonic_mean, found.ausuc):
        assert one.value == pytest.approx(1) and one.ci95 == pytest.approx((1, 1))
    seen_first = generalised(perfect + 9 * np.isin(LABELS, SEEN), LABELS, label, user, SEEN)
    assert seen_first.harmonic_mean.value == 0 and seen_first.ausuc.value == pytest.approx(1)


def test_scores_that_know_nothing_are_at_chance_whatever_they_prefer() -> None:
    rng = np.random.default_rng(5)
    label, user = np.tile(LABELS, 4000), np.repeat(list("abcd"), 5000)
    for liked in (np.zeros(5), np.array([0.5, 1, 0, 0, 2])):
        found = generalised(rng.normal(size=(20000, 5)) + liked, LABELS, label, user, SEEN, draws=10)
        assert found.ausuc.chance == 1 / 12 and found.ausuc.value == pytest.approx(1 / 12, abs=0.006)
    assert found.harmonic_mean.chance == 1 / 5 and found.harmonic_mean.value < 0.21


def test_intervals_draw_the_same_people_for_both_accuracies_and_both_models() -> None:
    score, label, user = case(6, windows=200, users=6)
    other = score + np.random.default_rng(7).normal(size=score.shape)
    a, b = (generalised(s, LABELS, label, user, SEEN, draws=300, seed=4) for s in (score, other))
    times = np.random.default_rng(4).multinomial(6, [1 / 6] * 6, size=300)
    names = np.unique(user)
    drawn: dict[str, list[list[float]]] = {"harmonic_mean": [], "ausuc": []}
    for count in times[:40]:
        people = [(name, copy) for name, n in zip(names, count, strict=True) for copy in range(n)]
        rows = np.concatenate([np.flatnonzero(user == name) for name, _ in people])
        of = np.concatenate([[f"{name}/{copy}"] * int((user == name).sum()) for name, copy in people])
        again = [generalised(s[rows], LABELS, label[rows], of, SEEN, draws=2) for s in (score, other)]
        for figure, values in drawn.items():
            values.append([getattr(one, figure).value for one in again])
    for figure, values in drawn.items():
        by_weights = [getattr(one.both, figure)(times) for one in (a, b)]
        assert np.allclose(np.array(values).T, [v[:40] for v in by_weights])
        assert getattr(a, figure).ci95 == pytest.approx(np.percentile(by_weights[0], [2.5, 97.5]))
        found = paired_figures([a.both], [b.both], figure, draws=300, seed=4)
        difference = by_weights[0] - by_weights[1]
        assert (found.low, found.high) == pytest.approx(tuple(np.percentile(difference, [2.5, 97.5])))
        mean = interval([a.both, b.both], figure, draws=300, seed=4)[0]
        assert mean == pytest.approx((getattr(a, figure).value + getattr(b, figure).value) / 2)


def test_of_some_people_is_without_the_others() -> None:
    score, label, user = case(8, users=4)
    both = generalised(score, LABELS, label, user, SEEN).both
    own = np.isin(user, ["0", "2"])
    kept, alone = both.of(["0", "2"]), generalised(score[own], LABELS, label[own], user[own], SEEN).both
    assert isinstance(kept, Both) and kept.users == ("0", "2") and both.of(set(user)) is both
    assert np.array_equal(kept.area_UU, alone.area_UU) and np.array_equal(kept.label_N, alone.label_N)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s, y: (s[:, :4], LABELS, y), "do not fit"),
        (lambda s, y: (np.where(s > 2, np.inf, s), LABELS, y), "not finite"),
        (lambda s, y: (s[:, [1, 3, 4]], LABELS[[1, 3, 4]], y), "both seen and unseen"),
        (lambda s, y: (s, LABELS, np.full(len(y), 3)), "of seen and of unseen"),
    ],
)
def test_what_cannot_be_scored_is_refused(change, said: str) -> None:
    score, label, user = case(9)
    scores, labels, true = change(score, label)
    with pytest.raises(ValueError, match=said):
        generalised(scores, labels, true, user, SEEN)


def test_a_border_is_where_the_answer_goes_over() -> None:
    score, label, _ = case(10)
    found = borders(score, LABELS, label, SEEN)
    for n, border in enumerate(found.border_N):
        below, above = (answers(score[n : n + 1], LABELS, SEEN, border + side)[0] for side in (-1e-6, 1e-6))
        assert below in SEEN and above not in SEEN
        assert found.right_N[n] == (label[n] in (below, above))
