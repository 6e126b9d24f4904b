"""Sentences about a folder of recordings, told once: mistakes that files share, and names spelt in two ways."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cpep.data.readers.folder import Source

SHOWN, SHOWN_DAMAGED = 3, 20
"""Names that a sentence gives: of recordings that one sidecar describes, and of files to be mended one by one."""


def told_once(folder: Path, unreadable: Sequence[tuple[str, str]]) -> list[str]:
    """Return the sentences, each told once, with the recordings that share it.

    Sentences are alike if they differ only in the name of the recording and in what stands in brackets. Damaged files
    are named one by one, since each has to be mended.

    Args:
        folder: that the recordings lie in.
        unreadable: name of a recording, and why it cannot be read.
    """
    shared: dict[str, list[tuple[str, str]]] = {}
    for name, reason in unreadable:
        last = name.rpartition("/")[2]
        alike = re.sub(r"\([^()]*\)", "", reason.replace(str(folder / name), "").replace(f"{last!r}", ""))
        shared.setdefault(alike, []).append((name, reason))
    return [
        found[0][1] + _among([name for name, _ in found], SHOWN if _of_sidecar(alike) else SHOWN_DAMAGED)
        for alike, found in shared.items()
    ]


def _of_sidecar(sentence: str) -> bool:
    return ".json" in sentence or "the sidecar" in sentence


def _among(names: Sequence[str], most: int) -> str:
    """Return the recordings that share a sentence, for its end."""
    more = ", ..." if len(names) > most else ""
    return f" ({len(names):,} recordings: {', '.join(names[:most])}{more})" if len(names) > 1 else ""


def shared_sidecar(sentence: str, sources: Sequence[Source]) -> int:
    """Return how many recordings the sidecar describes with which a sentence begins; 0 where there is none."""
    return sum(any(re.match(rf"{re.escape(str(path))}[: ]", sentence) for path in one.sidecars) for one in sources)


def spelt_twice(users: Iterable[str]) -> list[str]:
    """Return a sentence for people whose names differ in case, zeros before numbers and signs alone.

    >>> spelt_twice(["S1", "S01", "S2", "s_1"])
    ["'S01', 'S1', 's_1' look like one person, but count as several; spell the name in one way"]
    """

    def plain(user: str) -> tuple[str, ...]:
        return tuple(part.lstrip("0") or "0" for part in re.findall(r"[^\W\d_]+|\d+", _folded(user)))

    return _alike(users, plain, "person")


def named_alike(gestures: Iterable[str]) -> list[str]:
    """Return a sentence for gestures whose names differ in case and blanks alone, or in what nobody sees.

    >>> named_alike(["Fist", "fist", "fist 2", "rest", "thumb_up", "thumb  up"])[0]
    "'Fist', 'fist' look like one gesture, but count as several; spell the name in one way"
    """
    return _alike(gestures, lambda name: tuple(re.split(r"[\s_]+", _folded(name).strip())), "gesture")


def _folded(name: str) -> str:
    """Return a name in small letters; of a letter with an accent there are two spellings, which look the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def _alike(names: Iterable[str], plain: Callable[[str], tuple[str, ...]], what: str) -> list[str]:
    """Return a sentence for each group of names that are the same in a plain form."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(set(names)):
        alike.setdefault(plain(name), []).append(name)
    return [
        f"{', '.join(map(repr, same))} look like one {what}, but count as several; spell the name in one way"
        for key, same in alike.items()
        if any(key) and len(same) > 1
    ]
