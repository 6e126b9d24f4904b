"""Takes offset, drift, jumps and hum out of raw EMG, from the past alone: the same in a file and in a stream."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from cpep.types import EmgKind, FloatArray, UserError

HIGHPASS_HZ = 20.0
"""Cut-off for raw EMG, Hz, where nothing else is asked for and the rate allows it."""
LOWEST_RATIO = 10.0
"""Samples in a period of the cut-off, at least."""
ORDER = 4
"""Of the high-pass."""
NOTCHES, NOTCH_WIDTH_HZ = 2, 4.0
"""Notches at each frequency, and the width of each: hum 0.1 Hz beside it gets 400 times smaller."""
MAINS_HZ = (50.0, 60.0)

JUMP = 300.0
"""A jump is a step from sample to sample of more than so many times the usual one (RMS)."""
CLIPPED = 10.0
"""A larger step counts as one of so many times the usual step, where the usual step is updated."""
BLOCK_S, RISE_S, FALL_S = 0.1, 1.0, 20.0
"""The usual step is updated after each block; it rises and falls with these time constants."""

AT_ONCE = 50_000
"""Samples of a recording that are filtered at once: in float64 they need little memory."""


@dataclass(frozen=True)
class Conditioning:
    """What cpep filters out of EMG; zero means that it filters nothing, because it was done before.

    Attributes:
        highpass_hz: cut-off of the high-pass, Hz, before which jumps of the offset are taken out.
        notch_hz: mains, Hz, whose hum is taken out with its harmonics.
    """

    highpass_hz: float = 0.0
    notch_hz: float = 0.0

    def __bool__(self) -> bool:
        """Tell whether anything is filtered."""
        return bool(self.highpass_hz or self.notch_hz)

    def __str__(self) -> str:
        """Return it in words.

        >>> str(Conditioning(20.0, 50.0)), str(Conditioning())
        ('high-passed at 20 Hz, with a notch at 50 Hz and its harmonics', 'not filtered by cpep')
        """
        high, notch = f"high-passed at {self.highpass_hz:g} Hz", f"a notch at {self.notch_hz:g} Hz and its harmonics"
        if not self:
            return "not filtered by cpep"
        if not self.highpass_hz:
            return f"filtered by {notch}"
        return f"{high}, with {notch}" if self.notch_hz else high

    @property
    def options(self) -> str:
        """The options of `cpep data prepare` that ask for it."""
        notch = f" --notch {self.notch_hz:g}" if self.notch_hz else ""
        return f"--highpass {self.highpass_hz:g}{notch}"

    @property
    def arguments(self) -> str:
        """The arguments of ``cpep.data.from_arrays`` that ask for it."""
        notch = f", notch_hz={self.notch_hz:g}" if self.notch_hz else ""
        return f"highpass_hz={self.highpass_hz:g}{notch}"

    def check(self, rate: float) -> None:
        """Check that EMG of a rate can be filtered so.

        Raises:
            UserError: it cannot.
        """
        if not 0 <= self.highpass_hz < rate / 2:
            raise UserError(
                f"a high-pass at {self.highpass_hz:g} Hz does not fit EMG at {rate:g} Hz; give one below "
                f"{rate / 2:g} Hz, or 0 where the EMG is filtered already"
            )
        if self.notch_hz not in (0, *MAINS_HZ):
            raise UserError(f"a notch at {self.notch_hz:g} Hz; give 50 or 60, or 0 for none")
        if self.notch_hz and not self.harmonics(rate):
            raise UserError(f"a notch at {self.notch_hz:g} Hz does not fit EMG at {rate:g} Hz; leave it out")

    def harmonics(self, rate: float) -> list[float]:
        """Return the frequencies of the notches, Hz: all that fit below half the rate."""
        most = rate / 2 - NOTCH_WIDTH_HZ / 2
        return [k * self.notch_hz for k in range(1, int(rate)) if self.notch_hz and k * self.notch_hz < most]

    def sections(self, rate: float) -> FloatArray:
        """Return the filter as second-order sections (sections, 6) as SciPy has them; none where nothing is filtered.

        Args:
            rate: of the EMG, samples per second.
        """
        return _designed(self, rate)[0]

    def steady(self, rate: float) -> FloatArray:
        """Return the state of the sections (sections, 2) after an endless past of ones."""
        return _designed(self, rate)[1]


@lru_cache(maxsize=64)
def _designed(filtered: Conditioning, rate: float) -> tuple[FloatArray, FloatArray]:
    """Return sections and steady state of a filter, which takes longer to design than to put over a window."""
    if not filtered:
        return np.zeros((0, 6)), np.zeros((0, 2))
    from scipy.signal import butter, iirnotch, sosfilt_zi  # slow to import: who reads files does without it

    parts: list[FloatArray] = [np.zeros((0, 6))]
    if filtered.highpass_hz:
        parts.append(butter(ORDER, filtered.highpass_hz, "highpass", fs=rate, output="sos"))
    for centre in filtered.harmonics(rate):
        parts += [np.concatenate(iirnotch(centre, centre / NOTCH_WIDTH_HZ, fs=rate))[None]] * NOTCHES
    sections = np.concatenate(parts)
    return sections, np.asarray(sosfilt_zi(sections))


@dataclass(frozen=True)
class Asked:
    """What is asked for in place of what recordings say; ``None`` leaves what they say.

    Raises:
        UserError: it fits no recording.
    """

    highpass_hz: float | None = None
    notch_hz: float | None = None

    def __post_init__(self) -> None:
        if self.notch_hz not in (None, 0, *MAINS_HZ):
            raise UserError(f"a notch at {self.notch_hz:g} Hz; give 50 or 60, or 0 for none")
        if self.highpass_hz is not None and not 0 <= self.highpass_hz < float("inf"):
            raise UserError(f"a high-pass at {self.highpass_hz:g} Hz; give its cut-off, or 0 for none")

    def of(self, said: Conditioning) -> Conditioning:
        """Return what is filtered."""
        return Conditioning(
            said.highpass_hz if self.highpass_hz is None else self.highpass_hz,
            said.notch_hz if self.notch_hz is None else self.notch_hz,
        )


NOTHING_ASKED = Asked()


def usual_highpass(kind: EmgKind, rate: float) -> float:
    """Return the cut-off of EMG of which nobody says that it was filtered, Hz; 0 for an envelope."""
    return min(HIGHPASS_HZ, rate / LOWEST_RATIO) if kind == "raw" else 0.0


class Conditioner:
    """Filters a stream; how it is cut into chunks changes no value.

    A constant offset gives no transient: the state is that after an endless past of the first sample, or of what
    ``begin`` was given.

    Args:
        conditioning: what is filtered.
        rate: samples per second.
        channels: of the EMG.
    """

    def __init__(self, conditioning: Conditioning, rate: float, channels: int) -> None:
        self.conditioning, self.channels = conditioning, channels
        self._sos, self._steady = conditioning.sections(rate), conditioning.steady(rate)
        self._jumps = Jumps(rate, channels) if conditioning.highpass_hz else None
        self._state: FloatArray | None = None

    def begin(self, level_C: FloatArray) -> None:
        """Begin anew, after an endless past of a level (C,)."""
        self.reset()
        self._state = self._steady[:, :, None] * level_C

    def push(self, emg_TC: FloatArray) -> FloatArray:
        """Return the next samples (T, C) filtered, float32.

        Args:
            emg_TC: finite, in any unit.
        """
        if not self.conditioning or not len(emg_TC):
            return np.asarray(emg_TC, np.float32)
        x_TC: FloatArray = np.asarray(emg_TC, np.float64)
        if self._state is None:
            self._state = self._steady[:, :, None] * x_TC[0]
        if self._jumps is not None:
            x_TC = self._jumps.without(x_TC)
        from scipy.signal import sosfilt

        y_TC, self._state = sosfilt(self._sos, x_TC, axis=0, zi=self._state)
        return np.asarray(y_TC, np.float32)

    def whole(self, emg_TC: FloatArray) -> FloatArray:
        """Return a whole recording (T, C) filtered, as ``push`` does, with little memory beside it."""
        parts = [self.push(emg_TC[at : at + AT_ONCE]) for at in range(0, len(emg_TC), AT_ONCE)]
        return np.concatenate(parts) if self.conditioning and parts else np.asarray(emg_TC, np.float32)

    @property
    def jumps(self) -> int:
        """Number of jumps that were taken out so far, over all channels."""
        return self._jumps.count if self._jumps else 0

    def reset(self) -> None:
        """Begin anew with the next sample, as after lost samples."""
        self._state = None
        if self._jumps is not None:
            self._jumps.reset()

    def plain(self) -> dict[str, Any]:
        """Return all numbers that a program needs to do the same, as plain values; ``export/run.py`` reads them."""
        jumps = self._jumps
        return {
            "highpass_hz": self.conditioning.highpass_hz,
            "notch_hz": self.conditioning.notch_hz,
            "sections": self._sos.tolist(),
            "steady": self._steady.tolist(),
            "jumps": jumps
            and {
                "block": jumps.block,
                "rise": jumps.rise,
                "fall": jumps.fall,
                "jump": JUMP,
                "clipped": CLIPPED,
            },
        }


class Jumps:
    """Takes jumps out of a signal as changes of its offset, such as of an electrode that is pressed on again.

    A step between two samples is a jump where it is far larger than the steps so far. In the first block nothing is
    known yet, and nothing is a jump.

    Args:
        rate: samples per second.
        channels: of the signal.
    """

    def __init__(self, rate: float, channels: int) -> None:
        self.block = max(1, round(BLOCK_S * rate))
        self.rise, self.fall = (self.block / rate / time for time in (RISE_S, FALL_S))
        self._channels, self.count = channels, 0
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._last_C: FloatArray | None = None
        self._offset_C = np.zeros(self._channels)
        self._usual_C: FloatArray | None = None  # mean square of the steps
        self._sum_C, self._filled = np.zeros(self._channels), 0

    def without(self, x_TC: FloatArray) -> FloatArray:
        """Return the next samples (T, C), at least one, without the jumps so far."""
        before_C = x_TC[0] if self._last_C is None else self._last_C
        step_TC = np.diff(x_TC, axis=0, prepend=before_C[None])
        self._last_C = x_TC[-1].copy()
        parts, edges = [], [0]
        while edges[-1] < len(step_TC):
            part_TC = step_TC[edges[-1] : edges[-1] + self.block - self._filled]
            parts.append(self._jumps_in(part_TC))
            edges.append(edges[-1] + len(part_TC))
        if all(part is None for part in parts) and not self._offset_C.any():
            return x_TC
        jumps = [
            np.zeros((stop - start, self._channels)) if part is None else part
            for part, (start, stop) in zip(parts, pairwise(edges), strict=True)
        ]
        # Sums in the order of the samples, so that they do not depend on the chunks.
        offset_TC = np.add.accumulate(np.concatenate([self._offset_C[None], *jumps]), axis=0)
        self._offset_C = offset_TC[-1].copy()
        return np.asarray(x_TC - offset_TC[1:])

    def _jumps_in(self, step_TC: FloatArray) -> FloatArray | None:
        """Return the steps (T, C) of one block that are jumps, zero elsewhere; ``None`` where none is, as usual."""
        square_TC, jump_TC = np.square(step_TC), None
        if self._usual_C is not None:
            known_C = self._usual_C > 0
            most_C = np.where(known_C, CLIPPED**2 * self._usual_C, np.inf)
            if (square_TC > most_C).any():  # else no step is clipped, and so none is a jump
                jump_TC = np.where(known_C & (square_TC > JUMP**2 * self._usual_C), step_TC, 0)
                square_TC = np.minimum(square_TC, most_C)
        self._sum_C = np.add.accumulate(np.concatenate([self._sum_C[None], square_TC]), axis=0)[-1].copy()
        self._filled += len(step_TC)
        if self._filled == self.block:
            mean_C = self._sum_C / self._filled
            before_C = mean_C if self._usual_C is None else self._usual_C
            self._usual_C = before_C + np.where(mean_C > before_C, self.rise, self.fall) * (mean_C - before_C)
            self._sum_C, self._filled = np.zeros(self._channels), 0
        found = 0 if jump_TC is None else int(np.count_nonzero(jump_TC))
        self.count += found
        return jump_TC if found else None


def conditioned(emg_TC: FloatArray, conditioning: Conditioning, rate: float) -> FloatArray:
    """Return a whole recording (T, C) filtered from its first sample, float32."""
    return Conditioner(conditioning, rate, emg_TC.shape[1]).whole(emg_TC)


def without_jumps(emg_TC: FloatArray, rate: float) -> tuple[FloatArray, int]:
    """Return a recording (T, C) without the jumps of its offsets, and how many there were.

    What is resampled is freed of them before: a jump would ring, and could not be taken out any more.
    """
    jumps = Jumps(rate, emg_TC.shape[1])
    parts = [jumps.without(emg_TC[at : at + AT_ONCE].astype(np.float64)) for at in range(0, len(emg_TC), AT_ONCE)]
    return np.concatenate(parts), jumps.count
