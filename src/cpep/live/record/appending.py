"""Files that grow by whole rows, written and made safe by a thread of their own."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cpep.runtime.files import make_safe
from cpep.types import UserError

WRITE_S = 0.1
"""What was added is handed to the system this often: that survives the end of the process."""
SYNC_S = 1.0
"""And brought to the disk this often: that survives the power."""


class Appending:
    """Appends bytes to files of a folder; whoever adds them never waits for the disk.

    Args:
        folder: of the files; it exists.
        names: of the files, in the order in which they are written: a file that tells of another one comes after it.

    Raises:
        UserError: a file cannot be made, or is there.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self._waiting = {name: bytearray() for name in names}
        self._unwritten = {name: bytearray() for name in names}  # only the thread's, or ``close``'s after its end
        self._lock, self._over = threading.Lock(), threading.Event()
        self._error: OSError | None = None
        try:
            self._files = {name: (folder / name).open("xb", buffering=0) for name in names}
            make_safe(folder, folder.parent)
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def add(self, **rows: bytes) -> None:
        """Append to files, by name up to the dot; what is added together is written together.

        Raises:
            UserError: an earlier row could not be written, such as on a full disk.
        """
        if self._error is not None:
            raise self._sentence(self._error)
        with self._lock:
            for name, waiting in self._waiting.items():
                waiting += rows.get(name.partition(".")[0], b"")

    def close(self) -> None:
        """Write all and bring it to the disk.

        Raises:
            UserError: it cannot be written; what could be is kept.
        """
        self._over.set()
        self._thread.join()
        try:
            self._write()
            self._sync()
        except OSError as error:
            raise self._sentence(error) from error
        finally:
            for file in self._files.values():
                file.close()

    def _run(self) -> None:
        synced = time.monotonic()
        try:
            while not self._over.wait(WRITE_S):
                self._write()
                if time.monotonic() - synced >= SYNC_S - WRITE_S / 2:
                    synced = time.monotonic()
                    self._sync()
        except OSError as error:
            self._error = error

    def _write(self) -> None:
        with self._lock:
            for name, waiting in self._waiting.items():
                self._unwritten[name] += waiting
                waiting.clear()
        for name, unwritten in self._unwritten.items():
            while unwritten:  # a full disk may take a part of it
                del unwritten[: self._files[name].write(unwritten)]

    def _sync(self) -> None:
        for file in self._files.values():
            os.fsync(file.fileno())

    def _sentence(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self.folder}: {error.strerror or error}; what was recorded before is kept there; make "
            f"room and run `cpep record {shlex.quote(str(self.folder.parent))} --recover`"
        )
