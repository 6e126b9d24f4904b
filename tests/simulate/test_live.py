"""Takes of a hand that goes on for ever."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from cpep.hand.muscles import HIGHEST_J, LOWEST_J, REST_J
from cpep.simulate.freeform import free_form, set_by_hand
from cpep.simulate.gestures import EXTRA, FREE, GESTURES, SEEN, UNSEEN, VOCABULARY
from cpep.simulate.kinematics import make_sequence
from cpep.simulate.live import live_takes, live_wearing, wished_take
from cpep.simulate.person import draw_person
from cpep.simulate.record import Session
from cpep.simulate.variability import Variability, generator


@pytest.fixture(scope="module")
def live() -> Session:
    return live_wearing(0)


def test_a_sequence_makes_its_gestures_in_order_and_ends_at_rest() -> None:
    person = draw_person(0, "user_00", Variability(rest=2))
    names = ["fist", "ok", "fist", "wiggle"]
    made = make_sequence(person, [(name, GESTURES[name]) for name in names], generator(0))
    starts = np.flatnonzero(np.diff(made.label_S) > 0) + 1
    assert [VOCABULARY[label] for label in made.label_S[starts]] == names
    assert made.label_S[0] == made.label_S[-1] == made.prompt_S[-1] == 0
    assert np.abs(made.pose_SJ[-1] - person.body.relaxed_J)[:20].mean() < 0.15
    assert len({len(array) for array in vars(made).values()}) == 1
    assert made.repetition_S[starts].tolist() == [1, 1, 2, 1]
    for before, after in zip(np.flatnonzero(np.diff(made.label_S) < 0), starts[1:], strict=False):
        assert after - before > 50  # a rest of half a second at least


def test_seen_gestures_come_by_in_turn_and_others_with_them(live: Session) -> None:
    takes = list(islice(live_takes(live), 12))
    made = [
        take.names[label] for take in takes for label in take.label_S[np.flatnonzero(np.diff(take.label_S) > 0) + 1]
    ]
    assert len(made) == 48
    for deal in range(4):
        assert set(SEEN) <= set(made[12 * deal : 12 * deal + 12])
    others = [name for name in made if name not in SEEN]
    assert set(others) == {*UNSEEN, *EXTRA}
    assert len(set(others[:12])) == 12  # none comes again before all did
    for take in takes:
        assert 14 < len(take.label_S) / 100 < 28
        assert take.emg_TC.shape == (take.samples_per_label * len(take.label_S), 16) and take.samples_per_label == 20
        # From rest to rest, so that takes can follow each other.
        assert not take.label_S[:30].any() and not take.label_S[-100:].any()


def test_takes_follow_from_the_seed_and_wishes_do_not_disturb_them(live: Session) -> None:
    first = next(live_takes(live))
    wished_take(live, 0, "fist", GESTURES["fist"])
    again = next(live_takes(live_wearing(0)))
    np.testing.assert_array_equal(first.emg_TC, again.emg_TC)
    np.testing.assert_array_equal(first.label_S, again.label_S)


def test_a_wish_is_one_gesture_and_each_is_another_execution(live: Session) -> None:
    one, other = (wished_take(live, number, "scissors", GESTURES["scissors"]) for number in (0, 1))
    assert {one.names[label] for label in np.unique(one.label_S)} == {"rest", "scissors"}
    assert 3 < len(one.label_S) / 100 < 9
    assert len(one.emg_TC) != len(other.emg_TC) or not np.array_equal(one.emg_TC, other.emg_TC)


def test_a_pose_set_by_hand_is_held(live: Session) -> None:
    wanted_J = GESTURES["horns"].pose_J[:20]
    gesture = set_by_hand(wanted_J)
    made = make_sequence(live.person, [(FREE, gesture)], generator(0))
    held_J = np.median(made.pose_SJ[made.label_S > 0][100:], axis=0)
    # Within what this person's posture and reach leave of it.
    assert np.sqrt(np.mean((held_J[:20] - np.clip(wanted_J, LOWEST_J[:20], HIGHEST_J[:20])) ** 2)) < 0.25
    assert wished_take(live, 0, "mine", gesture).names[VOCABULARY.index(FREE)] == "mine"


def test_a_pose_set_by_hand_costs_about_what_a_free_one_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        free = free_form(rng)
        np.testing.assert_allclose(set_by_hand(free.pose_J).effort_J, free.effort_J, atol=0.05)
    np.testing.assert_array_equal(set_by_hand(free.pose_J[:20]).pose_J[20:], REST_J[20:])
