"""A researcher's own encoder: trained, saved, loaded and streamed like those of the package."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.embed import embed_emg, pooled_emg
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.experiments.runs import Request
from cpep.live.stream import EmgStream
from cpep.plugins import ENCODERS, Encoder, Sizes, take
from cpep.train.align import align
from cpep.train.pretrain import pretrain
from cpep.train.task import Task
from cpep.types import UserError
from tests.synthetic import write_db1


class RecurrentEncoder(Encoder):
    """Reads the visible tokens one after another; the last state is the vector of the window."""

    reads_bins = True

    def __init__(self, **sizes: Unpack[Sizes]) -> None:
        super().__init__(**sizes)
        self.position = nn.Parameter(0.02 * torch.randn(self.tokens, self.width))
        self.embed = nn.Linear(self.target_values, self.width)
        self.gru = nn.GRU(self.width, self.width, batch_first=True)

    def encode(self, tokens_BNP: Tensor, keep_BK: Tensor | None = None) -> Tensor:
        x_BND = self.embed(tokens_BNP) + self.position
        x_BKD = x_BND if keep_BK is None else take(x_BND, keep_BK)
        states_BKD, last_1BD = self.gru(x_BKD)
        return torch.cat([last_1BD[0][:, None], states_BKD], dim=1)


ENCODERS.add("recurrent", RecurrentEncoder)
SETTINGS = ("emg.tokens=recurrent", "emg.bin_ms=50", "data.normalisation=causal", "data.window_s=1")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    return prepare(write_db1(folder / "raw", users=6), folder / "store")


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    """The checkpoint of an alignment that starts from a masked autoencoder."""
    folder, split = tmp_path_factory.mktemp("trained"), make_splits(store, unseen=("3", "6"))[0]
    config = preset("tiny", SETTINGS)
    emg, pose = (pretrain(Task(store, split, config, 0, folder / name), name) for name in ("emg", "pose"))
    return align(Task(store, split, config, 0, folder / "cpep"), emg, pose), emg


def test_it_is_trained_saved_and_loaded(store, trained):
    cpep, emg = trained
    assert isinstance(load(cpep).net.emg, RecurrentEncoder)
    windows = list_windows(store, 1.0, 2.0)
    assert embed_emg(load(cpep), store, windows).x_ND.shape == (len(windows), 16)
    assert pooled_emg(load(emg), store, windows).x_ND.shape == (len(windows), 32)


@pytest.mark.parametrize("sizes", [(7,), (1, 300, 20)])
def test_a_stream_embeds_as_an_evaluation_does(store, trained, sizes):
    model, entry = load(trained[0]), store.entries[0]
    emg_TC, at, found = np.array(store.emg_TC[entry.start : entry.start + 500]), 0, {}
    stream = EmgStream(model)
    while at < len(emg_TC):
        size = sizes[len(found) % len(sizes)]
        found |= {step.sample: step.x_D.copy() for step in stream.push(emg_TC[at : at + size])}
        at += size
    windows = list_windows(store, 1.0, 0.05)
    windows = windows.select((windows.entry_N == 0) & (windows.start_N - entry.start + windows.frames <= 500))
    wanted = embed_emg(model, store, windows).x_ND
    np.testing.assert_allclose(np.stack(list(found.values())), wanted, atol=1e-5)


def test_a_name_that_nobody_gave_is_refused_before_anything_is_done(tmp_path):
    config = preset("tiny", ["emg.tokens=cnv"])
    with pytest.raises(UserError, match=r"emg\.tokens=cnv: no encoder 'cnv'; did you mean conv\? There are "):
        Request(tmp_path, tmp_path, config)


def test_queries_on_an_anchor_encoder_without_blocks_are_a_sentence(store, tmp_path):
    config = preset("tiny", [*SETTINGS, "pose.tokens=recurrent", "align.queries=2"])
    with pytest.raises(UserError, match=r"RecurrentEncoder has none; set align\.queries=0"):
        align(Task(store, make_splits(store)[0], config, 0, tmp_path), None, None)


def test_a_masked_autoencoder_of_another_encoder_is_not_aligned(store, trained, tmp_path):
    config = preset("tiny", [*SETTINGS, "emg.tokens=log_rms"])
    with pytest.raises(UserError, match="an encoder of another kind or other sizes"):
        align(Task(store, make_splits(store, unseen=("3", "6"))[0], config, 0, tmp_path), trained[1], None)
