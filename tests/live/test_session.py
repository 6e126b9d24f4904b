from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cpep.data.recording import Device
from cpep.live.book.book import GestureBook
from cpep.live.map import map_of
from cpep.live.session import Session
from cpep.live.signals import Chunk
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError


class Recorded:
    """A source that delivers an array, and then waits to be closed."""

    name, device = "recorded", Device(16, 2000.0, "raw", "", highpass_hz=0.0)

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
    session = Session(source, book)
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


class Cut(Recorded):
    """The same in chunks of any length: (samples, lost before them)."""

    def __init__(self, emg_TC, cuts):
        super().__init__(emg_TC)
        self.cuts = cuts

    def chunks(self):
        at = 0
        for samples, lost in self.cuts:
            yield Chunk(self.emg_TC[at : at + samples], lost)
            at += samples


SAMPLES = st.integers(0, 20) | st.sampled_from([40, 501])
LOST = st.sampled_from([0, 0, 1, 7, 1000, 50_000])


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SAMPLES, LOST), max_size=12))
@example([(9000, 0), (5, 0)])  # more than is drawn, and than is judged
def test_a_session_lives_through_chunks_of_any_length_and_any_gaps(book, cuts):
    cuts = [*cuts, (0, 0), (0, 3000), (3, 0), (2400, 10)]  # it ends with a source that goes and comes back
    count = sum(samples for samples, _ in cuts)
    emg_TC = np.random.default_rng(len(cuts)).standard_normal((count, 16)).astype(np.float32)
    session = Session(Cut(emg_TC, cuts), book)
    session._run()  # as its thread does; without a map, which takes long
    view = session.view()
    assert view.problem == "recorded has ended"
    assert view.lost == sum(lost for _, lost in cuts)
    assert view.time_s == pytest.approx((count + view.lost) / 2000)
    assert view.column == count // 8
    blocks = emg_TC[: count // 8 * 8].reshape(-1, 8, 16)
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)[:, 0]
    shown = min(len(furthest), 1000)
    np.testing.assert_array_equal(view.emg_TC[-shown:], furthest[-shown:])
    assert not view.emg_TC[:-shown].any()
    assert view.state is not None and view.state.time_s > view.time_s - 0.05


def test_another_book_is_used_from_the_next_step_on(book, longest):
    source = Recorded(longest[1])
    session = Session(source, book)
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
    session = Session(Recorded(longest[1][:3000], "the wristband is asleep; wake it"), book)
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

    session = Session(source, book)
    session._map_anew = lambda book: None
    session.map = Slow()
    viewer = threading.Thread(target=lambda: [session.view() for _ in range(1000) if not looking.is_set()])
    session.start()
    until(lambda: session._told["book"].state is not None)
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
    session = Session(Breaking(longest[1]), book)
    session.start()
    until(lambda: session.view().problem)
    assert session.view().problem == "recorded has failed: no such device"
    source = Recorded(longest[1][:400])
    source.close()
    session = Session(source, book)
    session.start()
    until(lambda: session.view().problem)
    assert session.view().problem == "recorded has ended"


def test_another_book_forgets_what_the_old_one_said(book, longest):
    source = Recorded(longest[1])
    session = Session(source, book)
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
