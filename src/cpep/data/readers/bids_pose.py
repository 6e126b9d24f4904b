"""The anchor of a BIDS recording: joint angles among its own channels, or tracked motion in a second file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.bids_channels import VOLTS, Channel, unit_of
from cpep.data.readers.bids_layout import Motion, parsed
from cpep.data.readers.bids_text import Row, Settings, number_in, read_cells, read_json, read_table, refuse_pointer
from cpep.data.readers.edf import LATEST_S, Edf
from cpep.data.recording import MOST_HZ
from cpep.data.resample import frame_ratio
from cpep.hand.joints import JOINTS
from cpep.signal.units import ANGLES
from cpep.types import BoolArray, FloatArray, UserError

FULL_TURN = 2 * math.pi
MOST_FRAMES = 100
"""A recording may be so many times as long as its motion file, which else has another rate than it says."""
SAME_FRAME = 1e-3
"""Share of a frame by which two clocks may differ and still have frames at the same times."""
LOWEST_RATE = 0.1
"""Lowest rate of motion, frames per second."""
ZERO_STEPS = 1.0
"""A zero that a file of whole numbers cannot hold comes back within so many of its steps."""


@dataclass(frozen=True, eq=False)
class Pose:
    """An anchor on its own clock.

    Attributes:
        names: of the columns.
        unit: of the values.
        kind: of the anchor; empty where the unit says it.
        values_SJ: float32, zero where invalid.
        valid_S: where it was measured.
        rate: frames per second.
        begin_s: time of the first frame after the first EMG sample.
        stride: frames of which one is kept.
    """

    names: tuple[str, ...]
    unit: str
    kind: str
    values_SJ: FloatArray
    valid_S: BoolArray
    rate: float
    begin_s: float = 0.0
    stride: int = 1

    @property
    def kept_rate(self) -> float:
        """Frames per second that ``part`` returns."""
        return self.rate / self.stride

    def part(self, begin_s: float, end_s: float) -> tuple[FloatArray, BoolArray]:
        """Return values (S, J) and valid (S,) of a stretch of the recording; the first frame is at its begin.

        Where no frame is there, frames are interpolated linearly, valid between two that are.

        Raises:
            UserError: its rate is far from that of its rows.
        """
        frames = math.ceil(round((end_s - begin_s) * self.rate, 6))
        if frames > MOST_FRAMES * max(len(self.valid_S), 1000):
            raise UserError(
                f"its anchor of {self.rate:g} Hz would have {frames:,} frames of {len(self.valid_S):,} rows"
            )
        first = (begin_s - self.begin_s) * self.rate
        position_S = round(first) + np.arange(0, frames, self.stride)
        weight = np.float32(0)
        if abs(first - round(first)) > SAME_FRAME:
            position_S = math.floor(first) + np.arange(0, frames, self.stride)
            weight = np.float32(first - math.floor(first))
        last = len(self.valid_S) - 1
        left_S, right_S = np.clip(position_S, 0, last), np.clip(position_S + 1, 0, last)
        valid_S = self.valid_S[left_S] & (position_S >= 0) & (position_S <= last)
        values_SJ = self.values_SJ[left_S]
        if weight:
            valid_S &= self.valid_S[right_S] & (position_S < last)
            values_SJ = values_SJ + (self.values_SJ[right_S] - values_SJ) * weight
        return np.where(valid_S[:, None], values_SJ, np.float32(0)), valid_S


def pose_of(
    edf: Edf, channels: Sequence[Channel], rate: float, ours: Mapping[str, Any], *, emg2pose: bool, whole: bool
) -> tuple[Pose | None, list[str]]:
    """Return the anchor that lies beside the EMG in its file, and what is odd about the channels that are none.

    Columns are channels of type MISC in rad or degrees, or called ``joint...``; in what cpep exported, those that it
    names.

    Args:
        edf: the file.
        channels: all of its channels.
        rate: of the EMG, samples per second.
        ours: the key ``cpep`` of the sidecar.
        emg2pose: whether the columns are the joints of emg2pose; a row of 20 zeros is then no pose.
        whole: keep every frame, since the recording will be cut.

    Raises:
        UserError: columns of several rates, or angles that no hand makes.
    """
    said = ours.get("anchor", {})
    misc = [channel for channel in channels if channel.type == "MISC"]
    mine = [channel for channel in misc if said or channel.unit in ANGLES or channel.name.lower().startswith("joint")]
    other = [channel.name for channel in misc if channel not in mine]
    named = ", ".join(other[:3]) + (", ..." if other[3:] else "")
    notes = [f"{len(other)} channels of type MISC are no pose ({named})"] if other else []
    if not mine:
        return None, notes
    rates = {edf.rate(channel.signal) for channel in mine}
    if len(rates) > 1:
        raise UserError(f"{edf.path}: its joints have several rates ({', '.join(map(str, sorted(rates)))} Hz)")
    signals = [channel.signal for channel in mine]
    own_rate = edf.rate(signals[0])
    own_rate = rate if abs(own_rate / rate - 1) < 1e-3 else own_rate
    stride = frame_ratio(rate) if own_rate == rate else 1
    raw_SJ = edf.read(signals, 1 if whole else stride, np.float64)
    valid_S: BoolArray = np.ones(len(raw_SJ), bool)
    if emg2pose:
        step_J = np.array([signal.gain for signal in signals])
        valid_S = np.asarray((np.abs(raw_SJ) > ZERO_STEPS * step_J).any(axis=1))
    if said:
        names, unit, kind = tuple(said["names"]), str(said["unit"]), str(said.get("kind", ""))
        values_SJ = raw_SJ
    else:
        names, unit, kind = tuple(channel.name for channel in mine), "rad", ""
        values_SJ = _radians(raw_SJ, mine, edf.path)
    if emg2pose:
        names = JOINTS if [channel.name for channel in mine] == [f"joint{k}" for k in range(20)] else names
    values_SJ = np.where(valid_S[:, None], values_SJ, 0).astype(np.float32)
    if unit == "rad":
        _check_angles(values_SJ, names, edf.path)
    taken = 1 if whole else stride
    return Pose(names, unit, kind, values_SJ, valid_S, own_rate / taken, stride=stride // taken), notes


def _radians(raw_SJ: FloatArray, channels: Sequence[Channel], path: Path) -> FloatArray:
    """Return angles in rad: joints in a unit of voltage are rad, which older conversions stored as volts."""
    header_of = [unit_of(channel.signal.dimension) for channel in channels]
    factors = []
    for channel, header in zip(channels, header_of, strict=True):
        if header in VOLTS:
            factors.append(VOLTS[header])
        elif header in ("", *ANGLES):
            stated = header or unit_of(channel.row.get("units", ""))
            factors.append(ANGLES.get(stated, 1.0))
        else:
            raise UserError(f"{path}: the joint {channel.name} is in {header}; an angle is in rad or degrees")
    scaled = np.array([VOLTS.get(header, 1) < 1 for header in header_of])
    most = float(np.abs(raw_SJ[:, scaled]).max(initial=0))
    if 0 < most < FULL_TURN:
        unit = header_of[int(scaled.argmax())]
        raise UserError(
            f"{path}: its joints are in {unit} and reach {most:.3g}, which is neither rad nor rad stored as {unit}; "
            "correct the unit in its header"
        )
    return np.asarray(raw_SJ * np.array(factors))


def _check_angles(values_SJ: FloatArray, names: Sequence[str], path: Path) -> None:
    most_J = np.abs(values_SJ).max(axis=0, initial=0)
    if most_J.max(initial=0) > FULL_TURN:
        joint = int(most_J.argmax())
        raise UserError(
            f"{path}: {names[joint]} reaches {most_J[joint]:.4g} rad, more than a full turn; "
            "its angles are in another unit than the file says"
        )


def motion_of(
    motions: Sequence[Motion], scans: Mapping[str, Row], path: Path, settings: Settings
) -> tuple[Pose | None, list[str]]:
    """Return the anchor of a motion file, and what is odd about it.

    Columns are its joint angles (``JNTANG``), or else its positions (``POS``). Its first frame lies at ``StartTime``
    of its sidecar, or by the difference of the two files' ``acq_time`` in ``scans.tsv``.

    Raises:
        UserError: several tracking systems of which none is named, rows or units that do not fit ``channels.tsv``.
    """
    if settings.tracksys:
        motions = [one for one in motions if _system(one.data) == settings.tracksys]
    if len(motions) > 1:
        systems = ", ".join(_system(one.data) for one in motions)
        raise UserError(
            f"{path} has motion of several tracking systems ({systems}); name one in a cpep.json at the top of the "
            f'data set: {{"bids": {{"tracksys": "{_system(motions[0].data)}"}}}}'
        )
    if not motions:
        return None, []
    motion = motions[0]
    said = read_json(motion.json)
    rate = said.get("SamplingFrequencyEffective") or said.get("SamplingFrequency")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not LOWEST_RATE <= rate <= MOST_HZ:
        raise UserError(f"{motion.data}: no motion.json gives its SamplingFrequency (Hz)")
    if not motion.channels:
        raise UserError(f"{motion.data} has no channels.tsv, so that nothing says what its columns are")
    rows = read_table(motion.channels[-1])
    numbers_SC = _numbers(motion.data, len(rows))
    kinds = [row.get("type", "").upper() for row in rows]
    kind = next((kind for kind in ("JNTANG", "POS") if kind in kinds), "")
    if not kind:
        return None, [f"{motion.data.name} has neither joint angles (JNTANG) nor positions (POS), so it is no anchor"]
    mine = [column for column, one in enumerate(kinds) if one == kind]
    units = {unit_of(rows[column].get("units", "")) for column in mine}
    unit = units.pop()
    if units or unit not in (ANGLES if kind == "JNTANG" else ("mm", "cm", "m")):
        raise UserError(f"{motion.channels[-1]}: {kind} is in {unit or 'no unit'}; give it one unit of its kind")
    values_SJ = numbers_SC[:, mine] * ANGLES.get(unit, 1.0)
    valid_S = np.isfinite(values_SJ).all(axis=1)
    values_SJ = np.where(valid_S[:, None], values_SJ, 0).astype(np.float32)
    names = tuple(_column(rows[column]) for column in mine)
    unit = "rad" if kind == "JNTANG" else unit
    if unit == "rad":
        _check_angles(values_SJ, names, motion.data)
    begin_s, notes = _begin(said, scans, motion.data, path)
    anchor_kind = "" if kind == "JNTANG" else "landmarks"
    return Pose(names, unit, anchor_kind, values_SJ, valid_S, float(rate), begin_s), notes


def _system(path: Path) -> str:
    name = parsed(path.name)
    return name.entities.get("tracksys", "") if name else ""


def _column(row: Row) -> str:
    return row.get("name") or f"{row.get('tracked_point', '')}_{row.get('component', '')}"


def _numbers(path: Path, columns: int) -> FloatArray:
    """Return the numbers of a motion file, which has no row of names; ``n/a`` is NaN."""
    refuse_pointer(path)
    cells = read_cells(path)
    for number, row in enumerate(cells, start=1):
        if len(row) != columns:
            raise UserError(f"{path}, row {number}: {len(row)} cells where channels.tsv names {columns} columns")
    try:
        numbers = [[number_in(cell or "nan") for cell in row] for row in cells]
        return np.array(numbers, np.float64).reshape(-1, columns)
    except ValueError as error:
        raise UserError(f"{path}: {error}; a motion file holds numbers and no names of columns") from error


def _begin(said: Mapping[str, Any], scans: Mapping[str, Row], data: Path, path: Path) -> tuple[float, list[str]]:
    """Return the time of the first frame after the first EMG sample, seconds."""
    start = said.get("StartTime")
    if isinstance(start, int | float):
        if abs(start) > LATEST_S:
            raise UserError(f"{data}: its motion.json says StartTime {start:g} s; correct it")
        return float(start), []
    times = [scans.get(f"{one.parent.name}/{one.name}", {}).get("acq_time", "") for one in (data, path)]
    if all(times):
        try:
            moved, emg = (datetime.fromisoformat(time) for time in times)
            return (moved - emg).total_seconds(), []
        except (ValueError, TypeError) as error:
            raise UserError(f"the scans.tsv of {path}: acq_time is no date and time ({error})") from error
    return 0.0, ["nothing says when its motion begins, so it is taken to begin with the EMG"]
