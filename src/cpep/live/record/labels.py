"""What the person did, sample by sample, from what they were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.data.readers.bids_events import is_rest
from cpep.live.record.rows import Prompt
from cpep.types import REST, UNKNOWN, IntArray

SETTLE_S = 0.5
"""A person follows a prompt by then; until then, what the hand does is unknown."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Labels, prompts and numbers of repetitions of each place of a stream (places,), lost samples among them."""

    label_P: IntArray
    prompt_P: IntArray
    repetition_P: IntArray
    vocabulary: tuple[str, ...]


def asked(prompts: Sequence[Prompt], places: int, rate: float) -> Asked:
    """Return what the prompts say of each place of a stream.

    A hold is a label from half a second after its prompt to its end; so is a rest. What comes between is unknown, as
    is the time before the first prompt, getting ready, and doing as one likes. A gesture counts as prompted from when
    it was shown, as what comes next too, to half a second after its end. A hold that is made again has no label.

    Args:
        prompts: in order.
        places: of the stream.
        rate: samples per second.
    """
    vocabulary = ("rest", *dict.fromkeys(one.name for one in prompts if one.name and not is_rest(one.name)))
    label_P = np.full(places, UNKNOWN, np.int16)
    prompt_P, repetition_P = label_P.copy(), np.zeros(places, np.int16)
    settle, before = round(SETTLE_S * rate), UNKNOWN
    holds: list[tuple[str, int, slice]] = []
    ends = [later.sample for later in prompts[1:]] + [places]
    for one, end in zip(prompts, ends, strict=False):  # strict fails without prompts
        begin, settled = one.sample, one.sample + settle
        wanted = REST if one.phase == "rest" or is_rest(one.name) else UNKNOWN
        if wanted == UNKNOWN and one.name and one.phase in ("ready", "hold"):
            wanted = vocabulary.index(one.name)
        prompt_P[begin:end] = wanted
        if before > REST and wanted != before:
            prompt_P[begin : min(settled, end)] = before
        before = wanted
        if one.phase in ("hold", "rest"):
            label_P[settled:end] = wanted
        if one.phase == "hold":
            holds.append((one.name, one.repetition, slice(begin, end)))
            repetition_P[begin:end] = one.repetition
        if one.phase == "redo":
            for name, repetition, hold in holds:
                if name == one.name and one.repetition in (0, repetition):
                    label_P[hold], repetition_P[hold] = UNKNOWN, 0
    return Asked(label_P, prompt_P, repetition_P, vocabulary)
