"""What the server's libraries write to the terminal: nothing that a client sent becomes a line of it."""

from __future__ import annotations

import logging
import time
import traceback

from cpep.types import shown

LONGEST = 300
"""Characters of a message."""
MOST, PER_S = 20, 60.0
"""So many messages are shown in so long; a client that provokes more does not fill the terminal."""
SHOWN = ("uvicorn", "nicegui", "asyncio")
SILENT = ("engineio.server", "socketio.server")
"""They complain of what a client sends, in its own words; no user can do anything about it."""


def in_a_line(text: str) -> str:
    r"""Return a text of others on one line, without what a terminal would obey, cut where it is long.

    >>> in_a_line("a\nb\x1b[2J\u202e")
    'a\\nb\\x1b[2J\\u202e'
    """
    said = shown(text[: LONGEST + 1])
    return said if len(text) <= LONGEST else f"{said[:LONGEST]}…"


class Lines(logging.Formatter):
    """A message on one line, and below it where an error came from: lines of programs, not of clients."""

    def format(self, record: logging.LogRecord) -> str:
        """Return what is written."""
        said = f"cpep: the page: {in_a_line(record.getMessage())}"
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return said
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        return f"{said}\n{frames}\n{type(error).__name__}: {in_a_line(str(error))}"


class Seldom(logging.Filter):
    """Lets at most ``MOST`` messages through in ``PER_S`` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._since, self._shown = time.monotonic(), 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a message is written."""
        now = time.monotonic()
        if now - self._since > PER_S:
            self._since, self._shown = now, 0
        self._shown += 1
        return self._shown <= MOST


def to_terminal() -> None:
    """Write errors of the server's libraries in this way."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    handler.addFilter(Seldom())
    for name in SHOWN:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.ERROR)
    for name in SILENT:
        logging.getLogger(name).disabled = True
