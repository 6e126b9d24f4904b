"""A person's gestures found without labels, against loops, and where it is known what must come out."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from cpep.evaluate import person
from cpep.evaluate.person import (
    GestureSpace,
    Prior,
    adapted_means,
    class_means,
    grouped_means,
    personal_shares,
    scores,
    shrunk,
)
from cpep.types import EmbeddingSet


def movements_of(people, *, gestures=4, repetitions=8, own=1.0, noise=0.3, dimensions=6, seed=0):
    """Return movements of people whose means lie ``own`` about means that all share."""
    rng = np.random.default_rng(seed)
    shared_KD = np.random.default_rng(99).normal(size=(gestures, dimensions)) * 2
    rows = []
    for name in people:
        mean_KD = shared_KD + own * rng.normal(size=shared_KD.shape)
        for gesture in range(gestures):
            for _ in range(repetitions):
                rows.append((mean_KD[gesture] + noise * rng.normal(size=dimensions), gesture + 1, name))
    x, label, user = zip(*rows, strict=True)
    return EmbeddingSet(
        np.array(x),
        np.array(label),
        np.array(user),
        np.array(user),
        np.arange(len(x), dtype=float),
        np.full(len(x), ""),
    )


def test_grouped_means_and_class_means_are_those_of_loops():
    data = movements_of("abc").select(np.random.default_rng(0).permutation(96))
    group = np.random.default_rng(1).permutation(np.arange(96) % 7)
    for index, mean in enumerate(grouped_means(data.x_ND, group)):
        assert np.allclose(mean, data.x_ND[group == index].mean(0))
    means = class_means(data)
    assert len(means) == 12
    for x, label, user in zip(means.x_ND, means.label_N, means.user_N, strict=True):
        assert np.allclose(x, data.x_ND[(data.label_N == label) & (data.user_N == user)].mean(0))
    assert grouped_means(np.empty((0, 3)), np.empty(0, int)).shape == (0, 3)


def test_scores_are_log_likelihoods_up_to_a_constant_of_each_vector():
    rng = np.random.default_rng(0)
    z, mean, variance = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.uniform(0.5, 2, 3)
    found = scores(z, mean, variance) * person.TEMPERATURE
    wanted = np.array([[multivariate_normal(m, np.diag(variance)).logpdf(row) for m in mean] for row in z])
    assert np.allclose(found - found[:, :1], wanted - wanted[:, :1])


def test_a_space_makes_repetitions_white_and_people_uncorrelated(monkeypatch):
    monkeypatch.setattr(person, "SHRINKAGE", 0.0)
    data = movements_of("abcdefgh", own=0.7)
    data = data.with_x(data.x_ND @ np.random.default_rng(3).normal(size=(6, 6)))
    space = GestureSpace(data, data)
    z = data.with_x(space(data.x_ND))
    rest = [z.x_ND[(z.label_N == k) & (z.user_N == u)] for k in (1, 2, 3, 4) for u in "abcdefgh"]
    rest = np.concatenate([part - part.mean(0) for part in rest])
    assert np.allclose(rest.T @ rest / len(rest), np.eye(6), atol=1e-6)
    means = class_means(z)
    spread = np.concatenate([means.x_ND[means.label_N == k] for k in (1, 2, 3, 4)])
    spread = spread - np.concatenate([[means.x_ND[means.label_N == k].mean(0)] * 8 for k in (1, 2, 3, 4)])
    assert np.allclose(spread.T @ spread / len(spread), np.diag(space.variance_F), atol=1e-6)
    prior = space.prior(data)
    assert np.allclose(prior.mean_KF[1], means.x_ND[means.label_N == 2].mean(0))


def test_a_space_keeps_the_directions_that_tell_one_persons_gestures_apart(monkeypatch):
    monkeypatch.setattr(person, "DIMENSIONS", 2)
    rng = np.random.default_rng(0)
    data = movements_of("abcdef", gestures=8, own=0.2, dimensions=2)
    people = np.unique(data.user_N, return_inverse=True)[1]
    same = 50 * rng.normal(size=(6, 3))[people] + rng.normal(size=(len(data), 3))  # of the person, of no gesture
    data = data.with_x(np.concatenate([same, data.x_ND], axis=1))
    space = GestureSpace(data, data)
    rows = np.concatenate([same, np.zeros((len(data), 2))], axis=1)
    moved = space(rows) - space(np.zeros((1, 5)))
    assert space.dimensions == 2 and moved.std() < 0.1 * space(data.x_ND * [0, 0, 0, 1, 1]).std()


def test_windows_say_how_one_gesture_scatters():
    data = movements_of("abcdefgh")
    means = class_means(data)
    middle = means.x_ND[[np.flatnonzero((means.label_N == k) & (means.user_N == u))[0] for k, u in zip(
        data.label_N, data.user_N, strict=True)]]  # fmt: skip
    wider = data.with_x(middle + 4 * (data.x_ND - middle))
    plain, other = GestureSpace(data, data), GestureSpace(data, wider)
    assert np.allclose(other(data.x_ND).std(), plain(data.x_ND).std() / 4, rtol=0.01)


def test_shrinkage_keeps_the_mean_variance_and_bears_vectors_that_do_not_vary():
    rows = np.random.default_rng(0).normal(size=(50, 4)) * [1, 2, 3, 4]
    wanted = rows.T @ rows / 50
    assert np.trace(shrunk(rows)) == pytest.approx(np.trace(wanted))
    assert np.allclose(shrunk(rows)[0, 1:], 0.7 * wanted[0, 1:])
    assert np.allclose(shrunk(np.zeros((3, 2))), 0.3 * np.eye(2))


def test_means_are_those_of_a_loop_of_expectation_maximisation(monkeypatch):
    monkeypatch.setattr(person, "ROUNDS", 3)
    rng = np.random.default_rng(0)
    z, prior = rng.normal(size=(10, 2)), Prior(rng.normal(size=(3, 2)), np.array([0.5, 2.0]))
    evidence = rng.normal(size=(10, 3))
    mean, variance = prior.mean_KF.copy(), 1 + prior.variance_F
    for _ in range(3):
        share = np.empty((10, 3))
        for n in range(10):
            log = [-sum((z[n] - mean[k]) ** 2 / variance) / 2 / person.TEMPERATURE + evidence[n, k] for k in range(3)]
            share[n] = softmax(log)
        for k in range(3):
            for f in range(2):
                precision = 1 / prior.variance_F[f]
                total = precision * prior.mean_KF[k, f] + sum(share[:, k] * z[:, f])
                mean[k, f] = total / (precision + sum(share[:, k]))
        variance = np.ones(2)
    assert np.allclose(adapted_means(z, prior, evidence), mean)


def test_a_person_who_differs_is_met_better_by_movements_without_labels():
    train, before, after = movements_of("abcdefgh", own=1.0, noise=0.8), [], []
    space = GestureSpace(train, train)
    prior = space.prior(train)
    for seed in range(1, 13):
        new = movements_of("z", own=1.0, noise=0.8, seed=seed)
        z = space(new.x_ND)
        before.append(np.mean(personal_shares(z, z[:0], prior).argmax(1) + 1 == new.label_N))
        after.append(np.mean(personal_shares(z, z, prior).argmax(1) + 1 == new.label_N))
    assert np.mean(before) < 0.96 and np.mean(after) > 0.98


def test_clusters_are_named_by_the_evidence_alone_under_a_flat_prior():
    new = movements_of("z", own=0, repetitions=12)
    flat = Prior(np.zeros((4, 6)), np.full(6, 1e3))
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        evidence = np.zeros((48, 4))
        evidence[np.arange(48), np.array(order)[new.label_N - 1]] = 1.0
        evidence[::3] = 0  # nothing is known of a third
        found = personal_shares(new.x_ND * 4, new.x_ND * 4, flat, (np.zeros((48, 4)), evidence))
        assert (found.argmax(1) == np.array(order)[new.label_N - 1]).all()
        assert np.allclose(found.sum(1), 1)


def test_one_movement_is_enough_to_run():
    prior = Prior(np.zeros((2, 3)), np.ones(3))
    assert personal_shares(np.ones((4, 3)), np.ones((1, 3)), prior).shape == (4, 2)
