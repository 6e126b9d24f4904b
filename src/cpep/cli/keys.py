"""Single keys from a terminal, without waiting for any."""

from __future__ import annotations

import os
import sys
from types import TracebackType

try:
    import select
    import termios
    import tty
except ImportError:  # another system than POSIX has no such terminal
    termios = None  # type: ignore[assignment]


class Keys:
    """Reads keys as they are pressed, inside a ``with``; none where standard input is no terminal.

    Attributes:
        there: whether there are any.
    """

    def __init__(self) -> None:
        self.there = termios is not None and sys.stdin is not None and sys.stdin.isatty()

    def __enter__(self) -> Keys:
        if self.there:
            self._fd = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.there:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """Return the keys since the last call, lower case; empty for none."""
        if not self.there or not select.select([self._fd], [], [], 0)[0]:
            return ""
        return os.read(self._fd, 64).decode(errors="ignore").lower()
