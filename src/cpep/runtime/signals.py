"""Ctrl-C and SIGTERM end a command alike, within two seconds, and at once where they come a second time.

Python hears a signal between two steps of its own; a library that computes for a minute keeps it waiting. So a thread
hears every signal too, and ends the process where nothing else does. All files are written whole or not at all, so
the same command goes on from there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

WITHIN_S = 1.8
"""So long after the first signal the process is ended, where Python itself has not heard it."""
LOOK_S = 1.0
"""Time between two looks whether the launcher is there."""
STOPPED = "stopped; the same command goes on from here"
LIVE = ("doctor", "record", "serve", "sources", "stream")
"""Commands that begin anew, since what they read is not there any more."""
ENDS = (signal.SIGINT, signal.SIGTERM)

_heard = threading.Event()


def listen(*, twice: bool = True) -> None:
    """Let SIGTERM do what Ctrl-C does, and see to it that both are answered; to be called by the main thread, once.

    A signal that is ignored, as Ctrl-C is in the background of a shell, stays ignored.

    Args:
        twice: whether a second signal ends the process at once. Launchers of ranks send a signal once more.
    """
    for one in ENDS:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, _interrupt)
    hears, is_told = socket.socketpair()
    is_told.setblocking(False)
    signal.set_wakeup_fd(is_told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(hears, is_told, twice), name="signals", daemon=True).start()


def stopped() -> str:
    """Say that the command of this process was stopped, and whether it can go on."""
    return "stopped" if sys.argv[1:2] and sys.argv[1] in LIVE else STOPPED


def heard() -> None:
    """Say that Python heard a signal; every handler of one calls it."""
    _heard.set()


def end_at_once(sentence: str = "") -> None:
    """End this process and its worker processes, whatever they do."""
    for process in multiprocessing.active_children():
        process.kill()
    if sentence:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"cpep: {sentence}\n".encode())
    os._exit(1)


def follow_launcher() -> None:
    """End this process when the process that started it has ended: ranks would wait for each other for days."""
    launcher = os.getppid()

    def follow() -> None:
        while os.getppid() == launcher:
            time.sleep(LOOK_S)
        end_at_once("the launcher of the ranks has ended, so this one ends too")

    threading.Thread(target=follow, name="launcher", daemon=True).start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    heard()
    raise KeyboardInterrupt


def _watch(hears: socket.socket, is_told: socket.socket, twice: bool) -> None:
    """Hear every signal, also while the main thread does not."""
    count = 0
    while True:
        count += sum(number in ENDS for number in hears.recv(1))
        if count > 1 and twice:
            end_at_once()
        if count == 1 and not _heard.is_set():
            threading.Thread(target=_hurry, name="hurry", daemon=True).start()


def _hurry() -> None:
    if not _heard.wait(WITHIN_S):
        end_at_once(stopped())
