"""Scores of a recogniser by its events: which gestures were made and recognised, how late, with what confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.types import REST, FloatArray, IntArray

LATE_S = 0.5
"""An event may come up to this many seconds after its gesture has ended: the window still contains the gesture."""

NOTHING = "nothing"
"""Answer to a gesture without an event."""


@dataclass(frozen=True)
class Made:
    """A gesture that the hand made.

    Attributes:
        start_s: start of the gesture, seconds of the recording.
        stop_s: end of the gesture.
        name: name of the gesture.
    """

    start_s: float
    stop_s: float
    name: str


@dataclass(frozen=True)
class Event:
    """A recogniser says that a gesture begins.

    Attributes:
        time_s: time of the event, seconds of the stream: the end of the window.
        name: name of the gesture.
        confidence: calibrated probability that the hand makes it.
    """

    time_s: float
    name: str
    confidence: float


@dataclass(frozen=True, eq=False)
class Matched:
    """The gestures and the events of one recording, matched.

    Attributes:
        made: gestures in the order of time.
        told: events in the order of time.
        event_M: for each gesture, index of the event that recognised it, or -1.
        first_M: for each gesture, index of the event that answers it, or -1: the event that recognised it, or else
            the first event during the gesture.
        right_N: for each event, whether it recognised a gesture.
        rest_N: for each event, whether it came during rest.
        rest_s: seconds of rest, without the first ``LATE_S`` of each rest.
    """

    made: tuple[Made, ...]
    told: tuple[Event, ...]
    event_M: IntArray
    first_M: IntArray
    right_N: np.ndarray
    rest_N: np.ndarray
    rest_s: float


def gestures_of(label_M: IntArray, frame_s: float, vocabulary: Sequence[str], least_s: float) -> tuple[Made, ...]:
    """Return the gestures of a recording: runs of one label, without rest and unknown.

    Args:
        label_M: labels of a recording, frame by frame.
        frame_s: seconds of a frame.
        vocabulary: names of the labels.
        least_s: the last gesture is left out if the end of the recording cuts it shorter than this, seconds.
    """
    edges = np.flatnonzero(np.diff(label_M)) + 1
    firsts, stops = [0, *edges.tolist()], [*edges.tolist(), len(label_M)]
    return tuple(
        Made(first * frame_s, stop * frame_s, vocabulary[label_M[first]])
        for first, stop in zip(firsts, stops, strict=True)
        if label_M[first] > REST and (stop < len(label_M) or (stop - first) * frame_s >= least_s)
    )


def match(made: Sequence[Made], told: Sequence[Event], rests: Sequence[tuple[float, float]]) -> Matched:
    """Match events with gestures of their name.

    An event recognises a gesture that has its name, has begun, has ended no more than ``LATE_S`` ago, and was not
    recognised before; of several the latest. So two events for one gesture count as one right and one wrong event.

    Args:
        made: gestures in the order of time.
        told: events in the order of time.
        rests: first and last second of each rest.
    """
    event_M, first_M = np.full(len(made), -1), np.full(len(made), -1)
    right_N, rest_N = np.zeros(len(told), bool), np.zeros(len(told), bool)
    resting = [(first + LATE_S, stop) for first, stop in rests if stop - first > LATE_S]
    for n, event in enumerate(told):
        going = [m for m, one in enumerate(made) if one.start_s <= event.time_s <= one.stop_s + LATE_S]
        for m in reversed(going):
            if made[m].name == event.name and event_M[m] < 0:
                event_M[m], right_N[n] = n, True
                break
        for m in going[-1:]:
            if first_M[m] < 0:
                first_M[m] = n
        rest_N[n] = any(first <= event.time_s <= stop for first, stop in resting)
    first_M = np.where(event_M >= 0, event_M, first_M) if len(made) else first_M
    rest_s = float(sum(stop - first for first, stop in resting))
    return Matched(tuple(made), tuple(told), event_M, first_M, right_N, rest_N, rest_s)


def rests_of(label_M: IntArray, frame_s: float) -> list[tuple[float, float]]:
    """Return first and last second of each run of rest."""
    edges = np.flatnonzero(np.diff(label_M)) + 1
    spans = zip([0, *edges.tolist()], [*edges.tolist(), len(label_M)], strict=True)
    return [(first * frame_s, stop * frame_s) for first, stop in spans if label_M[first] == REST]


def f1_table(matched: Matched, names: Sequence[str]) -> IntArray:
    """Return for each gesture (columns): events that were right, events, and times that it was made, (3, K).

    F1 is 2 right / (told + made): the harmonic mean of precision and recall.
    """
    counts_3K = np.zeros((3, len(names)), int)
    for event, right in zip(matched.told, matched.right_N.tolist(), strict=True):
        if event.name in names:
            counts_3K[0, names.index(event.name)] += right
            counts_3K[1, names.index(event.name)] += 1
    for gesture in matched.made:
        if gesture.name in names:
            counts_3K[2, names.index(gesture.name)] += 1
    return counts_3K


def latencies(matched: Sequence[Matched]) -> FloatArray:
    """Return the seconds from the start of each recognised gesture to its event."""
    return np.array(
        [
            one.told[n].time_s - one.made[m].start_s
            for one in matched
            for m, n in enumerate(one.event_M.tolist())
            if n >= 0
        ]
    )


def false_per_minute(matched: Sequence[Matched]) -> float:
    """Return the number of events during rest, per minute of rest; NaN without rest."""
    rest_s = sum(one.rest_s for one in matched)
    return 60 * sum(int(one.rest_N.sum()) for one in matched) / rest_s if rest_s else float("nan")


def rejected(matched: Sequence[Matched], names: Sequence[str]) -> float:
    """Return the share of the gestures outside ``names`` during which no event came; NaN if there are none."""
    quiet = [
        not any(gesture.start_s <= event.time_s <= gesture.stop_s for event in one.told)
        for one in matched
        for gesture in one.made
        if gesture.name not in names
    ]
    return float(np.mean(quiet)) if quiet else float("nan")


def confusion(matched: Sequence[Matched], names: Sequence[str]) -> IntArray:
    """Return how often each gesture (rows) got each answer (columns); the last column is ``NOTHING``."""
    counts = np.zeros((len(names), len(names) + 1), int)
    for one in matched:
        for gesture, n in zip(one.made, one.first_M.tolist(), strict=True):
            if gesture.name in names:
                answer = one.told[n].name if n >= 0 else NOTHING
                column = names.index(answer) if answer in names else len(names)
                counts[names.index(gesture.name), column] += 1
    return counts


@dataclass(frozen=True)
class Reliability:
    """Calibration of confidences in bins of equal width.

    Attributes:
        ece: expected calibration error (Naeini et al. 2015): mean |accuracy - confidence| of bins, weighted by count.
        confidence: mean confidence of each bin that is not empty.
        accuracy: share of right answers in the same bins.
        count: number of answers in the same bins.
    """

    ece: float
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]


def reliability(confidence_N: FloatArray, right_N: np.ndarray, bins: int = 10) -> Reliability:
    """Return the calibration of answers.

    Raises:
        ValueError: no answers.
    """
    if not len(confidence_N):
        raise ValueError("no answers to judge")
    bin_N = np.minimum((np.asarray(confidence_N) * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(bin_N):
        mine = bin_N == b
        rows.append((float(np.mean(confidence_N[mine])), float(np.mean(right_N[mine])), int(mine.sum())))
    ece = sum(count * abs(accuracy - confidence) for confidence, accuracy, count in rows) / len(bin_N)
    confidences, accuracies, counts = zip(*rows, strict=True)
    return Reliability(ece, confidences, accuracies, counts)
