"""
A band live
===========

You wear a band and want a program to know what your hand does. Here a stream of EMG is opened, its channels are
judged, four gestures are enrolled by making each of them three times, and from then on they are recognised. No
checkpoint and no training are needed for this.

You need cpep with the simulator: ``pip install "cpep[sim]"``. The hand is simulated, and runs faster than in real
time. With ``open_source("lsl:NAME")`` or ``open_source("brainflow:cyton,serial_port=/dev/ttyUSB0")`` the same lines
read your band. In a shell, ``cpep sources`` lists what is there.
"""

# %%
# The stream
# ----------
# A source says what it delivers, and then gives chunks of EMG as they arrive.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cpep.live import Enroller, FeatureStream, Plan, Recogniser, open_source, quality

source = open_source("sim:8", speed=0)
device, chunks = source.device, source.chunks()
print(f"{device.channels} channels of {device.emg_kind} EMG at {device.emg_rate:g} Hz in {device.emg_unit}")


def take(seconds):
    """Return the EMG (samples, channels) of the next seconds."""
    parts = [next(chunks).emg_TC]
    while sum(map(len, parts)) < seconds * device.emg_rate:
        parts.append(next(chunks).emg_TC)
    return np.concatenate(parts)


# %%
# Look at the EMG first
# ---------------------
# ``quality`` says what is wrong with each channel. The simulated band catches some hum of the mains, as real ones do.
# The electrode of channel 4 we unplug ourselves.

emg = take(4)
time = np.arange(len(emg)) / device.emg_rate
emg[:, 3] = 0
marks = quality(emg, device.emg_rate, device.emg_kind)

figure, axes = plt.subplots(figsize=(9, 4.4), layout="constrained")
for channel, mark in enumerate(marks):
    axes.plot(time, emg[:, channel] / 60 - channel, color="tab:red" if mark else "0.3", linewidth=0.4)
    axes.text(time[-1] + 0.05, -channel, mark, color="tab:red", va="center")
axes.set(yticks=range(0, -device.channels, -1), yticklabels=range(1, device.channels + 1))
axes.set(xlabel="time (s)", ylabel="channel", xlim=(0, time[-1] + 0.4))
print("; ".join(f"channel {channel}: {mark}" for channel, mark in enumerate(marks, start=1) if mark))

# %%
# Show your gestures
# ------------------
# An ``Enroller`` hears the stream and says what to make and when; ``enroller.now`` is what to show on a screen. Each
# repetition is in the file as soon as it was made. The simulated hand follows the prompts itself (``hand=source``);
# your own hand follows those that you print.
#
# .. code-block:: text
#
#    cpep enrol my.enrol --source lsl:NAME --gestures fist,spread,point,thumb_up

gestures = ("fist", "spread", "point", "thumb_up")
file = Path(tempfile.mkdtemp()) / "my.enrol"
enroller = Enroller(file, device, Plan(gestures, repetitions=3, hold_s=2), hand=source)
prompt = None
for chunk in chunks:
    enroller.hear(chunk)
    now = enroller.now
    if now.phase == "hold" and (now.gesture, now.repetition) != prompt:
        prompt = now.gesture, now.repetition
        print(f"hold {now.gesture} ({now.repetition} of {now.repetitions})")
    if now.phase == "done":
        break

# %%
# After each gesture you hear how well it is told from the others: the read-out learns from two repetitions and is
# tested on the third, in turn.

for advice in enroller.advice:
    print(f"{advice.gesture}: {advice.sentence}")

# %%
# Be recognised
# -------------
# ``FeatureStream`` makes features of the last third of a second, twenty times a second. ``Recogniser`` turns them
# into states and events. For a minute the hand makes the four gestures, and two that nobody enrolled: *claw* and
# *ok*.

wanted = ["fist", "claw", "spread", "point", "ok", "thumb_up", "spread", "fist", "claw", "thumb_up", "ok", "point"]
each_s, delay_s = 5, 1


def watch(enrolled):
    """Let the hand make what is wanted; return the states of the recogniser and what the hand made at each."""
    stream, recogniser = FeatureStream(device), Recogniser(enrolled)
    asked, states, made = 0, [], []
    source.attend(True)  # rest, but for what is asked for
    for chunk in chunks:
        for step in stream.take(chunk):
            states.append(recogniser.step(step))
            made.append(chunk.made)
        now_s = states[-1].time_s if states else 0
        if asked < len(wanted) and now_s >= each_s * asked + delay_s:
            source.make(wanted[asked], hold_s=2)
            asked += 1
        if now_s >= each_s * len(wanted) + delay_s:
            return states, made


shades = ["tab:red", "tab:green", "tab:blue", "tab:orange", "0.4", "0.7"]
colours = dict(zip([*gestures, "claw", "ok"], shades, strict=True))


def draw(enrolled, states, made):
    """Draw what the hand made, the probabilities, and the events."""
    time = np.array([state.time_s for state in states])
    share = np.array([state.share_E for state in states])
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for name, colour in colours.items():
        if name in enrolled.names:
            axes.plot(time, share[:, enrolled.names.index(name)], color=colour, label=name)
        axes.fill_between(time, 0, 1, where=[one == name for one in made], color=colour, alpha=0.18, linewidth=0)
    for state in states:
        if state.event:
            axes.plot(state.time_s, 1.04, "v", color=colours[state.event.name], clip_on=False)
    axes.set(xlim=(0, time[-1]), ylim=(0, 1.08), xlabel="time (s)", ylabel="probability")
    figure.legend(loc="outside upper center", ncols=6, frameon=False)


four = enroller.enrolled
states, made = watch(four)
draw(four, states, made)

# sphinx_gallery_thumbnail_number = 2

# %%
# Coloured areas are what the hand made; grey is *claw* or *ok*. Lines are probabilities. A triangle is an event: a
# gesture is told once, when it begins.
#
# Each gesture had five seconds. The right answer is one event of its name; for what was not enrolled, no event.


def answers(states):
    """Return what was told of each gesture."""
    found = []
    for place in range(len(wanted)):
        begin = each_s * place + delay_s
        told = [state.event.name for state in states if state.event and begin < state.time_s <= begin + each_s]
        found.append(" and ".join(told) or "nothing")
    return found


first = answers(states)
known = [told == name for told, name in zip(first, wanted, strict=True) if name in gestures]
others = [told == "nothing" for told, name in zip(first, wanted, strict=True) if name not in gestures]
print(f"{sum(known)} of {len(known)} enrolled gestures are told right; guessing would be right in a quarter")
print(f"{sum(others)} of {len(others)} others are let pass")

# %%
# Movements that are none of your gestures
# ----------------------------------------
# A recogniser that knows four gestures takes other movements for one of them. What the hand often does beside the
# gestures is best enrolled, too, under a name of its own that your program ignores. ``enroller.add`` asks for more.

for name in ("claw", "ok"):
    enroller.add(name)
for chunk in chunks:
    enroller.hear(chunk)
    if enroller.now.phase == "done":
        break
six = enroller.enrolled
states, made = watch(six)
source.close()
draw(six, states, made)

# %%

second = answers(states)
print("made      told by four   told by six")
for row in zip(wanted, first, second, strict=True):
    print("{:9s} {:14s} {}".format(*row))
right = sum(told == name for told, name in zip(second, wanted, strict=True))
print(f"{right} of {len(wanted)} are told right now; guessing would be right in a sixth")

# %%
# What this does not say
# ----------------------
# This hand makes a gesture nearly as it made it a minute ago. Your arm turns, tires and sweats, and tomorrow the band
# sits elsewhere: :doc:`/results/enrolment` says what that costs on real people, and :doc:`/how-to/live` what to do.
#
# The page in the browser does all of this with a mouse, and draws the hand to be made:
#
# .. code-block:: text
#
#    cpep serve --source lsl:NAME
