"""The folder of an exported model: graphs, card, runner, and the gallery of a gesture book."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.export.graph import (
    Calibrated,
    graph_of,
    quantise,
    require_extra,
    write_graph,
)
from cpep.export.sums import CARD, sealed
from cpep.runtime.files import write_json
from cpep.signal.conditioning import Conditioner
from cpep.types import FloatArray, IntArray

FLOAT, INT8 = "model.onnx", "model.int8.onnx"
"""Names of the two graphs in the folder."""

MEANING = {
    "emg": "float32: the last window, oldest first, in this card's unit and conditioned as it says; else zeros",
    "centre": "of this session, Model.calibrate(recording).centre_F; start holds the training people's",
    "spread": "of this session, Model.calibrate(recording).spread_F; start holds the training people's",
    "moments": "running mean and mean square: start, then new_moments of the call before; a call for every hop",
    "rows": "calls before this one: start, then new_rows of the call before",
    "fourth": "running level to the fourth power: start, then new_fourth of the call before; a call for every hop",
    "samples": "samples before the newest hop: start, then new_samples of the call before",
}


@dataclass(frozen=True, eq=False)
class Gallery:
    """Vectors of known gestures.

    Attributes:
        vector_GD: vectors of length one, float32.
        entry_G: index of each vector's gesture in ``names``.
        names: names of the gestures.
        neighbours: how many vectors of a gesture, the nearest, the mean cosine is taken over.
        usual_E: mean cosine to each gesture that is usual while hands move.
        spread_E: SD of this cosine.
    """

    vector_GD: FloatArray
    entry_G: IntArray
    names: tuple[str, ...]
    neighbours: int
    usual_E: FloatArray
    spread_E: FloatArray


def write_export(folder: Path, model: Model, gallery: Gallery | None) -> None:
    """Write an exported model into a new folder.

    Args:
        folder: does not exist yet; the caller keeps it out of sight until it is complete.
        model: embeds EMG.
        gallery: vectors that the runner compares with; without a gallery the runner prints embeddings.

    Raises:
        UserError: the model embeds no EMG, or the extra ``export`` is missing.
    """
    require_extra()
    graph = graph_of(model)
    folder.mkdir()
    write_graph(graph, folder / FLOAT)
    quantise(folder / FLOAT, folder / INT8)
    shutil.copyfile(Path(__file__).with_name("run.py"), folder / "run.py")
    if gallery is not None:
        np.savez(
            folder / "gallery.npz",
            vectors=gallery.vector_GD,
            entry=gallery.entry_G,
            names=np.array(gallery.names, dtype=np.str_),
            neighbours=gallery.neighbours,
            usual=gallery.usual_E,
            spread=gallery.spread_E,
        )
    write_json(folder / CARD, sealed(card_of(graph), folder))


def card_of(graph: Calibrated) -> dict[str, Any]:
    """Return the content of card.json, as plain values: a program needs it to run the graphs.

    ``conditioning`` says how EMG is filtered before a graph reads it: ``sections`` are the second-order sections of
    the high-pass and of the notches, and ``steady`` is their state after an endless past of ones.
    """
    card, frontend = graph.model.card, graph.model.emg_frontend
    start = {name: value[0] for name, value in graph.beginning(1).items()}
    return {
        "kind": card.kind,
        "rate": card.device.emg_rate,
        "channels": card.device.channels,
        "unit": card.device.emg_unit,
        "emg": card.device.emg_kind,
        "conditioning": Conditioner(card.device.conditioning, card.device.emg_rate, card.device.channels).plain(),
        "window": card.samples,
        "hop": graph.hop,
        "normalisation": frontend.normalisation,
        "inputs": {name: MEANING[name] for name in ("emg", *start)},
        "outputs": list(graph.outputs),
        "types": {name: str(value.dtype) for name, value in start.items()},
        "start": {name: value.tolist() for name, value in start.items()},
        "provenance": card.provenance,
    }
