"""Ctrl-C of the server: all ends within two seconds, whatever goes on, and at a second one at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from cpep.runtime.confined import end_all
from cpep.runtime.signals import ENDS, heard

WITHIN_S = 1.7
"""So long after the first signal the process is ended, if it has not ended by itself."""


class Ending:
    """Hears the signals that end a server, and ends the process with the block, unless an error left it.

    Args:
        close: ends what goes on; called once, in a thread of its own, at the first signal or at the end of the block.

    Attributes:
        begun: set at the first signal.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self.begun, self._once = threading.Event(), threading.Lock()
        self._closing = threading.Thread(target=close, name="closing", daemon=True)
        self._hurry = threading.Thread(target=self._late, daemon=True)

    def __enter__(self) -> Ending:
        for one in ENDS:
            signal.signal(one, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._begin()
        self._closing.join()
        if error is None:  # Python with torch takes seconds to clear itself away
            end_all()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        heard()
        if self.begun.is_set():
            end_all()
            os._exit(1)
        self._begin()

    def _begin(self) -> None:
        if self._once.acquire(blocking=False):  # a signal may come between two steps of this
            self.begun.set()
            self._hurry.start()
            self._closing.start()
            end_all()  # uploads that are read

    def _late(self) -> None:
        """End the process where something does not answer: a source, a thread that looks for one."""
        time.sleep(WITHIN_S)
        if unsaved := self._closing.is_alive():
            print("cpep: ended without waiting any longer; what was recorded is kept", file=sys.stderr, flush=True)
        end_all()
        os._exit(int(unsaved))
