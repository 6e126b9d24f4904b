from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cpep.configs import preset
from cpep.data.prepare import prepare
from cpep.data.splits import make_splits
from cpep.data.windows import list_windows
from cpep.evaluate.embed import embedding_set
from cpep.evaluate.protocol import Protocol
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protocol")
    store = prepare(write_db1(folder / "raw", users=6), folder / "store")
    (split,) = make_splits(store, unseen=("3", "6"))
    return Protocol(store, split, list_windows(store, 2.0, 0.25), preset("tiny").evaluate, 0)


def vectors(windows):
    """Return two columns that differ from window to window, by time alone."""
    return np.stack([np.sin(windows.start_N / 70), np.cos(windows.start_N / 45)], axis=1).astype(np.float32)


def test_what_moves_all_windows_of_a_wearing_is_taken_out(protocol):
    def moved(windows):
        gain = 1 + windows.entry_N[:, None]
        return vectors(windows) * gain + 100 * gain

    plain, other = (protocol._standardised("recording", f).x_ND for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-3)
    assert not np.allclose(plain, vectors(protocol.windows), atol=0.1)


def test_without_normalisation_people_keep_their_differences(protocol):
    def moved(windows):
        return vectors(windows) + windows.entry_N[:, None]

    found, entry = protocol._standardised("none", moved).x_ND, protocol.windows.entry_N
    means = [found[entry == index].mean(0) for index in np.unique(entry)]
    assert (np.ptp(means, axis=0) > 3).all()


@pytest.mark.parametrize("kind", ["none", "causal"])
def test_what_test_users_are_like_reaches_nobody_else(protocol, kind):
    tested = [k for k, entry in enumerate(protocol.store.entries) if entry.user in protocol.split.users_test]

    def moved(windows):
        return vectors(windows) + 1000 * np.isin(windows.entry_N, tested)[:, None]

    others = ~np.isin(protocol.windows.entry_N, tested)
    plain, other = (protocol._standardised(kind, f).x_ND[others] for f in (vectors, moved))
    assert np.allclose(plain, other, atol=1e-5)


def test_the_map_shows_emg_of_test_users_and_poses_of_training_users(protocol, monkeypatch):
    shown = {}

    def embed(name, model, store, windows):
        shown[name] = set(windows.users(store))
        return embedding_set(store, windows, vectors(windows))

    for name in ("embed_emg", "embed_pose"):
        monkeypatch.setattr(f"cpep.evaluate.protocol.{name}", partial(embed, name))
    protocol.map_points(None)
    assert shown == {"embed_emg": set(protocol.split.users_test), "embed_pose": set(protocol.split.users_train)}


def test_poses_are_embedded_once_for_each_frozen_encoder(protocol, monkeypatch):
    calls = []
    monkeypatch.setattr("cpep.evaluate.protocol.embed_pose", lambda model, *_: calls.append(model) or len(calls))

    def model(seed):
        torch.manual_seed(seed)
        emg, pose = (Encoder(columns=3, steps=8, token_steps=2, width=8, depth=1, heads=2, dropout=0) for _ in "ab")
        return SimpleNamespace(net=Cpep(emg, pose, 0.1, 0.02, 0.5))

    assert [protocol.pose(model(seed)) for seed in (0, 1, 0, 1)] == [1, 2, 1, 2]
