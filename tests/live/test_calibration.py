from __future__ import annotations

import numpy as np
import pytest

from cpep.live.book.calibration import (
    OUTSIDE,
    OUTSIDE_SHARE,
    Calibration,
    alarm,
    among_themselves,
    by_entry,
    cosines,
    fit,
    softmax,
)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def gallery():
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(40, 6))).astype(np.float32), np.repeat([0, 1, 2], [25, 3, 12])


def test_an_entry_is_as_near_as_its_ten_nearest_vectors_on_average(gallery):
    vector_GD, entry_G = gallery
    x_ND = unit(np.random.default_rng(1).normal(size=(5, 6))).astype(np.float32)
    found_NE = by_entry(cosines(x_ND, vector_GD), entry_G, 3)
    for n, x_D in enumerate(x_ND):
        for entry in range(3):
            cosine = sorted(float(x_D @ v_D) for v_D, e in zip(vector_GD, entry_G, strict=True) if e == entry)
            assert found_NE[n, entry] == pytest.approx(np.mean(cosine[-10:]), abs=1e-5)


def test_of_several_queries_the_nearest_to_each_vector_counts(gallery):
    vector_GD, _ = gallery
    x_NQD = unit(np.random.default_rng(2).normal(size=(4, 3, 6))).astype(np.float32)
    wanted_NG = [[max(float(q_D @ v_D) for q_D in x_QD) for v_D in vector_GD] for x_QD in x_NQD]
    np.testing.assert_allclose(cosines(x_NQD, vector_GD), wanted_NG, atol=1e-6)


def test_a_vector_is_no_neighbour_of_itself(gallery):
    vector_GD, entry_G = gallery
    found_GE = among_themselves(vector_GD, entry_G, 3)
    for g in (0, 26, 39):
        others = [i for i in range(40) if entry_G[i] == entry_G[g] and i != g]
        wanted = np.mean(sorted(float(vector_GD[g] @ vector_GD[i]) for i in others)[-10:])
        assert found_GE[g, entry_G[g]] == pytest.approx(wanted, abs=1e-5)
    alone = among_themselves(vector_GD[:1], np.zeros(1, int), 1)
    assert alone[0, 0] == -1  # the only vector of an entry has nobody


def drawn(windows=60_000, entries=3, outside=0.2):
    """Similarities drawn from the model that is fitted, so that the truth is known."""
    rng = np.random.default_rng(3)
    similarity_NE = rng.uniform(0, 0.8, (windows, entries))
    p_NE = Calibration(temperature=0.1, unknown=0.45).probabilities(similarity_NE)
    target_N = np.array([rng.choice(entries + 1, p=p_E) for p_E in p_NE])
    return similarity_NE, np.where(target_N == entries, OUTSIDE, target_N)


def test_temperature_is_found_and_confidence_is_calibrated():
    similarity_NE, target_N = drawn()
    share = (target_N == OUTSIDE).mean()
    found = fit(similarity_NE, target_N, -1, 0.3)
    assert found.temperature == pytest.approx(0.1, rel=0.1)
    # what is outside weighs less than it is common here, which moves "unknown" by its log odds
    odds = np.log(OUTSIDE_SHARE / (1 - OUTSIDE_SHARE)) - np.log(share / (1 - share))
    assert found.unknown == pytest.approx(0.45 + 0.1 * odds, abs=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_stated_rate_of_false_alarms_holds_for_other_windows(rate):
    similarity_NE, target_N = drawn()
    found = fit(similarity_NE[::2], target_N[::2], 0, rate)
    assert found.false_alarms == pytest.approx(rate, abs=0.01)
    told_N = alarm(found.probabilities(similarity_NE[1::2]), 0) > found.threshold
    outside_N = target_N[1::2] == OUTSIDE
    assert told_N[outside_N].mean() == pytest.approx(rate, abs=0.03)
    inside_N = ~outside_N & (target_N[1::2] != 0)
    assert told_N[inside_N].mean() == pytest.approx(found.accepted, abs=0.03)


def test_without_windows_outside_nothing_is_stated():
    similarity_NE, target_N = drawn(200)
    found = fit(similarity_NE, np.where(target_N == OUTSIDE, 1, target_N), -1, 0.3)
    assert np.isnan(found.false_alarms)
    assert found.threshold == 0


def test_rest_that_is_ahead_raises_no_alarm():
    p_NE = np.array([[0.5, 0.3, 0.1, 0.1], [0.2, 0.4, 0.3, 0.1], [0.1, 0.2, 0.1, 0.6]])
    assert alarm(p_NE, 0).tolist() == [0, 0.4, 0.2]
    assert alarm(p_NE, -1).tolist() == [0.5, 0.4, 0.2]


def test_softmax_sums_to_one_whatever_the_size():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [-5, 0]])).sum(axis=1), 1)
