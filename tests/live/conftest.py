from __future__ import annotations

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import AnchorReader, list_windows
from cpep.live.stream import on_one_core
from cpep.simulate import Variability, simulate_cohort


@pytest.fixture(scope="package", autouse=True)
def one_core():
    """Streams run on one core, as the commands have them."""
    threads = torch.get_num_threads()
    on_one_core()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def live_store(tmp_path_factory):
    """Four simulated people of some seconds a stage, prepared once; nobody writes to it."""
    folder = tmp_path_factory.mktemp("live")
    simulate_cohort(folder / "raw", users=4, minutes=2.5, seed=3, workers=1, variability=Variability(rest=2))
    return prepare(folder / "raw", folder / "store")


@pytest.fixture(scope="session")
def live_split(live_store):
    return make_splits(live_store)[0]


@pytest.fixture(scope="session")
def untrained(live_store, live_split):
    """Return a function from settings to a model of random weights with a fitted front end."""

    def build(*settings: str) -> Model:
        config = preset("tiny", ["data.window_s=1", "data.normalisation=causal", *settings])
        torch.manual_seed(0)
        model = Model(make_card("cpep", live_store, live_split, config, 0)).eval()
        users = live_split.users_train
        model.emg_frontend.fit(live_store, users)
        windows = live_split.allowed(live_store, list_windows(live_store, 1.0, 0.5), "train")
        model.net.emg.fit(model.emg_frontend.reader(live_store, windows.frames)(windows))
        model.net.anchor.fit(AnchorReader(live_store, windows.frames)(windows))
        return model

    return build


@pytest.fixture(scope="session")
def longest(live_store):
    """The longest recording: its index in the store, and its EMG (T, C)."""
    index = max(range(len(live_store.entries)), key=lambda i: live_store.entries[i].frames)
    entry = live_store.entries[index]
    rows = slice(entry.start * live_store.ratio, (entry.start + entry.frames) * live_store.ratio)
    return index, np.array(live_store.emg_TC[rows])
