"""The enrolment of a session as the page has it, without a browser and without time: chunks are given by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.live.enrol.guide import Plan
from cpep.live.session import Session
from cpep.live.signals import Chunk
from cpep.types import UserError
from cpep.web.build import Files, page_of
from cpep.web.enrol_store import EnrolStore
from cpep.web.frames import Live
from cpep.web.record import Answers
from tests.live.band import DEVICE, Wearer

PLAN = Plan(repetitions=2, hold_s=1.0, ready_s=0.5, relax_s=0.1)


class Band:
    """A band whose samples the test gives to the session."""

    name, device = "band", DEVICE

    def chunks(self):
        return iter(())

    def close(self):
        pass


@pytest.fixture
def stores(tmp_path):
    """A function that opens session and enrolment again, as a new server does."""
    opened = []

    def again():
        while opened:
            opened.pop().close()
        session = Session(Band())
        opened.append(EnrolStore(session, tmp_path / "my.enrol", plan=PLAN))
        return session, opened[0]

    yield again
    opened.pop().close()


def follow(session, store, wearer, until=lambda prompt: False, most_s=60):
    """Let somebody do what is asked, until nothing is."""
    for _ in range(most_s * 50):
        prompt = store.prompt()
        if prompt is None or until(prompt):
            return
        assert 0 <= prompt.done <= prompt.of  # the page draws as many dots
        session.hear(wearer.chunk(prompt.name if prompt.phase == "hold" else "rest"))
    raise AssertionError("it never ended")


def told(session, wearer, name, seconds=2.0):
    """Return what is recognised after somebody made a gesture for a while, from rest."""
    for _ in range(50):
        session.hear(wearer.chunk("rest"))
    for _ in range(round(seconds * 50)):
        session.hear(wearer.chunk(name))
    return session.view().state.name


def only(store, *names):
    """Leave these gestures, and rest, in the plan."""
    for card in store.cards():
        if card.name not in ("rest", *names):
            store.remove(card.name)
    for name in names:
        if name not in [card.name for card in store.cards()]:
            store.add(name)


def test_from_nothing_to_recognised_and_a_new_server_goes_on(stores):
    session, store = stores()
    wearer = Wearer()
    assert session.known is None and store.prompt() is None and session.view().state is None
    only(store, "fist", "wave")
    assert store.asks == "Each gesture 2 times, 1 seconds each: about 1 minute."
    store.act("start")
    prompt = store.prompt()
    assert (prompt.name, prompt.phase, prompt.place, prompt.of) == ("rest", "ready", "gesture 1 of 3", 2)
    follow(session, store, wearer, until=lambda now: now.name == "wave" and now.done == 1)
    assert [card.takes for card in store.cards()] == [2, 2, 1] and session.known.names == ("fist", "rest")
    session, store = stores()  # killed in the middle
    assert [(card.name, card.takes) for card in store.cards()] == [("rest", 2), ("fist", 2), ("wave", 1)]
    assert told(session, wearer, "fist") == "fist" and store.prompt() is None
    store.act("start")
    assert (store.prompt().name, store.prompt().done) == ("wave", 1)
    follow(session, store, wearer)
    assert all(card.mark == "good" and card.verdict for card in store.cards())
    assert store.said.startswith("wave: ") and "told right" in store.said
    assert store.asks == "All is enrolled. Add a gesture, or make one again."
    assert [told(session, wearer, name) for name in ("wave", "fist", "rest")] == ["wave", "fist", "rest"]
    assert [event.name for event in session.view().events][-2:] == ["wave", "fist"]


def test_a_take_is_redone_a_gesture_skipped_and_all_is_stopped_without_loss(stores):
    session, store = stores()
    wearer = Wearer()
    only(store, "fist", "point")
    store.act("start")
    store.act("skip")
    assert store.said == "rest cannot be skipped: gestures are told from it; make it once"
    follow(session, store, wearer, until=lambda now: now.name == "fist" and now.done == 1 and now.phase == "hold")
    store.act("redo")
    assert (store.prompt().phase, store.prompt().done) == ("ready", 1)
    store.act("skip")
    assert store.prompt().name == "point"
    store.act("stop")
    assert store.prompt() is None and [card.takes for card in store.cards()] == [2, 1, 0]
    store.start("fist")
    assert (store.prompt().name, store.prompt().done) == ("fist", 0)


def test_what_was_asked_for_is_asked_for_after_a_restart(stores):
    _, store = stores()
    only(store, "my  own sign")
    _, store = stores()
    assert [card.name for card in store.cards()] == ["rest", "my own sign"]


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\x00b", "fist", "rest", "unknown", "${HOME}"])
def test_names_that_do_not_do(stores, name):
    _, store = stores()
    before = store.cards()
    with pytest.raises(UserError):
        store.add(name)
    assert store.cards() == before
    store.remove("fist")
    with pytest.raises(UserError, match="rest cannot be removed"):
        store.remove("rest")


def test_a_gesture_that_is_removed_is_no_longer_told(stores):
    session, store = stores()
    only(store, "fist")
    store.act("start")
    follow(session, store, Wearer())
    assert session.sides == ("gestures",)
    store.remove("fist")
    assert session.known is None and session.sides == () and session.view().state is None


def test_two_servers_do_not_share_a_file(stores, tmp_path):
    stores()
    with pytest.raises(UserError, match=r"my.enrol is in use by cpep, process \d+ on this machine, since"):
        EnrolStore(Session(Band()), tmp_path / "my.enrol")


def test_a_dropout_in_a_take_asks_for_it_again_and_keeps_the_others(stores):
    session, store = stores()
    wearer = Wearer()
    only(store, "fist")
    store.act("start")
    follow(session, store, wearer, until=lambda now: now.name == "fist" and now.phase == "hold" and now.share > 0.5)
    session.hear(wearer.chunk("fist", lost=2500))
    assert store.prompt().phase == "ready" and "5 s of the EMG were lost" in store.prompt().note
    follow(session, store, wearer)
    assert [card.takes for card in store.cards()] == [2, 2]
    assert session.view().lost == 2500


def test_whoever_hears_and_fails_is_told_of_and_the_stream_goes_on(capsys):
    class Deaf:
        def hear(self, chunk):
            raise ZeroDivisionError("by nothing")

    session = Session(Band())
    session.join("the ear", Deaf())
    for _ in range(2):
        session.hear(Chunk(np.zeros((10, 4), np.float32)))
    assert session.view().notices == ("the ear has stopped: by nothing",)
    assert session.view().time_s == pytest.approx(0.04) and capsys.readouterr().err.count("Traceback") == 1


@pytest.mark.parametrize("rate", [500, 495, 450])
def test_a_wrong_rate_is_told_from_the_stamps(rate):
    session = Session(Band())
    for number in range(round(10 * rate / 10)):
        session.hear(Chunk(np.zeros((10, 4), np.float32), stamp_s=number * 10 / rate))
    said = "450 samples a second arrive, and the band says 500"
    assert any(said in notice for notice in session.view().notices) == (rate == 450)


def test_an_offset_is_marked_and_needs_nothing_done():
    session, wearer = Session(Band()), Wearer(offset=200.0)
    for _ in range(150):
        session.hear(wearer.chunk("rest"))
    frame = Live(session, "band", "uV").frame(-1, -1.0)
    assert frame["quality"] == ["offset"] * 4 and frame["advice"] == []


@pytest.fixture
def page(tmp_path):
    session = Session(Band())
    files = Files("lsl:band", tmp_path / "my.book", tmp_path / "my.enrol", tmp_path / "recordings")
    page = page_of(session, session.source, files, PLAN)
    yield page
    page.close()


def test_the_page_of_a_band_without_a_checkpoint(page):
    assert [panel.name for panel in page.panels] == ["Enrol", "Record", "Train", "Tally"] and page.mapless
    frame = page.live.frame(-1, -1.0)
    assert frame["known"] is False and frame["todo"] and frame["prompt"] is None and frame["name"] == ""
    assert page.live.source == "band: 4 channels at 500 Hz" and page.live.map()["known"] == []
    page.live.act("start")
    asked = page.live.frame(-1, -1.0)["prompt"]
    assert asked["name"] == "rest" and len(asked["hand"]) == 60 and asked["said"].startswith("get ready rest, 1 of 2")
    page.live.act("nonsense")
    page.live.act("stop")
    assert page.live.frame(-1, -1.0)["prompt"] is None


def test_one_thing_is_asked_at_a_time(page):
    recording, enrolling = page.live.prompters
    recording.start(Answers("anna", "1", "left", "", "free"))
    with pytest.raises(UserError, match="a recording goes on; stop it first"):
        enrolling.start("fist")
    enrolling.act("start")
    assert enrolling.said == "a recording goes on; stop it first" and enrolling.prompt() is None
    recording.stop()
    enrolling.act("start")
    assert enrolling.said == "" and enrolling.prompt().name == "rest"
    with pytest.raises(UserError, match="an enrolment goes on"):
        recording.start(Answers("anna", "1", "left", "", "free"))


def test_a_wrist_that_is_bent_is_drawn_bent():
    live = Live(Session(Band()), "band", "uV")
    straight, bent = np.zeros(22), np.zeros(22)
    straight[21], bent[21] = -0.15, -0.15 + np.pi / 2
    one, other = (np.reshape(live.landmarks(pose_J), (20, 3)) for pose_J in (straight, bent))
    assert np.allclose(other, one @ [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=0.11)  # towards the palm
