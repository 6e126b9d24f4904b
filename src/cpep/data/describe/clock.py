"""Which column is a clock, in which unit, and how many rows it counts a second; which is a counter of packets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cpep.data.describe.look import Column
from cpep.data.readers.clock import seconds
from cpep.data.readers.sidecar import TIME_UNITS
from cpep.signal.counters import Numbers
from cpep.types import FloatArray, UserError

PLAUSIBLE = (20.0, 10_000.0)
"""Rows a second that a table of EMG can have. By a unit that is mistaken by a factor of 1000 it would have others."""

USUAL_RATES = (
    *(50, 100, 125, 128, 148.148, 200, 250, 256, 259.259, 400, 500, 512, 518.519, 800, 1000, 1024, 1111.111),
    *(1259.259, 1500, 1600, 1777.778, 1925.926, 2000, 2048, 2148.148, 2222.222, 2500, 3000, 4000, 4096, 4370.370),
    *(5000, 8000, 8192, 10_000),
)
"""Rates that devices have; a clock within ``SAME_RATE`` of one is taken to mean it."""

SAME_RATE = 0.004

CLOCK_NAME = re.compile(r"time|stamp|clock|^t$|^t_|_t$|^x ?\[|^ts$|millis|micros|^(s|sec|secs|seconds|ms)$", re.I)
COUNTER_NAME = re.compile(r"counter|count|sample ?(index|n)|package|packet|^(index|idx|seq|nseq|sample|row|n)$", re.I)
UNIT_NAME = re.compile(r"[\[(_ .](ns|us|µs|ms|s|sec|seconds)[\])]?$|^(ms|millis|micros|seconds|secs?)$", re.I)
UNITS = {"sec": "s", "secs": "s", "seconds": "s", "µs": "us", "millis": "ms", "micros": "us"}
DATE = re.compile(r"\d:\d\d(:|$)")
EPOCH = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}
"""The order of a time since 1970 in each unit."""

SLOPE_ROWS = 500
"""Rows over which a slope is measured; the median over such parts knows nothing of single losses."""

JUMP = 20.0
"""Steps longer than so many times the mean step begin another part of the clock."""


@dataclass(frozen=True)
class Clock:
    """A column that is a clock.

    Attributes:
        column: the column.
        unit: s, ms, us or ns.
        measured: rows a second by this clock, where it does not jump.
        rate: the rate that is meant: a usual one, or the measured one in four digits.
        why: the evidence.
    """

    column: Column
    unit: str
    measured: float
    rate: float
    why: str


@dataclass(frozen=True)
class Tally:
    """A column that counts packets or samples.

    Attributes:
        column: the column.
        wraps: at how many it begins again; 0 where it does not.
        missing: packets that are lost by it.
        why: the evidence.
    """

    column: Column
    wraps: int
    missing: int
    why: str


def find_clock(columns: Sequence[Column]) -> Clock | None:
    """Return the clock among columns of numbers: by its name where one has a name, else by its steps alone."""
    found = [clock for column in columns if (clock := _clock(column))]
    found.sort(key=lambda clock: (not CLOCK_NAME.search(clock.column.name), _is_counted(clock.column)))
    best = found[0] if found else None
    return None if best and not CLOCK_NAME.search(best.column.name) and _is_counted(best.column) else best


def find_tally(columns: Sequence[Column], clock: Clock | None) -> Tally | None:
    """Return the counter among columns of numbers."""
    for column in columns:
        if not column.is_text and not (clock and column is clock.column) and (tally := _tally(column)):
            return tally
    return None


def stamps(column: Column) -> FloatArray | None:
    """Return the times of a column: numbers as they are, dates and times of day in seconds; ``None`` for others."""
    if not column.is_text:
        return None if column.values.dtype.kind == "b" else column.values.astype(np.float64)
    if not DATE.search(str(column.values[0]) if len(column.values) else ""):
        return None
    try:
        return seconds(column.values, 1.0, column.name)
    except UserError:
        return None


def _clock(column: Column) -> Clock | None:
    stamp_T = stamps(column)
    if stamp_T is None:
        return None
    finite = np.isfinite(stamp_T)
    stamp_T = stamp_T[finite]
    if len(stamp_T) < 10 or finite.mean() < 0.5:
        return None
    step_T = np.diff(stamp_T)
    named = CLOCK_NAME.search(column.name) is not None
    rises = float((step_T >= 0).mean())
    if rises < (0.9 if named else 0.999) or (step_T > 0).mean() < (0.002 if named else 0.5):
        return None
    per_tick = rows_per_tick(stamp_T)
    if not per_tick:
        return None
    unit = "s" if column.is_text else _unit(column.name, stamp_T, per_tick)
    if not unit:
        return None
    measured = per_tick / TIME_UNITS[unit]
    rate = meant(measured)
    lasts_s = float(stamp_T[-1] - stamp_T[0]) * TIME_UNITS[unit]
    kind = "dates" if column.is_text else unit
    off = "" if abs(rate / measured - 1) < 1e-4 else f", which is {measured:.6g} a second"
    back = int((step_T < 0).sum())
    odd = f"; it runs backwards {back} time{'' if back == 1 else 's'}" if back else ""
    why = f"{len(stamp_T):,} stamps of {shown(column)} in {kind} over {lasts_s:,.3f} s{off}{odd}"
    return Clock(column, unit, measured, rate, why)


def rows_per_tick(stamp_T: FloatArray) -> float:
    """Return how many rows a clock counts in one of its ticks, where it does not jump and no rows are lost.

    Packets that share a stamp, and stamps that jitter, do not change the slope over many of them.
    """
    step_T = np.diff(stamp_T)
    forward = step_T[step_T > 0]
    if not len(forward):
        return 0.0
    mean = float(forward.sum() / len(step_T))
    for _ in range(3):  # a long gap lengthens the mean step, and hides shorter ones
        calm = step_T[(step_T >= 0) & (step_T <= JUMP * mean)]
        mean = float(calm.mean()) if calm.any() else mean
    packet = len(step_T) / len(forward)
    cuts = np.flatnonzero((step_T < 0) | (step_T > JUMP * max(mean, mean * packet / 4))) + 1
    edges = [0, *cuts.tolist(), len(stamp_T)]
    start, stop = max(pairwise(edges), key=lambda part: part[1] - part[0])
    part_T = stamp_T[start:stop]
    window = int(max(SLOPE_ROWS, 50 * packet))
    if len(part_T) < 9 * window:
        return _slope(part_T)
    return float(np.median([_slope(part_T[k : k + window]) for k in range(0, len(part_T) - window + 1, window)]))


def _slope(stamp_T: FloatArray) -> float:
    """Return rows a tick by a straight line through index and stamp."""
    index_T = np.arange(len(stamp_T)) - (len(stamp_T) - 1) / 2
    spread_T = stamp_T - stamp_T[0]
    spread_T = spread_T - spread_T.mean()
    square = float(index_T @ spread_T)
    return float(index_T @ index_T) / square if square > 0 else 0.0


def meant(measured: float) -> float:
    """Return the rate that a measured one stands for.

    >>> meant(250.31), meant(199.7), meant(1259.31), meant(777.04), meant(187.43)
    (250, 200, 1259.259, 777, 187.4)
    """
    near = min(USUAL_RATES, key=lambda rate: abs(np.log(rate / measured)))
    if abs(near / measured - 1) < SAME_RATE:
        return near
    whole = round(measured)
    return whole if abs(whole / measured - 1) < 2e-4 else float(f"{measured:.4g}")


def _unit(name: str, stamp_T: FloatArray, per_tick: float) -> str:
    """Return the unit of a clock by its name, by the year that it says, or by the rate that results."""
    plausible = [unit for unit, seconds in TIME_UNITS.items() if PLAUSIBLE[0] <= per_tick / seconds <= PLAUSIBLE[1]]
    match = UNIT_NAME.search(name)
    said = match and (match[1] or match[2]).lower()
    if said and (unit := UNITS.get(said, said)) in TIME_UNITS:
        return unit
    for unit, order in EPOCH.items():
        if order <= abs(float(stamp_T[0])) < 5 * order and unit in plausible:
            return unit
    return plausible[0] if len(plausible) == 1 else ""


def _is_counted(column: Column) -> bool:
    """Tell whether a column counts by ones, as a number of samples does, and a clock only by chance."""
    if column.is_text:
        return False
    step_T = np.diff(column.values.astype(np.float64))
    return bool((step_T == 1).mean() > 0.5)


def _tally(column: Column) -> Tally | None:
    """Return a counter: whole numbers that rise by one step, or begin again, nearly everywhere."""
    values = column.values.astype(np.float64)
    named = COUNTER_NAME.search(column.name) is not None
    if len(values) < 10 or not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0:
        return None
    step_T = np.diff(values)
    rising = step_T[step_T > 0]
    if not len(rising) or (step_T < 0).mean() > 0.2 or (rising == np.median(rising)).mean() < 0.8:
        return None
    if not named and ((step_T > 0).mean() < 0.4 or np.median(rising) != 1):
        return None
    if not Numbers().learn(values):  # by which the reader would refuse it
        return None
    wraps = int(values.max()) + 1 if (step_T < 0).sum() >= 2 or values.max() in (255, 200) else 0
    stride = float(np.median(rising))
    if wraps and stride > 1:
        wraps = int(values.max() + stride)
    jump_T = np.where(step_T < 0, step_T + wraps, step_T) / stride
    missing = int(np.sum(np.where(jump_T > 1, np.rint(jump_T) - 1, 0)))
    ends = f", begins again after {wraps - stride:g}" if wraps else ""
    lost = f"; {missing:,} are missing" if missing else "; none is missing"
    if not wraps and not missing:
        return None  # the number of the row, which says nothing
    return Tally(column, wraps, missing, f"{shown(column)} counts packets{ends}{lost}")


def shown(column: Column) -> str:
    """Return a column in words.

    >>> shown(Column("t", "t", np.zeros(1))), shown(Column(3, "", np.zeros(1)))
    ("'t'", 'column 3')
    """
    return f"'{column.name}'" if column.name else f"column {column.key}"
