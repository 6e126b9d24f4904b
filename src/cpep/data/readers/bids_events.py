"""Events of a BIDS recording: what is a label, what has no pose, what is no data.

- An event with a duration is a label over its span. Where spans overlap, the shorter one wins (a gesture within a
  block); of equally long ones the later.
- An event of zero or unknown duration (a press) is a label from its onset for ``bids.zero_duration_s`` (0.2 s unless
  a ``cpep.json`` at the top of the data set says otherwise), or until the next such event. It wins over spans.
- What no event covers is unknown, not rest: nobody said that the hand rests there.
- ``BAD_IK``: the pose is invalid. ``BAD_ACQ_SKIP``: there is no data; the recording is cut. Other ``BAD_``: the pose
  is invalid and the label unknown. ``boundary`` (EEGLAB) and ``BAD boundary`` (MNE): two recordings meet; it is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.data.readers.bids_text import Row, Settings, number_in, read_table
from cpep.data.readers.edf import LATEST_S, Annotation
from cpep.data.readers.metadata import plain_stage
from cpep.types import REST, UNKNOWN, BoolArray, IntArray, UserError

BAD = re.compile(r"bad(?![a-z])", re.IGNORECASE)
NO_POSE, NO_DATA = "bad_ik", "bad_acq_skip"
ROUNDED_S = 0.005
"""Onsets and durations are rounded: events overlap if they do by more than this, s."""
CUTS = ("boundary", "bad boundary", "edge boundary")
REPETITION_NUMBER = re.compile(r"\d{1,4}", re.ASCII)
LABEL, PROMPT, REPETITION = "label", "prompt", "repetition"
"""Kinds of events that cpep exports, in its column ``kind``; the text is ``prompt/NAME``, ``repetition/NUMBER``."""


@dataclass(frozen=True)
class Event:
    """A text with onset and duration in seconds; the duration is 0 where it is not known.

    Attributes:
        kind: ``label``, ``prompt`` or ``repetition`` in what cpep exported; empty where the text tells.
    """

    onset: float
    duration: float
    text: str
    kind: str = ""

    @property
    def cuts(self) -> bool:
        """Whether two recordings meet here."""
        return not self.kind and self.text.lower() in CUTS

    @property
    def is_bad(self) -> bool:
        """Whether something is missing over its span."""
        return not (self.kind or self.cuts) and bool(BAD.match(self.text))


@dataclass(frozen=True, eq=False)
class Marks:
    """What the events say of every EMG sample.

    Attributes:
        label_T: index into the vocabulary.
        prompt_T: ``None`` where no event is a prompt; so ``repetition_T``.
        lost_T: where there is no pose.
        skipped_T: where there is no data.
        cuts: samples before which the recording is cut.
        notes: what is odd.
    """

    label_T: IntArray
    prompt_T: IntArray | None
    repetition_T: IntArray | None
    vocabulary: tuple[str, ...]
    lost_T: BoolArray
    skipped_T: BoolArray
    cuts: tuple[int, ...]
    notes: tuple[str, ...]


def events_of(table: Path | None, annotations: Sequence[Annotation]) -> tuple[list[Event], list[str]]:
    """Return the events of a recording, and what is odd about them.

    Labels come from ``events.tsv``, or from the annotations in the file where there is none. Annotations that begin
    with ``BAD_`` count beside a table, too.

    Raises:
        UserError: an onset or a duration is no number, or a ``BAD_`` event has no duration.
    """
    inside = [Event(one.onset, one.duration or 0.0, one.text.strip()) for one in annotations]
    for one, event in zip(annotations, inside, strict=True):
        if event.is_bad and one.duration is None:
            raise UserError(
                f"the annotation {event.text} at {event.onset:g} s has no duration; write how long it is bad"
            )
    rows = () if table is None else read_table(table)
    if table is None:
        events = inside
    else:
        _refuse_lack(rows, table)
        events = [_event(row, number, table) for number, row in enumerate(rows, start=2)]
        events += [event for event in inside if (event.is_bad or event.cuts) and event not in events]
    nameless = sum(not event.text for event in events)
    notes = [f"{nameless} events have no text (trial_type or value) and are no labels"] if nameless else []
    if table is not None and nameless and nameless == len(events):
        notes = [f"{notes[0]}; {table.name} has {', '.join(map(repr, rows[0]))}: one of them may be 'trial_type'"]
    return [event for event in events if event.text], notes


def _refuse_lack(rows: Sequence[Row], table: Path) -> None:
    """Refuse a table without a column that says when events are.

    Raises:
        UserError: it lacks one.
    """
    head = list(rows[0]) if rows else []
    for column in ("onset", "duration") if rows else ():
        if column not in head:
            raise UserError(
                f"{table} has no column {column!r}, in seconds, as BIDS asks; it has {', '.join(map(repr, head))}; "
                "rename the one that is meant"
            )


def _event(row: Row, number: int, table: Path) -> Event:
    def seconds(column: str) -> float:
        found = repr(row[column]) if column in row else "missing"
        try:
            if abs(value := number_in(row[column] or "0")) < LATEST_S:
                return value
        except (KeyError, ValueError):
            pass
        raise UserError(f"{table}, row {number}: {column} is {found}, not a number of seconds")

    text = row.get("trial_type") or row.get("value") or ""
    if not row.get("onset", "-"):
        raise UserError(f"{table}, row {number}: the event {text!r} has no onset; give it one or delete the row")
    onset, duration, kind = seconds("onset"), seconds("duration"), row.get("kind", "")
    if duration < 0:
        raise UserError(f"{table}, row {number}: duration is {duration:g}, less than nothing")
    event = Event(onset, duration, text, kind if kind in (LABEL, PROMPT, REPETITION) else "")
    if event.is_bad and not row["duration"]:
        raise UserError(f"{table}, row {number}: the event {text} has no duration; write how long it is bad")
    return event


def marks_of(
    events: Sequence[Event], samples: int, rate: float, settings: Settings, stage: str = "", known: Sequence[str] = ()
) -> Marks:
    """Return what events say of each of ``samples`` EMG samples.

    Args:
        events: in any order.
        samples: of the EMG.
        rate: EMG samples per second.
        settings: how long an event of zero duration is a label, and which texts are none.
        stage: the label of the whole recording where the events name no other one; empty for none.
        known: vocabulary, in its order, where the data set gives it.
    """
    place = _Place(samples, rate)
    labels = [
        event
        for event in events
        if event.kind == LABEL or not (event.kind or event.is_bad or event.cuts or event.text in settings.ignore)
    ]
    if stage:
        labels = [event for event in labels if event.kind or plain_stage(event.text) != stage]
    prompts = [_named(event) for event in events if event.kind == PROMPT]
    if stage and not labels:
        labels = [Event(0, samples / rate + 1, stage)]
    vocabulary = _vocabulary([*known, *(event.text for event in (*labels, *prompts))])
    spans, points = place.spans(labels, settings.zero_duration_s)
    label_T = place.painted(spans, vocabulary)
    lost_T, skipped_T, other_T = (np.zeros(samples, bool) for _ in range(3))
    for event in (event for event in events if event.is_bad):
        begin, end = place.of(event)
        mask_T = {NO_POSE: lost_T, NO_DATA: skipped_T}.get(event.text.lower(), other_T)
        mask_T[begin:end] = True
    label_T[other_T] = UNKNOWN
    return Marks(
        label_T=label_T,
        prompt_T=place.painted(place.spans(prompts, 0)[0], vocabulary) if prompts else None,
        repetition_T=_repetitions(events, place),
        vocabulary=vocabulary,
        lost_T=lost_T | other_T,
        skipped_T=skipped_T,
        cuts=tuple(sorted({place.of(event)[0] for event in events if event.cuts})),
        notes=tuple(_notes(labels, points, place, events, settings)),
    )


@dataclass(frozen=True)
class _Place:
    """Where events lie among the samples of a recording."""

    samples: int
    rate: float

    def of(self, event: Event) -> tuple[int, int]:
        """Return the first sample of an event and the one after its last, within the recording."""
        begin, end = round(event.onset * self.rate), round((event.onset + event.duration) * self.rate)
        return min(max(begin, 0), self.samples), min(max(end, 0), self.samples)

    def spans(self, events: Sequence[Event], hold_s: float) -> tuple[list[tuple[int, int, str]], int]:
        """Return begin, end and text of labels in the order in which they are painted; and how many held ones."""
        long = sorted((one for one in events if one.duration > 0), key=lambda one: (-one.duration, one.onset))
        points = sorted((one for one in events if one.duration == 0), key=lambda one: one.onset)
        held = [Event(one.onset, hold_s, one.text) for one in points]
        return [(*self.of(one), one.text) for one in (*long, *held)], len(points)

    def disputed(self, events: Sequence[Event]) -> list[Event]:
        """Return the spans that overlap an earlier one of another text, and lie not within it, nor it within them."""
        found: list[Event] = []
        going: list[tuple[int, int, str]] = []
        slack = max(1, round(ROUNDED_S * self.rate))
        for event in sorted((one for one in events if one.duration > 0), key=lambda one: (one.onset, -one.duration)):
            begin, end = self.of(event)
            going = [one for one in going if one[1] > begin + slack]
            if any(
                text != event.text and (end > last + slack or (first, last) == (begin, end))
                for first, last, text in going
            ):
                found.append(event)
            going.append((begin, end, event.text))
        return found

    def painted(self, spans: Iterable[tuple[int, int, str]], vocabulary: tuple[str, ...]) -> IntArray:
        label_T = np.full(self.samples, UNKNOWN, np.int16)
        number = {name: index for index, name in enumerate(vocabulary)}
        for begin, end, text in spans:
            label_T[begin:end] = REST if is_rest(text) else number[text]
        return label_T


def is_rest(text: str) -> bool:
    """Tell whether a text is the name of rest."""
    return text.strip().lower() == "rest"


def _vocabulary(names: Sequence[str]) -> tuple[str, ...]:
    return ("rest", *dict.fromkeys(name for name in names if not is_rest(name)))


def _named(event: Event) -> Event:
    return Event(event.onset, event.duration, event.text.removeprefix(f"{event.kind}/"), event.kind)


def _repetitions(events: Sequence[Event], place: _Place) -> IntArray | None:
    mine = [_named(event) for event in events if event.kind == REPETITION]
    if not mine:
        return None
    repetition_T = np.zeros(place.samples, np.int16)
    for event in mine:
        begin, end = place.of(event)
        if not REPETITION_NUMBER.fullmatch(event.text):
            raise UserError(f"the event {event.kind}/{event.text[:60]} at {event.onset:g} s gives no repetition")
        repetition_T[begin:end] = int(event.text)
    return repetition_T


def _notes(
    labels: Sequence[Event], points: int, place: _Place, events: Sequence[Event], settings: Settings
) -> Iterable[str]:
    if points:
        yield f"{points} events of zero duration are labels for {settings.zero_duration_s:g} s, or until the next one"
    if disputed := place.disputed(labels):
        yield (
            f"{len(disputed)} events overlap another one in part (the first at {disputed[0].onset:g} s); there the "
            "shorter one is the label"
        )
    if late := sum(round(one.onset * place.rate) >= place.samples for one in labels):
        yield f"{late} events begin after the end of the recording"
    for text in settings.ignore:
        if count := sum(one.text == text and not one.kind for one in events):
            yield f"{count} events {text!r} are taken as no labels"
