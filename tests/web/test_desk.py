"""Another source while the server runs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.signals import Chunk
from cpep.live.sources.channels import Chosen, split
from cpep.live.sources.registry import open_source
from cpep.runtime.locks import hold_file
from cpep.types import UserError
from cpep.web.desk import Desk, refuse_files
from cpep.web.opening import Wanted, open_session
from cpep.web.prompt import OVER
from cpep.web.record import Answers


class Quiet:
    """A band of zeros."""

    def __init__(self, text, channels):
        self.name, self.device, self._over = text, Device(channels, 500.0, "raw", "uV"), threading.Event()

    def chunks(self):
        while not self._over.wait(0.02):
            yield Chunk(np.zeros((10, self.device.channels), np.float32))

    def close(self):
        self._over.set()


class Board(Quiet):
    """A band of four channels that is opened once at a time, and can end."""

    open = False

    def __init__(self, text, channels):
        if Board.open:
            raise UserError(f"{text} does not answer")
        super().__init__(text, channels)
        Board.open = True

    def close(self):
        super().close()
        Board.open = False


CHANNELS = {"lsl:four": 4, "lsl:four again": 4, "lsl:two": 2}


def open_quiet(text):
    if not text.startswith("board"):
        return Quiet(text, CHANNELS[text]) if text in CHANNELS else open_source(text)
    board, chosen = Board("board", 4), split(text)[1]
    try:
        return Chosen(board, chosen) if chosen else board
    except UserError:
        board.close()
        raise


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr("cpep.web.opening.open_source", open_quiet)
    wanted = Wanted(None, tmp_path / "my.book", False, tmp_path / "my.enrol", tmp_path / "recordings")
    made = Desk(open_session(wanted, "lsl:four"), lambda text: open_session(wanted, text, beside=True))
    yield made
    made.close()


def alive(live):
    return live.session._thread.is_alive()


def test_another_source_takes_the_place_of_the_first(desk):
    first = desk.live
    desk.choose(" lsl:four again ")
    assert desk.text == "lsl:four again" and desk.live.source.startswith("lsl:four again: 4 channels")
    assert desk.live.number != first.number and not alive(first) and alive(desk.live)
    assert desk.said.startswith("lsl:four again is the source now; its gestures are enrolled into my.enrol")


def test_a_band_of_other_channels_has_an_enrolment_beside_the_first(desk, tmp_path):
    Enrolment(Device(4, 500.0, "raw", "uV")).save(tmp_path / "my.enrol")
    before = (tmp_path / "my.enrol").read_bytes()
    desk.choose("lsl:two")
    assert "into my-2-channels.enrol" in desk.said
    assert (tmp_path / "my.enrol").read_bytes() == before
    assert (tmp_path / ".my-2-channels.enrol.lock").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lsl:four", "is the source already"),
        ("nonsense", "--source nonsense: write"),
        ("replay:/etc/passwd", "type: cpep serve --source 'replay:/etc/passwd'"),
        ("mine.py:Band", "does not open"),
    ],
)
def test_what_is_refused_leaves_the_source_as_it_is(desk, text, why):
    first = desk.live
    with pytest.raises(UserError, match=why):
        desk.choose(text)
    assert desk.live is first and alive(first)


def test_a_board_that_is_opened_once_at_a_time_gives_other_channels(desk):
    desk.choose("board")
    desk.choose("board[1-3]")
    assert desk.live.source.startswith("board[1-3]: 3 channels") and alive(desk.live)
    live = desk.live
    with pytest.raises(UserError, match="there is no channel 9; the source has channels 1 to 4"):
        desk.choose("board[9]")
    assert desk.live is live and alive(live)


def test_a_source_that_has_ended_is_taken_again(desk):
    desk.live.session.source.close()
    desk.live.session._thread.join()
    desk.choose("lsl:four")
    assert alive(desk.live) and desk.said.startswith("lsl:four is the source now")


def test_nothing_that_goes_on_is_cut_off(desk):
    first = desk.live
    recording = first.prompters[0]
    recording.start(Answers("anna", protocol="free"))
    with pytest.raises(UserError, match="a recording goes on; stop it first, before you take another source"):
        desk.choose("lsl:four again")
    assert recording.seconds >= 0 and desk.live is first
    recording.stop()
    enrolling = first.prompters[1]
    enrolling.start()
    with pytest.raises(UserError, match="an enrolment goes on"):
        desk.choose("lsl:four again")
    enrolling.act("stop")
    desk.choose("lsl:four again")
    assert not alive(first)


def test_a_page_of_the_source_before_changes_nothing_any_more(desk, tmp_path):
    recording, enrolling = desk.live.prompters
    training = desk.page.panels[2].show.__closure__[0].cell_contents
    enrolling.add("first")
    desk.choose("lsl:four again")
    desk.live.prompters[1].add("second")
    before = (tmp_path / "my.enrol").read_bytes()
    acts = [lambda: enrolling.add("third"), lambda: enrolling.remove("fist"), enrolling.start, training.start]
    for act in (*acts, lambda: recording.start(Answers("anna", protocol="free"))):
        with pytest.raises(UserError, match="load the page again"):
            act()
    enrolling.act("redo")
    assert enrolling.said == OVER
    assert (tmp_path / "my.enrol").read_bytes() == before
    assert recording.seconds < 0 and not training.running


def test_the_first_source_comes_back_where_the_next_one_cannot_begin(desk, tmp_path):
    Enrolment(Device(4, 500.0, "raw", "uV")).save(tmp_path / "my.enrol")
    with hold_file(tmp_path / "my-2-channels.enrol"), pytest.raises(UserError, match="is in use by cpep"):
        desk.choose("lsl:two")
    assert desk.text == "lsl:four" and alive(desk.live)


def test_a_file_is_refused_and_a_device_is_not():
    for text in ("replay:x.hdf5", "my_band.py:Band", "bands:Mine", "brainflow:playback,file=/x"):
        with pytest.raises(UserError, match="does not open"):
            refuse_files(text)
    for text in ("sim", "lsl:band.py", "lsl:type=EMG", "brainflow:cyton,serial_port=/dev/ttyUSB0", "myo"):
        refuse_files(text)
