"""What is shown and what is asked, and a classifier of shots, each against its obvious way."""

import numpy as np
import pytest

from cpep.evaluate import fewshot
from cpep.evaluate.fewshot import ShotClassifier, answers, choose_classifier, draw, repetitions_of
from cpep.types import EmbeddingSet


def people(names, *, repetitions=4, windows=3, gestures=3, noise=0.1, seed=0):
    """Return windows of people who repeat gestures; each person's gestures lie elsewhere."""
    rng = np.random.default_rng(seed)
    rows = []
    for name in names:
        centre_KD = rng.normal(size=(gestures, 6))
        for repetition in range(repetitions):
            for gesture in range(gestures):
                start = 100 * repetition + 10 * gesture
                for w in range(windows):
                    x_D = centre_KD[gesture] + noise * rng.normal(size=6) * [1, 1, 1, 1, 1, 20]
                    rows.append((x_D, gesture + 1, name, start + 0.25 * w))
    x, label, user, time = zip(*rows, strict=True)
    return EmbeddingSet(np.array(x), np.array(label), np.array(user), np.array(user), np.array(time), np.array(user))


def test_repetitions_are_runs_of_windows_of_one_label():
    data = people(["a", "b"])
    shuffled = np.random.default_rng(0).permutation(len(data))
    found = repetitions_of(data.select(shuffled), 0.25)[np.argsort(shuffled)]
    wanted = [f"{u}{label}{int(t) // 10}" for u, label, t in zip(data.user_N, data.label_N, data.time_N, strict=True)]
    assert len(set(found)) == len(set(wanted)) == 24
    for index in set(found):
        assert len({wanted[n] for n in np.flatnonzero(found == index)}) == 1
    assert len(set(repetitions_of(data, 0.1))) == len(data)  # no two windows follow each other


@pytest.mark.parametrize("shots", [1, 2, 5, None])
def test_nothing_is_asked_of_a_repetition_that_was_shown(shots):
    data = people(["a"])
    repetition = repetitions_of(data, 0.25)
    seen = set()
    for seed in range(20):
        shown, asked = draw(data.label_N, repetition, shots, np.random.default_rng(seed))
        assert not set(repetition[shown]) & set(repetition[asked]) and asked.any()
        for label in (1, 2, 3):
            mine = shown & (data.label_N == label)
            assert mine.sum() == (shots or 3)
            assert len(set(repetition[mine])) == (min(shots, 3) if shots else 1)  # of different repetitions
            assert (asked & (data.label_N == label)).sum() == 12 - 3 * len(set(repetition[mine]))
        seen.add(tuple(np.flatnonzero(shown)))
    assert len(seen) > 5


def test_a_gesture_made_once_takes_no_part():
    data = people(["a"])
    data = data.select((data.label_N != 2) | (data.time_N < 100))
    shown, asked = draw(data.label_N, repetitions_of(data, 0.25), 1, np.random.default_rng(0))
    assert 2 not in data.label_N[shown] and 2 not in data.label_N[asked]


@pytest.mark.parametrize("shots", [1, 2, 5, None])
def test_a_person_who_repeats_one_gesture_alone_is_not_asked(shots):
    """Of one gesture every answer is right; of none there is none."""
    data = people("abc")
    one = (data.user_N == "a") & (data.label_N > 1) & (data.time_N > 100)  # gestures 2 and 3 once, then no more
    none = (data.user_N == "b") & (data.time_N > 100)
    asked, _ = answers(ShotClassifier(0.1).fit(people("de")), data.select(~one & ~none), 0.25, shots, 0)
    assert set(asked.user_N) == {"c"}


def test_the_classifier_is_the_nearest_mean_under_the_scatter_of_other_people():
    train, shown, asked = people("abcd"), people(["x"], seed=5), people(["x"], seed=5, noise=0.3)
    classifier = ShotClassifier(0.2).fit(train)
    rest = np.concatenate(
        [
            train.x_ND[mine] - train.x_ND[mine].mean(0)
            for u in "abcd"
            for label in (1, 2, 3)
            for mine in [(train.user_N == u) & (train.label_N == label)]
        ]
    )
    covariance = sum(np.outer(row, row) for row in rest) / len(rest)
    covariance = 0.8 * covariance / covariance.diagonal().mean() + 0.2 * np.eye(6)
    means = {label: shown.x_ND[shown.label_N == label].mean(0) for label in (1, 2, 3)}
    for x, found in zip(asked.x_ND, classifier.predict(shown, asked.x_ND), strict=True):
        away = {k: (x - mean) @ np.linalg.solve(covariance, x - mean) for k, mean in means.items()}
        assert found == min(away, key=away.get)


def test_the_scatter_that_other_people_teach_helps():
    train, test = people("abcdef", noise=0.15), people("xyz", noise=0.15, seed=9)
    right = {}
    for shrinkage in (0.01, 1.0):
        asked, predicted = answers(ShotClassifier(shrinkage).fit(train), test, 0.25, 1, 0)
        right[shrinkage] = (asked.label_N == predicted).mean()
    assert right[0.01] > right[1.0] + 0.1
    chosen = choose_classifier(train, people("vw", noise=0.15, seed=3), 0.25, 0)
    assert chosen.shrinkage < 1


def test_every_draw_is_asked_and_people_are_answered_by_themselves(monkeypatch):
    data, given = people("ab"), []

    class Noted(ShotClassifier):
        def predict(self, shown, x):
            given.append(set(shown.user_N))
            return np.full(len(x), 7)

    asked, predicted = answers(Noted(1.0), data, 0.25, None, 0)
    assert given == [{"a"}] * fewshot.DRAWS + [{"b"}] * fewshot.DRAWS
    assert len(asked) == len(predicted) == 2 * fewshot.DRAWS * 27 and set(predicted) == {7}
    assert fewshot.distinct(asked) == len(set(zip(asked.recording_N, asked.time_N, strict=True))) < len(asked)


def test_training_and_validation_share_nobody():
    with pytest.raises(AssertionError, match="both training and validation"):
        choose_classifier(people("ab"), people("bc"), 0.25, 0)


def test_without_repetitions_nothing_is_asked():
    asked, predicted = answers(ShotClassifier(1.0).fit(people("ab")), people("x", repetitions=1), 0.25, 1, 0)
    assert len(asked) == len(predicted) == 0


def test_of_one_window_of_each_gesture_no_scatter_is_learnt():
    train, shown = people("ab", repetitions=1, windows=1), people("x", repetitions=1, windows=1, seed=5)
    assert np.array_equal(ShotClassifier(0.1).fit(train).predict(shown, shown.x_ND), shown.label_N)
