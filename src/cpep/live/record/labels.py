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
    """Labels, prompts and numbers of repetitions of each sample that came (T,)."""

    label_T: IntArray
    prompt_T: IntArray
    repetition_T: IntArray
    vocabulary: tuple[str, ...]


def asked(prompts: Sequence[Prompt], place_T: IntArray, rate: float) -> Asked:
    """Return what the prompts say of each sample of a stream.

    A hold is a label from half a second after its prompt to its end; so is a rest. What comes between is unknown, as
    is the time before the first prompt, getting ready, and doing as one likes. A gesture counts as prompted from when
    it was shown, as what comes next too, to half a second after its end. A hold that is made again has no label.

    Args:
        prompts: in order.
        place_T: numbers of the samples that came, in order; lost ones count, and take no memory: a clock that is set
            right loses years of them.
        rate: samples per second.
    """
    vocabulary = ("rest", *dict.fromkeys(one.name for one in prompts if one.name and not is_rest(one.name)))
    label_T = np.full(len(place_T), UNKNOWN, np.int16)
    prompt_T, repetition_T = label_T.copy(), np.zeros(len(place_T), np.int16)

    def rows(begin: int, end: int) -> slice:
        return slice(*np.searchsorted(place_T, (begin, end)).tolist())

    settle, before = round(SETTLE_S * rate), UNKNOWN
    holds: list[tuple[str, int, slice]] = []
    ends = [later.sample for later in prompts[1:]] + [int(place_T[-1]) + 1]
    for one, end in zip(prompts, ends, strict=False):  # strict fails without prompts
        begin, settled = one.sample, one.sample + settle
        wanted = REST if one.phase == "rest" or is_rest(one.name) else UNKNOWN
        if wanted == UNKNOWN and one.name and one.phase in ("ready", "hold"):
            wanted = vocabulary.index(one.name)
        prompt_T[rows(begin, end)] = wanted
        if before > REST and wanted != before:
            prompt_T[rows(begin, min(settled, end))] = before
        before = wanted
        if one.phase in ("hold", "rest"):
            label_T[rows(settled, end)] = wanted
        if one.phase == "hold":
            holds.append((one.name, one.repetition, rows(begin, end)))
            repetition_T[rows(begin, end)] = one.repetition
        if one.phase == "redo":
            for name, repetition, hold in holds:
                if name == one.name and one.repetition in (0, repetition):
                    label_T[hold], repetition_T[hold] = UNKNOWN, 0
    return Asked(label_T, prompt_T, repetition_T, vocabulary)
