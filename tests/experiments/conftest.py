"""A small store of synthetic people under one split."""

import pytest

from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.experiments.protocol import SplitData
from tests.synthetic import write_db1


@pytest.fixture(scope="session")
def split_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split_data")
    store = prepare(write_db1(folder / "raw", users=6, repetitions=3), folder / "store")
    (split,) = make_splits(store, unseen=("3", "6"))
    return SplitData(store, split, list_windows(store, 2.0, 0.25), preset("tiny").evaluate, 0)
