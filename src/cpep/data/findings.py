"""What is unusable and what is merely odd, in sentences: the marks of many recordings together, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cpep.data.finding_kinds import KINDS, LOOKS
from cpep.data.marks import Mark

MOST_GROUPS = 3
"""One kind of mark is told in so many sentences at most; else in one that counts."""

NAMED = 3
"""So many names are listed; more are counted."""


@dataclass(frozen=True)
class Finding:
    """One sentence on one or many recordings.

    Attributes:
        kind: key of ``KINDS``, or empty.
        says: what is wrong or odd.
        then: what to do about it, or what it may mean; empty where nobody can say.
        unusable: whether what it speaks of cannot be used.
        recordings: number of recordings that it speaks of.
    """

    kind: str
    says: str
    then: str
    unusable: bool
    recordings: int

    @property
    def sentence(self) -> str:
        """Both, with a semicolon between."""
        return f"{self.says}; {self.then}" if self.then else self.says


@dataclass(frozen=True)
class Marked:
    """The marks of one recording, with the names that sentences use."""

    recording: str
    user: str
    marks: tuple[Mark, ...]


def findings_of(marked: Sequence[Marked], channels: int, everybody: str = " of every recording") -> list[Finding]:
    """Put the marks of recordings into sentences, the worst kinds first.

    Args:
        marked: all recordings, also those without marks.
        channels: EMG channels of the device; 0 where devices differ.
        everybody: how a sentence calls all recordings together, after the channels.
    """
    found = []
    for kind in KINDS:
        mine = [(one, mark) for one in marked for mark in one.marks if mark.kind == kind]
        if mine:
            found += _of_kind(kind, mine, marked, channels, everybody)
    return found


def tags_of(marks: Iterable[Mark], channel: int) -> list[str]:
    """Return the tags of a channel, each once."""
    return list(dict.fromkeys(KINDS[mark.kind].tag for mark in marks if channel in mark.channels))


def _of_kind(
    kind: str, mine: list[tuple[Marked, Mark]], marked: Sequence[Marked], channels: int, everybody: str
) -> list[Finding]:
    groups: dict[tuple[str, tuple[int, ...]], list[tuple[Marked, Mark]]] = {}
    for one, mark in mine:
        groups.setdefault((mark.detail, mark.channels), []).append((one, mark))
    sets = {mark.channels for _, mark in mine}
    if len(groups) > MOST_GROUPS and len(sets) > 1:
        by_detail: dict[tuple[str, tuple[int, ...]], list[tuple[Marked, Mark]]] = {}
        for one, mark in mine:
            by_detail.setdefault((mark.detail, ()), []).append((one, mark))
        groups = by_detail
    ordered = sorted(groups.values(), key=lambda group: -len(group))
    found = [_finding(kind, group, marked, channels, everybody) for group in ordered[:MOST_GROUPS]]
    if rest := ordered[MOST_GROUPS:]:
        more = sum(map(len, rest))
        found[-1] = replace(found[-1], says=f"{found[-1].says} (and {more} more of this kind)")
    return found


def _finding(
    kind: str, group: list[tuple[Marked, Mark]], marked: Sequence[Marked], channels: int, everybody: str
) -> Finding:
    about = KINDS[kind]
    names = list(dict.fromkeys(one.recording for one, _ in group))
    whose = _whose(names, marked, everybody)
    sets = [mark.channels for _, mark in group]
    many = len(set(sets)) > 1
    first = group[0][1]
    count = len(first.channels) if about.says.startswith("{ch}") else len(names)
    # A sentence that begins with whose it is needs no "of".
    subject = whose[len(" of ") :] or "it"
    values = {
        "ch": _some_channels(sets, channels) if many else channel_words(first.channels, channels),
        "of": subject if about.says.startswith("{of}") else whose,
        "in": " in any recording" if whose == everybody and everybody else whose.replace(" of ", " in ", 1),
        "range": value_range([(mark.low, mark.high) for _, mark in group], about.digits),
        "detail": LOOKS.get(first.detail, first.detail) if kind == "looks" else first.detail,
        "place": first.place if len(names) == 1 and not many else f"in {names[0]} {first.place}",
    }
    template = about.says if whose else about.says.removeprefix("{of}: ")
    says, then = (_fill(text, values, plural=many or count != 1) for text in (template, about.then))
    return Finding(kind, says, then, about.unusable, len(names))


def _fill(template: str, values: dict[str, str], plural: bool) -> str:
    """Choose ``[one|more]`` by number, then put the values in.

    >>> _fill("{ch}{of} [hums|hum]", {"ch": "channel 3", "of": " of S2"}, plural=False)
    'channel 3 of S2 hums'
    """
    while "[" in template:
        before, _, rest = template.partition("[")
        choice, _, after = rest.partition("]")
        template = before + choice.split("|")[plural] + after
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def _whose(names: Sequence[str], marked: Sequence[Marked], everybody: str) -> str:
    """Say whose recordings these are: everybody's, some people's, or by their names."""
    if len(names) == len(marked):
        return everybody if len(marked) > 1 or not everybody else f" of {names[0]}"
    users = Counter(one.user for one in marked)
    mine = Counter(one.user for one in marked if one.recording in set(names))
    if len(mine) < len(names) and all(mine[user] == users[user] for user in mine):
        return f" of {_listed(list(mine), 'people')}"
    if len(mine) == 1 < len(users) and len(names) > 1:
        user = next(iter(mine))
        return f" in {len(names):,} of {user}'s {users[user]:,} recordings ({names[0]}, ...)"
    return f" of {_listed(names, 'recordings')}"


def _listed(names: Sequence[str], what: str) -> str:
    """List some names; of many, the number and the first ones.

    >>> _listed(["S1", "S2"], "people"), _listed(["S1", "S2", "S3", "S4"], "people")
    ('S1 and S2', '4 people (S1, S2, S3, ...)')
    """
    if len(names) > NAMED:
        return f"{len(names):,} {what} ({', '.join(names[:NAMED])}, ...)"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def channel_words(channels: Sequence[int], of: int) -> str:
    """Name channels, counted from 1.

    >>> channel_words((2,), 8), channel_words((0, 1, 2, 5), 8), channel_words(range(8), 8)
    ('channel 3', 'channels 1 to 3 and 6', 'all 8 channels')
    """
    if len(channels) == of and of > 1:
        return f"all {of} channels"
    runs: list[list[int]] = []
    for channel in channels:
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0] + 1} to {run[-1] + 1}"] if len(run) > 2 else [str(channel + 1) for channel in run]
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
    return f"channel{'s' if len(channels) > 1 else ''} {listed}"


def _some_channels(sets: Sequence[tuple[int, ...]], of: int) -> str:
    """Say how many channels, and which ones most often."""
    counts = Counter(channel for channels in sets for channel in channels)
    low, high = min(map(len, sets)), max(map(len, sets))
    number = f"{low}" if low == high else f"{low} to {high}"
    out_of = f" of {of}" if of else ""
    channel, times = counts.most_common(1)[0]
    most = f" (most often channel {channel + 1})" if times > 1 and len(counts) > 1 else ""
    return f"{number}{out_of} channels{most}"


def value_range(pairs: Iterable[tuple[float, float]], digits: int = 0) -> str:
    """Write a range of values with few digits.

    >>> value_range([(83.2, 83.4)]), value_range([(61.0, 70.2), (80.0, 97.4)]), value_range([(-0.0123, 0.5)])
    ('83', '61 to 97', '-0.012 to 0.5')
    """
    pairs = list(pairs)
    low, high = (_short(value, digits) for value in (min(low for low, _ in pairs), max(high for _, high in pairs)))
    return low if low == high else f"{low} to {high}"


def _short(value: float, digits: int) -> str:
    if value == round(value):
        return f"{value:,.0f}"
    if abs(value) >= 10 ** (2 - digits):
        return f"{value:,.{digits}f}"
    return f"{value:.2g}" if not digits or abs(value) < 10**-digits else f"{value:.{digits}f}"
