"""What is known of the exports of devices, which a table alone does not say: rates, units, which columns are EMG.

What was checked, and where (2026-11, in public code that writes or parses such files; no vendor's file lies here):

- OpenBCI GUI v5 and v6: lines ``%OpenBCI Raw EXG Data``, ``%Number of channels = 8``, ``%Sample Rate = 250 Hz``,
  ``%Board = ...``, then ``Sample Index, EXG Channel 0, ..., Accel Channel 0, ..., Other, Other, ..., Timestamp,
  Marker Channel, Timestamp (Formatted)`` (older: ``Other`` in place of ``Marker Channel``). v3 and v4: the lines
  with ``%`` without names, and under them index, channels, accelerometer, time of day. Microvolts.
- BrainFlow ``DataFilter.write_file``: tabs, no names, a column for each row of ``get_board_data``; which is which
  says ``BoardShim.get_board_descr``, from which ``BOARDS`` was copied (brainflow 5.x). Microvolts.
- Myo: ``timestamp,emg1,...,emg8`` of the SDK's examples, its stamps in microseconds, the same one for two samples;
  myo-raw and pyomyo write ``emg1,...,emg8,moving`` or eight columns without names. Whole numbers -128 to 127, 200 Hz.
- MindRove: lines ``Device ...``, then tabs with ``Device number``, ``Channel1`` to ``Channel8``, gyroscope,
  accelerometer, ``Timestamp``; 500 Hz, microvolts.
- Delsys EMGworks: lines ``Label: ... Sampling frequency: 1925.926 ... Unit: V``, then ``X [s]`` (or ``X[s]``, one
  before every channel) and ``Avanti sensor 1: EMG 1 [V]`` or ``Trigno IM sensor 1: EMG 1 (V)``; with a decimal comma
  ``;`` between cells. Trigno Discover: eight lines (application, date, length, sensors, modes, names such as ``EMG 1
  Time Series (s)`` and ``EMG 1 (mV)`` under the same name for every sensor, rates such as ``1259.2593 Hz``, periods),
  and cells that are empty from where a slower channel ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cpep.data.describe.boards import BOARDS, board_of
from cpep.data.describe.clock import meant, rows_per_tick, shown
from cpep.data.describe.look import Column, Look
from cpep.types import UserError


@dataclass(frozen=True)
class Known:
    """What a preset knows of a file; the rest is guessed as of any table.

    Attributes:
        emg: the columns.
        rate: EMG samples a second; 0 where the clock says it.
        unit: of the EMG.
        ring: channels around the arm, in order.
        clock: the only column that can be the clock; ``None`` for any.
        has_clock: whether there is one; samples of a file without one lie at even distances.
        others: columns that can hold labels or a pose; ``None`` for all.
        why: the evidence for the rate.
        notes: what is to be known besides.
    """

    emg: tuple[Column, ...]
    rate: float
    unit: str
    why: str
    ring: tuple[int, ...] = ()
    clock: Column | None = None
    has_clock: bool = True
    others: tuple[Column, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preset:
    """The export of one program.

    Attributes:
        name: what ``--preset`` calls it.
        title: in words.
        recognise: whether a file is one, by its lines and names.
        know: what is known of such a file; takes what stands behind the colon of ``--preset``. Raises ``UserError``
            where it is none, or lacks something.
    """

    name: str
    title: str
    recognise: Callable[[Look], bool]
    know: Callable[[Look, str], Known]


def preset_of(look: Look, asked: str) -> tuple[Preset, Known] | None:
    """Return the preset that is asked for, else the one that a file is recognised by; and what it knows.

    Raises:
        UserError: there is no such preset, or the file is no such export.
    """
    name, _, argument = asked.partition(":")
    if name:
        found = next((preset for preset in PRESETS if preset.name == name.lower()), None)
        if found is None:
            known = ", ".join(preset.name for preset in PRESETS)
            raise UserError(f"--preset {name}: known are {known}; brainflow takes a board, as in brainflow:cyton")
        return found, found.know(look, argument)
    if look.dialect is None:
        return None
    for preset in PRESETS:
        if preset.recognise(look):
            return preset, preset.know(look, "")
    return None


def written_rate(above: Sequence[str]) -> tuple[float, str]:
    """Return the rate that a line above a table states, and the evidence; 0 where none does.

    >>> written_rate(["%Sample Rate = 250 Hz"])
    (250.0, "written above: 'Sample Rate = 250 Hz'")
    """
    for line in above:
        if match := re.search(r"(?:sample|sampling)[ _](?:rate|freq\w*)\W+(\d{1,9}(?:\.\d+)?) ?(k?)Hz", line, re.I):
            return float(match[1]) * (1000 if match[2] else 1), f"written above: {match[0]!r}"
    return 0.0, ""


def _named(look: Look, pattern: str) -> tuple[Column, ...]:
    matcher = re.compile(pattern, re.I)
    return tuple(column for column in look.columns if matcher.search(column.name) and not column.is_text)


def _is_openbci(look: Look) -> bool:
    unnamed = look.dialect is not None and not look.dialect.names
    old = unnamed and any(line.startswith("%") and "OpenBCI" in line for line in look.above)
    return old or bool(_named(look, r"^EXG Channel \d+$"))


def _openbci(look: Look, argument: str) -> Known:
    emg = _named(look, r"^EXG Channel \d+$")
    above = "\n".join(look.above)
    if not emg and (count := re.search(r"Number of channels = (\d{1,6})", above)):
        emg = tuple(c for c in look.columns if isinstance(c.key, int) and 1 <= c.key <= int(count[1]))
    if not emg:
        raise UserError(f"{look.path} is no recording of the OpenBCI GUI: it has no columns 'EXG Channel 0', ...")
    rate = written_rate(look.above)
    markers = tuple(
        c for c in look.columns if not re.match(r"EXG|Accel|Analog|Other|Not Used|Sample|Timestamp", c.name)
    )
    return Known(
        emg,
        rate[0],
        "uV",
        rate[1],
        clock=look.column("Timestamp"),
        has_clock=look.column("Timestamp") is not None,
        others=markers,
    )


def _is_brainflow(look: Look) -> bool:
    dialect = look.dialect
    return bool(
        dialect
        and not dialect.names
        and dialect.separator == "\t"
        and dialect.cells in {board.columns for board in BOARDS.values()}
        and any(not c.is_text and 1e9 < np.nanmedian(c.values) < 5e9 for c in look.columns)
    )


def _brainflow(look: Look, argument: str) -> Known:
    cells = look.dialect.cells if look.dialect else 0
    if not argument:
        fits = [name for name, board in BOARDS.items() if board.columns == cells]
        raise UserError(
            f"{look.path} looks like a file of BrainFlow, whose columns have no names; say which board wrote it: "
            + " or ".join(f"--preset brainflow:{name}" for name in fits or BOARDS)
        )
    board = board_of(argument)
    if board.columns != cells:
        raise UserError(f"{look.path} has {cells} columns, and a {argument} board writes {board.columns}")
    emg = tuple(c for c in look.columns if c.key in board.emg)
    others = tuple(c for c in look.columns if isinstance(c.key, int) and c.key > board.clock)
    why = f"the board {argument} has it"
    return Known(emg, board.rate, "uV", why, clock=look.column(board.clock), others=others)


def _int8(columns: tuple[Column, ...]) -> bool:
    """Tell whether columns are the signed bytes of a Myo."""
    values = np.stack([column.values.astype(np.float64) for column in columns])
    finite = values[np.isfinite(values)]
    whole = bool((finite == np.rint(finite)).all())
    return whole and len(finite) > 0 and -128 <= finite.min() < 0 < finite.max() <= 127


def _myo_columns(look: Look) -> tuple[Column, ...]:
    emg = _named(look, r"^emg[_ ]?\d$")
    if not emg and look.dialect and not look.dialect.names and look.dialect.cells in (8, 9):
        emg = look.columns[:8]
    return emg if len(emg) == 8 and not any(column.is_text for column in emg) else ()


def _is_myo(look: Look) -> bool:
    emg = _myo_columns(look)
    return bool(emg) and _int8(emg)


def _myo(look: Look, argument: str) -> Known:
    emg = _myo_columns(look)
    if not emg or not _int8(emg):
        raise UserError(
            f"{look.path} is no raw recording of a Myo: it has no eight columns of whole numbers -128 to 127"
        )
    return Known(emg, 200.0, "count", "a Myo has it", tuple(range(8)))


def _is_mindrove(look: Look) -> bool:
    return bool(_named(look, r"^channel ?\d$")) and any(
        line.startswith("Device ") or re.search(r"device number|gyro", line, re.I) for line in look.above
    )


def _mindrove(look: Look, argument: str) -> Known:
    emg = _named(look, r"^(channel|ch) ?\d$")
    if not emg:
        raise UserError(f"{look.path} is no export of MindRove: it has no columns 'Channel1', ...")
    for device in _named(look, r"^device ?(number|id)$"):
        if (several := len(np.unique(device.values))) > 1:
            raise UserError(
                f"{look.path} mixes the rows of {several} devices ({shown(device)}); write the rows of each "
                "device to a file of its own"
            )
    others = tuple(c for c in look.columns if not re.match(r"device|channel|gyro|acc|time", c.name, re.I))
    ring = 'if it is the armband, add "ring": [0, 1, 2, 3, 4, 5, 6, 7], for its electrodes go around the arm'
    return Known(emg, 500.0, "uV", "a MindRove has it", others=others, notes=(ring,) if len(emg) == 8 else ())


DELSYS_EMG = r"\bEMG\b.*[\[(] ?(m|u|µ)?V ?[\])]$"


def _is_delsys(look: Look) -> bool:
    lines = any(line.startswith("Application:") and "Trigno" in line for line in look.above[:1])
    names = any(re.search(r"(avanti|trigno|duo|quattro|mini).*sensor", c.name, re.I) for c in look.columns)
    times = bool(_named(look, r"^X ?\[s\]|Time Series \(s\)$"))
    return lines or times or names


def _delsys(look: Look, argument: str) -> Known:
    emg = _named(look, DELSYS_EMG) or _named(look, r"\bEMG\b(?!.*Time Series)")
    if not emg:
        raise UserError(
            f"{look.path} is no export of Delsys with EMG: it has no column such as 'Avanti sensor 1: EMG 1 [V]'"
        )
    rates = {column.key: _delsys_rate(look, column) for column in emg}
    groups: dict[float, list[str]] = {}
    for column in emg:
        groups.setdefault(meant(rates[column.key]) if rates[column.key] else 0.0, []).append(
            f"column {column.key}" if isinstance(column.key, int) else shown(column)
        )
    if len(groups) > 1:
        several = "; ".join(f"{', '.join(names)} at {rate:g} Hz" for rate, names in groups.items())
        raise UserError(
            f"{look.path} has EMG of {len(groups)} rates: {several}; export the sensors of each rate "
            "to a file of their own"
        )
    rate = max(rates.values())
    unit = re.search(r"[\[(] ?([mu]?V) ?[\])]", emg[0].name.replace("µ", "u"))
    return Known(
        emg, rate, unit[1] if unit else "", "as the export's own times of the EMG", has_clock=False, others=()
    )


def _delsys_rate(look: Look, column: Column) -> float:
    """Return the rate of a channel: the written one that the column of times before it has, else that one's."""
    position = look.columns.index(column)
    times = [c for c in look.columns[:position] if re.search(r"^X ?\[s\]|Time Series \(s\)$", c.name)]
    if not times:
        return 0.0
    stamp_T = times[-1].values.astype(np.float64)
    stamp_T = stamp_T[np.isfinite(stamp_T) & np.isfinite(column.values.astype(np.float64))]
    measured = rows_per_tick(stamp_T) if len(stamp_T) > 1 else 0.0
    for line in look.above:
        written = [
            float(text)
            for text in re.findall(r"([\d.]+) ?Hz|Sampling frequency: ([\d.]+)", line)
            for text in text
            if text
        ]
        near = [rate for rate in written if measured and abs(rate / measured - 1) < 0.002]
        if near:
            return near[0]
    return float(f"{measured:.7g}")


PRESETS = (
    Preset("openbci", "a recording of the OpenBCI GUI", _is_openbci, _openbci),
    Preset("delsys", "an export of Delsys EMGworks or Trigno Discover", _is_delsys, _delsys),
    Preset("mindrove", "an export of MindRove", _is_mindrove, _mindrove),
    Preset("myo", "a raw recording of a Myo", _is_myo, _myo),
    Preset("brainflow", "a file of BrainFlow", _is_brainflow, _brainflow),
)
