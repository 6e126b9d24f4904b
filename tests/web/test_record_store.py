"""The recording of a session as the page has it, without a browser."""

from __future__ import annotations

import json
import time

import pytest

from cpep.data.readers.bids import read_recording
from cpep.live.record.protocol import Protocol, read_protocol
from cpep.live.session import Session
from cpep.types import UserError
from cpep.web.record import Answers
from cpep.web.record_store import NAME, RecordStore
from tests.live.band import Wearer
from tests.web.test_enrol_store import Band

FREE = Answers("anna", "2", "left", "sat at a desk", "free")


@pytest.fixture
def session():
    return Session(Band())


@pytest.fixture
def store(session, tmp_path):
    store = RecordStore(session, tmp_path / "recordings", Band(), "lsl:band")
    yield store
    store.close()


def wear(session, seconds, name="fist"):
    wearer = Wearer()
    for _ in range(round(seconds * 50)):
        session.hear(wearer.chunk(name))


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_recording_is_read_back_and_its_place_is_said(session, store, tmp_path):
    assert store.seconds == -1 and store.prompt() is None and list(store.protocols) == ["follow", "free", "gestures"]
    store.start(FREE)
    assert store.prompt().ask == "recording" and store.prompt().acts == {"stop": "Stop"}
    wear(session, 3)
    assert store.seconds == pytest.approx(3)
    store.act("stop")
    assert store.seconds == -1 and store.prompt() is None
    (file,) = (tmp_path / "recordings").glob("sub-anna/ses-2/emg/*_emg.bdf")
    assert "3.0 s in 1 run" in store.said and file.name in store.said and "read back and the same" in store.said
    found = read_recording(file)
    assert (found.user, found.session, found.side, found.seconds) == ("anna", "2", "left", 3.0)
    again = RecordStore(session, tmp_path / "recordings", Band(), "lsl:band")
    assert (again.answers.person, again.answers.session, again.answers.arm) == ("anna", "2", "left")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers("", "1", "right", "", "free"), "the person is ''; give a name or a number"),
        (Answers("anna", "1", "both", "", "free"), "the arm is 'both'; it must be right or left"),
        (Answers("anna", "1", "right", "", "/etc/passwd"), "there is no protocol '/etc/passwd'; choose follow, free"),
        (Answers("anna", "1", "right", "", "free", "follow"), "protocol free has no drawn hand"),
        (Answers("anna", "1", "right", "", "free", "camera,model=/etc/passwd"), "is named on the command line"),
        (Answers("anna", "1", "right", "", "free", "nonsense"), "write lsl:NAME"),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_nothing_begins(store, answers, said, tmp_path):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        store.start(answers)
    assert store.seconds == -1 and not list((tmp_path / "recordings").glob("*"))


def test_one_recording_at_a_time_and_none_beside_an_enrolment(session, store, tmp_path):
    store.start(FREE)
    with pytest.raises(UserError, match="a recording goes on; stop it first"):
        store.start(FREE)
    busy = RecordStore(session, tmp_path / "other", Band(), "lsl:band", lambda: "an enrolment goes on")
    with pytest.raises(UserError, match="an enrolment goes on"):
        busy.start(FREE)


def test_a_protocol_that_ends_finishes_the_recording_by_itself(session, store, tmp_path, monkeypatch):
    path = tmp_path / "short.toml"
    path.write_text('[[steps]]\nkind = "free"\nseconds = 2\n')
    short: Protocol = read_protocol(str(path))
    monkeypatch.setattr("cpep.web.record_store.read_protocol", lambda name: short)
    store.start(FREE)
    wear(session, 2.1)
    until(lambda: store.seconds < 0)
    assert "2.0 s in 1 run" in store.said


def test_the_end_of_the_server_is_the_end_of_the_recording_and_a_kill_loses_nothing(session, store, tmp_path):
    store.start(FREE)
    wear(session, 2)
    taking = store._taking
    session.leave(NAME)
    taking.recorder.close()  # as the system does when the server is killed
    store._taking = None
    again = RecordStore(session, tmp_path / "recordings", Band(), "lsl:band")
    until(lambda: again.version)
    assert again.said.startswith("A recording that was cut off is added now: ") and "2.0 s in 1 run" in again.said
    again.start(FREE)
    wear(session, 1)
    again.close()
    assert "1.0 s in 1 run" in again.said
    assert json.loads((tmp_path / "recordings" / ".cpep_last.json").read_text())["notes"] == "sat at a desk"
