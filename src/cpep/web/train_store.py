"""The training on a server's recordings: a process of its own that gives way to the stream, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from cpep.experiments.own import REPORT
from cpep.runtime.pool import deaf_to_ctrl_c
from cpep.types import UserError
from cpep.web.prompt import OVER
from cpep.web.trainer import LIVE, SAID, Train, train_own, work

PATIENCE_S = 20.0
"""How long a training may save its state when it is stopped."""
CLOSING_S = 1.0
"""How long it may when the server ends."""


class TrainStore:
    """Trains on the recordings of a server.

    Args:
        recordings: folder of the data set.
        out: folder of the result.
        source: the source of the EMG as the user wrote it, for the command.
        busy: says why nothing can be trained now, or nothing.
        train: what trains; a function of a module.
    """

    def __init__(
        self,
        recordings: Path,
        out: Path,
        source: str,
        busy: Callable[[], str] = lambda: "",
        train: Train = train_own,
    ) -> None:
        self.recordings, self.out, self._source, self._busy, self._train = recordings, out, source, busy, train
        self.said, self.lines, self.version = "", "", 0
        self._process: multiprocessing.process.BaseProcess | None = None
        self._follower: threading.Thread | None = None
        self._lock, self._over = threading.Lock(), False
        if self.command:
            self.said = f"A model was trained. {LIVE}"

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process is not None

    @property
    def asks(self) -> str:
        """What it will do, in sentences."""
        return (
            f"Trains a model of your own on {self.recordings}, in about ten minutes, while the page goes on. The "
            f"last repetition of each gesture tests it. Stopped, it goes on from there. Into {self.out}."
        )

    @property
    def command(self) -> str:
        """What to type to put the result live; empty before there is one."""
        if self.running or not (self.out / REPORT).exists():
            return ""
        return shlex.join(["cpep", "serve", str(self.out), "--source", self._source])

    def start(self) -> None:
        """Begin, or go on where the last training was stopped.

        Raises:
            UserError: nothing was recorded yet, a recording goes on, or a training, or the session has ended.
        """
        with self._lock:
            if self._over:
                raise UserError(OVER)
            if self.running:
                raise UserError("a training goes on; stop it first")
            if why := self._busy():
                raise UserError(why)
            if not self.recordings.is_dir() or not any(self.recordings.iterdir()):
                raise UserError(f"there are no recordings in {self.recordings} yet; make some under Record")
            self.said, self.lines = "reading the recordings…", ""
            receive, self._process = self._begun()
            self._follower = threading.Thread(target=self._follow, args=(receive, self._process), name="training")
            self._follower.start()
            self.version += 1

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """End, and wait until what is done is saved, or the time is over."""
        process, follower = self._process, self._follower
        if process is None or follower is None:
            return
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
        process.join(patience_s)
        process.kill()
        follower.join(patience_s)

    def close(self) -> None:
        """End what is trained, when the session ends; where there is no time to save it, it goes on from before."""
        self._over = True
        self.stop(CLOSING_S)

    def _begun(self) -> tuple[Connection, multiprocessing.process.BaseProcess]:
        """Start the process; Ctrl-C on the terminal does not reach it before it is on its own."""
        context = multiprocessing.get_context("spawn")
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(self._train, self.recordings, self.out, send), name="train")
        with deaf_to_ctrl_c():
            process.start()
        send.close()
        return receive, process

    def _follow(self, receive: Connection, process: multiprocessing.process.BaseProcess) -> None:
        """Keep what the process says until it ends."""
        end = ""
        with receive:
            while True:
                try:
                    kind, sentence = receive.recv()
                except EOFError:
                    break
                if kind == SAID:
                    self.lines = f"{self.lines}\n{sentence}".strip("\n")
                    self.said = sentence.strip().splitlines()[0] if sentence.strip() else self.said
                    self.version += 1
                else:
                    end = sentence
        process.join()
        if process.exitcode and not end:
            end = f"The training has failed (exit code {process.exitcode}), and the terminal says why"
        self._process, self.said = None, end or "The training was stopped; Train goes on from there"
        self.version += 1
