from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from cpep.live.book.book import GestureBook
from cpep.live.session import Session, map_of
from cpep.live.signals import Chunk
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError


class Recorded:
    """A source that delivers an array, and then waits to be closed."""

    name, channels, rate = "recorded", 16, 2000.0

    def __init__(self, emg_TC, error=""):
        self.emg_TC, self.error, self.closed = emg_TC, error, threading.Event()
        self.delivered = threading.Event()

    def chunks(self):
        for first in range(0, len(self.emg_TC), 40):
            yield Chunk(self.emg_TC[first : first + 40], lost=100 if first == 4000 else 0, made="fist")
        if self.error:
            raise UserError(self.error)
        self.delivered.set()
        self.closed.wait(10)

    def close(self):
        self.closed.set()


@pytest.fixture
def book(untrained):
    book = GestureBook(untrained())
    for name in ("fist", "spread", "ok"):
        book.add(name, GESTURES[name].pose_J[:20].astype(np.float32))
    return book


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_view_is_what_the_stream_has_come_to(book, longest):
    _, emg_TC = longest
    source = Recorded(emg_TC)
    session = Session(source, book.model, book)
    assert session.view().state is None
    session.start()
    until(source.delivered.is_set)
    view = session.view()
    assert view.time_s == pytest.approx((len(emg_TC) + 100) / 2000)
    assert view.lost == 100
    assert view.made == "fist"
    assert view.problem == ""
    assert view.state is not None
    assert view.emg_TC.shape == (1000, 16)
    blocks = emg_TC[: len(emg_TC) // 8 * 8].reshape(-1, 8, 16)  # the value furthest from zero of each 4 ms
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(view.emg_TC, furthest[-1000:])
    assert len(view.quality_C) == 16
    assert view.pose_J is not None
    until(lambda: session.map is not None)
    assert session.view().point is not None
    session.stop()


def test_another_book_is_used_from_the_next_hop_on(book, longest):
    source = Recorded(longest[1])
    session = Session(source, book.model, book)
    session.start()
    until(source.delivered.is_set)
    more = book.copy()
    more.add("gun", GESTURES["gun"].pose_J[:20].astype(np.float32))
    session.use(more)
    assert session.book.names[-1] == "gun"
    until(lambda: session.map is not None and "gun" in session.map.name_M)
    session.view()
    session.stop()


def test_a_source_that_fails_says_so_and_the_session_can_be_looked_at(book, longest):
    session = Session(Recorded(longest[1][:3000], "the wristband is asleep; wake it"), book.model, book)
    session.start()
    until(lambda: session.view().problem)
    assert session.view().problem == "the wristband is asleep; wake it"
    session.stop()


def test_looking_never_holds_up_the_stream(book, longest):
    """Somebody who takes for ever to draw a view is in the middle of it while the stream runs to its end."""
    source, looking, drawn = Recorded(longest[1]), threading.Event(), threading.Event()

    class Slow:
        def point(self, x_D):
            looking.set()
            drawn.wait(20)
            return 0.0, 0.0

    session = Session(source, book.model, book)
    session._mapping = threading.Thread(target=lambda: None)
    session.map = Slow()
    viewer = threading.Thread(target=lambda: [session.view() for _ in range(1000) if not looking.is_set()])
    session.start()
    until(lambda: session._state is not None)
    viewer.start()
    until(looking.is_set)
    until(source.delivered.is_set)
    assert not drawn.is_set()
    drawn.set()
    viewer.join()
    session.stop()


class Breaking(Recorded):
    def chunks(self):
        yield Chunk(self.emg_TC[:40])
        raise OSError("no such device")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_source_that_breaks_or_ends_is_no_silence(book, longest):
    session = Session(Breaking(longest[1]), book.model, book)
    session.start()
    until(lambda: session.view().problem)
    assert session.view().problem == "recorded has failed: no such device"
    source = Recorded(longest[1][:400])
    source.close()
    session = Session(source, book.model, book)
    session.start()
    until(lambda: session.view().problem)
    assert session.view().problem == "recorded has ended"


def test_another_book_forgets_what_the_old_one_said(book, longest):
    source = Recorded(longest[1])
    session = Session(source, book.model, book)
    session.start()
    until(source.delivered.is_set)
    smaller = book.copy()
    smaller.remove("fist")
    session.use(smaller)
    assert session.view().state is None
    session.stop()


def test_the_live_point_lies_amid_the_vectors_nearest_to_it(book):
    found = map_of(book)
    assert found is not None
    assert len(found.name_M) == len(found.place_M2) == 90
    x, y = found.point(found.vector_MD[3])
    near = np.argsort(-(found.vector_MD @ found.vector_MD[3]))[:5]
    np.testing.assert_allclose((x, y), np.median(found.place_M2[near], axis=0))


def test_a_book_of_nearly_nothing_has_no_map(untrained):
    book = GestureBook(untrained())
    assert map_of(book) is None
