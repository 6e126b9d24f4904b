"""The simulator as a source."""

import time
from concurrent.futures import wait
from itertools import groupby

import numpy as np
import pytest

from cpep.live.sources.registry import open_source
from cpep.live.sources.sim import SimulatedHand
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError

WISHES = ((3.0, "vulcan", None), (9.0, "fist", None), (15.0, "my pose", GESTURES["shaka"].pose_J[:20]))


def play(source, seconds, asked):
    """Return EMG and [what the hand makes, its first sample, its last], asking for gestures at given seconds."""
    asked, chunks, samples = list(asked), [], 0
    for chunk in source.chunks():
        chunks.append(chunk)
        samples += len(chunk.emg_TC)
        if asked and samples >= asked[0][0] * 2000:
            source.make(*asked.pop(0)[1:])
            while not source._wished():  # at full speed, making it takes many seconds of the stream
                time.sleep(0.01)
        if samples >= seconds * 2000:
            source.close()
    assert not any(chunk.lost for chunk in chunks)
    made, at = [], 0
    for name, same in groupby(chunks, key=lambda chunk: chunk.made):
        made.append((name, at, at + sum(len(chunk.emg_TC) for chunk in same)))
        at = made[-1][2]
    return np.concatenate([chunk.emg_TC for chunk in chunks]), made


@pytest.fixture(scope="module")
def played():
    return play(open_source("sim:1", 0), 60, WISHES)


def test_it_goes_on_over_takes_with_rests_in_between(played):
    emg_TC, made = played
    names = [name for name, _, _ in made]
    assert emg_TC.dtype == np.float32 and 0 <= len(emg_TC) - 60 * 2000 < 40
    assert names[::2] == ["rest"] * len(names[::2]) and "rest" not in names[1::2]
    later = [name for name, first, _ in made[1::2] if first > 22 * 2000]
    assert len(set(later)) == len(later) >= 6 and set(later) <= set(GESTURES)  # none twice before all came by
    assert min(last - first for name, first, last in made[2:-1] if name == "rest") > 1000  # long enough to be seen


def test_a_wish_is_made_at_once(played):
    first = {name: at / 2000 for name, at, _ in reversed(played[1])}
    for at, name, _ in WISHES:
        assert at + 0.25 < first[name] < at + 1.0


def test_a_pose_set_by_hand_is_held_with_some_effort(played):
    emg_TC, made = played
    ((first, last),) = [(first, last) for name, first, last in made if name == "my pose"]
    assert last - first > 1.8 * 2000
    assert emg_TC[first + 2000 : last].std() > 1.3 * emg_TC[first - 600 : first - 200].std()


def test_an_interruption_does_not_tear_the_signal(played):
    """Where a wish cuts a gesture off, no channel jumps more than EMG itself does."""
    step_T = np.abs(np.diff(played[0], axis=0)).max(axis=1)
    for at, _, _ in WISHES:
        cut = round(at * 2000)
        assert step_T[cut - 1 : cut + 1].max() <= np.quantile(step_T[cut - 2000 : cut + 2000], 0.999)


def test_the_next_take_is_made_while_one_is_played():
    source = SimulatedHand(1, 1.0)
    chunks = source.chunks()
    next(chunks)
    ready, _ = wait([source._next], timeout=20)  # nobody asks for more of the stream meanwhile
    assert ready
    source.close()
    assert list(chunks) == []


def test_its_thread_ends_with_it():
    hand = SimulatedHand(1, 0)
    chunks = hand.chunks()
    next(chunks)
    (maker,) = hand._maker._threads
    hand.close()
    assert list(chunks) == []
    maker.join(20)
    assert not maker.is_alive()
    hand.make("fist")  # of a page that is still open


def test_what_cannot_be_made_is_refused():
    hand = SimulatedHand()
    for name, pose, said in (
        ("wave", None, "no gesture wave; it has fist, spread"),
        ("x", np.zeros(7), r"shape \(7,\); give 20"),
        ("x", np.full(20, np.nan), "finite"),
    ):
        with pytest.raises(UserError, match=said):
            hand.make(name, pose)
