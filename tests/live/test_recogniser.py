from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cpep.live.recogniser import Pace, Recogniser
from cpep.types import UserError

NAMES = ("rest", "fist", "ok")


@pytest.fixture
def book():
    return SimpleNamespace(names=NAMES, rest=0, threshold=0.4, pace=None)


def run(book, script, pace=None):
    """Judge a script of (seconds, what, probability of it, energy), step by step; return all states."""
    recogniser, time_s, states = Recogniser(book, pace), 1.0, []
    for seconds, what, sure, energy in script:
        p_E = np.full(4, (1 - sure) / 3)
        p_E[(*NAMES, "unknown").index(what)] = sure
        for _ in range(round(seconds / 0.05)):
            states.append(recogniser.judge(time_s, p_E, energy, 0))
            time_s += 0.05
    return states


def events(states):
    return [(round(s.event.time_s, 2), s.event.name) for s in states if s.event]


REST, FIST = (2.0, "rest", 0.9, -1.5), (2.0, "fist", 0.9, 0.5)


def test_each_gesture_is_told_once_and_rest_never(book):
    states = run(book, [REST, FIST, REST, FIST])
    assert [name for _, name in events(states)] == ["fist", "fist"]
    assert {s.name for s in states[:38]} == {"rest"}
    assert states[-1].name == "fist"
    assert states[-1].confidence > 0.85


def test_a_gesture_is_told_no_later_than_150_ms_after_the_window_fills(book):
    # energy is high from the first step of the movement on, while the window holds both until it is full after 1 s
    moving = [REST, (0.7, "unknown", 0.6, 0.5), (0.3, "fist", 0.5, 0.5), FIST]
    (told_s, _), *more = events(run(book, moving))
    assert not more
    assert 3.0 + Pace().settle_s <= told_s <= 3.0 + 1.0 + 0.15


def test_nothing_is_told_while_a_movement_is_still_young(book):
    early = events(run(book, [REST, (0.6, "fist", 0.95, 0.5), REST]))
    assert early == []


def test_a_change_without_rest_is_told_and_a_flicker_is_not(book):
    ok = (1.5, "ok", 0.9, 0.5)
    assert [name for _, name in events(run(book, [REST, FIST, ok]))] == ["fist", "ok"]
    flicker = (0.2, "ok", 0.9, 0.5)
    assert [name for _, name in events(run(book, [REST, FIST, flicker, FIST]))] == ["fist"]


def test_a_gesture_goes_on_while_it_is_a_little_less_sure(book):
    less = (1.0, "fist", 0.3, 0.5)
    states = run(book, [REST, FIST, less])
    assert {s.name for s in states[-15:]} == {"fist"}
    assert events(states) == events(run(book, [REST, FIST]))
    assert run(book, [REST, less])[-1].name == "unknown"  # but it does not begin so


def test_what_is_in_no_entry_is_unknown_and_raises_nothing(book):
    states = run(book, [REST, (3.0, "unknown", 0.8, 0.5)])
    assert events(states) == []
    assert states[-1].name == "unknown"
    assert states[-1].confidence > 0.7
    unsure = run(book, [REST, (3.0, "fist", 0.39, 0.5)])
    assert events(unsure) == []


def test_without_an_entry_of_rest_gestures_are_still_told(book):
    book.rest, book.names = -1, ("calm", "fist", "ok")
    assert [name for _, name in events(run(book, [REST, FIST]))] == ["fist"]


def test_a_gap_starts_anew(book):
    recogniser = Recogniser(book, Pace(settle_s=0.2))
    p_E = np.array([0.02, 0.9, 0.04, 0.04])
    told = [recogniser.judge(1 + 0.05 * k, p_E, 0.5, 0).event for k in range(30)]
    assert sum(event is not None for event in told) == 1
    after = [recogniser.judge(20 + 0.05 * k, p_E, 0.5, 0).event for k in range(30)]
    assert sum(event is not None for event in after) == 1


def test_a_flicker_of_energy_is_no_movement(book):
    states = run(book, [REST, (0.05, "fist", 0.9, 0.5), REST])
    assert {s.name for s in states} == {"rest"}


def test_an_empty_book_is_refused(book):
    book.names = ()
    with pytest.raises(UserError, match="the book is empty"):
        Recogniser(book)
