"""One person's session as pictures: read one recording at a time, kept as a few numbers a pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cpep.data.readers.folder import Source
from cpep.data.recording import Recording
from cpep.data.summary import lag_of
from cpep.signal import measures
from cpep.signal.lag import Lag
from cpep.signal.measures import Measures
from cpep.types import UNKNOWN, BoolArray, FloatArray

COLUMNS = 560
"""Pixels of the time axis: the lowest and the highest value of each is kept."""

ZOOM_S = 2.0
"""Length of the piece that is shown as it is."""

MOST_CHANNELS, MOST_POSE = 32, 8
"""So many rows of EMG and of the pose are drawn."""

Labels = list[tuple[float, float, str]]
"""Start, end and name of each spell of a label, seconds."""


@dataclass
class Zoom:
    """A movement from near.

    Attributes:
        recording: its name.
        start: second of the recording at which it begins.
        emg_TC: EMG less the mean.
        labels: spells of labels, from its start.
    """

    recording: str
    start: float
    emg_TC: FloatArray
    labels: Labels


@dataclass
class Session:
    """What is drawn of one session; times count over its recordings, one after the other.

    Attributes:
        low_KC, high_KC: range of the EMG in each pixel, of raw EMG less what is slower than about 4 Hz.
        pose_KJ: pose in each pixel, not finite where it is invalid; ``None`` without one.
        invalid: spells of invalid pose, seconds.
        edges: where one recording ends and the next begins, seconds.
    """

    user: str
    name: str
    seconds: float
    low_KC: FloatArray
    high_KC: FloatArray
    pose_KJ: FloatArray | None
    pose_names: tuple[str, ...]
    labels: Labels
    invalid: list[tuple[float, float]]
    edges: list[float]
    frequency_F: FloatArray
    density_FC: FloatArray
    measures: list[tuple[float, Measures]]
    lags: list[Lag]
    zoom: Zoom | None


@dataclass
class _Parts:
    """What is gathered while recordings are read."""

    lows: list[FloatArray] = field(default_factory=list)
    highs: list[FloatArray] = field(default_factory=list)
    poses: list[FloatArray] = field(default_factory=list)
    labels: Labels = field(default_factory=list)
    invalid: list[tuple[float, float]] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    densities: list[FloatArray] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    measures: list[tuple[float, Measures]] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    zoom: Zoom | None = None
    begin: float = 0.0


def session_of(sources: Sequence[Source], names: Sequence[str], seconds: float) -> Session:
    """Read the recordings of a session for its pictures.

    Args:
        sources: the files that hold them.
        names: of the recordings; others in these files are passed over.
        seconds: length of all of them.
    """
    parts, last = _Parts(), None
    for recording in _recordings(sources, names):
        last = recording
        _add(parts, recording, max(round(COLUMNS * recording.seconds / seconds), 2))
    assert last is not None, "a session has a recording"
    shortest = min(map(len, parts.densities))
    density_FC = np.average([one[:shortest] for one in parts.densities], axis=0, weights=parts.weights)
    return Session(
        user=last.user,
        name=last.session,
        seconds=parts.begin,
        low_KC=np.concatenate(parts.lows),
        high_KC=np.concatenate(parts.highs),
        pose_KJ=np.concatenate(parts.poses) if parts.poses else None,
        pose_names=last.device.anchor_names,
        labels=parts.labels,
        invalid=parts.invalid,
        edges=parts.edges[:-1],
        frequency_F=np.linspace(0, last.device.emg_rate / 2, shortest),
        density_FC=density_FC,
        measures=parts.measures,
        lags=parts.lags,
        zoom=parts.zoom,
    )


def _recordings(sources: Sequence[Source], names: Sequence[str]) -> Iterator[Recording]:
    wanted = set(names)
    for source in sources:
        yield from (part for part in source.parts() if part.name in wanted)


def _add(parts: _Parts, recording: Recording, columns: int) -> None:
    device, begin = recording.device, parts.begin
    emg_TC = recording.emg_TC
    flat_TC = _without_drift(emg_TC, device.emg_rate) if device.emg_kind == "raw" else emg_TC
    low_KC, high_KC = ranges(flat_TC, columns)
    parts.lows.append(low_KC)
    parts.highs.append(high_KC)
    parts.labels += [(begin + start, begin + end, name) for start, end, name in label_spells(recording)]
    if recording.anchor_SJ is not None:
        parts.poses.append(_pose(recording, columns))
        rate = recording.anchor_rate
        parts.invalid += [(begin + start / rate, begin + end / rate) for start, end in _runs(~recording.valid_S)]
    parts.densities.append(measures.spectrum(emg_TC, device.emg_rate)[0])
    parts.weights.append(recording.seconds)
    parts.measures.append((recording.seconds, measures.measure(emg_TC, device.emg_rate, device.emg_kind)))
    if lag := lag_of(recording):
        parts.lags.append(lag)
    parts.zoom = parts.zoom or _zoom(recording, flat_TC)
    parts.begin += recording.seconds
    parts.edges.append(parts.begin)


def ranges(emg_TC: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest value (K, C) of each pixel; of few samples, one pixel each."""
    columns = min(columns, len(emg_TC))
    starts = np.linspace(0, len(emg_TC), columns, endpoint=False).astype(int)
    return np.minimum.reduceat(emg_TC, starts, axis=0), np.maximum.reduceat(emg_TC, starts, axis=0)


def label_spells(recording: Recording) -> Labels:
    """Return the spells of labels of a recording; unknown ones are left out."""
    label_T, rate = recording.label_T, recording.device.emg_rate
    edges = np.flatnonzero(np.diff(label_T)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(label_T)]
    return [
        (start / rate, end / rate, recording.vocabulary[int(label_T[start])])
        for start, end in zip(starts, ends, strict=True)
        if label_T[start] != UNKNOWN
    ]


def _without_drift(emg_TC: FloatArray, rate: float) -> FloatArray:
    """Take the moving mean over a quarter of a second away."""
    half = max(round(0.125 * rate), 1)
    sums_TC = np.cumsum(
        np.pad(emg_TC - emg_TC[:1], ((half + 1, half), (0, 0)), mode="edge"), axis=0, dtype=np.float64
    )
    mean_TC = (sums_TC[2 * half + 1 :] - sums_TC[: -2 * half - 1]) / (2 * half + 1)
    return np.asarray(emg_TC - emg_TC[:1] - mean_TC, dtype=np.float32)


def _pose(recording: Recording, columns: int) -> FloatArray:
    """Return the pose at each pixel (K, J), not finite where it is invalid."""
    assert recording.anchor_SJ is not None
    middle_K = (np.arange(columns) + 0.5) / columns * recording.seconds
    frame_K = np.minimum((middle_K * recording.anchor_rate).astype(int), max(len(recording.valid_S) - 1, 0))
    if not len(recording.valid_S):
        return np.full((columns, recording.anchor_SJ.shape[1]), np.nan, np.float32)
    return np.where(recording.valid_S[frame_K, None], recording.anchor_SJ[frame_K], np.nan)


def _zoom(recording: Recording, flat_TC: FloatArray) -> Zoom | None:
    """Return two seconds round the first gesture after 2 s, or else where the EMG is strongest without a burst."""
    rate = recording.device.emg_rate
    length = round(ZOOM_S * rate)
    if len(flat_TC) <= length:
        return None
    spells = label_spells(recording)
    onsets = [start for start, end, name in spells if name != "rest" and start > 0 and end - start > 0.5]
    if onsets:
        later = [start for start in onsets if start > 2.0]
        start = max(round(((later or onsets)[0] - 0.5) * rate), 0)
    else:
        strength_KC = measures.strength(recording.emg_TC, rate, recording.device.emg_kind)
        level_K = np.median(strength_KC, axis=1)
        strong = int(np.abs(level_K - np.quantile(level_K, 0.95)).argmin())
        start = max(round((strong * measures.BLOCK_S - 0.5 * ZOOM_S) * rate), 0)
    start = min(start, len(flat_TC) - length)
    second = start / rate
    inside = [(max(a - second, 0), min(b - second, ZOOM_S), name) for a, b, name in spells]
    return Zoom(
        recording.name, second, flat_TC[start : start + length], [spell for spell in inside if spell[0] < spell[1]]
    )


def _runs(mask_S: BoolArray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask_S, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
