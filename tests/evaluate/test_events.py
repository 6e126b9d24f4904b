from __future__ import annotations

import numpy as np
import pytest

from cpep.evaluate.events import (
    Event,
    Made,
    confusion,
    f1_table,
    false_per_minute,
    gestures_of,
    latencies,
    match,
    rejected,
    reliability,
    rests_of,
)

VOCABULARY = ("rest", "fist", "ok")


def test_gestures_and_rests_are_runs_of_labels():
    label_M = np.array([0, 0, 1, 1, 1, 2, 2, 0, -1, 1])
    assert gestures_of(label_M, 0.5, VOCABULARY, 1.0) == (Made(1.0, 2.5, "fist"), Made(2.5, 3.5, "ok"))
    assert gestures_of(label_M, 0.5, VOCABULARY, 0.5)[-1] == Made(4.5, 5.0, "fist")  # cut by the end, long enough
    assert rests_of(label_M, 0.5) == [(0.0, 1.0), (3.5, 4.0)]


def case():
    made = (Made(1, 3, "fist"), Made(4, 6, "ok"), Made(6, 8, "fist"), Made(10, 12, "wave"), Made(14, 16, "ok"))
    told = (
        Event(2.0, "fist", 0.9),  # right, 1 s late
        Event(2.5, "fist", 0.8),  # told twice
        Event(5.0, "fist", 0.6),  # wrong
        Event(6.3, "ok", 0.5),  # right: ok ended 0.3 s ago, though fist goes on
        Event(7.0, "ok", 0.7),  # wrong
        Event(11.0, "ok", 0.4),  # of what the book lacks
        Event(13.0, "fist", 0.3),  # in rest
    )
    return match(made, told, [(0, 1), (3, 4), (8, 10), (12, 14)])


def test_events_match_gestures_of_their_name_once():
    found = case()
    assert found.event_M.tolist() == [0, 3, -1, -1, -1]
    assert found.right_N.tolist() == [True, False, False, True, False, False, False]
    assert found.rest_N.tolist() == [False] * 6 + [True]
    assert found.rest_s == pytest.approx(0.5 + 0.5 + 1.5 + 1.5)


def test_figures_of_the_case_by_hand():
    found = [case()]
    assert f1_table(found[0], ("fist", "ok")).tolist() == [[1, 1], [4, 3], [2, 2]]
    assert latencies(found).tolist() == [1.0, pytest.approx(2.3)]
    assert false_per_minute(found) == pytest.approx(60 / 4.0)
    assert rejected(found, ("fist", "ok")) == 0.0
    assert rejected(found, ("fist", "ok", "wave")) != rejected(found, ("fist", "ok"))
    #                                      fist ok nothing
    assert confusion(found, ("fist", "ok")).tolist() == [[1, 1, 0], [0, 1, 1]]


def test_a_gesture_that_raises_nothing_is_rejected():
    quiet = match((Made(1, 3, "wave"),), (), [])
    loud = match((Made(1, 3, "wave"),), (Event(2, "ok", 1.0),), [])
    assert rejected([quiet, loud, quiet, quiet], ("ok",)) == 0.75


def test_no_rest_and_nothing_unknown_are_no_numbers():
    found = [match((Made(1, 3, "ok"),), (), [])]
    assert np.isnan(false_per_minute(found))
    assert np.isnan(rejected(found, ("ok",)))


def test_calibration_error_by_hand():
    found = reliability(np.array([0.05, 0.95, 0.92, 0.91, 1.0]), np.array([False, True, True, False, True]))
    assert found.count == (1, 4)
    assert found.accuracy == (0.0, 0.75)
    assert found.ece == pytest.approx((0.05 + 4 * abs(0.75 - (0.95 + 0.92 + 0.91 + 1.0) / 4)) / 5)
    with pytest.raises(ValueError, match="no answers"):
        reliability(np.zeros(0), np.zeros(0))


def test_calibrated_answers_have_no_error():
    rng = np.random.default_rng(0)
    sure_N = rng.random(100_000)
    assert reliability(sure_N, rng.random(100_000) < sure_N).ece < 0.01
