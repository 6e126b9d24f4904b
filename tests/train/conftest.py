from __future__ import annotations

import pytest

from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from tests.synthetic import write_db1


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Eight people, prepared once for all tests of training; nobody writes to it."""
    folder = tmp_path_factory.mktemp("train")
    return prepare(write_db1(folder / "raw", users=8), folder / "store")


@pytest.fixture(scope="session")
def split(store):
    return make_splits(store, unseen=("3", "6", "9", "12"))[0]
