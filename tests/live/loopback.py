"""Lab Streaming Layer on this machine alone, for tests."""

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

CONFIG = """
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {127.0.0.1}
SessionID = cpep-tests
[ports]
IPv6 = disable
[log]
level = -3
"""


def pylsl_on_loopback():
    """Return pylsl, told to stay on this machine; skip the test where streams cannot be found on it."""
    if "LSLAPICFG" not in os.environ:  # read once, when the library is first used
        config = Path(tempfile.mkdtemp()) / "lsl_api.cfg"
        config.write_text(CONFIG)
        os.environ["LSLAPICFG"] = str(config)
    pylsl = pytest.importorskip("pylsl")
    name = f"probe-{os.getpid()}-{time.monotonic_ns()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Probe", 1, 100, "float32", name))
    if not pylsl.resolve_byprop("name", name, timeout=5):
        pytest.skip("this machine does not let LSL streams be found over loopback")
    del outlet
    return pylsl


class Sender:
    """A stream that a thread sends in real time from when somebody listens; sample n is n in every channel.

    Args:
        pylsl: the module.
        name: of the stream.
        rate: samples per second.
        channels: of the stream.
        first: number of the first sample.
        skips: numbers that are never sent.
        units: of the channels, in the description; none are stated unless given.
        says: samples per second that the stream states; those that are sent unless given.

    Attributes:
        sent: samples so far, those that are skipped counted.
    """

    def __init__(
        self, pylsl, name, rate=200, channels=4, first=0, skips=(), uid="lab", kind="EMG", units=(), says=None
    ):
        info = pylsl.StreamInfo(name, kind, channels, rate if says is None else says, "float32", uid)
        described = info.desc().append_child("channels") if units else None
        for unit in units:
            described.append_child("channel").append_child_value("unit", unit)
        self.outlet = pylsl.StreamOutlet(info)
        self._clock, self._rate, self._channels = pylsl.local_clock, rate, channels
        self._first, self._skips, self._over = first, frozenset(skips), threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self):
        while not self.outlet.have_consumers() and not self._over.wait(0.005):
            pass
        start, number = self._clock(), 0
        while not self._over.is_set():
            due = start + number / self._rate
            if self._over.wait(max(due - self._clock(), 0)):
                break
            if number not in self._skips:
                value = np.full(self._channels, self._first + number, np.float32).tolist()
                self.outlet.push_sample(value, due)
            number += 1
            self.sent = number

    def stop(self):
        """End the stream, as a program does that ends."""
        self._over.set()
        self._thread.join()
        self.outlet = None
