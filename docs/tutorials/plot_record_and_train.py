"""
Record and train
================

You have a band, and want a model of your own arm. Here two minutes are recorded into a data set with prompts that say
what to make, a small model is trained on it, and a report says how well it tells repetitions that it never saw,
beside classical features.

You need cpep with the simulator and the writer of recordings: ``pip install "cpep[sim,bids]"``. The arm is simulated
and faster than real time; with ``open_source("lsl:NAME")`` the same lines record yours.
"""

# %%
# What you are asked to do
# ------------------------
# A protocol is a small file. This one asks for rest and for four gestures, five times each. More repetitions
# are better: the last one of each gesture tests, the one before it calibrates, and the others train.

import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cpep.data import find_recordings
from cpep.live import About, Recorder, Taking, finish, follower, open_source, read_protocol

here = Path(tempfile.mkdtemp())
(here / "four.toml").write_text("""
[[steps]]
kind = "gestures"
names = ["fist", "spread", "point", "thumb_up"]
repetitions = 5
ready_s = 1.0        # countdown
hold_s = 2.5         # the gesture is held; its label begins half a second later
rest_s = 1.0
shuffled = true      # every gesture once, in another order each time
""")

# %%
# Record
# ------
# ``Recorder`` writes the stream to the disk as it comes. ``Taking`` leads through the protocol, and knows what is
# wrong with the band. ``finish`` adds the recording to a data set in the layout EMG-BIDS, and reads it back to
# compare every sample. In a shell it is one command, which also shows the prompts:
#
# .. code-block:: text
#
#    cpep record my_recordings --source lsl:NAME --protocol four.toml

source = open_source("sim:4", speed=0)
who = About(person="anna", session="1", arm="right")
recorder = Recorder(here / "my_recordings", who, source.device, source=source.name, protocol="four")
taking = Taking(recorder, read_protocol(str(here / "four.toml")), cue=follower(source))  # the simulated arm follows
taking.run(source.chunks())
taking.close()
source.close()
print("what is wrong with the band:", taking.troubles() or "nothing")
print(finish(recorder.folder).sentence.replace(f"{here}/", ""))

# %%
# This is what was recorded: the prompt is what you were shown, and the label is the part of it in which the hand had
# half a second to get there. Between them the label is unknown, so that no window is of two things.

(recording,) = find_recordings(here / "my_recordings")[0].parts()
time = np.arange(len(recording.emg_TC)) / recording.device.emg_rate
gestures = ["fist", "spread", "point", "thumb_up"]
colours = dict(zip(gestures, ["tab:red", "tab:green", "tab:blue", "tab:orange"], strict=True))

figure, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
for place, channel in enumerate((0, 4, 8, 12)):
    axes.plot(time, recording.emg_TC[:, channel] / 60 - place, color="0.3", linewidth=0.4)
for name, colour in colours.items():
    number = recording.vocabulary.index(name)
    asked, held = recording.prompt_T == number, recording.label_T == number
    axes.fill_between(time, 0.85, 1.0, where=asked, color=colour, linewidth=0, alpha=0.4)
    axes.fill_between(time, -3.6, 0.8, where=held, color=colour, linewidth=0, alpha=0.25, label=name)
axes.set(xlim=(20, 60), ylim=(-3.6, 1), xlabel="time (s)", yticks=[0.92, 0, -1, -2, -3])
axes.set_yticklabels(["prompt", "channel 1", "channel 5", "channel 9", "channel 13"])
figure.legend(loc="outside upper center", ncols=4, frameon=False)

# %%
# Train
# -----
# ``cpep train`` cuts the recordings between repetitions, holds some of them out of everything, trains, and tests. It
# says first how long it will take. The preset ``tiny`` and three settings keep this
# example short; leave them out for a model that you want to use.


def run(*command):
    """Call a command as in a terminal, and show what it prints."""
    print(">>>", *command)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    print(done.stdout.replace(f"{here}/", ""))


short = ["data.window_s=1", "emg_mae.optim.steps=150", "emg_mae.optim.checks=6"]
run("cpep", "train", "my_recordings", "--preset", "tiny", *(word for one in short for word in ("--set", one)))

# %%
# Read the report before you trust the model. Compare its first two figures with each other and with guessing. Two
# minutes of one arm, and a model of this size, are too little for an encoder to learn more than classical features
# know. Where they are ahead, enrol your gestures instead (:doc:`/gallery/plot_band`), and record more.
#
# The training has a log beside its checkpoint, which a spreadsheet opens. As long as the validation loss goes down,
# more steps help; once it goes up, more recordings do.

live = here / "my_recordings.live"
log = pd.read_csv(next(live.rglob("log.csv")))

figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axes.plot(log.step, log.training_loss, "o-", color="0.5", label="training")
axes.plot(log.step, log.validation_loss, "o-", color="tab:blue", label="validation (repetitions held out)")
axes.set(xlabel="step", ylabel="loss of the masked autoencoder", ylim=(0, None))
axes.legend(frameon=False)

# sphinx_gallery_thumbnail_number = 1

# %%
# Use it
# ------
# The folder has the checkpoint and a book of the gestures, and is all that the live page needs:
#
# .. code-block:: text
#
#    cpep serve my_recordings.live --source lsl:NAME
#
# This book knows gestures by the EMG that you made. To add gestures that you never made, by their pose alone, record
# with a pose: from a webcam, from a glove, or by following a drawn hand (``--protocol follow``). :doc:`/how-to/live`
# leads through the three days, and :doc:`/how-to/training` explains every figure of the report.
#
# A simulated arm was recorded here in one sitting. :doc:`/results/enrolment` says what another day costs on real
# people.
