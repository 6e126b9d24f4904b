"""
A folder of CSV files
=====================

Your recordings are CSV files: a column of time, columns of EMG, and a column that says what the hand makes. Here four
steps lead from such a folder to a first table: how well gestures of people are recognised who were left out. On the
way you see what cpep understood of the files, what it asked for, and what it repaired.

You need cpep with the simulator, which writes the files of this example: ``pip install "cpep[sim]"``.
"""

# %%
# The files
# ---------
# Take your own folder in place of this one. A simulated person with 8 electrodes at 2000 Hz rests and makes four
# gestures, twice each, for about two seconds. Real recordings have faults, so these have some, too: the radio loses
# twelve samples in the file of P2 and half a second in that of P3, the electrodes of P4 drift, and a plug falls out
# in the file of P5.

import json
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import cpep
from cpep.data import inspect_folder, prepare
from cpep.live import open_source

here = Path(tempfile.mkdtemp())
folder = here / "my_csv"
folder.mkdir()
gestures = ["fist", "spread", "point", "thumb_up"]


def record(seed, each_s=3, sfreq=2000):
    """Return a table of one simulated person: time, eight channels, and what the hand makes."""
    source, wanted = open_source(f"sim:{seed}", speed=0), gestures * 2
    source.attend(True)  # rest, but for what is asked for
    emg, made, seconds, asked = [], [], 0.0, 0
    for chunk in source.chunks():
        emg.append(chunk.emg_TC[:, ::2])
        made += [chunk.made] * len(chunk.emg_TC)
        seconds += len(chunk.emg_TC) / sfreq
        if asked < len(wanted) and seconds >= each_s * asked:
            source.make(wanted[asked], hold_s=each_s / 2)
            asked += 1
        if seconds >= each_s * len(wanted):
            break
    source.close()
    table = pd.DataFrame(5 * np.concatenate(emg), columns=[f"emg{channel}" for channel in range(1, 9)]).round(1)
    table.insert(0, "time_ms", np.arange(len(table)) * 1000 / sfreq)
    return table.assign(gesture=made)


for number in range(1, 7):
    table = record(seed=number)
    emg = [name for name in table if name.startswith("emg")]
    if number == 2:
        table = table.drop(index=range(20_000, 20_012))
    if number == 3:
        table = table.drop(index=range(30_000, 31_000))
    if number == 4:
        table[emg] = (table[emg] + 2000 * np.sin(np.arange(len(table)) / 5_000)[:, None]).round(1)
    if number == 5:
        table["emg3"] = 0.0
    table.to_csv(folder / f"P{number}.csv", index=False)

print((folder / "P1.csv").read_text()[:190])

# %%
# What cpep understands
# ---------------------
# ``cpep data describe`` looks at the files and writes a *sidecar*, ``cpep.json``: a small text that says what is in
# them. It prints the reason of each guess.


def run(*command):
    """Call a command as in a terminal, and show what it prints."""
    print(">>>", *(str(word).replace(f"{here}/", "") for word in command))
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    print(done.stdout.replace(f"{here}/", ""))


run("cpep", "data", "describe", "my_csv")

# %%
# What a file does not say is not guessed. These files do not say their unit, so cpep asks for it, and refuses the
# files until it is there. You write it into ``cpep.json`` with any editor. Is something else wrong there, correct it.

sidecar = folder / "cpep.json"
sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"unit": "uV"}, indent=1))

# %%
# What is there, and what is odd
# ------------------------------
# The next command reads every file. It says how much of each gesture there is, what was repaired, and which channels
# you should not trust. In a terminal it is ``cpep data inspect my_csv``.

print(inspect_folder(folder).text())

# %%
# All four faults were found. The twelve samples are filled in and counted. The half second is too long to be made up:
# P3 is two recordings from here on. The drift is filtered out by the next step. The channel without a signal is yours
# to decide: here it is left out of all files, so that everybody has the same seven.

described = json.loads(sidecar.read_text())
described["emg"]["columns"].remove("emg3")
sidecar.write_text(json.dumps(described, indent=1))

# %%
# One store for everything that follows
# -------------------------------------
# Preparing reads the files once more, filters them, and writes a *store*, which training, evaluation and live use
# read. In a terminal it is ``cpep data prepare my_csv my_csv.store``.

store = prepare(folder, here / "my_csv.store")
print(f"{len(store.entries)} recordings of {len(store.users)} people, {store.device.channels} channels")
print(f"high-pass at {store.device.highpass_hz:g} Hz")
for repair in store.repairs:
    print("mended:", repair)

# %%
# You can look at it as at any array. Above is the EMG of P4 as it stands in the file, below as it is in the store;
# the coloured stretches are the labels.

raw = pd.read_csv(folder / "P4.csv")
(entry,) = [entry for entry in store.entries if entry.user == "4"]
first, last = entry.start, entry.start + entry.frames
emg = store.emg_TC[first * store.ratio : last * store.ratio]
labels = store.label_M[first:last]

figure, panels = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
panels[0].plot(raw["time_ms"] / 1000, raw["emg5"], color="0.3", linewidth=0.4)
panels[0].set(title="P4, channel 5: the file", ylabel="EMG (µV)")
panels[1].plot(np.arange(len(emg)) / store.device.emg_rate, emg[:, 3], color="0.3", linewidth=0.4)
panels[1].set(title="the same channel in the store", xlabel="time (s)", ylabel="EMG (µV)")
frames = np.arange(len(labels)) / store.frame_rate
top = np.abs(emg[:, 3]).max()
for number, name in enumerate(gestures):
    held = labels == store.vocabulary.index(name)
    panels[1].fill_between(frames, -top, top, where=held, color=f"C{number}", alpha=0.25, linewidth=0, label=name)
figure.legend(loc="outside lower center", ncols=4, frameon=False)

# %%
# A first table
# -------------
# ``cpep reproduce`` trains, tests on people who were left out, and prints a table. The row ``features`` needs no
# training: it reads classical features, and runs anywhere in seconds. Here three people are tested whom it
# has not met.

people = ["--val-users", "3", "--test-users", "4,5,6"]
windows = ["--set", "data.window_s=1"]
run("cpep", "reproduce", "--data", "my_csv.store", "--out", "first", "--models", "features", *people, *windows)

# %%
# The *linear probe* was fitted on other people. *Few-shot* saw so many windows, or one repetition, of each gesture of
# the new person. ``cpep.results`` gives the numbers as a DataFrame, here one for each person.

results = cpep.results(here / "first", people=True)
columns = {"linear_probe": "other people\nalone", "few_shot_1": "one window\nof the person"}
columns |= {"few_shot_5": "five windows\nof the person"}
figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for place, protocol in enumerate(columns):
    values = results[(results.protocol == protocol) & (results.gestures != "unseen")].groupby("user").value.mean()
    axes.scatter(np.full(len(values), place), values, color="tab:blue")
    axes.hlines(values.mean(), place - 0.2, place + 0.2, color="tab:blue", linewidth=3)
axes.axhline(1 / len(gestures), color="0.5", linestyle=":")
axes.text(-0.45, 1 / len(gestures) + 0.02, "chance", color="0.5")
axes.set(xticks=range(len(columns)), xticklabels=columns.values(), xlim=(-0.5, len(columns) - 0.5), ylim=(0, 1.03))
axes.set(xlabel="what the read-out was fitted on", ylabel="balanced accuracy")
axes.set_title("A dot is a person", loc="left", fontsize="medium")

# %%
# Where next
# ----------
# Four gestures in which the hand moves much are easy, and simulated people are easier than real ones:
# :doc:`/results/index` has what was measured on real people. Add the row ``emg_mae`` for an encoder that is
# pre-trained on your own EMG (:doc:`/how-to/no_pose`). With joint angles in the CSV files as further columns, the row
# ``cpep`` aligns EMG with poses, and gestures can be added by their pose. :doc:`/how-to/data` has all that may stand
# in a sidecar, and other formats.
