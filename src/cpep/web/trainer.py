"""The process that trains for the page. What is heavy is imported in it alone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from cpep.runtime.pool import follow_parent, hear_ctrl_c
from cpep.types import UserError

NICE = 10
"""By how much a training gives way to the stream."""
LIVE = "To put it live, end this server and type"
SAID, ENDED = "said", "ended"

Train = Callable[[Path, Path, Callable[[str], None]], str]
"""From recordings, output folder and who is told of progress to what came out, in a sentence."""


def train_own(folder: Path, out: Path, say: Callable[[str], None]) -> str:
    """Train; see ``experiments.own``."""
    from cpep.experiments.own import train_own

    return train_own(folder, out, say)


def work(train: Train, folder: Path, out: Path, send: Connection) -> None:
    """Train in this process, which ends when the server ends, however that ends."""
    if hasattr(os, "setsid"):  # not on Windows
        os.setsid()  # Ctrl-C on the terminal ends the server, which ends this in its own time
        os.nice(NICE)
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a server in the background ignores it
        hear_ctrl_c()
        sentence = train(folder, out, lambda said: send.send((SAID, said)))
        send.send((ENDED, f"{sentence}. {LIVE}"))
    except UserError as error:
        send.send((ENDED, str(error)))
    except KeyboardInterrupt:
        pass
