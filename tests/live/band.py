"""A band of four channels on somebody who does what is asked: noise, louder on other channels for each gesture."""

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk

DEVICE = Device(4, 500.0, "raw", "uV")
GAINS = {"rest": (1, 1, 1, 1), "fist": (8, 6, 2, 2), "point": (2, 2, 9, 3), "wave": (1, 7, 1, 8)}
CHUNK = 10


class Wearer:
    """Makes EMG of gestures, chunk by chunk; who wears the band moves 0.3 s after a prompt.

    Args:
        seed: of the noise.
        offset: of the channels, uV.
    """

    def __init__(self, seed=0, offset=200.0):
        self.rng, self.offset, self.asked, self.turn = np.random.default_rng(seed), offset, ["rest"] * 15, 0

    def chunk(self, name, lost=0):
        """Return the next 20 ms while a gesture is asked for."""
        self.asked.append(name)
        made = self.asked[-15]
        emg_TC = self.offset + self.rng.normal(size=(CHUNK, 4)) * GAINS[made]
        return Chunk(emg_TC.astype(np.float32), lost, made)

    def chunks(self, script):
        """Yield the chunks of a script of (seconds, gesture)."""
        for seconds, name in script:
            for _ in range(round(seconds * DEVICE.emg_rate / CHUNK)):
                yield self.chunk(name)


def follow(enroller, wearer, most_s=1000.0, until=None, lazy=()):
    """Let somebody do what an enroller asks for, until all is done; ``lazy`` gestures are not made."""
    for _ in range(round(most_s * DEVICE.emg_rate / CHUNK)):
        now = enroller.now
        if now.phase == "done" or (until and until(enroller)):
            return
        asked = now.gesture if now.phase == "hold" and now.gesture not in lazy else "rest"
        enroller.hear(wearer.chunk(asked))


class BandSource:
    """A source whose hand does what an enrolment asks for, and then makes each gesture in turn, 2 s each.

    Args:
        seed: of the noise.
    """

    most_s, free = 1000.0, ("fist", "point")

    def __init__(self, seed=0):
        self.name, self.device = f"band:{seed}", DEVICE
        self.wearer, self.closed = Wearer(seed), False
        self.script = [name for one in self.free for name in ["rest"] * 100 + [one] * 100]
        self.prompted, self.to_come = False, []

    def attend(self, prompts):
        self.prompted = prompts

    def make(self, name, pose_J=None, hold_s=None):
        self.to_come = [name] * round(hold_s * DEVICE.emg_rate / CHUNK)

    def chunks(self):
        for number in range(round(self.most_s * DEVICE.emg_rate / CHUNK)):
            if self.closed:
                return
            if self.prompted or self.to_come:
                yield self.wearer.chunk(self.to_come.pop() if self.to_come else "rest")
            else:
                yield self.wearer.chunk(self.script[number % len(self.script)])

    def close(self):
        self.closed = True
