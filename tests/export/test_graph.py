import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from cpep.checkpoints.embed import embed_emg
from cpep.data.windows import list_windows
from cpep.export.folder import FLOAT, INT8, write_export
from cpep.export.graph import graph_of
from cpep.export.parity import embedded, held_out, noise, parity
from cpep.live.stream import EmgStream
from cpep.types import UserError
from tests.export.conftest import BIN


@pytest.fixture(scope="module")
def offline(causal, store):
    """Embeddings of the first recording's windows that end on a bin, by the start of the window."""
    windows = list_windows(store, causal.card.window_s, BIN / 100)
    mine = embed_emg(causal, store, windows.select(windows.entry_N == 0))
    return dict(zip(np.round(mine.time_N * 100).astype(int).tolist(), mine.x_ND, strict=True))


def run_graph(folder, emg_TC, keep_state=True):
    """Call the graph once a hop, from zeros; return embeddings by the sample where the window ends."""
    card, session = json.loads((folder / "card.json").read_text()), onnxruntime.InferenceSession(folder / FLOAT)
    state = {name: np.array([value], card["types"][name]) for name, value in card["start"].items()}
    window, found, hop = np.zeros((1, card["window"], card["channels"]), np.float32), {}, card["hop"]
    for end in range(hop, len(emg_TC) + 1, hop):
        window[0] = np.concatenate([window[0, hop:], emg_TC[end - hop : end]])
        x, *after = session.run(None, {"emg": window, **state})
        if keep_state:
            state = dict(zip(state, after, strict=True))
        found[end] = x[0]
    return {end: x for end, x in found.items() if end >= card["window"]}


def test_a_stream_through_the_graph_is_the_offline_embedding(exported, store, offline):
    entry = store.entries[0]
    emg_TC = store.emg_TC[entry.start : entry.start + entry.frames]
    found = {end - 200: x for end, x in run_graph(exported, emg_TC).items()}
    assert found.keys() == offline.keys() and len(found) > 900
    assert max(np.abs(found[start] - offline[start]).max() for start in found) < 1e-5
    # the state is what makes it so
    stuck = run_graph(exported, emg_TC, keep_state=False)
    assert np.abs(stuck[end := max(stuck)] - offline[end - 200]).max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "settings", "shape"),
    [
        ("emg_mae", (), (16,)),
        ("cpep", ("data.normalisation=none", "emg.tokens=patch", "align.queries=4"), (4, 16)),
        ("cpep", ("emg.tokens=conv", "emg.bin_ms=50"), (16,)),
    ],
    ids=["masked autoencoder", "patches and queries", "convolutions"],
)
def test_other_models_take_centre_and_spread(make_model, tmp_path, kind, settings, shape):
    model = make_model(*settings, kind=kind)
    write_export(tmp_path / "out", model, None)
    session = onnxruntime.InferenceSession(tmp_path / "out" / FLOAT)
    assert [entry.name for entry in session.get_inputs()] == ["emg", "centre", "spread"]
    sample = noise(model, 8)
    found = session.run(None, {"emg": sample.emg_NTC, **sample.beside})[0]  # eight windows at once
    assert found.shape == (8, *shape)
    assert np.abs(found - sample.x).max() < 1e-5
    assert np.abs(found - embedded(tmp_path / "out" / FLOAT, sample)).max() < 1e-5
    sample.beside["spread"] *= np.linspace(0.2, 5, sample.beside["spread"].shape[1], dtype=np.float32)
    assert np.abs(found - embedded(tmp_path / "out" / FLOAT, sample)).max() > 1e-3


def test_the_smaller_graph_multiplies_bytes_and_gives_nearly_the_same(exported, causal):
    types = [node.op_type for node in onnx.load(exported / INT8).graph.node]
    assert "MatMulInteger" in types
    like = parity(exported, noise(causal))[INT8]
    assert 0.999 < like.mean < 1 - 1e-7


def test_the_graph_tells_nothing_of_the_machine(exported):
    assert b"/src/" not in (exported / FLOAT).read_bytes()


@pytest.mark.parametrize("kind", ["pose_mae", "pose_t"])
def test_a_model_without_an_embedding_of_emg_is_refused(make_model, kind):
    with pytest.raises(UserError, match=f"a {kind} checkpoint gives no embedding"):
        graph_of(make_model(kind=kind))


@pytest.mark.parametrize("tokens", ["patch", "conv"])
def test_a_stream_of_raw_samples_carries_its_level(make_model, store, split, tmp_path, tokens):
    model = make_model("data.normalisation=causal", f"emg.tokens={tokens}", "emg.bin_ms=50")
    write_export(tmp_path / "out", model, None)
    assert parity(tmp_path / "out", noise(model, 8))[FLOAT].lowest > 0.99999
    entry, stream = store.entries[1], EmgStream(model)
    emg_TC = 9 * store.emg_TC[entry.start : entry.start + 1200]  # louder than usual: the level must follow
    found = run_graph(tmp_path / "out", emg_TC)
    wanted = {step.sample: step.x_D.copy() for step in stream.push(emg_TC)}
    assert found.keys() >= wanted.keys() and len(wanted) > 100
    assert max(np.abs(found[sample] - x_D).max() for sample, x_D in wanted.items()) < 1e-5
    stuck = run_graph(tmp_path / "out", emg_TC, keep_state=False)
    assert np.abs(stuck[last := max(wanted)] - wanted[last]).max() > 1e-3

    held = held_out(model, store, split)
    few = np.linspace(0, len(held.x) - 1, 20).astype(int)
    beside = {name: value[few] for name, value in held.beside.items()}
    sample = dataclasses.replace(held, emg_NTC=held.emg_NTC[few], beside=beside, x=held.x[few], gallery=None)
    assert parity(tmp_path / "out", sample)[FLOAT].lowest > 0.99999


def test_windows_too_short_for_a_running_level_are_refused(make_model):
    short = ("data.window_s=0.25", "emg.token_ms=50", "pose.token_ms=50")
    with pytest.raises(UserError, match=r"windows of 0\.3 s or more; set data\.window_s"):
        graph_of(make_model("data.normalisation=causal", "emg.tokens=patch", *short))


def test_a_missing_extra_is_a_sentence(causal, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r'onnxscript; install it with pip install "cpep\[export\]"'):
        write_export(tmp_path / "out", causal, None)
    assert not (tmp_path / "out").exists()
