"""Checkpoints, books, enrolments, weights of others, the encoder of a ring, and the folder of an export."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.import_weights import import_checkpoint, untrained, weights_of
from cpep.checkpoints.on_hub import files_of
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data import WindowDataset, from_arrays, make_splits
from cpep.data.recording import Device
from cpep.data.ring import PLACES, TIMES, VALUES
from cpep.data.windows import AnchorReader
from cpep.export import run as runner
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background
from cpep.live.enrol.enrolment import Enrolment, Take
from cpep.models.ring import RingEncoder, RingSizes
from cpep.runtime.hub import Address
from cpep.share.ring import load_ring, save_ring
from cpep.signal.conditioning import Conditioner, Conditioning
from tests.checkpoints.arrays import RATE, made
from tests.checkpoints.unsealed import unseal
from tests.fuzz.formats import Format
from tests.live.unsealed import unseal as unseal_note


@cache
def _model(kind: str = "cpep", *settings: str) -> Model:
    """Return a small model of random weights."""
    torch.manual_seed(0)
    emg, names, people, pose = made()
    store = from_arrays(emg, names, rate=RATE, people=people, pose=pose, pose_rate=100, highpass_hz=0)
    (split,) = make_splits(store)
    config = preset("tiny", ["data.window_s=1", "data.normalisation=causal", *settings])
    model = Model(make_card(kind, store, split, config, 0)).eval()
    model.emg_frontend.fit(store, split.users_train)
    windows = WindowDataset(store, split=split).windows
    if kind == "cpep":
        model.net.emg.fit(model.emg_frontend.reader(store, windows.frames)(windows))
        model.net.anchor.fit(AnchorReader(store, windows.frames)(windows))
    return model


def checkpoint(folder: Path, kind: str) -> None:
    """Write a checkpoint."""
    save(_model(kind), folder / "checkpoint")
    unseal(folder / "checkpoint")  # checksums would refuse all that is changed


def sealed(folder: Path) -> None:
    """Write a checkpoint with its checksums."""
    save(_model("cpep"), folder / "checkpoint")


def loaded(folder: Path, out: Path) -> None:
    """Load a checkpoint, say what it is, and use it."""
    model = load(folder / "checkpoint")
    repr(model)
    files_of(out, model, Address("someone/name"), "CC-BY-4.0")
    card = model.card
    model.encode_emg(torch.zeros(2, card.device.channels, card.samples))
    if model.spec.reads_anchor:
        model.encode_pose(torch.zeros(2, len(card.device.anchor_names), round(card.window_s * card.frame_rate)))


def book(folder: Path) -> None:
    """Write a book of gestures by pose and by EMG, with a background."""
    model, rng = _model(), np.random.default_rng(0)
    vectors = rng.normal(size=(60, 16)).astype(np.float32)
    written = GestureBook(model, Background(vectors[:30], vectors[30:], np.array(["fist", "open", "rest"] * 10)))
    for name in ("fist", "ok"):
        written.add(name, rng.uniform(0, 1, (100, 20)).astype(np.float32))
    written.add_emg("shown", vectors[:5])
    written.save(folder / "my.book")
    unseal_note(folder / "my.book")


def consulted(folder: Path, out: Path) -> None:
    """Open a book, ask it, change it, and save it elsewhere."""
    model = _model()
    found = GestureBook.load(folder / "my.book", model)
    found.predict_proba(np.ones((3, 16), np.float32))
    found.predict(np.ones((1, 16), np.float32))
    for k in range(3):
        found.pose_at(k)
    found.add("more", np.full((100, 20), 0.5, np.float32))
    found.save(out / "my.book")


def enrolment(folder: Path) -> None:
    """Write an enrolment."""
    device = Device(3, 200.0, "raw", "uV", ring=(0, 1, 2), notch_hz=50.0)
    rng = np.random.default_rng(0)
    takes = [
        Take(name, k, 1, "2026-11-30T08:00:00+00:00", rng.normal(size=(240, 3)).astype(np.float32), 10)
        for name in ("fist", "rest")
        for k in (1, 2)
    ]
    Enrolment(device, tuple(takes), ("fist", "ok")).save(folder / "me.enrol")
    unseal_note(folder / "me.enrol")


def enrolled(folder: Path, out: Path) -> None:
    """Open an enrolment and save it elsewhere."""
    found = Enrolment.load(folder / "me.enrol")
    found.names, found.session, [found.of(name) for name in found.names]
    found.save(out / "me.enrol")


def ring(folder: Path) -> None:
    """Write an encoder for any ring."""
    torch.manual_seed(0)
    save_ring(RingEncoder(RingSizes(TIMES, VALUES, PLACES, 8, 8, 1, 2)), folder / "ring")


def ring_loaded(folder: Path, out: Path) -> None:
    """Load it."""
    load_ring(folder / "ring")


def foreign_weights(folder: Path) -> None:
    """Write weights of others, and a table of their names."""
    from safetensors.torch import save_file

    found = {f"model.{name}": tensor.contiguous() for name, tensor in weights_of(untrained("vemg2pose")).items()}
    save_file(found, folder / "theirs.safetensors")
    (folder / "names.json").write_text(json.dumps({name: name.removeprefix("model.") for name in found}))


def imported(folder: Path, out: Path) -> None:
    """Import them."""
    import_checkpoint(folder / "theirs.safetensors", out / "checkpoint", "vemg2pose", folder / "names.json")


CHANNELS, WINDOW, HOP = 2, 40, 20


def export(folder: Path) -> None:
    """Write what `cpep export` writes, with the smallest graph that a runner takes: the means of channels."""
    import onnx
    from onnx import TensorProto, helper

    emg = helper.make_tensor_value_info("emg", TensorProto.FLOAT, [1, WINDOW, CHANNELS])
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, CHANNELS])
    rows = helper.make_tensor_value_info("rows", TensorProto.INT64, [1])
    new = helper.make_tensor_value_info("new_rows", TensorProto.INT64, [1])
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["emg", "axes"], ["embedding"], keepdims=0),
        helper.make_node("Add", ["rows", "one"], ["new_rows"]),
    ]
    graph = helper.make_graph(nodes, "small", [emg, rows], [given, new], [one, axes])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        str(folder / "model.onnx"),
    )
    card: dict[str, Any] = {
        "kind": "cpep",
        "rate": RATE,
        "channels": CHANNELS,
        "unit": "uV",
        "emg": "raw",
        "conditioning": Conditioner(Conditioning(20.0), RATE, CHANNELS).plain(),
        "window": WINDOW,
        "hop": HOP,
        "normalisation": "causal",
        "inputs": {"emg": "the last window", "rows": "calls before this one"},
        "outputs": ["embedding", "new_rows"],
        "types": {"rows": "int64"},
        "start": {"rows": 0},
        "provenance": {},
    }
    (folder / "card.json").write_text(json.dumps(card))
    rng = np.random.default_rng(0)
    arrays = {
        "vectors": rng.normal(size=(6, CHANNELS)).astype(np.float32),
        "entry": np.repeat([0, 1], 3),
        "names": np.array(["fist", "open"]),
    }
    np.savez(folder / "gallery.npz", **arrays, neighbours=2, usual=np.zeros(2), spread=np.ones(2))
    np.save(folder / "emg.npy", rng.normal(size=(100, CHANNELS)).astype(np.float32))
    shutil.copyfile(Path(runner.__file__), folder / "run.py")


def ran(folder: Path, out: Path) -> None:
    """Run the runner of the folder as its own program does; a sentence ends it."""
    spec = importlib.util.spec_from_file_location("fuzzed_runner", folder / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    module.main(str(folder / "emg.npy"))


FORMATS = {
    "checkpoint": Format(partial(checkpoint, kind="cpep"), loaded, ("checkpoint/*.json",)),
    "checkpoint-weights": Format(partial(checkpoint, kind="cpep"), loaded, ("checkpoint/*.safetensors",)),
    "checkpoint-sealed": Format(sealed, loaded, ("checkpoint/*",)),
    "checkpoint-emg-mae": Format(partial(checkpoint, kind="emg_mae"), loaded, ("checkpoint/*.json",)),
    "book": Format(book, consulted),
    "enrolment": Format(enrolment, enrolled),
    "ring": Format(ring, ring_loaded),
    "import-weights": Format(foreign_weights, imported, ("names.json", "*.safetensors")),
    "onnx": Format(export, ran, ("*.onnx", "*.json", "*.npz", "*.npy"), refusals=(SystemExit,)),
}
