"""The log of a stage: one row for each validation, as CSV for spreadsheets and as events for TensorBoard.

Both lie beside the checkpoint and grow while the stage trains. A stage that goes on from a step keeps the rows up to
that step.
"""

from __future__ import annotations

import re
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from cpep.runtime.files import atomic_path, write_text
from cpep.runtime.tfevents import event, first_event

NAME, EVENTS = "log.csv", "log.tfevents"


@dataclass(frozen=True)
class Row:
    """One validation.

    Attributes:
        step: optimiser steps done.
        seconds: of training up to here, over all starts of the stage.
        training_loss: mean over the steps since the last row.
        validation_loss: of the weights as they are now.
        learning_rate: of the last step.
        kept: 1 where these weights took the place of those kept before, else 0; the last 1 is the checkpoint.
    """

    step: int
    seconds: float
    training_loss: float
    validation_loss: float
    learning_rate: float
    kept: int

    @property
    def text(self) -> str:
        """The losses, for a progress line."""
        return f"loss {self.training_loss:.4g}, validation {self.validation_loss:.4g}"

    @property
    def line(self) -> str:
        """The row as a line of CSV."""
        return ",".join(str(value) if isinstance(value, int) else f"{value:.6g}" for value in astuple(self)) + "\n"

    def event(self, wall_s: float) -> bytes:
        """Return the row as an event of TensorBoard."""
        scalars = {
            "loss/training": self.training_loss,
            "loss/validation": self.validation_loss,
            "learning_rate": self.learning_rate,
        }
        return event(wall_s, self.step, scalars)


NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?(?:e[+-]?[0-9]{1,2})?"
ROW = re.compile(rf"[0-9]{{1,15}}(?:,{NUMBER}){{4}},[01]")
"""A line of the log."""
HEAD = ",".join(field.name for field in fields(Row)) + "\n"


def read_log(path: Path) -> list[Row]:
    """Return the rows of a log; a line that is none is left out, and a missing file has none."""
    rows: list[Row] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if ROW.fullmatch(line):  # not the head, nor the end of a machine that lost its power
            step, seconds, training, validation, rate, kept = line.split(",")
            rows.append(Row(int(step), float(seconds), float(training), float(validation), float(rate), int(kept)))
    return rows


class Log:
    """Writes the log of a stage.

    Args:
        folder: of the stage.
        step: step from which the stage goes on, 0 at its beginning; later rows of an earlier start are removed.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.table, self.events = folder / NAME, folder / EVENTS
        rows = [row for row in read_log(self.table) if row.step <= step]
        self.before_s, self.began = rows[-1].seconds if rows else 0.0, time.monotonic()
        write_text(self.table, HEAD + "".join(row.line for row in rows), safe=False)
        now = time.time()
        with atomic_path(self.events, safe=False) as temporary:
            temporary.write_bytes(first_event(now) + b"".join(row.event(now) for row in rows))

    def add(self, step: int, training_loss: float, validation_loss: float, learning_rate: float, kept: bool) -> Row:
        """Append a row to both files, each in one write, and return it."""
        seconds = self.before_s + time.monotonic() - self.began
        row = Row(step, round(seconds, 1), training_loss, validation_loss, learning_rate, int(kept))
        with self.table.open("a", encoding="utf-8") as file:
            file.write(row.line)
        with self.events.open("ab") as file:
            file.write(row.event(time.time()))
        return row
