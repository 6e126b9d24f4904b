"""``cpep serve`` without its web server, which takes the place of somebody who looks at the page."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import save
from cpep.cli.main import main
from cpep.data.recording import Device
from cpep.hand.muscles import REST_J
from cpep.live.book.book import GestureBook
from cpep.live.enrol.enrolment import Enrolment
from cpep.web.book_store import BookStore
from tests.data.samples import write_emg2pose


def _made(model, folder):
    """Write a checkpoint, and a book of rest."""
    save(model, folder / "checkpoint")
    book = GestureBook(model)
    book.add("rest", REST_J[:20])
    book.save(folder / "my.book")


@pytest.fixture
def serve(untrained, tmp_path, monkeypatch):
    """Return a function that runs the command and passes the page to a function."""
    _made(untrained(), tmp_path)

    def run(look, *more):
        def looks(desk, *_):
            look(desk.page)
            raise KeyboardInterrupt

        monkeypatch.setattr("cpep.web.server.serve", looks)
        monkeypatch.chdir(tmp_path)
        return main(["serve", str(tmp_path / "checkpoint"), "--book", str(tmp_path / "my.book"), *more])

    return run


def test_a_page_shows_the_simulator_and_keeps_what_is_added(serve, untrained, tmp_path):
    def first(page):
        stop = time.monotonic() + 20
        while not (frame := page.live.frame(-1, -1.0))["name"] and time.monotonic() < stop:
            time.sleep(0.05)
        assert frame["channels"] == 16 and frame["name"] in ("rest", "unknown") and len(frame["hand"]) == 60
        assert [panel.name for panel in page.panels][:2] == ["Studio", "Enrol"] and not page.mapless
        assert page.live.source == "sim:0: 16 channels at 2000 Hz"
        BookStore(page.live.session, tmp_path / "my.book").add("mine", np.full(20, 0.4))
        assert page.live.map()["known"] == ["mine"]

    assert serve(first) == 0
    assert GestureBook.load(tmp_path / "my.book", untrained()).names == ("rest", "mine")
    seen = []
    assert serve(lambda page: seen.append(page.live.session.book.names)) == 0
    assert seen == [("rest", "mine")]


def test_a_mistake_is_a_sentence(serve, capsys, monkeypatch):
    assert serve(lambda page: None, "--source", "nonsense") == 2
    assert "--source nonsense" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert serve(lambda page: None) == 2
    assert 'pip install "cpep[web]"' in capsys.readouterr().err


def test_a_checkpoint_without_a_book_is_refused(serve, tmp_path, capsys):
    """A book that is made of nothing has no background, and what is in no entry would be taken for one."""
    (tmp_path / "my.book").unlink()
    assert serve(lambda page: pytest.fail("served")) == 2
    said = capsys.readouterr().err
    assert f"make it with `cpep book {tmp_path / 'checkpoint'} STORE {tmp_path / 'my.book'}`" in said
    assert not (tmp_path / "my.book").exists()


def test_a_checkpoint_that_is_not_causal_is_calibrated(serve, untrained, tmp_path, capsys):
    model = untrained("data.normalisation=recording")
    _made(model, tmp_path)
    assert serve(lambda page: None) == 2
    assert "calibrate" in capsys.readouterr().err
    (recording,) = write_emg2pose(tmp_path / "raw", count=1, samples=5000)
    seen = []
    assert serve(lambda page: seen.append(page.live.session), "--calibrate", str(tmp_path / "raw")) == 0
    known, used = model.calibrate(recording.emg_TC.T), seen[0]._told["book"].loop.stream._scale.now()
    assert np.allclose(used.centre_F, known.centre_F) and np.allclose(used.spread_F, known.spread_F)


def test_a_band_that_no_checkpoint_knows_is_enrolled(tmp_path, monkeypatch, capsys):
    """Any channels, without CHECKPOINT and without --book; the file of another band is refused in a sentence."""
    seen = []
    monkeypatch.setattr("cpep.web.server.serve", lambda desk, *_: seen.append(desk.page))
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--source", "sim[1-4]"]) == 0
    (page,) = seen
    assert page.mapless and [panel.name for panel in page.panels] == ["Enrol", "Record", "Train", "Tally"]
    assert page.live.session.known is None and page.live.source.endswith(": 4 channels at 2000 Hz")
    assert not (tmp_path / "my.book").exists() and not (tmp_path / "my_recordings").exists()
    Enrolment(Device(8, 500.0, "raw", "uV")).save(tmp_path / "my.enrol")
    assert main(["serve", "--source", "sim[1-4]"]) == 2
    said = capsys.readouterr().err
    assert "my.enrol: this enrolment was made with 8 channels" in said and "--enrolment" in said and len(seen) == 1
