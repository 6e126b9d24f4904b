"""What was made, and what it was recognised as."""

from __future__ import annotations

import pytest

from cpep.live.tally import LATE_S, Tally


def counted(*heard, claimed=""):
    """Tell a tally what is made (a name and a time) or recognised (a name), and return its pairs."""
    tally = Tally()
    tally.claimed = claimed
    for one in heard:
        tally.recognise(one) if isinstance(one, str) else tally.hear(*one)
    return tally.read()


def making(name, begin_s, end_s):
    return [(name, begin_s + 0.1 * step) for step in range(round((end_s - begin_s) / 0.1))]


REST = making("rest", 0, 1)


def test_the_first_gesture_that_is_recognised_counts():
    found = counted(*REST, *making("fist", 1, 2), "point", *making("fist", 2, 3), "fist", *making("rest", 3, 6))
    assert found.pairs == (("fist", "point", 1),) and found.last == ("fist", "point") and found.told


@pytest.mark.parametrize(("late_s", "as_"), [(LATE_S / 2, "fist"), (2 * LATE_S, "")])
def test_a_gesture_may_be_recognised_a_little_late(late_s, as_):
    found = counted(*REST, *making("fist", 1, 3), *making("rest", 3, 3 + late_s), "fist", *making("rest", 6, 9))
    assert found.pairs == (("fist", as_, 1),)


def test_each_time_counts_and_another_gesture_ends_the_wait():
    heard = [*REST, *making("fist", 1, 2), "fist", *making("rest", 2, 3), *making("point", 3, 4)]
    heard += [*making("fist", 4, 5), *making("rest", 5, 5.3), *making("fist", 5.3, 6), "fist", *making("rest", 6, 9)]
    found = counted(*heard)
    assert found.pairs == (("fist", "fist", 2), ("fist", "", 1), ("point", "", 1))


def test_a_gesture_that_was_under_way_at_the_beginning_does_not_count():
    assert counted(*making("fist", 0, 2), "fist", *making("rest", 2, 5)).pairs == ()


def test_a_band_does_not_know_what_is_made_and_a_person_may_say_it():
    away = making("", 0, 3)
    assert counted(*away, "fist", *away).pairs == ()
    found = counted(*away, "fist", *away, "point", "fist", claimed="fist")
    assert found.pairs == (("fist", "fist", 2), ("fist", "point", 1)) and not found.told
    assert counted(*REST, "fist", claimed="fist").pairs == ()


def test_it_begins_anew():
    tally = Tally()
    for made in ("rest", "fist"):
        tally.hear(made, 1.0)
    tally.clear()
    tally.recognise("fist")
    assert tally.read().pairs == ()
