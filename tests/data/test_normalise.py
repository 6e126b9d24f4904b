import dataclasses
import math

import numpy as np
import pytest

from cpep.data.normalise import Normaliser, Rows, power_rows, typical
from cpep.data.statistics import MEMORY_S, PRIOR_S, SMALLEST_SPREAD, CentreSpread, LoudLevel, MeanSd, running
from cpep.data.store.prepare import prepare
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standards")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


PRIOR = CentreSpread(np.array([1.0, 2.0]), np.array([0.5, 3.0]))


def values(index):
    return np.random.default_rng(index).normal(index, 1 + index, (30 + index, 2)).astype(np.float32)


def rows_of(store, of=values):
    return Rows(store, MeanSd(), of, 10 / store.frame_rate)


def test_running_statistics_equal_the_loop_and_know_no_future():
    rows = np.random.default_rng(0).normal(3, 2, (900, 2))
    found = running(rows, MeanSd(), PRIOR, 0.25)
    for f in range(2):
        mean, square = PRIOR.centre_F[f], PRIOR.centre_F[f] ** 2 + PRIOR.spread_F[f] ** 2
        for k in range(900):
            assert found.centre_F[k, f] == pytest.approx(mean, rel=1e-5)
            assert found.spread_F[k, f] == pytest.approx(math.sqrt(square - mean**2), rel=1e-4)
            weight = max(1 / (PRIOR_S / 0.25 + k + 1), 0.25 / MEMORY_S)
            mean += weight * (rows[k, f] - mean)
            square += weight * (rows[k, f] ** 2 - square)
    changed = rows.copy()
    changed[300:] += 100
    assert np.array_equal(running(changed, MeanSd(), PRIOR, 0.25).centre_F[:301], found.centre_F[:301])
    assert np.array_equal(running(changed, MeanSd(), PRIOR, 0.25).spread_F[:301], found.spread_F[:301])


def test_a_recording_is_judged_with_all_files_of_its_session(store):
    """A file may hold one gesture only: its own mean would tell which."""
    entries = tuple(dataclasses.replace(e, user="1", session="a") for e in store.entries[:2]) + store.entries[2:]
    worn = dataclasses.replace(store, entries=entries)
    found = Normaliser(rows_of(worn), "recording", PRIOR).of(np.array([0, 2, 1]), np.array([0, 0, 0]))
    both = np.concatenate([values(0), values(1)])
    for row, rows in enumerate((both, values(2), both)):
        assert found.centre_F[row] == pytest.approx(rows.mean(0), rel=1e-5)
        assert found.spread_F[row] == pytest.approx(rows.std(0), rel=1e-5)


def test_causal_statistics_of_a_window_use_the_rows_before_its_end(store):
    entry = store.entries[1]
    ends = entry.start + np.array([0, 9, 10, 155])
    found = Normaliser(rows_of(store), "causal", PRIOR).of(np.array([1, 1, 1, 1]), ends)
    expected = running(values(1), MeanSd(), PRIOR, 10 / store.frame_rate)
    assert np.array_equal(found.centre_F, expected.centre_F[[0, 0, 1, 15]])
    assert np.array_equal(found.spread_F, expected.spread_F[[0, 0, 1, 15]])


def test_none_takes_the_training_users_for_everybody(store):
    found = Normaliser(rows_of(store), "none", PRIOR).of(np.array([0, 3]), np.array([100, 9000]))
    assert np.array_equal(found.centre_F, [PRIOR.centre_F] * 2)
    assert np.array_equal(found.spread_F, [PRIOR.spread_F] * 2)


def test_what_is_typical_is_the_median_over_training_sessions(store):
    users = tuple(store.entries[index].user for index in (0, 2, 3))
    found = typical(rows_of(store, lambda index: values(index)[: 0 if index == 3 else None]), users)  # 3 is too short
    expected = [MeanSd().of(values(index)).centre_F for index in (0, 2)]
    assert found.centre_F == pytest.approx(np.median(expected, axis=0))


def test_a_column_that_never_changes_keeps_a_spread():
    assert (MeanSd().of(np.ones((5, 2))).spread_F > 0).all()


def loud(power_KC):
    return LoudLevel().of(power_KC).spread_F


def level(value):
    return CentreSpread(np.zeros_like(value), value)


def test_a_level_is_the_rms_of_the_loudest_quarter():
    power = np.array([[1.0], [4.0], [9.0], [16.0], [0.0], [0.0], [0.0], [0.0]])
    assert loud(power) == pytest.approx(np.sqrt((16 + 9) / 2))


def test_levels_scale_with_the_gain_of_a_channel():
    power = np.random.default_rng(0).uniform(0.1, 1, (100, 3))
    gain = np.array([0.5, 1.0, 4.0])
    assert loud(power * gain**2) == pytest.approx(loud(power) * gain)


def test_a_running_level_equals_the_loop_and_knows_no_future():
    power, prior = np.random.default_rng(0).uniform(0.1, 1, (600, 2)), level(np.array([1.0, 2.0]))
    found = running(power, LoudLevel(), prior, 0.25).spread_F
    state = [1.0, 16.0]
    assert found[0] == pytest.approx([1.0, 2.0])
    for k in range(600):
        weight = max(1 / (PRIOR_S / 0.25 + k + 1), 0.25 / MEMORY_S)
        for c in range(2):
            state[c] += weight * (power[k, c] ** 2 - state[c])
            assert found[k + 1, c] == pytest.approx(state[c] ** 0.25)
    changed = power.copy()
    changed[300:] *= 100
    assert np.array_equal(running(changed, LoudLevel(), prior, 0.25).spread_F[:301], found[:301])


def test_the_causal_level_of_a_window_uses_what_came_before_its_end(store):
    prior, entry = level(np.full(10, 0.1)), store.entries[1]
    end = entry.start + 260  # 2.6 s: ten whole blocks of 0.25 s
    power = store.power_KC[entry.power_start : entry.power_start + 10]
    found = Normaliser(power_rows(store), "causal", prior).of(np.array([1]), np.array([end]))
    assert np.array_equal(found.spread_F[0], running(power, LoudLevel(), prior, 0.25).spread_F[-1])


def test_the_level_of_a_recording_is_that_of_all_files_of_one_session(store):
    """A file may hold one gesture only: its own level would tell which."""
    entries = tuple(dataclasses.replace(entry, user="1", session="a") for entry in store.entries[:2])
    worn = dataclasses.replace(store, entries=entries)
    normaliser = Normaliser(power_rows(worn), "recording", level(np.full(10, 1e-6)))
    found = normaliser.of(np.array([0, 1]), np.array([300, 9000])).spread_F
    power = np.concatenate([store.power_KC[e.power_start : e.power_start + e.power_blocks] for e in entries])
    assert np.array_equal(found, [loud(power)] * 2)


def test_in_what_is_typical_of_levels_each_recording_of_a_session_counts(store):
    """As the checkpoints of today were trained."""
    entries = tuple(dataclasses.replace(entry, user="1", session="a") for entry in store.entries[:3])
    worn = dataclasses.replace(store, entries=(*entries, *store.entries[3:4]))
    users = ("1", store.entries[3].user)
    rows = power_rows(worn)
    session = loud(np.concatenate([rows.of(index) for index in range(3)]))
    assert np.array_equal(typical(rows, users).spread_F, session)  # three of four


@pytest.mark.parametrize("lengths", [(1,), (5, 0, 9), (10, 10), (3, 21)])
def test_mean_and_sd_of_parts_are_those_of_all_rows_bit_for_bit(monkeypatch, lengths):
    monkeypatch.setattr("cpep.data.statistics.SUMMED_ROWS", 4)
    rng = np.random.default_rng(sum(lengths))
    parts = [(rng.normal(size=(length, 3)) * (0.1, 3, 100) + 7).astype(np.float32) for length in lengths]
    found, rows = MeanSd().of(*parts), np.concatenate(parts)
    assert np.array_equal(found.centre_F, rows.mean(axis=0, dtype=np.float64).astype(np.float32))
    expected = np.maximum(rows.std(axis=0, dtype=np.float64), SMALLEST_SPREAD).astype(np.float32)
    assert np.array_equal(found.spread_F, expected)
