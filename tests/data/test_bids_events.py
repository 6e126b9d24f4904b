"""Events of EMG-BIDS against rules written sample by sample, and recordings cut where there is no data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.readers.bids import _kept
from cpep.data.readers.bids_events import Event, events_of, marks_of
from cpep.data.readers.bids_text import Settings
from cpep.data.readers.edf import Annotation
from cpep.types import UNKNOWN, UserError

RATE, SAMPLES = 100.0, 120
TEXTS = ("fist", "press", "Rest", "BAD_IK", "BAD_ACQ_SKIP", "bad_hand", "boundary", "stage_start")
EVENTS = st.lists(
    st.builds(
        lambda onset, duration, text: Event(onset / RATE, duration / RATE, text),
        st.integers(-5, 130), st.integers(0, 40), st.sampled_from(TEXTS),
    ),
    max_size=8,
    unique_by=lambda event: event.onset,
)  # fmt: skip


def covers(event: Event, sample: int, hold_s: float = 0.0) -> bool:
    return round(event.onset * RATE) <= sample < round((event.onset + (event.duration or hold_s)) * RATE)


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, hold=st.integers(1, 30))
def test_every_sample_has_what_the_rules_say(events: list[Event], hold: int) -> None:
    marks = marks_of(events, SAMPLES, RATE, Settings(zero_duration_s=hold / RATE))
    labels = [event for event in events if event.text in ("fist", "press", "Rest")]
    for sample in range(SAMPLES):
        points = [one for one in labels if not one.duration and covers(one, sample, hold / RATE)]
        spans = [one for one in labels if one.duration and covers(one, sample)]
        won = max(points, key=lambda one: one.onset, default=None)
        won = won or min(spans, key=lambda one: (round(one.duration * RATE), -one.onset), default=None)
        bad = {one.text for one in events if one.duration and covers(one, sample)}
        expected = UNKNOWN if won is None or "bad_hand" in bad else marks.vocabulary.index(won.text.replace("R", "r"))
        assert marks.label_T[sample] == expected
        assert marks.lost_T[sample] == bool(bad & {"BAD_IK", "bad_hand"})
        assert marks.skipped_T[sample] == ("BAD_ACQ_SKIP" in bad)


@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_parts_hold_all_data_once_and_cross_no_boundary(events: list[Event]) -> None:
    marks = marks_of(events, SAMPLES, RATE, Settings())
    spans = _kept(marks, SAMPLES)
    covered_T = np.zeros(SAMPLES, int)
    for begin, end in spans:
        covered_T[begin:end] += 1
        assert end > begin and not any(begin < cut < end for cut in marks.cuts)
    assert (covered_T == ~marks.skipped_T).all()


def test_an_annotation_that_is_bad_for_nobody_knows_how_long_is_refused() -> None:
    with pytest.raises(UserError, match="the annotation BAD_IK at 2 s has no duration"):
        events_of(None, [Annotation(2.0, None, "BAD_IK")])
