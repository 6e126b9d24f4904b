"""A session that moves without a model: ``python -m tests.web.fake BOOK [HOST [PORT]]`` serves it.

The hand makes the entries of the book in turn, two seconds each; one that has just been added is made at once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from cpep.hand.muscles import REST_J
from cpep.live.map import Map
from cpep.live.session import View
from cpep.live.signals import Event, State
from cpep.live.tally import Counted
from cpep.simulate.gestures import GESTURES, SEEN
from cpep.types import UserError

CHANNELS, COLUMNS, HOLD_S = 16, 1000, 2.0
COUNTED = Counted((("fist", "fist", 3), ("fist", "point", 1), ("point", "", 1)), ("fist", "point"), told=True)


class FakeBook:
    model = None

    def __init__(self, poses=None):
        seen = {name: GESTURES[name].pose_J[:20] for name in SEEN}
        self.poses = {"rest": REST_J[:20], **seen} if poses is None else poses

    @property
    def names(self):
        return tuple(self.poses)

    def add(self, name, pose):
        pose_J = np.asarray(pose) if np.ndim(pose) == 1 else np.mean(pose, axis=0)
        same = tuple(other for other in self.names if np.abs(self.poses[other] - pose_J).max() < 0.1)
        self.poses[name] = pose_J
        return same

    def remove(self, name):
        if name not in self.poses:
            raise UserError(f"the book has no {name}")
        del self.poses[name]

    def copy(self):
        return FakeBook(dict(self.poses))

    def pose_of(self, name):
        return self.poses[name]

    def save(self, path):
        path.write_text(json.dumps({name: pose_J.tolist() for name, pose_J in self.poses.items()}))

    @staticmethod
    def load(path, model=None):
        return FakeBook({name: np.array(pose) for name, pose in json.loads(path.read_text()).items()})


def plane(pose_J):
    """A place for a pose."""
    axes = np.random.default_rng(5).normal(size=(20, 2))
    return np.asarray(pose_J) @ axes


def map_of(book, each=60):
    rng = np.random.default_rng(1)
    names = np.repeat(book.names, each)
    pose_MJ = np.stack([book.poses[name] for name in names]) + rng.normal(0, 0.08, (len(names), 20))
    return Map(plane(pose_MJ), tuple(names.tolist()), pose_MJ)


class FakeSession:
    """The clock starts ``ahead`` seconds in, so that the window is full."""

    by, sides, mapping = "book", ("book",), False

    def __init__(self, book, ahead=10.0):
        self.book, self.map, self.made = book, map_of(book), None
        self.start = time.monotonic() - ahead
        self.emg_TC = np.random.default_rng(0).normal(size=(4 * COLUMNS, CHANNELS)).astype(np.float32)
        self.order = [*book.names]

    @property
    def known(self):
        return self.book

    def use(self, book):
        new = [name for name in book.names if name not in self.book.names]
        self.book, self.map, self.order = (
            book,
            map_of(book),
            [*new, *(name for name in book.names if name not in new)],
        )
        self.start = time.monotonic() - 16 * HOLD_S * len(self.order)  # the first of the order is made now

    def attend(self, prompts):
        pass

    def make(self, name, pose_J=None, hold_s=None):
        self.made = np.asarray(pose_J)

    def view(self):
        now = time.monotonic() - self.start
        turn = int(now / HOLD_S)
        name = self.order[turn % len(self.order)]
        pose_J = self.book.poses[name] + 0.02 * np.sin(3 * now)
        column = int(now * 250 + 1e-6)
        rows = (np.arange(column - COLUMNS, column) + 1) % len(self.emg_TC)
        loud = np.where(np.arange(COLUMNS) / 250 > 4 - now % HOLD_S, 5.0 if name != "rest" else 1.0, 2.0)
        events = [Event(HOLD_S * t, self.order[t % len(self.order)], 0.9) for t in range(max(turn - 9, 0), turn + 1)]
        return View(
            time_s=now,
            emg_TC=(self.emg_TC[rows] * loud[:, None] * np.linspace(0.3, 1, CHANNELS)).astype(np.float32),
            column=column,
            column_s=1 / 250,
            quality_C=("", "flat", "", "hum", *[""] * (CHANNELS - 4)),
            state=State(now, name, 0.93, np.full(len(self.order), 0.1), 0, None, np.zeros(0)),
            made=name,
            tally=COUNTED,
            events=tuple(event for event in events if event.name != "rest"),
            pose_J=pose_J,
            point=tuple(plane(pose_J)),
            lost=0,
            adapted="",
            notices=(),
            problem="",
        )


def page(path, no_hand=""):
    """The page of a fake session whose book is at ``path``; ``no_hand`` says why no hand is shown."""
    from cpep.web.book_list import BookPanel
    from cpep.web.book_store import BookStore
    from cpep.web.frames import Live
    from cpep.web.page import Page
    from cpep.web.panels import Panel
    from cpep.web.studio import Studio

    if not path.exists():
        FakeBook().save(path)
    session = FakeSession(FakeBook.load(path))
    live = Live(session, "fake", "noise_sd", no_hand)
    store = BookStore(session, path)
    if no_hand:
        return Page(live, [Panel("Book", lambda: BookPanel(store).show(), "Book of gestures")])
    return Page(live, [Panel("Studio", lambda: Studio(live, store, session, 100.0, 1.0).show(), "Gesture studio")])


def serve_fake(path, host="127.0.0.1", port=0):
    """Serve it until the process ends."""
    from cpep.web.server import serve

    serve(page(Path(path)), host, int(port), show=False)


if __name__ == "__main__":
    serve_fake(*sys.argv[1:])
