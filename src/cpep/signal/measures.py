"""How good the channels of an EMG recording are, in numbers.

They are judged by the thresholds of ``cpep.signal.quality``. Channels are numbered from 0 here, and from 1 in every
sentence for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cpep.signal.quality import MAINS_HZ, TINY, WIDTH_HZ, clipped_share, detrended, is_flat, low_hz, power
from cpep.types import BoolArray, EmgKind, FloatArray

COPY = 0.999
"""Two channels are one signal where they correlate more than this, hum and drift left aside."""

STRETCH_S, STRETCHES = 5.0, 12
"""What takes long to compute is measured on so many stretches of this length, at equal distances."""

BLOCK_S = 0.25
"""Length of the blocks whose SDs tell quiet moments from strong ones."""

BURST = 8.0
"""A moment so many times as strong as the strongest tenth of all moments, in most channels at once, is no muscle."""

DEAD_S, DEAD_ENVELOPE_S = 1.0, 30.0
"""A channel that repeats one value for so long has lost its signal; an envelope at rest may repeat its value."""

EMPTY = 1e-5
"""A spectrum is empty where its density is less than this share of what it is below."""

MOST = 0.7
"""The share of the channels that must agree on what a signal looks like."""


@dataclass(frozen=True)
class Spell:
    """A while, in seconds, in which a channel repeats one value; ``channel`` is -1 for all channels together."""

    channel: int
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Measures:
    """What is measured on the channels of one recording; all values but shares are in the unit of the EMG.

    Attributes:
        offset_C: mean.
        drift_C: by how much the mean of a second differs, from the lowest to the highest second.
        sd_C: SD from ``LOW_HZ`` on, without hum; of an envelope the SD.
        floor_C: the same in the quietest tenth of the blocks.
        peak_C: the same in the strongest tenth of the blocks.
        hum_C: share of the power from ``LOW_HZ`` on that lies at ``mains_hz`` and its harmonics.
        mains_hz: 50 or 60, whichever holds more.
        clipped_C: share of the samples that lie where the range ends and samples pile up.
        flat_C: no signal at all, or next to none beside the other channels.
        bursts: seconds at which most channels are far stronger than their strongest tenth.
        burst: how many times so.
        copies: pairs of channels that are one signal; the sign is -1 where one is turned round.
        spells: while a channel, or all, repeat one value.
        top_hz: above this the spectrum is empty; half the rate where it is not.
        repeats: how often each sample stands; 1 unless all are repeated.
        looks: ``raw`` or ``envelope`` where the values plainly look so, ``rectified`` for raw ones without sign;
            empty where they do not tell.
        measured_s: seconds of the recording that spectra and SDs are from.
    """

    offset_C: FloatArray
    drift_C: FloatArray
    sd_C: FloatArray
    floor_C: FloatArray
    peak_C: FloatArray
    hum_C: FloatArray
    mains_hz: float
    clipped_C: FloatArray
    flat_C: BoolArray
    bursts: tuple[float, ...]
    burst: float
    copies: tuple[tuple[int, int, int], ...]
    spells: tuple[Spell, ...]
    top_hz: float
    repeats: int
    looks: str
    measured_s: float


def measure(emg_TC: FloatArray, rate: float, kind: EmgKind) -> Measures:
    """Measure the channels of a recording.

    Args:
        emg_TC: finite.
        rate: samples per second.
        kind: of the EMG, as it is declared.
    """
    pieces = [emg_TC[rows].astype(np.float64) for rows in stretches(len(emg_TC), rate)]
    density_FC, frequency_F = spectrum(emg_TC, rate)
    shares = {mains: _hum(density_FC, frequency_F, mains, rate) for mains in MAINS_HZ}
    mains_hz = max(shares, key=lambda mains: float(shares[mains].sum()))
    clean = [cleaned(piece_TC, rate, kind) for piece_TC in pieces]
    blocks_KC = np.concatenate([_blocks(piece_TC, rate) for piece_TC in clean])
    floor_C, peak_C = np.quantile(blocks_KC, [0.1, 0.9], axis=0)
    sd_C = np.sqrt(np.mean([np.square(piece_TC).mean(axis=0) for piece_TC in clean], axis=0))
    if kind != "raw":
        sd_C = emg_TC.std(axis=0, dtype=np.float64)
    constant_C = np.ptp(emg_TC, axis=0) == 0
    whole_C = np.maximum(
        sd_C, np.sqrt(2 * density_FC[1:].sum(axis=0) * frequency_F[-1] / max(len(frequency_F) - 1, 1))
    )
    sd_C = np.where(constant_C, 0, sd_C)
    flat_C = constant_C | is_flat(np.where(constant_C, 0, whole_C), sd_C)
    second_KC = _means(emg_TC, max(round(rate), 1))
    bursts, burst = _bursts(emg_TC, rate, kind)
    return Measures(
        offset_C=emg_TC.mean(axis=0, dtype=np.float64),
        drift_C=np.ptp(second_KC, axis=0),
        sd_C=sd_C,
        floor_C=floor_C,
        peak_C=peak_C,
        hum_C=shares[mains_hz] if kind == "raw" else np.zeros(emg_TC.shape[1]),
        mains_hz=mains_hz,
        clipped_C=np.where(flat_C, 0.0, clipped_share(emg_TC, kind)),
        flat_C=flat_C,
        bursts=bursts,
        burst=burst,
        copies=_copies(clean, ~flat_C),
        spells=tuple(_spells(emg_TC, rate, kind, ~constant_C)),
        top_hz=_top(density_FC, frequency_F, ~flat_C),
        repeats=_repeats(emg_TC[:, ~constant_C]) if kind == "raw" else 1,
        looks=_looks(emg_TC[:, ~flat_C], density_FC[:, ~flat_C], frequency_F),
        measured_s=sum(map(len, pieces)) / rate,
    )


def stretches(samples: int, rate: float) -> list[slice]:
    """Return the rows of the stretches that are measured: all rows of a short recording."""
    length = max(round(STRETCH_S * rate), 1)
    if samples <= STRETCHES * length:
        count = max(samples // length, 1)
        return [slice(k * samples // count, (k + 1) * samples // count) for k in range(count)]
    starts = np.linspace(0, samples - length, STRETCHES).astype(int).tolist()
    return [slice(start, start + length) for start in starts]


def spectrum(emg_TC: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Return the mean power density (F, C) of the stretches in windows of 2 s, and its frequencies (F,)."""
    rows = stretches(len(emg_TC), rate)
    length = min(round(2 * rate), *(row.stop - row.start for row in rows))
    total, count = np.zeros((length // 2 + 1, emg_TC.shape[1])), 0
    for row in rows:
        for start in range(row.start, row.stop - length + 1, max(length // 2, 1)):
            total += power(emg_TC[start : start + length], rate)[0]
            count += 1
    return total / max(count, 1) * length / rate, np.fft.rfftfreq(length, 1 / rate)


def cleaned(emg_TC: FloatArray, rate: float, kind: EmgKind) -> FloatArray:
    """Return raw EMG of some seconds from ``LOW_HZ`` on and without hum, less its ends; an envelope less its mean.

    The ends, a tenth of it each, are tapered before the transform: strong hum and drift would leak everywhere.
    """
    if kind != "raw" or len(emg_TC) < 40:
        return np.asarray(emg_TC - emg_TC.mean(axis=0))
    edge = len(emg_TC) // 10
    taper_T = np.ones(len(emg_TC))
    taper_T[:edge] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    taper_T[-edge:] = taper_T[:edge][::-1]
    line_FC = np.fft.rfft(detrended(emg_TC) * taper_T[:, None], axis=0)
    frequency_F = np.fft.rfftfreq(len(emg_TC), 1 / rate)
    drop_F = frequency_F < low_hz(rate)
    for mains in MAINS_HZ:
        for harmonic in range(1, int(rate / 2 / mains) + 1):
            drop_F |= np.abs(frequency_F - harmonic * mains) <= 2 * WIDTH_HZ
    line_FC[drop_F] = 0
    return np.asarray(np.fft.irfft(line_FC, len(emg_TC), axis=0))[edge:-edge]


def _hum(density_FC: FloatArray, frequency_F: FloatArray, mains: float, rate: float) -> FloatArray:
    """Return the share (C,) of the power at the mains and all its harmonics beyond what their neighbours have."""
    above_F = frequency_F >= low_hz(rate)
    excess_C = np.zeros(density_FC.shape[1])
    for harmonic in range(1, int(rate / 2 / mains) + 1):
        off_F = np.abs(frequency_F - harmonic * mains)
        line_F, beside_F = off_F <= 1.5 * WIDTH_HZ, (off_F > 2 * WIDTH_HZ) & (off_F <= 8 * WIDTH_HZ)
        if beside_F.any():
            usual_C = np.median(density_FC[beside_F], axis=0)
            excess_C += np.maximum(density_FC[line_F] - usual_C, 0).sum(axis=0)
    return np.asarray(excess_C / np.maximum(density_FC[above_F].sum(axis=0), 1e-60))


def _means(emg_TC: FloatArray, length: int) -> FloatArray:
    """Return the means (K, C) of whole blocks; of one shorter block where there is none."""
    count = len(emg_TC) // length
    if count == 0:
        return np.asarray(emg_TC.mean(axis=0, dtype=np.float64, keepdims=True))
    blocks_KTC = emg_TC[: count * length].reshape(count, length, -1)
    return np.asarray(blocks_KTC.mean(axis=1, dtype=np.float64))


def _blocks(clean_TC: FloatArray, rate: float) -> FloatArray:
    """Return the SDs (K, C) of blocks of ``BLOCK_S``."""
    return np.sqrt(_means(np.square(clean_TC), max(round(BLOCK_S * rate), 1)))


def strength(emg_TC: FloatArray, rate: float, kind: EmgKind) -> FloatArray:
    """Return how strong each channel is in each block of ``BLOCK_S`` (K, C): its SD; of an envelope the mean."""
    length = max(round(BLOCK_S * rate), 1)
    mean_KC = _means(emg_TC, length)
    if kind != "raw":
        return np.maximum(mean_KC, 0)
    level_TC = emg_TC[: len(mean_KC) * length] - np.repeat(mean_KC, length, axis=0)[: len(emg_TC)]
    return np.sqrt(_means(np.square(level_TC), length))


def _bursts(emg_TC: FloatArray, rate: float, kind: EmgKind) -> tuple[tuple[float, ...], float]:
    """Return when most channels are ``BURST`` times as strong as their strongest tenth, and how many times."""
    strength_KC = strength(emg_TC, rate, kind)
    if kind != "raw" or len(strength_KC) < 20 or emg_TC.shape[1] < 2:
        return (), 0.0
    usual_C = np.quantile(strength_KC, 0.9, axis=0)
    times_K = np.median(strength_KC / np.maximum(usual_C, TINY), axis=1)
    at = [start * BLOCK_S for start, _ in _runs(times_K > BURST, 1)]
    return tuple(at), float(times_K.max()) if at else 0.0


def _copies(clean: list[FloatArray], alive_C: BoolArray) -> tuple[tuple[int, int, int], ...]:
    """Find pairs that are one signal in half of the stretches or more: one knock moves all channels alike."""
    alike_NCC = []
    for piece_TC in clean:
        size_C = np.sqrt(np.square(piece_TC).sum(axis=0))
        alike_NCC.append(piece_TC.T @ piece_TC / np.maximum(np.outer(size_C, size_C), 1e-60))
    alike_CC = np.median(alike_NCC, axis=0)
    pairs = np.argwhere(np.triu(np.abs(alike_CC) > COPY, 1) & np.outer(alive_C, alive_C))
    return tuple((int(i), int(j), int(np.sign(alike_CC[i, j]))) for i, j in pairs)


def _spells(emg_TC: FloatArray, rate: float, kind: EmgKind, alive_C: BoolArray) -> Iterator[Spell]:
    """Find where channels that have a signal repeat one value."""
    least = max(round((DEAD_S if kind == "raw" else DEAD_ENVELOPE_S) * rate), 20)
    alive = np.flatnonzero(alive_C)
    if not len(alive):
        return
    same_TC = emg_TC[1:, alive] == emg_TC[:-1, alive]
    together_T = same_TC.all(axis=1) & (len(alive) > 1)
    yield from (Spell(-1, start / rate, end / rate) for start, end in _runs(together_T, least))
    for column, c in enumerate(alive.tolist()):
        own = _runs(same_TC[:, column] & ~together_T, least)
        yield from (Spell(c, start / rate, end / rate) for start, end in own)


def _runs(mask_T: BoolArray, least: int) -> list[tuple[int, int]]:
    """Return start and end of each run of True that is at least so long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask_T, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2) if end - start >= least]


def _top(density_FC: FloatArray, frequency_F: FloatArray, alive_C: BoolArray) -> float:
    """Return the frequency above which the spectra are empty; the last one where they are not.

    Only a steep end counts, within a quarter of the range: a filter that falls slowly is the device's own.
    """
    last = float(frequency_F[-1])
    if not alive_C.any() or len(frequency_F) < 40:
        return last
    density_F = np.median(density_FC[:, alive_C] / density_FC[:, alive_C].sum(axis=0), axis=1)
    level = float(np.median(density_F[(frequency_F >= 0.02 * last) & (frequency_F <= 0.2 * last)]))
    wide = max(len(density_F) // 100, 1)
    smooth_F = np.array([np.median(density_F[max(f - wide, 0) : f + wide + 1]) for f in range(len(density_F))])
    full = np.flatnonzero(smooth_F > EMPTY * level)
    strong = np.flatnonzero(smooth_F > 1e-2 * level)
    if not len(full) or not len(strong):
        return last
    top, knee = float(frequency_F[full[-1]]), float(frequency_F[strong[-1]])
    return top if top < 0.8 * last and top - knee < 0.25 * last else last


def _repeats(emg_TC: FloatArray) -> int:
    """Return how often each sample stands, where all of them stand equally often one after the other."""
    if emg_TC.shape[1] == 0 or len(emg_TC) < 100:
        return 1
    changes = np.flatnonzero((emg_TC[1:] != emg_TC[:-1]).any(axis=1))
    steps = np.diff(changes)
    if len(steps) < 20:
        return 1
    usual = int(np.median(steps))
    return usual if usual > 1 and (steps % usual == 0).mean() > 0.95 else 1


def _looks(emg_TC: FloatArray, density_FC: FloatArray, frequency_F: FloatArray) -> str:
    """Tell a raw signal from an envelope by its signs and its spectrum."""
    if emg_TC.shape[1] == 0 or len(emg_TC) < 200:
        return ""
    low_C, middle_C, high_C = np.quantile(emg_TC, [0.01, 0.5, 0.99], axis=0)
    fast_C = density_FC[frequency_F >= 20].sum(axis=0) / np.maximum(density_FC.sum(axis=0), 1e-60)
    middle_C = (middle_C - low_C) / np.maximum(high_C - low_C, 1e-30)  # a half where values lie evenly round it
    one_sided_C = (emg_TC.min(axis=0) >= 0) & (low_C < 0.2 * high_C) & (middle_C < np.where(fast_C > 0.5, 0.4, 0.6))
    if np.mean(one_sided_C) > MOST:
        return "rectified" if np.median(fast_C) > 0.5 else "envelope"
    both_C = (low_C < 0) & (high_C > 0) & (np.abs(low_C) > 0.3 * high_C) & (np.abs(low_C) < 3 * high_C)
    return "raw" if np.mean(both_C) > MOST and np.median(fast_C) > 0.5 else ""
