import dataclasses
import math

import numpy as np
import pytest

from cpep.data.normalise import MEMORY_S, PRIOR_S, Standard, Standards, running, standard_of, typical
from cpep.data.store.prepare import prepare
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standards")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


PRIOR = Standard(np.array([1.0, 2.0]), np.array([0.5, 3.0]))


def rows_of(index):
    return np.random.default_rng(index).normal(index, 1 + index, (30 + index, 2)).astype(np.float32)


def test_running_statistics_equal_the_loop_and_know_no_future():
    rows = np.random.default_rng(0).normal(3, 2, (900, 2))
    found = running(rows, PRIOR, 0.25)
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
    assert np.array_equal(running(changed, PRIOR, 0.25).centre_F[:301], found.centre_F[:301])
    assert np.array_equal(running(changed, PRIOR, 0.25).spread_F[:301], found.spread_F[:301])


def test_a_recording_is_judged_with_all_files_of_its_wearing(store):
    """A file may hold one gesture only: its own mean would tell which."""
    entries = tuple(dataclasses.replace(e, user="1", session="a") for e in store.entries[:2]) + store.entries[2:]
    worn = dataclasses.replace(store, entries=entries)
    found = Standards(worn, "recording", rows_of, 10, PRIOR).of(np.array([0, 2, 1]), np.array([0, 0, 0]))
    both = np.concatenate([rows_of(0), rows_of(1)])
    for row, rows in enumerate((both, rows_of(2), both)):
        assert found.centre_F[row] == pytest.approx(rows.mean(0), rel=1e-5)
        assert found.spread_F[row] == pytest.approx(rows.std(0), rel=1e-5)


def test_causal_statistics_of_a_window_use_the_rows_before_its_end(store):
    entry = store.entries[1]
    ends = entry.start + np.array([0, 9, 10, 155])
    found = Standards(store, "causal", rows_of, 10, PRIOR).of(np.array([1, 1, 1, 1]), ends)
    expected = running(rows_of(1), PRIOR, 10 / store.frame_rate)
    assert np.array_equal(found.centre_F, expected.centre_F[[0, 0, 1, 15]])
    assert np.array_equal(found.spread_F, expected.spread_F[[0, 0, 1, 15]])


def test_none_takes_the_training_users_for_everybody(store):
    found = Standards(store, "none", rows_of, 10, PRIOR).of(np.array([0, 3]), np.array([100, 9000]))
    assert np.array_equal(found.centre_F, [PRIOR.centre_F] * 2)
    assert np.array_equal(found.spread_F, [PRIOR.spread_F] * 2)


def test_the_typical_standard_is_the_median_over_training_wearings(store):
    users = tuple(store.entries[index].user for index in (0, 2, 3))
    found = typical(store, lambda index: rows_of(index)[: 0 if index == 3 else None], users)  # 3 is too short
    expected = [standard_of(rows_of(index)).centre_F for index in (0, 2)]
    assert found.centre_F == pytest.approx(np.median(expected, axis=0))


def test_a_column_that_never_changes_keeps_a_spread():
    assert (standard_of(np.ones((5, 2))).spread_F > 0).all()
