"""Which read-outs were chosen: of every row that chooses, how many of its runs chose each of them.

Rows of results.json have it in words (``read_out``, written by ``cpep.experiments.best``): candidates with ``; ``
between them, ``by likeness`` with the kinds of likeness, and the constant that was taken from seen gestures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cpep.report.names import columns_of, title_of
from cpep.report.table import names_of
from cpep.runtime.markdown import table

TITLE = "Read-outs that were chosen"
WORDS = (
    "Chosen by one rule on training people and seen gestures that were left out; test people and unseen gestures took"
    " no part. Where too few could be left out, all read-outs are taken. The answers of those in a cell are averaged."
    " Each reads one kind of vectors, and adapts to the tested person without labels unless it says otherwise. Counts"
    " made even: all gestures are taken to be made equally often. Seen gestures by their EMG: of these, training"
    " people's labelled EMG is known. The number is what is taken from the log-probabilities of seen gestures where"
    " all compete."
)
HEAD = ("Model", "Question", "Read-outs", "Likeness to poses", "From seen gestures")
LIKENESS = "by likeness "
CONSTANT = re.compile(r", [\d.e+-]+ from seen gestures$")
Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Chosen:
    """What the runs of a model chose for some questions.

    Attributes:
        model: name of its line in the table.
        question: protocols in words, with the set of gestures where the sets differ.
        runs: number of runs, folds times seeds.
        readouts: how many runs chose each read-out, the most frequent first.
        likeness: the same of kinds of likeness of EMG to poses.
        constants: the same of constants that were taken from the log-probabilities of seen gestures.
    """

    model: str
    question: str
    runs: int
    readouts: Counts
    likeness: Counts
    constants: Counts

    def said(self, counts: Counts) -> list[str]:
        """Return names, each with its number of runs where not all agree."""
        return [name if count == self.runs else f"{name} ({count} of {self.runs})" for name, count in counts]


def choices_of(results: dict[str, Any]) -> list[Chosen]:
    """Return what was chosen, by model and question; questions with one answer are put together.

    Args:
        results: content of results.json.
    """
    called = names_of(results)
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in results["rows"]:
        if "read_out" in row:
            rows.setdefault((called(row), row["protocol"], row["gestures"]), []).append(row)
    found: dict[tuple[str, tuple[Any, ...]], list[tuple[str, str]]] = {}
    columns = columns_of({key[1:] for key in rows})
    for model in dict.fromkeys(key[0] for key in rows):
        for protocol, gestures in columns:
            if own := rows.get((model, protocol, gestures)):
                found.setdefault((model, _chosen(own, gestures)), []).append((protocol, gestures))
    return [Chosen(model, _question(asked, columns), *what) for (model, what), asked in found.items()]


def choices_markdown(results: dict[str, Any]) -> str:
    """Return the choices as a Markdown table, or ``""`` where no row chooses."""
    lines = [
        [one.model, one.question, *("; ".join(one.said(c)) for c in (one.readouts, one.likeness, one.constants))]
        for one in choices_of(results)
    ]
    return table(HEAD, lines)


def _chosen(rows: Sequence[dict[str, Any]], gestures: str) -> tuple[int, Counts, Counts, Counts]:
    """Return the number of runs and their counts of read-outs, kinds of likeness and constants."""
    parsed = [_parsed(row["read_out"], gestures) for row in rows]
    readouts, likeness = (_counted(one[which] for one in parsed) for which in (0, 1))
    return (
        len(rows),
        readouts,
        likeness,
        _counted([f"{row['calibration']:g}"] for row in rows if "calibration" in row),
    )


def _parsed(words: str, gestures: str) -> tuple[list[str], list[str]]:
    """Take the words of a row apart: read-outs that answer a set of gestures, and kinds of likeness.

    >>> _parsed("seen gestures: a; unseen gestures: b, even; c; by likeness d, e, 2 from seen gestures", "unseen")
    (['b, even', 'c'], ['d', 'e'])
    """
    readouts: list[str] = []
    likeness: list[str] = []
    asked = gestures
    for part in words.split("; "):
        for name in ("seen", "unseen"):
            if part.startswith(f"{name} gestures: "):
                asked = name
        if part.startswith(LIKENESS):
            likeness = CONSTANT.sub("", part.removeprefix(LIKENESS)).split(", ")
        elif asked == gestures:
            readouts.append(part.removeprefix(f"{asked} gestures: "))
    return readouts, likeness


def _counted(chosen: Iterable[Iterable[str]]) -> Counts:
    return tuple(Counter(name for one in chosen for name in one).most_common())


def _question(asked: Sequence[tuple[str, str]], columns: Sequence[tuple[str, str]]) -> str:
    """Say protocols and sets of gestures; whole families of protocols by what their titles share.

    >>> every = [("linear_probe", "seen"), ("zero_shot", "seen"), ("zero_shot", "unseen")]
    >>> _question(every[:2], every)
    'linear probe; zero-shot, seen gestures'
    """
    said: list[str] = []
    families = [title_of(protocol).partition(", ")[0] for protocol, _ in columns]
    for family in dict.fromkeys(title_of(protocol).partition(", ")[0] for protocol, _ in asked):
        own = [one for one in asked if title_of(one[0]).partition(", ")[0] == family]
        if len(own) == families.count(family):
            said.append(family)
            continue
        for protocol in dict.fromkeys(protocol for protocol, _ in own):
            sets = [gestures for of, gestures in own if of == protocol]
            every = len(sets) == sum(of == protocol for of, _ in columns)
            said.append(title_of(protocol) + ("" if every else f", {' and '.join(sets)} gestures"))
    return "; ".join(said)
