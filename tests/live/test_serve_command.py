"""``cpep serve`` without its web server, which takes the place of somebody who looks at the page."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from cpep.checkpoint import save
from cpep.cli import main
from cpep.commands.serve import refuse_other_hands
from cpep.data.recording import Device
from cpep.live.book import GestureBook
from cpep.types import UserError


@pytest.fixture
def serve(untrained, tmp_path, monkeypatch):
    """Return a function that runs the command and passes the page to a function."""
    save(untrained(), tmp_path / "checkpoint")

    def run(look, *more):
        def looks(page, host, port, show):
            look(page)
            raise KeyboardInterrupt

        monkeypatch.setattr("cpep.web.server.serve", looks)
        return main(["serve", str(tmp_path / "checkpoint"), "--book", str(tmp_path / "my.book"), *more])

    return run


def test_a_page_shows_the_simulator_and_keeps_what_is_added(serve, untrained, tmp_path):
    def first(page):
        stop = time.monotonic() + 20
        while not (frame := page.live.frame(-1, -1.0))["name"] and time.monotonic() < stop:
            time.sleep(0.05)
        assert frame["channels"] == 16 and frame["name"] in ("rest", "unknown") and len(frame["hand"]) == 60
        assert page.maker is not None and page.live.source.startswith("sim")
        page.shelf.add("mine", np.full(20, 0.4))
        assert page.live.map()["gestures"] == ["mine"]

    assert serve(first) == 0
    assert GestureBook.load(tmp_path / "my.book", untrained()).names == ("rest", "mine")
    seen = []
    assert serve(lambda page: seen.append(page.shelf.book.names)) == 0
    assert seen == [("rest", "mine")]


def test_a_mistake_is_a_sentence(serve, capsys, monkeypatch):
    assert serve(lambda page: None, "--source", "nonsense") == 2
    assert "--source nonsense" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert serve(lambda page: None) == 2
    assert 'pip install "cpep[web]"' in capsys.readouterr().err


def test_other_hands_are_refused():
    glove = Device(10, 100.0, "envelope", "V", pose_names=("a", "b"), pose_unit="count")
    with pytest.raises(UserError, match="20 joints"):
        refuse_other_hands(glove)
