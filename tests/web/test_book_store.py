"""Two servers on one book: what one of them added stays when the other one changes the book."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cpep.runtime.locks import hold_file
from cpep.types import UserError
from cpep.web import book_store
from cpep.web.book_store import BookStore
from tests.web.fake import FakeBook


class Session:
    """What a store needs of a session."""

    def __init__(self, book: FakeBook) -> None:
        self.book = book

    def use(self, book: FakeBook) -> None:
        self.book = book


@pytest.fixture
def servers(tmp_path: Path) -> SimpleNamespace:
    path = tmp_path / "my.book"
    FakeBook({"rest": np.zeros(20)}).save(path)
    one, other = (BookStore(Session(FakeBook.load(path)), path) for _ in range(2))
    return SimpleNamespace(one=one, other=other, path=path)


def test_the_second_gesture_added_does_not_overwrite_the_first(servers: SimpleNamespace) -> None:
    servers.one.add("fist", np.ones(20))
    servers.other.add("point", np.full(20, 2.0))
    servers.one.add("wave", np.full(20, 3.0))
    servers.other.remove("rest")
    assert FakeBook.load(servers.path).names == servers.other.book.names == ("fist", "point", "wave")
    with pytest.raises(UserError, match="there is a gesture point already"):
        servers.one.add("point", np.ones(20))
    with pytest.raises(UserError, match="Point and point differ only in upper and lower case"):
        servers.one.add("Point", np.ones(20))


def test_a_book_that_is_being_written_is_waited_for_and_then_refused(
    servers: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_store, "PATIENCE_S", 0.1)
    with hold_file(servers.path), pytest.raises(UserError, match=r"my\.book is in use by"):
        servers.one.add("fist", np.ones(20))
    servers.one.add("fist", np.ones(20))
    assert not list(servers.path.parent.glob(".*"))
