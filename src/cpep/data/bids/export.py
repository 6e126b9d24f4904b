"""Export of a store, or of a folder of recordings, as an EMG-BIDS data set: resumable, whole or not at all.

The data set grows in a folder ``.<out>.partial`` beside it. A journal gets a line after each source; a run that was
stopped goes on after the last line that still holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.bids.files import UNFILTERED, number, tsv, write_files
from cpep.data.bids.tables import BIDS_VERSION, COLUMNS, PEOPLE, SCANS, label
from cpep.data.readers.folder import dataset_name, find_recordings
from cpep.data.readers.registry import data_set
from cpep.data.recording import Recording
from cpep.data.store.journal import sealed_lines
from cpep.data.store.prepare import stamp_of
from cpep.data.store.store import Entry, Store, is_store, open_store
from cpep.runtime.files import MOST_ROWS, make_safe, read_bytes, write_json, write_text
from cpep.runtime.leftovers import is_empty
from cpep.runtime.locks import hold_file
from cpep.runtime.sums import sealed
from cpep.signal.conditioning import Conditioning
from cpep.types import Progress, UserError, no_progress
from cpep.version import __version__

JOURNAL = ".cpep_journal.jsonl"
README = """{name}

Exported by cpep {version} from {source} as EMG-BIDS: {recordings} recordings of {people} people.

Each recording is a BDF file of 24 bits with its EMG and, where it has one, its anchor (such as joint angles) as
channels of type MISC. The column `kind` of the events says what each is: a label, a prompt (what was asked for), the
number of a repetition, or bad. BAD_IK marks what has no pose, BAD_ACQ_SKIP what fills the last data record and is no
data.
"""


@dataclass(frozen=True)
class _Piece:
    """One source: what tells whether it changed, what reads its recordings with their splits, and its filters."""

    stamp: list[Any]
    read: Callable[[], list[tuple[Recording, str]]]
    done: Conditioning = UNFILTERED


@dataclass
class _Labels:
    """Labels of BIDS for names: letters and digits alone, each its own."""

    taken: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Return the label of a name, the same each time."""
        if name not in self.taken:
            plain = label(name)
            number, free = 1, plain
            while free in self.taken.values():
                number += 1
                free = f"{plain}x{number}"
            self.taken[name] = free
        return self.taken[name]


def export_bids(data: Path, out: Path, *, progress: Progress = no_progress) -> str:
    """Write a store or a folder of recordings as an EMG-BIDS data set.

    Returns:
        a sentence that sums it up.

    Raises:
        UserError: there is nothing to export, ``out`` holds something, a recording cannot be read, or no space.
    """
    out = out.resolve()
    with hold_file(out):
        if out.exists() and (not out.is_dir() or not is_empty(out)):
            raise UserError(f"{out} exists; choose another place, or delete it")
        name, pieces = _of_store(open_store(data)) if is_store(data) else _of_folder(data)
        growing = out.with_name(f".{out.name}.partial")
        try:
            rows = _fill(growing, name, pieces, progress)
            people = _finish(growing, name, data, rows)
            (growing / JOURNAL).unlink()
            growing.replace(out)
            make_safe(out.parent)
        except OSError as error:
            raise UserError(
                f"cannot write {out}: {error.strerror or error}; what is done so far is kept for the next run"
            ) from error
    hours = sum(row["seconds"] for row in rows) / 3600
    return f"{out}: {len(rows)} recordings of {people} people, {hours:.2f} h, as EMG-BIDS"


def _of_folder(folder: Path) -> tuple[str, list[_Piece]]:
    sources = find_recordings(folder)

    def read(index: int) -> list[tuple[Recording, str]]:
        return [(part, sources[index].split()) for part in sources[index].parts()]

    return dataset_name(sources), [_Piece(stamp_of(one), partial(read, k)) for k, one in enumerate(sources)]


def _of_store(store: Store) -> tuple[str, list[_Piece]]:
    done = store.device.conditioning

    def piece(entry: Entry) -> _Piece:
        return _Piece([store.fingerprint, entry.name], lambda: [(_recording(store, entry), entry.split)], done)

    return store.name, [piece(entry) for entry in store.entries]


def _recording(store: Store, entry: Entry) -> Recording:
    """Return a recording of a store: its channels are in the order of a right hand, its anchor at the frame rate."""
    frames, ratio = slice(entry.start, entry.start + entry.frames), store.ratio
    label_T, prompt_T, repetition_T = (
        np.repeat(array_M[frames], ratio) for array_M in (store.label_M, store.prompt_M, store.repetition_M)
    )
    return Recording(
        name=entry.name,
        user=entry.user,
        session=entry.session,
        stage=entry.stage,
        side=entry.side,
        device=replace(store.device, highpass_hz=0.0, notch_hz=0.0),  # what the store says was done: ``_Piece.done``
        emg_TC=store.emg_TC[frames.start * ratio : frames.stop * ratio],
        anchor_SJ=None if store.anchor_MJ is None else store.anchor_MJ[frames],
        anchor_rate=store.frame_rate,
        valid_S=store.valid_M[frames] if store.anchor_MJ is not None else np.zeros(0, bool),
        label_T=label_T,
        vocabulary=store.vocabulary,
        prompt_T=prompt_T,
        repetition_T=repetition_T,
        repairs=entry.repairs,
    )


def _fill(growing: Path, name: str, pieces: Sequence[_Piece], progress: Progress) -> list[dict[str, Any]]:
    """Write the recordings that are not done yet; return a row for each of all recordings."""
    lines = list(_agreeing(growing / JOURNAL, pieces))
    write_text(growing / JOURNAL, "".join(json.dumps(line) + "\n" for line in lines))
    rows = [row for line in lines for row in line["rows"]]
    _forget_others(growing, rows)
    people, sessions = _Labels(), _Labels()
    runs: dict[tuple[str, str], int] = {}

    def place(user: str, session: str) -> tuple[str, str, int]:
        person, day = people.of(user), sessions.of(session)
        runs[person, day] = runs.get((person, day), 0) + 1
        return person, day, runs[person, day]

    for row in rows:
        place(row["user"], row["session"])
    task = label(name)
    with (growing / JOURNAL).open("a", encoding="utf-8") as journal:
        for done, piece in enumerate(pieces):
            progress(done, len(pieces))
            if done < len(lines):
                continue
            mine = [
                _write(growing, recording, split, place(recording.user, recording.session), task, name, piece.done)
                for recording, split in piece.read()
            ]
            journal.write(json.dumps(sealed({"stamp": piece.stamp, "rows": mine})) + "\n")
            journal.flush()
            rows += mine
    progress(len(pieces), len(pieces))
    return rows


def _forget_others(growing: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Remove files of recordings that an earlier run wrote, and that are not those of this one."""
    kept = {f"{row['folder']}/{row['file']}".removesuffix("emg.bdf") for row in rows}
    for file in growing.glob("sub-*/ses-*/emg/*"):
        if f"{file.relative_to(growing).as_posix().rpartition('_')[0]}_" not in kept:
            file.unlink()


def _agreeing(journal: Path, pieces: Sequence[_Piece]) -> Iterator[dict[str, Any]]:
    """Yield the lines of an earlier run's journal that still hold."""
    texts = read_bytes(journal, MOST_ROWS).splitlines() if journal.is_file() else []
    for line, piece in zip(sealed_lines(texts, journal), pieces, strict=False):
        if line["stamp"] != piece.stamp:
            return
        yield line


def _write(
    growing: Path,
    recording: Recording,
    split: str,
    place: tuple[str, str, int],
    task: str,
    name: str,
    done: Conditioning,
) -> dict[str, Any]:
    """Write one recording; return its row."""
    person, day, run = place
    stem = f"sub-{person}_ses-{day}_task-{task}_run-{run:02d}"
    if recording.side in ("left", "right"):
        stem += f"_recording-{recording.side}"
    write_files(growing / f"sub-{person}" / f"ses-{day}" / "emg", stem, recording, task, name, done)
    return {
        "user": recording.user,
        "session": recording.session,
        "folder": f"sub-{person}/ses-{day}",
        "file": f"emg/{stem}_emg.bdf",
        "seconds": recording.seconds,
        "stage": recording.stage,
        "side": recording.side,
        "source": recording.name,
        "split": split,
    }


def _finish(growing: Path, name: str, data: Path, rows: Sequence[dict[str, Any]]) -> int:
    """Write the tables of the whole data set; return the number of people."""
    folders: dict[str, list[dict[str, Any]]] = {}
    people: dict[str, str] = {}
    for row in rows:
        folders.setdefault(row["folder"], []).append(row)
        people[row["folder"].split("/")[0]] = row["user"]
    head = ("filename", "acq_time", "duration", "stage", "side", "source_file", "split")
    for folder, mine in folders.items():
        cells = [
            (row["file"], "", number(row["seconds"]), row["stage"], row["side"], row["source"], row["split"])
            for row in mine
        ]
        write_text(growing / folder / f"{folder.replace('/', '_')}_scans.tsv", tsv([head, *cells]))
    write_text(growing / "participants.tsv", tsv([("participant_id", "original_user"), *sorted(people.items())]))
    write_json(growing / "participants.json", PEOPLE)
    write_json(growing / "scans.json", SCANS)
    write_json(growing / f"task-{label(name)}_events.json", COLUMNS)
    terms = data_set(name).terms
    description = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        **({"License": terms.data} if terms else {}),
        "GeneratedBy": [{"Name": "cpep", "Version": __version__}],
    }
    write_json(growing / "dataset_description.json", description)
    words = README.format(name=name, version=__version__, source=data.name, recordings=len(rows), people=len(people))
    write_text(growing / "README", words)
    return len(people)
