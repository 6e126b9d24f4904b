"""An EMG-BIDS data set that grows by recordings: each gets a run of its own, and nothing that is there changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpep.data.bids.files import number, tsv, write_files
from cpep.data.bids.tables import BIDS_VERSION, COLUMNS, PEOPLE, SCANS, label
from cpep.data.readers.bids_text import read_table
from cpep.data.recording import Recording
from cpep.runtime.files import parse_json, write_json, write_text
from cpep.runtime.leftovers import remove_below
from cpep.runtime.locks import Hold
from cpep.types import UserError
from cpep.version import __version__

LOCK, WAIT_S = ".cpep_lock", 60.0
DESCRIPTION, PARTICIPANTS = "dataset_description.json", "participants.tsv"
RUN = re.compile(r"_run-(\d+)_")
README = """{name}

Recorded with cpep as EMG-BIDS.

Each recording is a BDF file of 24 bits with its EMG as it came from the device and, where it has one, its anchor
(such as joint angles) as channels of type MISC. The column `kind` of the events says what each is: a label, a prompt
(what the person was asked to do), the number of a repetition, or bad. BAD_IK marks what has no pose, BAD_ACQ_SKIP
what fills the last data record and is no data. The key `cpep` of each emg.json says with what it was recorded.
"""


@dataclass(frozen=True)
class Place:
    """Where a recording lies in a data set.

    Attributes:
        person, session: labels of BIDS.
        stem: name of its files up to the suffix.
    """

    person: str
    session: str
    stem: str

    @property
    def folder(self) -> str:
        """Of the session, from the top of the data set."""
        return f"sub-{self.person}/ses-{self.session}"

    @property
    def file(self) -> str:
        """The signals, from the top of the data set."""
        return f"{self.folder}/emg/{self.stem}_emg.bdf"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold a data set, so that no other process adds to it meanwhile; wait for one that does.

    Raises:
        UserError: another process does so for long, ``home`` holds something else than a data set that cpep wrote,
            or cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        refuse_foreign(home)
        with Hold(home / LOCK, home, WAIT_S):
            remove_below(home)
            yield
    except OSError as error:
        raise UserError(f"cannot write {home}: {error.strerror or error}; name another folder") from error


def refuse_foreign(home: Path) -> None:
    """Refuse a folder that recordings cannot be added to.

    Raises:
        UserError: it holds something else than a data set that cpep wrote.
    """
    if not home.exists():
        return
    if not home.is_dir():
        raise UserError(f"{home} is a file; name a folder for the recordings")
    if not (home / DESCRIPTION).is_file():
        if any(not one.name.startswith(".") for one in home.iterdir()):
            raise UserError(f"{home} holds other files; name an empty folder, or one that cpep recorded into before")
        return
    people = read_table(home / PARTICIPANTS) if (home / PARTICIPANTS).is_file() else ()
    if people and "original_user" not in people[0]:
        raise UserError(f"{home} is a data set of another program; name an empty folder, or one that cpep wrote")


def places_for(home: Path, recordings: Sequence[Recording], taken: Collection[str]) -> list[Place]:
    """Choose a place for each of the recordings of one person and session; each is a run after all that are there.

    Args:
        home: top of the data set.
        recordings: in the order of their runs; their stage is the task.
        taken: stems that others have chosen and not yet written.
    """
    first = recordings[0]
    person = _person(home, first.user)
    session = _session(home / f"sub-{person}", first.session)
    names = [one.name for one in (home / f"sub-{person}" / f"ses-{session}" / "emg").glob("*")]
    names += [stem + "_" for stem in taken if stem.startswith(f"sub-{person}_ses-{session}_")]
    last = max((int(found[1]) for name in names if (found := RUN.search(name))), default=0)
    return [
        Place(
            person,
            session,
            f"sub-{person}_ses-{session}_task-{label(one.stage)}_run-{run:02d}_recording-{one.side}",
        )
        for run, one in enumerate(recordings, start=last + 1)
    ]


def add(home: Path, place: Place, recording: Recording, begun_utc: str, recorded: Mapping[str, Any]) -> Path:
    """Write a recording at its place, and what the tables of the data set say of it; what is there of it is replaced.

    Args:
        home: top of the data set, held by ``alone``.
        place: of ``places_for``.
        recording: EMG as it came, and what goes with it.
        begun_utc: date and time of its first sample, ISO 8601.
        recorded: how it was recorded, plain values.

    Returns:
        the file of the signals.

    Raises:
        UserError: edfio is missing, or the disk is full.
    """
    task = label(recording.stage)
    _write_missing(home, task)  # first: a folder that holds a part of a recording alone would be refused as foreign
    write_files(home / place.folder / "emg", place.stem, recording, task, home.name, recorded=recorded)
    row = {
        "filename": f"emg/{place.stem}_emg.bdf",
        "acq_time": begun_utc,
        "duration": number(recording.seconds),
        "stage": recording.stage,
        "side": recording.side,
        "source_file": recording.name,
        "split": "",
    }
    _put(home / place.folder / f"{place.folder.replace('/', '_')}_scans.tsv", row)
    _put(home / PARTICIPANTS, {"participant_id": f"sub-{place.person}", "original_user": recording.user})
    return home / place.file


def _write_missing(home: Path, task: str) -> None:
    """Write the files of the whole data set that are not there."""
    description = {
        "Name": home.name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "cpep", "Version": __version__}],
    }
    wanted: Iterable[tuple[str, Callable[[Path, Any], None], Any]] = (
        (DESCRIPTION, write_json, description),
        ("participants.json", write_json, PEOPLE),
        ("scans.json", write_json, SCANS),
        (f"task-{task}_events.json", write_json, COLUMNS),
        ("README", write_text, README.format(name=home.name)),
    )
    for name, write, value in wanted:
        if not (home / name).exists():
            write(home / name, value)


def _put(table: Path, row: Mapping[str, str]) -> None:
    """Add a row to a table, or replace the one whose first cell is the same; other columns stay."""
    rows = [dict(one) for one in read_table(table)] if table.is_file() else []
    key = next(iter(row))
    old = next((one for one in rows if one.get(key) == row[key]), None)
    if old is None:
        rows.append(dict(row))
    else:
        old |= row
    head = list(dict.fromkeys([*(rows[0] if rows else ()), *row]))
    write_text(table, tsv([head, *([one.get(column, "") for column in head] for one in rows)]))


def _person(home: Path, user: str) -> str:
    """Return the label of a person: the one that is known, else a free one."""
    people = read_table(home / PARTICIPANTS) if (home / PARTICIPANTS).is_file() else ()
    known = {one.get("original_user", ""): one.get("participant_id", "").removeprefix("sub-") for one in people}
    if user in known:
        return known[user]
    return _free(label(user), {*known.values(), *(one.name.removeprefix("sub-") for one in home.glob("sub-*"))})


def _session(person: Path, session: str) -> str:
    """Return the label of a person's session: the one whose recordings say so, else a free one."""
    labels = [one.name.removeprefix("ses-") for one in person.glob("ses-*")]
    for one in labels:
        sidecar = next((person / f"ses-{one}" / "emg").glob("*_emg.json"), None)
        if sidecar and parse_json(sidecar).get("cpep", {}).get("session", one) == session:
            return one
    return _free(label(session), set(labels))


def _free(wanted: str, taken: Collection[str]) -> str:
    numbered, free = 1, wanted
    while free.lower() in {one.lower() for one in taken}:  # as Windows and macOS compare names of folders
        numbered += 1
        free = f"{wanted}x{numbered}"
    return free
