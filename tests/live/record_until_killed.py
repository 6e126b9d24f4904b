"""Records known samples in children that wait to be killed: ``python -m tests.live.record_until_killed HOME COUNT``.

It imports once and forks, since the imports take longer than the recordings. The number of each child's process comes
on a line of its own. A child notes in ``HOME.witness/<number>`` when it had given how many places to its recorder.
"""

import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np

from cpep.data.recording import Device
from cpep.live.record.about import About, PoseColumns
from cpep.live.record.recorder import Recorder

RATE, CHANNELS = 500, 8
DEVICE = Device(CHANNELS, float(RATE), "raw", "uV")
POSE = PoseColumns(("a", "b"), "count", "glove", "lsl:hand")
NOTE = struct.Struct("<dq")


def emg_at(place_T):
    """Return the samples (T, C) of places of the stream."""
    return ((place_T[:, None] * 37 + np.arange(CHANNELS) * 11) % 1000 - 500).astype(np.float32)


def record(home, number):
    """Record in real time, with losses now and then, until somebody ends this process."""
    draw = random.Random(number)
    witness = os.open(f"{home}.witness/{number}", os.O_WRONLY | os.O_CREAT)
    about = About(f"p{number % 3}", f"s{number % 2}", notes=str(number))
    recorder, start, place = Recorder(home, about, DEVICE, source="known", protocol="gestures", pose=POSE), None, 0
    start = time.monotonic()
    while True:
        samples, lost = draw.randint(1, 20), draw.choice([0] * 200 + [3, 3, 40])
        place += lost + samples
        time.sleep(max(start + place / RATE - time.monotonic(), 0))
        recorder.take(emg_at(np.arange(place - samples, place)), lost, start + place / RATE)
        os.write(witness, NOTE.pack(time.monotonic(), place))
        recorder.frame(time.monotonic(), np.array([place, -place], np.float32))
        if not place % 7:
            recorder.prompt(draw.choice(["hold", "rest"]), draw.choice(["fist", "point"]), 1)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    Path(f"{home}.witness").mkdir()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in range(int(sys.argv[2])):
        child = os.fork()
        if not child:
            record(home, number)
        print(child, flush=True)
    sys.stdin.read()
