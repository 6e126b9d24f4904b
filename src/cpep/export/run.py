"""Recognise gestures in EMG with an exported model; needs onnxruntime and NumPy alone.

python run.py RECORDING.npy                     samples x channels, in the unit that card.json says
python run.py RECORDING.npy model.int8.onnx     the same with the smaller graph
program | python run.py -                       float32 from a pipe, one sample of all channels after the other
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def hops(source: str, hop: int, channels: int) -> Iterator[Any]:
    """Yield hops (hop, channels) of a file, or of standard input as they come."""
    if source != "-":
        emg = np.load(source, mmap_mode="r")
        yield from (emg[start : start + hop] for start in range(0, len(emg) - hop + 1, hop))
        return
    while len(part := sys.stdin.buffer.read(4 * hop * channels)) == 4 * hop * channels:
        yield np.frombuffer(part, np.float32).reshape(hop, channels)


def main(source: str, graph: str = "model.onnx") -> None:
    """Print time, gesture and its similarity at every hop once the window is full."""
    here = Path(__file__).parent
    card = json.loads((here / "card.json").read_text())
    book = dict(np.load(here / "gallery.npz")) if (here / "gallery.npz").exists() else None
    entries = np.unique(book["entry"]) if book else ()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # enough, and it leaves the other cores alone
    session = onnxruntime.InferenceSession(here / graph, options)
    beside = {name: np.array([value], card["types"][name]) for name, value in card["start"].items()}
    window = np.zeros((1, card["window"], card["channels"]), np.float32)
    for count, new in enumerate(hops(source, card["hop"], card["channels"]), 1):
        window = np.concatenate([window[:, len(new) :], new[None]], axis=1, dtype=np.float32)
        embedding, *after = session.run(None, {"emg": window, **beside})
        beside.update(zip(beside, after, strict=False))  # the running state, where the model has one
        if count * card["hop"] < card["window"]:
            continue
        answer = str(embedding[0].tolist())
        if book:  # mean cosine to each gesture's nearest vectors, as a z-score
            near = (book["vectors"] @ np.atleast_2d(embedding[0]).T).max(axis=1)  # the nearest of several queries
            mean = [np.sort(near[book["entry"] == n])[-book["neighbours"] :].mean() for n in entries]
            alike = (np.array(mean) - book["usual"]) / book["spread"]
            answer = f"{book['names'][entries[np.argmax(alike)]]}  {max(alike):.2f}"
        print(f"{count * card['hop'] / card['rate']:.2f} s  {answer}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
