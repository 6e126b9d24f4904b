"""
Deploy with ONNX
================

Your model shall run where neither PyTorch nor cpep is installed: in a small computer, in a game, in a robot. Here the
model that comes with cpep is exported, run with onnxruntime and NumPy alone, and compared with the original: the same
answers, and which size and speed.

You need cpep with the simulator and the exporter: ``pip install "cpep[sim,export]"``. What you deploy needs
``pip install onnxruntime numpy``.
"""

# %%
# Export
# ------
# The command writes a folder: the graph as float32 and with weights of 8 bits, the vectors of the gestures, a card
# that says what goes in and out, and ``run.py``, a program of one page that runs them. It compares the graphs with
# the checkpoint before it is done.

import json
import subprocess
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import torch

import cpep
from cpep.live import EmgStream, demo_paths, open_source

here = Path(tempfile.mkdtemp())
checkpoint, book_file = demo_paths()
command = ["cpep", "export", str(checkpoint), "exported", "--onnx", "--book", str(book_file)]
print(subprocess.run(command, capture_output=True, text=True, check=True, cwd=here).stdout)

folder = here / "exported"
for path in sorted(folder.iterdir()):
    print(f"{path.name:16s} {path.stat().st_size / 1e6:6.2f} MB")

# %%
# What goes in and out
# --------------------
# Each call takes the last window of EMG, and a running mean and variance that the call before gave. The card says so,
# with the rate, the unit, the length of a window and how the EMG is filtered before.

card = json.loads((folder / "card.json").read_text())
print({key: card[key] for key in ("rate", "channels", "unit", "window", "hop")})
for name, meaning in card["inputs"].items():
    print(f"{name}: {meaning}")

# %%
# Some EMG to try
# ---------------
# Forty seconds of a simulated hand.

source = open_source("sim:6", speed=0)
device, parts = source.device, []
for chunk in source.chunks():
    parts.append(chunk.emg_TC)
    if sum(map(len, parts)) >= 40 * card["rate"]:
        break
source.close()
emg = np.concatenate(parts)

# %%
# Run it without cpep
# -------------------
# These lines need onnxruntime and NumPy alone; ``run.py`` holds the same with the filters, and reads from a pipe. The
# answer is the gesture whose vectors are nearest to the embedding.

gallery = dict(np.load(folder / "gallery.npz"))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1


def embed(graph):
    """Return the embedding of each hop of the EMG, and the seconds of each call."""
    session = onnxruntime.InferenceSession(folder / graph, options)
    state = {name: np.array([value], card["types"][name]) for name, value in card["start"].items()}
    window, vectors, seconds = np.zeros((1, card["window"], card["channels"]), np.float32), [], []
    for start in range(0, len(emg) - card["hop"] + 1, card["hop"]):
        new = emg[start : start + card["hop"]]
        window = np.concatenate([window[:, len(new) :], new[None]], axis=1)
        began = time.perf_counter()
        embedding, *after = session.run(None, {"emg": window, **state})
        seconds.append(time.perf_counter() - began)
        state.update(zip(state, after, strict=True))
        vectors.append(embedding[0])
    full = card["window"] // card["hop"] - 1  # the first hop at which the window is full
    return np.array(vectors)[full:], np.array(seconds)[full:]


def answers(vectors):
    """Return how alike each vector is to each gesture, and the name of the likest."""
    entries = np.unique(gallery["entry"])
    cosine = np.atleast_2d(vectors) @ gallery["vectors"].T
    near = [np.sort(cosine[:, gallery["entry"] == n])[:, -int(gallery["neighbours"]) :].mean(axis=1) for n in entries]
    alike = (np.stack(near, axis=1) - gallery["usual"]) / gallery["spread"]
    return alike, gallery["names"][entries[alike.argmax(axis=1)]]


float32, float32_s = embed("model.onnx")
int8, int8_s = embed("model.int8.onnx")

# %%
# The same answers
# ----------------
# The original sees the same EMG, in chunks of the same length.

torch.set_num_threads(1)
model = cpep.load()
stream, original, original_s = EmgStream(model, hop_s=card["hop"] / card["rate"]), [], []
for start in range(0, len(emg) - card["hop"] + 1, card["hop"]):
    began = time.perf_counter()
    steps = stream.push(emg[start : start + card["hop"]])
    if steps:
        original_s.append(time.perf_counter() - began)
    original += [step.x_D for step in steps]
original = np.array(original)

alike, names = answers(original)
for graph, vectors in (("model.onnx", float32), ("model.int8.onnx", int8)):
    cosine = (vectors * original).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(original, axis=1)
    same = (answers(vectors)[1] == names).mean()
    print(f"{graph:16s} lowest cosine {cosine.min():.6f}, same answer in {same:.1%} of {len(names)} windows")

# %%
# How alike the EMG is to *fist* over time: the dots of the smallest graph lie on the line of the original.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), width_ratios=[2.2, 1], layout="constrained")
seconds = np.arange(len(names)) * card["hop"] / card["rate"] + card["window"] / card["rate"]
entry = gallery["names"].tolist().index("fist")
left.plot(seconds, alike[:, entry], color="0.6", linewidth=3, label="PyTorch")
left.plot(seconds[::6], answers(int8)[0][::6, entry], ".", color="tab:red", markersize=4, label="ONNX, 8 bits")
left.set(xlabel="time (s)", ylabel="how alike to fist (z-score)")
left.legend(frameon=False)

sizes = [sum(path.stat().st_size for path in checkpoint.iterdir())]
sizes += [(folder / name).stat().st_size for name in ("model.onnx", "model.int8.onnx")]
milliseconds = [1000 * np.median(one) for one in (original_s, float32_s, int8_s)]
bars = right.bar(["PyTorch", "ONNX\nfloat32", "ONNX\n8 bits"], milliseconds, color=["0.6", "tab:blue", "tab:red"])
right.bar_label(bars, [f"{size / 1e6:.1f} MB" for size in sizes])
right.set(ylabel="time of a window (ms, median)", ylim=(0, 1.2 * max(milliseconds)))
print("ms a window:", [f"{one:.2f}" for one in milliseconds], "MB:", [f"{size / 1e6:.1f}" for size in sizes])

# %%
# What this does not say
# ----------------------
# A window comes every 50 ms; a recogniser that takes less time keeps up with the band. The times are of the machine
# that built this page, which did other things meanwhile: measure on yours. Embeddings alone are compared: the
# smoothing over time that turns them into events (:doc:`/gallery/plot_by_pose`) is yours to write, and so is what
# your band needs to be read. :doc:`/results/live` has speed on other sizes, and how the graphs do on people who were
# held out.
