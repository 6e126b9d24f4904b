"""The guide of an enrolment, on a clock of its own."""

import numpy as np
import pytest

from cpep.live.enrol.guide import Guide, Plan, Prompt
from cpep.types import UserError

RATE = 100.0
SHORT = Plan(("fist", "point"), repetitions=2, hold_s=1.0, ready_s=0.5, relax_s=0.25)
TAKE_S = 1.75


def run(guide, seconds):
    """Let time pass; return the takes with the second of the stream at which each is whole."""
    found, left = [], round(seconds * RATE)
    while left:
        step = left if guide.waits else min(left, guide.left)
        done = guide.advance(step)
        if done:
            found.append((done.gesture, done.repetition, guide.sample / RATE))
        left -= step
    return found


def test_rest_comes_first_then_each_gesture_as_often_as_the_plan_says():
    guide = Guide(SHORT, RATE)
    made = run(guide, 100)
    wanted = [(name, n) for name in ("rest", "fist", "point") for n in (1, 2)]
    assert [(name, n) for name, n, _ in made] == wanted
    assert [at for *_, at in made] == pytest.approx([1.5 + TAKE_S * k for k in range(6)])
    assert guide.now.phase == "done" and guide.now.share == 1 and guide.sample == 10000
    assert guide.made == [Prompt(*one) for one in wanted]


def test_now_says_what_is_asked_for():
    guide = Guide(SHORT, RATE)
    seen = []
    for _ in range(round(2 * TAKE_S * RATE)):
        now = guide.now
        seen.append((now.phase, now.gesture, now.repetition))
        assert 0 < now.left_s <= now.phase_s
        guide.advance(1)
    assert list(dict.fromkeys(seen)) == [
        *((phase, "rest", 1) for phase in ("ready", "hold")),
        *((phase, "rest", 2) for phase in ("relax", "ready", "hold")),
        ("relax", "fist", 1),  # during the rest after a take it says what comes next
    ]
    guide = Guide(SHORT, RATE)
    run(guide, 1.0)
    assert guide.now.left_s == 0.5 and guide.now.share == pytest.approx(0.5 / 6)


def test_a_take_with_a_loss_is_made_again_and_that_is_said():
    guide = Guide(SHORT, RATE)
    run(guide, 1.0)
    guide.lose(20)
    assert guide.now.phase == "ready" and "0.2 s of the EMG were lost" in guide.now.note
    assert guide.now.left_s == 0.5 and guide.sample == 120
    guide.lose(30)
    assert "0.5 s of the EMG were lost; this take" in guide.now.note
    run(guide, 0.6)
    assert guide.now.phase == "hold" and "lost" in guide.now.note
    assert run(guide, 0.9) == [("rest", 1, 3.0)] and not guide.now.note
    guide.lose(500)  # in the rest after it: the take is whole
    assert guide.made == [Prompt("rest", 1)] and not guide.now.note
    run(guide, 0.35)
    guide.lose(200)
    assert guide.now.left_s == 0.5 and guide.now.note == "2 s of the EMG were lost; the countdown begins again"


def test_redo_makes_the_take_that_goes_on_or_the_last_one_again():
    guide = Guide(SHORT, RATE)
    run(guide, 1.0)
    guide.redo()
    assert (guide.now.phase, guide.now.repetition, guide.made) == ("ready", 1, [])
    run(guide, 1.6)
    guide.redo(note="no movement")
    assert guide.now.phase == "ready" and guide.now.note == "no movement" and guide.made == []
    assert [one[:2] for one in run(guide, 2 * TAKE_S)] == [("rest", 1), ("rest", 2)]


def test_a_gesture_is_made_again_by_name():
    guide = Guide(SHORT, RATE)
    run(guide, 100)
    guide.redo("fist")
    assert guide.made == [Prompt(name, n) for name in ("rest", "point") for n in (1, 2)]
    assert [one[:2] for one in run(guide, 100)] == [("fist", 1), ("fist", 2)]
    with pytest.raises(UserError, match="no gesture 'ok'; there are rest, fist, point"):
        guide.redo("ok")


def test_skip_leaves_a_gesture_and_keeps_its_whole_takes():
    guide = Guide(SHORT, RATE)
    with pytest.raises(UserError, match="rest cannot be skipped"):
        guide.skip()
    run(guide, TAKE_S)
    guide.skip()
    run(guide, TAKE_S)
    guide.skip()
    assert [one[:2] for one in run(guide, 100)] == [("point", 1), ("point", 2)]
    assert guide.made == [Prompt("rest", 1), Prompt("fist", 1), Prompt("point", 1), Prompt("point", 2)]
    guide.skip()
    assert guide.now.phase == "done"


def test_gestures_come_and_go():
    guide = Guide(SHORT, RATE)
    run(guide, 100)
    guide.add("shaka")
    assert guide.now.phase == "ready" and guide.now.share == pytest.approx(6 / 8)
    guide.remove("fist")
    assert [one[:2] for one in run(guide, 100)] == [("shaka", 1), ("shaka", 2)]
    assert {one.gesture for one in guide.made} == {"rest", "point", "shaka"} == set(guide.gestures)
    guide.add("four")
    guide.remove("four")
    assert guide.now.phase == "done"
    for act, name, said in (
        (guide.add, "shaka", "there already"),
        (guide.add, "Shaka", "Shaka and shaka differ only in upper and lower case"),
        (guide.add, " ", "cannot be the name"),
        (guide.remove, "rest", "cannot be removed"),
        (guide.remove, "fist", "no gesture 'fist'"),
    ):
        with pytest.raises(UserError, match=said):
            act(name)


def test_a_pause_holds_everything():
    guide = Guide(SHORT, RATE)
    run(guide, 1.0)
    guide.pause()
    assert run(guide, 50) == [] and guide.now.phase == "paused" and guide.waits
    guide.lose(5)
    guide.resume()
    assert run(guide, 1.5) == [("rest", 1, 52.55)]


def test_what_is_there_is_not_asked_for_again():
    made = [Prompt("rest", 1), Prompt("rest", 2), Prompt("fist", 1)]
    guide = Guide(SHORT, RATE, made)
    assert guide.now.share == 0.5
    assert [one[:2] for one in run(guide, 100)] == [("fist", 2), ("point", 1), ("point", 2)]
    assert Guide(SHORT, RATE, guide.made).now.phase == "done"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_person_does_the_takes_made_and_to_come_are_those_of_the_plan(seed):
    rng, guide = np.random.default_rng(seed), Guide(SHORT, RATE)
    for _ in range(200):
        act = rng.choice(["run", "run", "lose", "redo", "skip", "pause", "resume", "add", "remove"])
        try:
            if act == "run":
                run(guide, rng.uniform(0, 2))
            elif act == "lose":
                guide.lose(int(rng.integers(50)))
            elif act in ("add", "remove"):
                getattr(guide, act)(str(rng.choice(["fist", "point", "ok"])))
            else:
                getattr(guide, act)()
        except UserError:
            pass
        now = guide.now
        assert len(set(guide.made)) == len(guide.made) and {one.gesture for one in guide.made} <= {*guide.gestures}
        assert 0 <= now.share <= 1 and (now.phase == "done") <= (not now.gesture)
        assert now.gesture in ("", *guide.gestures) and Prompt(now.gesture, now.repetition) not in guide.made


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gestures": ("fist", "fist")}, "fist is asked for twice"),
        ({"gestures": ("unknown",)}, "'unknown' cannot be the name"),
        ({"repetitions": 0}, "0 repetitions"),
        ({"hold_s": 0.2}, "takes of 0.2 s"),
        ({"ready_s": 0.1}, "0.1 s before a take"),
    ],
)
def test_what_makes_no_plan_is_refused(settings, said):
    with pytest.raises(UserError, match=said):
        Plan(**settings)
