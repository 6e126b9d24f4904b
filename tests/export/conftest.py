from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.export.folder import write_export
from tests.synthetic import write_db1

BIN = 5
STEP = 0.01


@pytest.fixture(scope="package")
def store(tmp_path_factory):
    """Five people whose raw EMG has the steps of a converter, and so the minus zeros of rounding."""
    folder = tmp_path_factory.mktemp("export")
    store = prepare(write_db1(folder / "raw", users=5), folder / "store")
    sign_TC = np.random.default_rng(0).choice([-1, 1], store.emg_TC.shape)
    emg_TC = (np.round(store.emg_TC * sign_TC / STEP) * STEP).astype(np.float32)
    assert (np.signbit(emg_TC) & (emg_TC == 0)).any()
    return dataclasses.replace(store, emg_TC=emg_TC, device=dataclasses.replace(store.device, emg_kind="raw"))


@pytest.fixture(scope="package")
def split(store):
    return make_splits(store, unseen=("3",))[0]


@pytest.fixture(scope="package")
def make_model(store, split):
    """Return a function from settings and a kind to a model with random weights, its front end fitted."""

    def make(*settings, kind="cpep"):
        torch.manual_seed(0)
        model = Model(make_card(kind, store, split, preset("tiny", settings), 0)).eval()
        if model.frontend is not None:
            model.frontend.fit(store, split.users_train)
        return model

    return make


@pytest.fixture(scope="package")
def causal(make_model):
    return make_model("data.normalisation=causal", f"emg.bin_ms={10 * BIN}", "emg.rates=true")


@pytest.fixture(scope="package")
def exported(causal, tmp_path_factory):
    """The causal model as a folder; nobody writes to it."""
    folder = tmp_path_factory.mktemp("exported") / "out"
    write_export(folder, causal, None)
    return folder
