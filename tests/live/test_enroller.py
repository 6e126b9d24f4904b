"""An enrolment that goes on, with somebody who does what is asked."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cpep.live.enrol.enrolled import Enrolled
from cpep.live.enrol.enroller import Enroller
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.enrol.guide import Plan
from cpep.live.enrol.stream import FeatureStream
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk
from cpep.types import UserError
from tests.live.band import DEVICE, GAINS, Wearer, follow

PLAN = Plan(("fist", "point"), repetitions=2, hold_s=1.5, ready_s=0.5, relax_s=0.5)


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 30, 8, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def enrol(tmp_path):
    """Return a function that goes on with the enrolment of a file."""
    clock = Clock()

    def build(plan=PLAN, **settings):
        path = tmp_path / "me.enrol"
        before = Enrolment.load(path) if path.exists() else None
        enroller = Enroller(path, DEVICE, plan, before, now=clock, **settings)
        enroller.clock = clock
        return enroller

    return build


def keys(enrolment):
    return [take.key for take in enrolment.takes]


ALL = [(1, name, n) for name in ("rest", "fist", "point") for n in (1, 2)]


def test_every_take_is_in_the_file_once_it_is_made_and_holds_what_was_measured(enrol):
    enroller, wearer, heard, seen = enrol(), Wearer(), [], []
    while enroller.now.phase != "done":
        now = enroller.now
        chunk = wearer.chunk(now.gesture if now.phase == "hold" else "rest")
        heard.append(chunk.emg_TC)
        enroller.hear(chunk)
        takes = Enrolment.load(enroller.path).takes if enroller.path.exists() else ()
        if len(takes) > len(seen):
            seen.append(takes[-1])
            stream_TC = np.concatenate(heard)
            np.testing.assert_array_equal(takes[-1].emg_TC, stream_TC[len(stream_TC) - 1000 :])  # 0.5 and 1.5 s
            assert takes[-1].lead == 250
    assert keys(enroller.enrolment) == ALL == [take.key for take in seen]


def test_chunks_of_any_size_make_the_same_takes(enrol, tmp_path):
    rng = np.random.default_rng(0)
    emg_TC = rng.normal(size=(9000, 4)).astype(np.float32)
    plan = Plan((), repetitions=3, hold_s=1.5, ready_s=0.5, relax_s=0.5)
    whole, parts = (Enroller(tmp_path / name, DEVICE, plan) for name in "ab")
    whole.hear(Chunk(emg_TC))
    at = 0
    while at < len(emg_TC):
        size = int(rng.integers(1, 400))
        parts.hear(Chunk(emg_TC[at : at + size]))
        at += size
    assert keys(whole.enrolment) == keys(parts.enrolment) == [(1, "rest", n) for n in (1, 2, 3)]
    for a, b in zip(whole.enrolment.takes, parts.enrolment.takes, strict=True):
        np.testing.assert_array_equal(a.emg_TC, b.emg_TC)


def test_a_take_that_lost_samples_is_made_again(enrol):
    enroller, wearer = enrol(), Wearer()
    follow(enroller, wearer, until=lambda e: e.now.phase == "hold" and e.now.left_s < 1)
    enroller.hear(wearer.chunk("rest", lost=7))
    assert enroller.now.phase == "ready" and "were lost" in enroller.now.note and not enroller.enrolment.takes
    follow(enroller, wearer, until=lambda e: e.now.phase == "hold" and e.now.left_s < 1)
    bad_TC = wearer.chunk("rest").emg_TC
    bad_TC[3, 1] = np.nan
    enroller.hear(Chunk(bad_TC))
    assert enroller.now.phase == "ready" and "were lost" in enroller.now.note
    enroller.hear(Chunk(np.zeros((0, 4), np.float32), lost=2500))  # the source is away for 5 s
    follow(enroller, wearer)
    assert keys(enroller.enrolment) == ALL
    assert all(np.isfinite(take.emg_TC).all() and len(take.emg_TC) == 1000 for take in enroller.enrolment.takes)


def test_who_is_stopped_goes_on_where_it_was(enrol):
    first, wearer = enrol(), Wearer()
    follow(first, wearer, until=lambda e: len(e.enrolment.takes) == 3 and e.now.phase == "hold")
    second = enrol()  # the first one was killed
    assert keys(second.enrolment) == ALL[:3] and second.now.repetition == 2 and second.now.gesture == "fist"
    follow(second, wearer)
    assert keys(Enrolment.load(second.path)) == ALL
    assert enrol().now.phase == "done"
    third = enrol(Plan(("fist", "point", "wave"), repetitions=2, hold_s=1.5))
    assert third.now.gesture == "wave" and third.session == 1 and third.enrolled


def test_another_day_is_another_session(enrol):
    enroller = enrol()
    follow(enroller, Wearer())
    later = enrol(again=True)
    assert later.session == 2 and later.now.gesture == "rest"
    enroller.clock.now += timedelta(hours=5)
    later = enrol()
    assert later.session == 2 and later.now.gesture == "rest"
    follow(later, Wearer(1))
    assert keys(later.enrolment) == ALL + [(2, name, n) for _, name, n in ALL]
    assert len(set(later.enrolled.examples.group_N)) == 12


def test_what_was_not_made_is_asked_for_again(enrol):
    enroller, wearer = enrol(), Wearer()
    follow(enroller, wearer, until=lambda e: "no movement" in e.now.note, lazy=("fist",))
    assert enroller.now.gesture == "fist" and keys(enroller.enrolment) == ALL[:2]
    follow(enroller, wearer)
    assert keys(enroller.enrolment) == ALL


def test_a_gesture_without_emg_is_kept_in_the_end_and_the_advice_says_so(enrol):
    enroller = enrol()
    follow(enroller, Wearer(), lazy=("fist",))
    assert keys(enroller.enrolment) == ALL
    fist, point = enroller.advice[1:]
    assert fist.good is False and "stronger" in fist.sentence and point.good


def test_redo_and_remove_and_add(enrol):
    enroller, wearer = enrol(), Wearer()
    follow(enroller, wearer)
    enroller.redo("fist")
    assert keys(Enrolment.load(enroller.path)) == ALL and "fist" not in enroller.made  # until others take their place
    follow(enroller, wearer)
    assert sorted(keys(enroller.enrolment)) == sorted(ALL)
    enroller.add("wave")
    enroller.remove("fist")
    follow(enroller, wearer)
    assert Enrolment.load(enroller.path).names == ("rest", "point", "wave")
    assert set(enroller.enrolled.names) == {"rest", "point", "wave"}
    with pytest.raises(UserError, match="cannot be removed"):
        enroller.remove("rest")


def test_it_tells_of_what_is_enrolled_after_every_gesture(enrol):
    told = []
    enroller = enrol(tell=lambda enrolled: told.append(set(enrolled.names)))
    follow(enroller, Wearer())
    assert told == [{"rest", "fist"}, {"rest", "fist", "point"}]
    assert [one.gesture for one in enroller.advice] == ["rest", "fist", "point"]
    assert all(one.good and one.share > 0.9 for one in enroller.advice)
    assert enroller.said == f"point: {enroller.advice[2].sentence}"


class Hand:
    def __init__(self):
        self.heard = []

    def attend(self, prompts):
        self.heard.append(prompts)

    def make(self, name, pose_J=None, hold_s=None):
        self.heard.append((name, None if pose_J is None else len(pose_J), hold_s))


def test_a_simulated_hand_is_told_what_to_make(enrol):
    hand = Hand()
    enroller = enrol(Plan(("fist", "wave"), repetitions=1, hold_s=1.5), hand=hand)
    follow(enroller, Wearer())
    assert hand.heard == [True, ("fist", None, 1.5), ("wave", 22, 1.5), False]


class Ear(Observer):
    def __init__(self):
        self.events, self.states = [], []

    def on_step(self, step, state):
        self.states.append(state)
        if state.event:
            self.events.append((state.event.name, step.time_s))


def test_what_is_enrolled_is_recognised_and_nothing_else(enrol):
    enroller = enrol()
    follow(enroller, Wearer())
    enrolled = Enrolled(Enrolment.load(enroller.path))
    ear, script = (
        Ear(),
        [(5, "rest"), (2, "fist"), (3, "rest"), (2, "point"), (1.5, "fist"), (15, "rest"), (2, "wave")],
    )
    Loop(FeatureStream(DEVICE), Recogniser(enrolled), ear).run(Wearer(7, offset=-50.0).chunks(script))
    begun = {"fist": 5.3, "point": 10.3}
    assert [name for name, _ in ear.events] == ["fist", "point", "fist"]
    for name, at in ear.events[:2]:
        assert 0.3 < at - begun[name] < 1
    assert ear.states[-1].name == "unknown" and ear.states[-1].nearest == -1
    assert enrolled.pose_at(-1) is None


def test_rest_alone_recognises_nothing(enrol):
    enroller = enrol()
    follow(enroller, Wearer(), until=lambda e: len(e.enrolment.takes) == 2)
    assert enroller.enrolled is None and enroller.advice == ()
    with pytest.raises(UserError, match="rest and a gesture are needed in one session, and rest was made"):
        Enrolled(enroller.enrolment)


class DeadChannel(Wearer):
    """Its first channel dies once the hand has made a fist."""

    def chunk(self, name, lost=0):
        chunk = super().chunk(name, lost)
        if "fist" in self.asked:
            chunk.emg_TC[:, 0] = 37
        return chunk


def test_a_channel_that_dies_is_said_and_the_rest_goes_on(enrol):
    enroller, said, notes = enrol(), [], []

    def until(enroller):
        said.append(enroller.said)
        notes.append(enroller.now.note)
        return False

    follow(enroller, DeadChannel(), until=until)
    assert len(enroller.enrolment.takes) == 6 and not any(notes)
    assert any(one.endswith("channel 1: no signal; press the electrode on, or leave it out") for one in said)


def test_two_names_for_one_gesture_are_both_told_to_be_alike(enrol, monkeypatch):
    monkeypatch.setitem(GAINS, "point", GAINS["fist"])
    enroller = enrol()
    follow(enroller, Wearer())
    sentence = {one.gesture: one.sentence for one in enroller.advice}
    assert "often taken for point; make the two more unlike, or drop one of them" in sentence["fist"]
    assert "often taken for fist; make the two more unlike, or drop one of them" in sentence["point"]


def test_only_a_judge_that_is_asked_to_adapts_to_what_it_hears(enrol):
    enroller = enrol()
    follow(enroller, Wearer())
    rng = np.random.default_rng(4)
    x_NF = enroller.enrolled.examples.x_NF
    other_NF = x_NF[rng.integers(len(x_NF), size=400)] + 0.3 * x_NF.std(axis=0)
    for adapts in (False, True):
        judge = Enrolled(enroller.enrolment, adapts=adapts)
        before = judge.judge(x_NF[0])[0]
        for x_F in other_NF:
            judge.judge(x_F)
        assert np.array_equal(judge.judge(x_NF[0])[0], before) != adapts


@pytest.mark.parametrize("turned", [False, True])
def test_takes_of_a_band_that_sat_otherwise_are_left_out(enrol, monkeypatch, turned):
    first = enrol()
    follow(first, Wearer())
    if turned:  # so that each looks as the other did
        one, other = GAINS["fist"], GAINS["point"]
        monkeypatch.setitem(GAINS, "fist", other)
        monkeypatch.setitem(GAINS, "point", one)
    second = enrol(again=True)
    follow(second, Wearer(1))
    assert len(second.enrolment.takes) == 12 and not first.enrolled.alone
    assert second.enrolled.alone == turned
    assert set(second.enrolled.examples.session_N.tolist()) == ({2} if turned else {1, 2})
    assert min(one.share for one in second.advice) > 0.9
