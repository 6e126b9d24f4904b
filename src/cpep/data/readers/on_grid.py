"""A file of samples with a clock or numbers: its parts at the rate of the sidecar, with what goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cpep.data.recording import Repair
from cpep.data.resample import frame_ratio, interpolate_rows
from cpep.signal.counters import Numbers
from cpep.signal.parts import Part, advance_of, find_parts, rate_of
from cpep.signal.rate import same_rate
from cpep.signal.resampler import resampled
from cpep.types import BoolArray, FloatArray, UserError

FACTOR = 2.02
"""A measured rate that is so many times the declared one, or a part of it, comes of a mistaken unit."""

UNEVEN = 0.02
"""Share by which the rate of some seconds may differ from that of the recording."""

MOST_MORE = 10
"""An anchor has at most so many times the frames of its rows, or of the EMG's samples."""

Values = TypeVar("Values", bound=np.generic)


@dataclass(frozen=True, eq=False)
class OnGrid:
    """One part of a file, at the declared rate.

    Attributes:
        part: the samples on the grid of the rate that was measured.
        rate: the declared rate, samples per second.
        era: how often the clock jumps back before it.
        measured_rate: samples per second by the clock; 0 without one.
        repairs: what was mended.
        notes: what is odd.
    """

    part: Part
    rate: float
    era: int
    measured_rate: float
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...]

    @property
    def step(self) -> float:
        """Places of the measured grid from sample to sample."""
        return 1.0 if same_rate(self.part.rate, self.rate) else self.part.rate / self.rate

    def emg(self, rows_TC: FloatArray) -> FloatArray:
        """Return the EMG (samples, C) of the part, of the rows (rows, C) of the file."""
        emg_TC = self.part.fill(rows_TC)
        return emg_TC if self.step == 1.0 else resampled(emg_TC, self.part.rate, self.rate)

    def along(self, values_T: npt.NDArray[Values]) -> npt.NDArray[Values]:
        """Return what cannot be interpolated, for each sample of the part: of the row that it is, or follows on."""
        return values_T[self.part.row_T[self._place_T]]

    @property
    def hole_T(self) -> BoolArray:
        """Samples (samples,) that were not measured."""
        return self.part.hole_T[self._place_T]

    def seconds(self, sample_S: FloatArray) -> FloatArray:
        """Return the times (S,) of samples by the clock of the file, seconds."""
        return self.part.seconds(sample_S * self.step)

    @property
    def samples(self) -> int:
        """Length at the declared rate."""
        return int((len(self.part) - 1) / self.step + 1e-9) + 1

    @property
    def _place_T(self) -> npt.NDArray[np.intp]:
        return np.minimum(np.round(np.arange(self.samples) * self.step), len(self.part) - 1).astype(np.intp)


@dataclass(frozen=True, eq=False)
class ClockedRows:
    """The rows of an anchor.

    Attributes:
        rows_SJ: values.
        rate: frames per second that are wished.
        emg_rate: EMG samples per second.
        time_S: for each ``era`` the times of its rows by the clock of the file, and which rows; ``None`` without a
            clock.
        with_emg: whether each row belongs to the sample in the same row.
    """

    rows_SJ: FloatArray
    rate: float
    emg_rate: float
    runs: list[tuple[slice, FloatArray]] | None = None
    with_emg: bool = False

    def on(self, grid: OnGrid, max_gap_s: float) -> tuple[FloatArray, BoolArray]:
        """Return the anchor (frames, J) of a part, which begins with its first sample; and where it is valid.

        Raises:
            UserError: the wished rate would make far more frames than there are rows.
        """
        if self.runs is None and not self.with_emg:
            own_S = np.arange(len(self.rows_SJ)) / self.rate
            return _valid(*interpolate_rows(self.rows_SJ, own_S, own_S, max_gap_s))
        if self.runs is None:
            rows, time_S = grid.part.rows, grid.part.seconds(grid.part.place_T.astype(np.float64))
        else:
            rows, time_S = self.runs[min(grid.era, len(self.runs) - 1)]
        frames = int((grid.samples - 1) / self.emg_rate * self.rate + 1e-6) + 1
        if frames > MOST_MORE * max(len(self.rows_SJ), grid.samples):
            raise UserError(
                f"an anchor of {self.rate:g} frames a second would have {frames:,} frames of {len(self.rows_SJ):,} "
                "rows; write the rate at which it was recorded"
            )
        sample_S = np.arange(frames) * self.emg_rate / self.rate
        found_SJ, valid_S = interpolate_rows(self.rows_SJ[rows], time_S, grid.seconds(sample_S), max_gap_s)
        measured_S = ~grid.hole_T[np.minimum((sample_S + 1e-6).astype(np.intp), grid.samples - 1)]
        return _valid(found_SJ, valid_S & measured_S)


def _valid(rows_SJ: FloatArray, valid_S: BoolArray) -> tuple[FloatArray, BoolArray]:
    return np.where(valid_S[:, None], rows_SJ, np.float32(0)), valid_S


def runs(time_S: FloatArray, grids: list[OnGrid], path: Path, clock: str) -> list[tuple[slice, FloatArray]]:
    """Split an anchor where its clock jumps back, as the clock of the EMG does.

    Raises:
        UserError: it jumps back where that of the EMG does not.
    """
    back = np.flatnonzero(np.diff(time_S) < 0) + 1
    starts = [0, *back.tolist()]
    eras = grids[-1].era + 1
    if len(starts) > 1 and len(starts) != eras:
        raise UserError(
            f"{path}: the clock {clock!r} jumps back {len(back)} times, at row {back[0]} first, and that of the EMG "
            f"{eras - 1} times; sort its rows by their time, or save what was joined as separate files"
        )
    stops = [*starts[1:], len(time_S)]
    return [(slice(start, stop), time_S[start:stop]) for start, stop in zip(starts, stops, strict=True)]


def on_grid(
    rows: int, time_T: FloatArray | None, number_T: FloatArray | None, rate: float, names: tuple[Path, str, str]
) -> list[OnGrid]:
    """Put a file on the grid of its declared rate; cut it where its clock jumps.

    Args:
        rows: of the file.
        time_T: the time of each row, seconds; ``None`` without a clock.
        number_T: the number of each row's sample or packet; ``None`` without a counter.
        rate: the declared rate, samples per second.
        names: of the file, of the clock and of the counter, for sentences.

    Raises:
        UserError: the clock stands still or is of another rate by a factor, the counter counts something else, or
            the clock jumps so often that no part is as long as a frame.
    """
    path, clock, counter = names
    if number_T is not None and not Numbers().learn(number_T):
        raise UserError(f"{path}: {counter!r} counts neither samples nor packets of one size; leave 'counter' out")
    measured = 0.0
    if time_T is not None:
        if np.ptp(time_T) == 0 and rows > 1:
            raise UserError(f"{path}: the clock {clock!r} stands still; name the column that holds the times")
        measured = rate_of(time_T, number_T, rate)
        if not rate / FACTOR <= measured <= rate * FACTOR:
            raise UserError(
                f"{path}: by the clock {clock!r} it has {measured:.6g} samples a second, which is far from the "
                f"declared rate of {rate:g}; check the clock's unit and the rate"
            )
    parts = find_parts(rows, time_T, number_T, measured or rate)
    on_T = None if number_T is None else np.asarray(advance_of(number_T) == 1)
    grids = grids_of(parts, rows, rate, measured, on_T)
    if not grids:
        raise UserError(
            f"{path}: {clock or counter!r} jumps {len(parts) - 1} times in {rows} rows, so that no part is as long "
            "as a frame; sort the rows by their time, or leave it out if rows are regular"
        )
    return grids


def grids_of(
    parts: Sequence[Part], rows: int, rate: float, measured: float, on_T: BoolArray | None = None
) -> list[OnGrid]:
    """Put the parts of a recording on the grid of its declared rate.

    Args:
        parts: in the order of the rows, at the rate that was measured.
        rows: of the recording.
        rate: the declared rate, samples per second.
        measured: samples per second by the clock; 0 without one.
        on_T: where the numbers of the device go on from row to row (rows,); ``None`` where that is not known.

    Returns:
        parts that are as long as a frame, or the only one; the first tells of what was left out.
    """
    kept = [part for part in parts if len(part) >= frame_ratio(rate) or len(parts) == 1]
    short = rows - sum(part.rows.stop - part.rows.start for part in kept)
    eras = np.cumsum([part.jump_s < 0 for part in parts])
    return [
        OnGrid(
            part,
            rate,
            int(eras[parts.index(part)]),
            measured,
            tuple(_repairs(part, rate, measured, short if part is kept[0] else 0)),
            tuple(_notes(part, rate, measured, None if on_T is None else bool(on_T[part.rows.start]))),
        )
        for part in kept
    ]


def _repairs(part: Part, rate: float, measured: float, short: int) -> Iterator[Repair]:
    if holes := int(part.hole_T.sum()):
        yield Repair("lost samples filled by interpolation in holes of at most 20 ms", holes)
    if part.jump_s:
        yield Repair("x cut at a jump of the clock, or at a hole of more than 20 ms", 1)
    if short:
        yield Repair("rows left out, between jumps of the clock that are less than a frame apart", short)
    if measured and not same_rate(measured, rate):
        yield Repair(
            f"samples resampled from {measured:.6g} Hz by their clock to the declared {rate:g} Hz", len(part)
        )


def _notes(part: Part, rate: float, measured: float, goes_on: bool | None) -> Iterator[str]:
    row = part.rows.start
    if measured and not same_rate(measured, rate):
        yield (
            f"by its clock it has {measured:.6g} samples a second, and its sidecar asks for {rate:g}; that is "
            "another rate, or so many samples are missing that nobody knows where"
        )
    slow_K = np.abs(part.rate_K - part.rate) > UNEVEN * part.rate
    if slow_K.any():
        seconds = float(np.diff(part.second_K)[slow_K].sum())
        worst = part.rate_K[np.abs(part.rate_K - part.rate).argmax()]
        yield (
            f"for {seconds:.0f} s its clock tells other rates than {part.rate:.6g} Hz, as far as {worst:.4g} Hz; "
            "there samples are missing, nobody knows where, or its times are wrong"
        )
    if part.jump_s > 0 and goes_on:
        yield (
            f"it is cut at row {row}, where its clock jumps ahead by {part.jump_s:.4g} s and its numbers go on: no "
            "sample is missing, as the clock was set"
        )
    elif part.jump_s > 0:
        unsure = ", unless the clock was set there" if goes_on is None else ""
        yield (
            f"it is cut at row {row}, before which nothing was recorded for {part.jump_s:.4g} s by its clock" + unsure
        )
    if part.jump_s < 0:
        yield (
            f"it is cut at row {row}, where its clock jumps back by {-part.jump_s:.4g} s; cpep keeps rows in the "
            "order of the file, so sort them by their time if they were mixed up"
        )
