"""Statistics of a person, windows as a front end takes them, and the temperature of the read-out, by slow oracles."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import cpep
from cpep.data.statistics import PRIOR_S
from cpep.evaluate.probe import LinearProbe
from cpep.sklearn.encoding import at_rate, middle, ready, refuse_other_size, standard_of, standards_of, vectors_of
from cpep.sklearn.posed import half, shares
from cpep.sklearn.readout import ReadOut, left_out
from cpep.types import UserError


@pytest.fixture(scope="module")
def shipped():
    return cpep.load()


def emg(windows: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 5, (windows, 2000, 16)).astype(np.float32)


def test_statistics_start_from_what_is_usual_as_if_seen_for_ten_seconds(shipped):
    frontend, emg_NTC = shipped.emg_frontend, emg()
    prior = frontend.typical()
    found = standard_of(frontend, emg_NTC, prior)
    column, bins = 7, []
    for window_TC in emg_NTC:
        for first in range(0, 2000, 100):  # bins of 50 ms
            rms = np.sqrt(np.mean(window_TC[first : first + 100, column].astype(float) ** 2))
            bins.append(np.log(rms + 0.1 * frontend.level_C[column].item()))
    usual, spread, weight = float(prior.centre_F[column]), float(prior.spread_F[column]), PRIOR_S / 0.05
    mean = (weight * usual + sum(bins)) / (weight + len(bins))
    square = (weight * (usual**2 + spread**2) + sum(x**2 for x in bins)) / (weight + len(bins))
    assert found.centre_F[column] == pytest.approx(mean, rel=1e-4)
    assert found.spread_F[column] == pytest.approx(np.sqrt(square - mean**2), rel=1e-3)


def test_every_person_has_statistics_and_the_middle_is_the_median(shipped):
    frontend, emg_NTC = shipped.emg_frontend, emg(5) * np.array([1, 1, 2, 4, 8], np.float32)[:, None, None]
    person_N = np.array(["a", "a", "b", "c", "c"])
    found = standards_of(frontend, emg_NTC, person_N, frontend.typical())
    alone = standard_of(frontend, emg_NTC[2:3], frontend.typical())
    np.testing.assert_array_equal(found["b"].centre_F, alone.centre_F)
    centres = [found[name].centre_F for name in "abc"]
    np.testing.assert_allclose(middle(found).centre_F, [sorted(three)[1] for three in zip(*centres, strict=True)])


def test_vectors_are_the_embeddings_of_the_model(shipped):
    emg_NTC = emg()
    one, two = (standard_of(shipped.emg_frontend, emg_NTC[n : n + 1], shipped.emg_frontend.typical()) for n in (0, 1))
    found = vectors_of(shipped, emg_NTC, [one, two, one])
    for n, standard in enumerate((one, two, one)):
        wanted = shipped.encode_emg(emg_NTC[n : n + 1].transpose(0, 2, 1), standard).numpy()
        np.testing.assert_allclose(found[n : n + 1], wanted, atol=1e-5)


def test_another_rate_keeps_a_slow_wave():
    time_T, new_T = np.arange(1926) / 1926, np.arange(1900) / 1900
    emg_NCT = np.sin(2 * np.pi * 60 * time_T)[None, None] * np.array([1.0, 2.0])[:, None]
    found = at_rate(np.repeat(emg_NCT, 2, axis=0), 1926, 1900)
    assert abs(found.shape[2] - 1900) <= 1
    wave = np.sin(2 * np.pi * 60 * new_T)
    np.testing.assert_allclose(found[1, 1, 100:1800], 2 * wave[100:1800], atol=0.01)


def test_windows_are_ready_for_the_front_end(shipped):
    emg_NTC = emg()
    np.testing.assert_array_equal(ready(shipped, emg_NTC.transpose(0, 2, 1), 2000), emg_NTC)


def blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target_N, person_N = np.tile([0, 1, 2], 40), np.repeat(list("abcd"), 30)
    shift_UD = rng.normal(0, 2, (4, 5))  # people differ more than classes
    x_ND = rng.normal(size=(120, 5)) + shift_UD[np.repeat(range(4), 30)]
    x_ND[np.arange(120), target_N] += 1.5
    return x_ND, target_N, person_N


def test_the_temperature_is_the_best_of_a_grid_on_people_left_out():
    x_ND, target_N, person_N = blobs()
    found = ReadOut.fit(x_ND, target_N, person_N, 1e-3)

    told = []
    for who in "abcd":
        out = person_N == who
        log = LinearProbe(1e-3).fit(x_ND[~out], target_N[~out]).log_shares(x_ND[out])
        told += [(row, target) for row, target in zip(log, target_N[out], strict=True)]

    def loss(temperature: float) -> float:
        return sum(-np.log(np.exp(row / temperature)[t] / np.exp(row / temperature).sum()) for row, t in told)

    grid = np.arange(1.0, 12.0, 0.05)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert best > 1.2
    assert found.temperature == pytest.approx(best, abs=0.06)
    assert (found.log_shares(x_ND).argmax(1) == LinearProbe(1e-3).fit(x_ND, target_N).predict(x_ND)).all()


def test_of_one_person_blocks_of_time_are_left_out():
    target_N = np.array([0, 1] * 10)
    folds = list(left_out(target_N, np.full(20, "one")))
    assert sum(fold.astype(int) for fold in folds).tolist() == [1] * 20
    assert np.flatnonzero(folds[0]).tolist() == [0, 1, 2, 3]


def test_half_is_every_second_person_or_the_later_half_of_each_name():
    names = np.array(["x", "y"] * 4)
    assert half(names, np.array(list("aabbccdd"))).tolist() == [True, True, False, False] * 2
    assert half(names, np.full(8, "a")).tolist() == [False] * 4 + [True] * 4


class _Book:
    names = ("x", "new", "y")

    def predict_proba(self, x_ND):
        return np.array([[0.2, 0.4, 0.2, 0.2], [0.1, 0.1, 0.3, 0.5]])


def test_shares_leave_none_of_them_out():
    np.testing.assert_allclose(shares(_Book(), ["new"], np.zeros((2, 1))), [[0.5], [0.2]])


def test_the_size_of_windows_is_found_with_little_memory(shipped):
    model, emg_NCT = shipped, np.full((300, 16, 2000), 5.0, np.float32)
    emg_NCT[:, :, ::2] = -5.0
    tracemalloc.start()
    refuse_other_size(model, emg_NCT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * emg_NCT.nbytes
    with pytest.raises(UserError, match="the RMS of X is 5e-06"):
        refuse_other_size(model, emg_NCT / 1e6)
