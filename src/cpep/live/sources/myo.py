"""A Myo armband as a source, over Bluetooth by pymyo."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.live.sources.stamps import LossFinder
from cpep.types import UserError

DEVICE = Device(channels=8, emg_rate=200.0, emg_kind="raw", emg_unit="count", ring=tuple(range(8)))
"""What an armband sends in its mode ``EMG``: filtered by its firmware, as most data sets of a Myo have it."""
SERVICE = "d5060001-a904-deb9-4748-2c7f4a124842"
"""What an armband advertises over Bluetooth."""
FIND_S, AGAIN_S = 20.0, 5.0
"""To find an armband and connect to it: at first, and when it was lost."""
WAIT_S, LOOK_S = 0.1, 0.05
MISSING = "charge it, wake it up by moving it, turn Bluetooth on, and close other programs that use it"


def open_myo(address: str) -> Reconnecting:
    """Connect to an armband.

    Args:
        address: of its Bluetooth; empty for the first one that is found.

    Raises:
        UserError: none there, or pymyo is missing.
    """
    name, link = f"myo:{address}" if address else "myo", _packages()

    def connect(wait_s: float = AGAIN_S) -> Armband:
        return Armband(link, address, name, wait_s)

    try:
        first = connect(FIND_S)
    except Lost as error:
        raise UserError(f"{name} is not there ({error}); {MISSING}") from error
    return Reconnecting(name, DEVICE, first, connect)


class Armband:
    """One connection to an armband, which a thread of its own serves.

    Samples come two at a time and without a number: losses are found by the time of arrival, and small ones among
    late packets may not be seen one by one (``Timeline``).

    Args:
        link: pymyo's classes and bleak's scanner.
        address: of the armband; empty for the first one that is found.
        name: of the source.
        wait_s: for the connection.

    Raises:
        Lost: no armband answers.
    """

    def __init__(self, link: Any, address: str, name: str, wait_s: float) -> None:
        self._link, self._address, self._wait_s = link, address, wait_s
        self._finder = LossFinder(DEVICE.emg_rate, DEVICE.channels, name)
        self._heard: queue.Queue[tuple[float, Any]] = queue.Queue()
        self._ready, self._over = threading.Event(), threading.Event()
        self._problem = "no answer"
        self._thread = threading.Thread(target=self._run, name="myo", daemon=True)
        self._thread.start()
        if not self._ready.wait(wait_s + AGAIN_S) or self._over.is_set():
            self.close()
            raise Lost(self._problem)

    def read(self) -> list[Chunk]:
        """Return what has arrived; waits for 0.1 s where there is nothing.

        Raises:
            Lost: the armband is gone.
            UserError: it sends at another rate than 200 Hz.
        """
        try:
            packets = [self._heard.get(timeout=WAIT_S)]
        except queue.Empty:
            if self._over.is_set():
                raise Lost(self._problem) from None
            return []
        while not self._heard.empty():
            packets.append(self._heard.get())
        emg_TC = np.concatenate([np.asarray(pair, np.float32) for _, pair in packets])
        stamp_T = np.concatenate([[stamp_s - 1 / DEVICE.emg_rate, stamp_s] for stamp_s, _ in packets])
        return self._finder.add(emg_TC, stamp_T)

    def close(self) -> None:
        """Let go of the armband."""
        self._over.set()
        self._thread.join(AGAIN_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except Exception as error:  # of any of Bluetooth's layers; whoever reads is told
            self._problem = str(error) or type(error).__name__
        finally:
            self._over.set()
            self._ready.set()

    async def _listen(self) -> None:
        """Connect, and keep what is heard until the connection ends or is closed."""
        found = self._address or await self._link.Scanner.find_device_by_filter(
            lambda device, said: SERVICE in said.service_uuids, timeout=self._wait_s
        )
        if found is None:
            self._problem = "no armband was found"
            return
        myo = self._link.Myo(found, timeout=self._wait_s)
        myo.on_emg(lambda pair: self._heard.put((time.monotonic(), pair)))
        async with myo:
            await myo.set_sleep_mode(self._link.SleepMode.NEVER_SLEEP)
            await myo.set_mode(emg_mode=self._link.EmgMode.EMG)
            self._ready.set()
            while myo.is_connected and not self._over.is_set():
                await asyncio.sleep(LOOK_S)
        self._problem = "the connection ended"


def _packages() -> Any:
    """Return what is used of pymyo and bleak.

    Raises:
        UserError: they are not installed.
    """
    try:
        from bleak import BleakScanner
        from pymyo import Myo
        from pymyo.types import EmgMode, SleepMode
    except ImportError as error:
        raise UserError('pymyo is not installed; install it with pip install "cpep[myo]"') from error
    from types import SimpleNamespace

    return SimpleNamespace(Myo=Myo, EmgMode=EmgMode, SleepMode=SleepMode, Scanner=BleakScanner)


SOURCES.add(
    "myo",
    SourceKind(("myo", "myo:ADDRESS"), lambda text, speed: open_myo(text), takes=lambda text: True, own_pace=True),
)
