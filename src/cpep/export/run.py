"""Recognise gestures in EMG with an exported model; needs onnxruntime and NumPy alone.

python run.py RECORDING.npy                     samples x channels, as the device delivers it, in card.json's unit
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


def recording(source: str, window: int, channels: int) -> Any:
    """Return the EMG (T, C) of a file, of any type of numbers; exit with a sentence where it does not fit."""
    try:
        emg = np.load(source, mmap_mode="r")
    except (OSError, ValueError) as error:
        sys.exit(f"{source} is no array that numpy.save wrote: {error}")
    if emg.ndim == 2 and emg.shape[0] == channels != emg.shape[1]:
        sys.exit(f"{source} is {emg.shape}, which looks like channels x samples; save it transposed (array.T)")
    if emg.ndim != 2 or emg.shape[1] != channels or emg.dtype.kind not in "iuf":
        sys.exit(f"{source} is {emg.shape} of {emg.dtype}; the model takes numbers, samples x {channels} channels")
    if len(emg) < window:
        sys.exit(f"{source} has {len(emg)} samples, and the model needs a window of {window}")
    if len(bad := np.argwhere(~np.isfinite(emg))):
        sys.exit(
            f"{source} holds {len(bad)} values that are no numbers, the first at sample {bad[0][0]}; cut them out"
        )
    return emg


def hops(source: str, hop: int, window: int, channels: int) -> Iterator[Any]:
    """Yield hops (hop, channels) of a file, or of standard input as they come."""
    if source != "-":
        emg = recording(source, window, channels)
        yield from (emg[start : start + hop] for start in range(0, len(emg) - hop + 1, hop))
        return
    while len(part := sys.stdin.buffer.read(4 * hop * channels)) == 4 * hop * channels:
        yield np.frombuffer(part, np.float32).reshape(hop, channels)


class Conditioner:
    """Filters EMG as in training: takes out jumps of the offset, then what the second-order sections stop.

    ``said`` is the entry ``conditioning`` of card.json. Where a stream lost samples, begin with a new one.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self.said, self.sections = said, np.array(said["sections"]).reshape(-1, 6)
        self.last: Any = None

    def filtered(self, emg: Any) -> Any:
        """Return the next samples (T, C), filtered."""
        return np.array([self.sample(x) for x in emg.astype(np.float64)]) if len(self.sections) else emg

    def sample(self, x: Any) -> Any:
        """Return the next sample (C,), filtered."""
        if self.last is None:
            self.last, self.offset = x, np.zeros_like(x)
            self.usual, self.sum, self.count = None, np.zeros_like(x), 0
            self.state = [[low * x, high * x] for low, high in self.said["steady"]]
        step, self.last = x - self.last, x
        if self.said["jumps"]:
            self.offset = self.offset + self.jump(step, **self.said["jumps"])
        x = x - self.offset
        for (b0, b1, b2, _, a1, a2), state in zip(self.sections, self.state, strict=True):
            y = b0 * x + state[0]
            state[:] = b1 * x - a1 * y + state[1], b2 * x - a2 * y
            x = y
        return x

    def jump(self, step: Any, block: int, rise: float, fall: float, jump: float, clipped: float) -> Any:
        """Return the step (C,) from the sample before where it is far larger than usual, zero elsewhere."""
        square, far = step**2, np.zeros_like(step)
        if self.usual is not None:
            far = np.where((self.usual > 0) & (square > jump**2 * self.usual), step, 0)
            square = np.where(self.usual > 0, np.minimum(square, clipped**2 * self.usual), square)
        self.sum, self.count = self.sum + square, self.count + 1
        if self.count == block:
            mean = self.sum / block
            usual = mean if self.usual is None else self.usual
            self.usual = usual + np.where(mean > usual, rise, fall) * (mean - usual)
            self.sum, self.count = np.zeros_like(step), 0
        return far


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
    conditioner = Conditioner(card["conditioning"])
    for count, raw in enumerate(hops(source, card["hop"], card["window"], card["channels"]), 1):
        new = conditioner.filtered(raw)
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
