"""What came out of one person's training, in plain words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpep.data.store.divide import MARK
from cpep.experiments.fold import Fold
from cpep.experiments.own_live import Told

if TYPE_CHECKING:
    from cpep.experiments.own import Own

WHERE = {"test": "in held-out repetitions", "later": "in the last session"}
"""Words for the part that a test person of a divided store is of."""
NAMES = {"cpep": "this model", "emg_mae": "this model", "features": "classical features"}
ASKED = (
    ("linear_probe", "seen", "gestures told right, window by window, by a read-out on all training repetitions"),
    ("few_shot_rep", "all", "gestures told right after one repetition of each was shown"),
    ("zero_shot", "seen", "gestures told right by their pose alone, no label of EMG"),
)
"""Protocol, set of gestures, and what it is in words, of the first fold."""
NEVER = (
    ("zero_shot", "unseen", "never made in training, told from each other by their pose alone"),
    ("zero_shot_all", "unseen", "the same, where all other gestures compete"),
)
"""The same of the second fold."""


def report_text(own: Own, folds: Sequence[Fold], told: Told | None, out: Path) -> str:
    """Return the report: figures with their chance level, what they are of, what was left out, and what to type."""
    names = own.store.vocabulary
    lines = ["", "What the model makes of what it never saw (share of windows, mean over gestures):"]
    found = list(_figures(folds[0], ASKED))
    if own.never:
        held = " and ".join(names[label] for label in own.never.unseen)
        found += [f"  {line.strip()} ({held})" for line in _figures(folds[1], NEVER)]
    and_pose = " and a pose" if own.paired else ""
    lines += found or [f"  nothing can be scored: no gesture has a label{and_pose} in what was held out"]
    lines += _live(told)
    lines += ["", f"repetitions held out: {_counts(own)}"]
    lines += [f"left out: {text}" for text in _left_out(own)]
    place = shlex.quote(str(out))
    lines += ["", f"live: cpep serve {place} --source ...   or: cpep stream {place} --source ..."]
    if own.paired:
        lines.append("gestures can be added by their pose on the page, under Studio")
    return "\n".join(lines)


def headline(told: Told | None) -> str:
    """Return what the live recogniser tells of what was held out, in a sentence."""
    if told is None:
        return "Nothing was held out that could test it"
    return f"Of what was held out it told {told.right} of {told.made} gestures; {_wrong(told)}"


def _wrong(told: Told) -> str:
    return f"{told.told - told.right} of {told.told} events were wrong"


def _figures(fold: Fold, asked: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for protocol, gestures, words in asked:
        rows = [row for row in fold.rows if row["protocol"] == protocol and row["gestures"] == gestures]
        if not rows:
            continue
        yield f"  {words}; guessing gives {rows[0]['chance']:.2f}"
        yield from (f"    {NAMES.get(row['model'], row['model']):<18} {_by_part(row)}" for row in rows)


def _by_part(row: Mapping[str, Any]) -> str:
    parts = [(user.rpartition(MARK), value) for user, value in row["per_user"].items()]
    several = len({person for (person, _, _), _ in parts}) > 1
    return ", ".join(
        f"{value:.2f} {WHERE[part]}{f' of {person}' if several else ''}" for (person, _, part), value in parts
    )


def _live(told: Told | None) -> Iterator[str]:
    if told is None:
        return
    rest, calibration = told.events["false_events_per_minute_of_rest"]["mean"], told.events["calibration"]
    yield ""
    yield "As a live recogniser, on the same recordings:"
    yield f"  {told.right} of {told.made} gestures were told; {_wrong(told)}"
    if rest is not None:
        yield f"  {rest:.1f} false events in a minute of rest"
    if calibration:
        yield f"  confidence is off by {calibration['ece']:.2f} on average (0 is perfect)"


def _counts(own: Own) -> str:
    names, division = own.store.vocabulary, own.division
    count = division.count("test") + division.count("later")
    return ", ".join(f"{number} {names[label]}" for label, number in sorted(count.items())) or "none, no labels"


def _left_out(own: Own) -> Iterator[str]:
    names, division = own.store.vocabulary, own.division
    trained, tested = division.count("train"), division.count("test") + division.count("later")
    if once := [names[label] for label in trained if not tested[label]]:
        yield f"{', '.join(once)}: made once, so that nothing tests how well it is told"
    if new := [names[label] for label in tested if not trained[label]]:
        yield f"{', '.join(new)}: made in the last session alone, so that nothing trains it"
    if not own.paired:
        yield "alignment with poses, and gestures by pose: the recordings have no pose"
    elif own.never is None:
        yield "zero-shot of gestures that were never made: too few gestures were made three times"
    invalid = 1 - float(own.divided.valid_M.mean())
    if own.paired and invalid > 0.01:
        yield f"{100 * invalid:.0f} % of the time without a valid pose"
    for name, reason in own.store.skipped:
        yield f"{name}: {reason}"
