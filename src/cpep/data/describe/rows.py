"""The rows of a table that count: once each, and forward in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpep.data.describe.clock import CLOCK_NAME, find_clock, shown, stamps
from cpep.data.describe.look import Look
from cpep.data.readers.twice import written_once
from cpep.types import UserError


def once(look: Look) -> Look:
    """Leave out rows that are copies of others: they would count as samples in the rate by the clock.

    Raises:
        UserError: the rows go back in time.
    """
    numbers = [column for column in look.columns if not column.is_text]
    for column in numbers:
        if CLOCK_NAME.search(column.name) and len(column.values) > 1 and (np.diff(column.values) < 0).all():
            raise UserError(
                f"{look.path}: the times of {shown(column)} fall from row to row; sort the rows by their time"
            )
    clock = find_clock(look.columns)
    stamp_T = stamps(clock.column) if clock else None
    if stamp_T is None or len(numbers) < 2:
        return look
    once_T = written_once(stamp_T, np.column_stack([column.values.astype(np.float64) for column in numbers]))
    return replace(look, columns=tuple(replace(one, values=one.values[once_T]) for one in look.columns))
