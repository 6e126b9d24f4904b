"""Inspection of a folder of recordings: its contents, and what is unusable or odd about which of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median

from cpep.data import inspect_text
from cpep.data.copies import copies
from cpep.data.findings import Finding, Marked, findings_of
from cpep.data.marks import Mark
from cpep.data.montage import mean_pattern, misplaced
from cpep.data.readers.folder import Source, dataset_name, find_recordings, list_folder, natural
from cpep.data.readers.registry import Missing
from cpep.data.readers.split_files import find_split_files, split_notes
from cpep.data.recording import Device
from cpep.data.summary import Summary, summarise
from cpep.data.told import named_alike, spelt_twice
from cpep.runtime.jobs import in_order
from cpep.types import Progress, UserError, no_progress

OTHER_UNIT = 100.0
"""Between EMG of a weak person at rest and of a strong one who moves lies less than this factor."""


@dataclass(frozen=True)
class Inspection:
    """What a folder holds.

    Attributes:
        folder: that was inspected.
        name: of the data set.
        recordings: the recordings that can be read.
        unreadable: name and reason of each other one.
        notes: name of a table beside the recordings, and what is odd about it.
        ignored: files that are no recordings.
        incomplete: ignored files that lack something to be recordings, and what they lack.
        sources: all files of recordings.
    """

    folder: Path
    name: str
    recordings: tuple[Summary, ...]
    unreadable: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    ignored: tuple[Path, ...] = ()
    incomplete: tuple[tuple[Path, Missing], ...] = ()
    sources: tuple[Source, ...] = ()

    def text(self) -> str:
        """Return the inspection for the terminal: tables, what is left out, what is unusable and what is odd."""
        return inspect_text.text_of(self)

    @property
    def channels(self) -> int:
        """Number of channels, 0 where recordings differ in it."""
        counts = {one.device.channels for one in self.recordings}
        return counts.pop() if len(counts) == 1 else 0

    @cached_property
    def marked(self) -> tuple[Marked, ...]:
        """The marks of every recording, with those that follow from a comparison of recordings."""
        more: dict[str, list[Mark]] = {}
        usual = Counter(one.device for one in self.recordings).most_common(1)[0][0] if self.recordings else None
        for one in self.recordings:
            if usual and one.device != usual:
                more.setdefault(one.name, []).append(Mark("other_device", detail=_difference(one.device, usual)))
        files = {source.name for source in self.sources}
        for one in self.recordings:
            if self.sources and one.name not in files:
                more.setdefault(one.name, []).append(Mark("part"))
        for names, mark in (*_misplaced(self.recordings), *_scaled(self.recordings)):
            for name in names:
                more.setdefault(name, []).append(mark)
        return tuple(Marked(one.name, one.user, (*one.marks, *more.get(one.name, ()))) for one in self.recordings)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is unusable or odd about the recordings that can be read, the worst first."""
        return tuple(findings_of(self.marked, self.channels))

    @property
    def sessions(self) -> dict[tuple[str, str], list[Summary]]:
        """Recordings by person and session, in natural order."""
        found: dict[tuple[str, str], list[Summary]] = {}
        for one in sorted(self.recordings, key=lambda one: (natural(one.user), natural(one.session))):
            found.setdefault((one.user, one.session), []).append(one)
        return found


def inspect_folder(folder: Path, progress: Progress = no_progress, *, workers: int = 1) -> Inspection:
    """Read every recording of a folder and sum up what is there.

    Args:
        folder: of recordings.
        progress: called with the recordings that are done, and with all.
        workers: processes that read.

    Raises:
        UserError: the folder does not exist or holds no recording.
    """
    sources = find_recordings(folder)
    progress(0, len(sources))
    recordings: list[Summary] = []
    unreadable: list[tuple[str, str]] = []
    results = in_order(_summaries, sources, workers)
    for done, (source, result) in enumerate(zip(sources, results, strict=True), start=1):
        if isinstance(result, UserError):
            unreadable.append((source.name, str(result)))
        else:
            recordings += result
        progress(done, len(sources))
    listing = list_folder(folder)
    return Inspection(
        folder=folder,
        name=dataset_name(sources),
        recordings=tuple(recordings),
        unreadable=tuple(unreadable),
        notes=(
            *copies((one.name, one.digests) for one in recordings),
            *(("users", note) for note in spelt_twice(one.user for one in recordings)),
            *(("labels", note) for note in named_alike(name for one in recordings for name in one.seconds_of)),
            *split_notes(find_split_files(folder, sources)),
        ),
        ignored=listing.ignored,
        incomplete=listing.incomplete,
        sources=tuple(sources),
    )


def _summaries(source: Source) -> list[Summary] | UserError:
    try:
        return [summarise(part) for part in source.parts()]
    except UserError as error:
        return error


def _misplaced(recordings: Sequence[Summary]) -> Iterable[tuple[list[str], Mark]]:
    """Compare each session with the person's others, else with those of other people."""
    sessions: dict[tuple[str, str], list[Summary]] = {}
    for one in recordings:
        sessions.setdefault((one.user, one.session), []).append(one)
    patterns = {key: mean_pattern([one.pattern for one in mine]) for key, mine in sessions.items()}
    for key, mine in sessions.items():
        device = mine[0].device
        alike = [other for other in sessions if other != key and sessions[other][0].device == device]
        own = [other for other in alike if other[0] == key[0]]
        others = own if len(own) >= 3 else alike
        mark = misplaced(patterns[key], [patterns[other] for other in others], device.ring)
        if mark:
            yield [one.name for one in mine], mark


def _scaled(recordings: Sequence[Summary]) -> Iterable[tuple[list[str], Mark]]:
    """Compare the strengths of recordings of one device: those beyond a wide gap may be in another unit."""
    devices: dict[Device, list[Summary]] = {}
    for one in recordings:
        if one.strength:
            devices.setdefault(one.device, []).append(one)
    for mine in devices.values():
        mine.sort(key=lambda one: one.strength)
        steps = [high.strength / low.strength for low, high in pairwise(mine)]
        if max(steps, default=1.0) < OTHER_UNIT:
            continue
        cut = steps.index(max(steps)) + 1
        weak, strong = (median(one.strength for one in some) for some in (mine[:cut], mine[cut:]))
        few, detail = (mine[:cut], "weak") if cut <= len(mine) / 2 else (mine[cut:], "strong")
        yield [one.name for one in few], Mark("scale", low=strong / weak, high=strong / weak, detail=detail)


def _difference(device: Device, usual: Device) -> str:
    """Say how a device differs from the usual one."""
    names = [field.name for field in fields(Device) if getattr(device, field.name) != getattr(usual, field.name)]
    first = names[0]
    if isinstance(getattr(device, first), tuple):
        return f"other {first.replace('_', ' ')}"
    return f"{first.replace('_', ' ')} {getattr(device, first)} instead of {getattr(usual, first)}"
