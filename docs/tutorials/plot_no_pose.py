"""
No pose at all
==============

You have recordings of EMG with labels, and no camera and no glove was there. Most EMG is like this. Here an encoder
is pre-trained on such recordings and compared with classical features on people who were left out; and you see what
cpep cannot do without a pose.

You need cpep with the simulator, which makes the data of this example: ``pip install "cpep[sim]"``.
"""

# %%
# From arrays to a store
# ----------------------
# ``from_arrays`` takes recordings (channels, samples) with a label for each sample, or windows (windows, channels,
# samples). Recordings are better: from them cpep sees where a repetition of a gesture ends, so that no window of a
# repetition that was shown is ever tested. These are of five simulated people.

import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cpep
from cpep.data import from_arrays
from cpep.live import open_source
from cpep.simulate import GESTURES
from cpep.sklearn import CpepClassifier

here = Path(tempfile.mkdtemp())
gestures = ["fist", "spread", "point", "pinch_index", "pinch_middle", "three"]


def record(seed, each_s=3, sfreq=2000):
    """Return the EMG (channels, samples) of a simulated person, and what the hand makes at each sample."""
    source, wanted = open_source(f"sim:{seed}", speed=0), gestures * 2
    source.attend(True)  # rest, but for what is asked for
    emg, made, seconds, asked = [], [], 0.0, 0
    for chunk in source.chunks():
        emg.append(chunk.emg_TC.T)
        made += [chunk.made] * len(chunk.emg_TC)
        seconds += len(chunk.emg_TC) / sfreq
        if asked < len(wanted) and seconds >= each_s * asked:
            source.make(wanted[asked], hold_s=each_s / 2)
            asked += 1
        if seconds >= each_s * len(wanted):
            break
    source.close()
    return np.concatenate(emg, axis=1), np.array(made)


people = ["ann", "ben", "cleo", "dan", "eva"]
emg, labels = zip(*(record(seed) for seed in range(11, 16)), strict=True)
store = from_arrays(
    emg, labels, rate=2000, people=people, unit="noise_sd", ring=range(16), highpass_hz=0, folder=here / "my.store"
)
print(f"{len(emg)} recordings, the first of shape {emg[0].shape}; labels: {', '.join(store.vocabulary)}")
print("poses:", store.anchor_MJ)

# %%
# Pre-train, and compare
# ----------------------
# ``cpep reproduce`` says first what it leaves out, and why. Two rows of the table need no pose: ``features`` are
# classical features, and ``emg_mae`` is an encoder that learns to fill in masked parts of EMG, without any label.
# Two people are tested whom neither has met. The settings make this quick; the preset ``small`` trains a larger
# encoder.


def run(*command):
    """Call a command as in a terminal, and show what it prints."""
    print(">>>", *command)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    print(done.stdout.replace(f"{here}/", ""))


asked = ["--models", "features,emg_mae", "--val-users", "cleo", "--test-users", "dan,eva"]
quick = ["--preset", "tiny", "--set", "data.window_s=1", "--set", "emg_mae.optim.steps=100"]
run("cpep", "reproduce", "--data", "my.store", "--out", "first", *asked, *quick)

# %%
# The *linear probe* was fitted on the training people alone. *Few-shot* saw so many windows, or one whole repetition,
# of each gesture of the tested person, and was tested on other repetitions. A dot is a person, a line their mean.

results = cpep.results(here / "first", people=True)
columns = {
    "linear_probe": "none",
    "few_shot_1": "1 window",
    "few_shot_2": "2 windows",
    "few_shot_rep": "1 repetition",
}
figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for model, colour, shift in (("features", "tab:orange", -0.08), ("emg_mae", "tab:blue", 0.08)):
    means = []
    for place, protocol in enumerate(columns):
        values = results[(results.model == model) & (results.protocol == protocol)].value
        axes.scatter(np.full(len(values), place + shift), values, s=18, color=colour, alpha=0.5)
        means.append(values.mean())
    axes.plot(np.arange(len(columns)) + shift, means, color=colour, linewidth=2, label=model)
axes.axhline(1 / len(gestures), color="0.5", linestyle=":")
axes.text(-0.3, 1 / len(gestures) + 0.02, "chance", color="0.5")
axes.set(xticks=range(len(columns)), xticklabels=columns.values(), xlim=(-0.35, 3.35), ylim=(0, 1.03))
axes.set(xlabel="shown of each gesture of the tested person", ylabel="balanced accuracy")
axes.legend(frameon=False, loc="lower right")

# %%
# Do not expect a pre-trained encoder to be ahead: this one saw a minute of EMG. On sixteen real people it was
# about level with features (:doc:`/how-to/no_pose`).
#
# The checkpoint is an encoder as any other
# -----------------------------------------
# It embeds EMG for your own programs, with gradients if you want them, and is the encoder of a classifier.

checkpoint = next((here / "first").rglob("emg_mae/checkpoint"))
model = cpep.load(checkpoint)
windows = np.stack([one[:, start : start + 2000] for one in emg for start in range(0, 30_000, 6000)])
names = np.array([made[start + 1000] for made in labels for start in range(0, 30_000, 6000)])
print(windows.shape, "->", model.encode_emg(windows).shape)

classifier = CpepClassifier(checkpoint, sfreq=2000, unit="noise_sd")
classifier.fit(windows, names, groups=np.repeat(people, 5))
print("classes:", ", ".join(classifier.classes_))

# %%
# What is left out
# ----------------
# The point of cpep is a gesture of which nobody recorded EMG. That needs an encoder that was aligned to poses, of
# other people at least. Without, each way to it ends in a sentence that says so, such as this one.

try:
    classifier.add_gesture("shaka", GESTURES["shaka"].pose_J[:20])
except cpep.UserError as error:
    print(error)

# %%
# A gesture that you can make once or twice needs no pose at all: enrol it (:doc:`/gallery/plot_band`).
# :doc:`/how-to/no_pose` goes through all commands and says what each does without a pose.
