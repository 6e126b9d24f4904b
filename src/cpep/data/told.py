"""Sentences about a folder of recordings, told once: mistakes that files share, and people spelt in two ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cpep.data.readers.folder import Source

SHOWN = 3
"""Names that a sentence gives."""


def told_once(folder: Path, unreadable: Sequence[tuple[str, str]]) -> list[str]:
    """Return the sentences, of which one about a sidecar is told once, with the recordings that share it.

    A damaged file is named on its own, since it has to be mended on its own.

    Args:
        folder: that the recordings lie in.
        unreadable: name of a recording, and why it cannot be read.
    """
    shared: dict[str, list[tuple[str, str]]] = {}
    for name, reason in unreadable:
        last = name.rpartition("/")[2]
        alike = reason.replace(str(folder / name), "").replace(f"{last!r}", "")
        alike = alike if ".json" in alike or "the sidecar" in alike else reason
        shared.setdefault(alike, []).append((name, reason))
    return [found[0][1] + _among([name for name, _ in found]) for found in shared.values()]


def _among(names: Sequence[str]) -> str:
    """Return the recordings that share a sentence, for its end."""
    more = ", ..." if len(names) > SHOWN else ""
    return f" ({len(names):,} recordings: {', '.join(names[:SHOWN])}{more})" if len(names) > 1 else ""


def shared_sidecar(sentence: str, sources: Sequence[Source]) -> int:
    """Return how many recordings the sidecar describes with which a sentence begins; 0 where there is none."""
    return sum(any(re.match(rf"{re.escape(str(path))}[: ]", sentence) for path in one.sidecars) for one in sources)


def spelt_twice(users: Iterable[str]) -> list[str]:
    """Return a sentence for people whose names differ in case, zeros before numbers and signs alone.

    >>> spelt_twice(["S1", "S01", "S2", "s_1"])
    ["'S01', 'S1', 's_1' look like one person, but count as several; spell the name in one way"]
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for user in sorted(set(users)):
        parts = re.findall(r"[^\W\d_]+|\d+", user.casefold())
        alike.setdefault(tuple(part.lstrip("0") or "0" for part in parts), []).append(user)
    return [
        f"{', '.join(map(repr, names))} look like one person, but count as several; spell the name in one way"
        for key, names in alike.items()
        if key and len(names) > 1
    ]
