"""From a recorder's files, also after a kill, to runs of an EMG-BIDS data set; read back before those files go."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.bids.files import RANGE
from cpep.data.bids.grow import Place, add, alone, places_for
from cpep.data.readers.bids import read_recording
from cpep.data.recording import Recording
from cpep.live.record.about import ABOUT, FOLLOW, Said
from cpep.live.record.assemble import Piece, pieces_of
from cpep.live.record.follow import Shift, shift_of
from cpep.live.record.recorder import LOCK, PREFIX, held, is_open
from cpep.live.record.taken import Taken, read_taken
from cpep.live.runs import no_numbers, unusable
from cpep.runtime.files import parse_json, write_json
from cpep.runtime.leftovers import is_leftover
from cpep.types import BoolArray, FloatArray, IntArray, UserError

PLACED = "placed.json"
"""In a recorder's folder: the names that its recordings have in the data set."""
DONE = ".recorded-"
"""Begins the name of a recorder's folder whose recordings are in the data set."""
DAMAGED, TORN_S = ".damaged-", 5.0
"""Begins the name of one of which more cannot be read than a kill or a cut of the power leaves, s."""
WRONG_S = 1.0
"""The same where more than so much came, and is left out since a channel sent no numbers, s: others did."""
BEGINS_S = 10.0
"""A recorder's folder may be without its lock for so long."""
ROUNDING = 2.0**-22
"""Share of a channel's largest value by which 24 bits, and a header of eight characters, may move its numbers."""


@dataclass(frozen=True)
class Finished:
    """What became of a recording.

    Attributes:
        files: signals in the data set; none where no sample came that can be used.
        seconds: length of them.
        lost: samples that were lost between them.
        sentence: the same in words.
    """

    files: tuple[Path, ...]
    seconds: float
    lost: int
    sentence: str


def finish(folder: Path) -> Finished:
    """Add what a recorder left to the data set around it; its files are removed when all was read back.

    It may be called again after a failure or a kill, and goes on; a recording is never added twice.

    Args:
        folder: of the recorder, which is closed.

    Raises:
        UserError: a recorder still writes the folder, the data set cannot be written, or what is read back is
            something else; the recorder's files are kept then.
    """
    with held(folder):
        return _finish(folder)


def _finish(folder: Path) -> Finished:
    (taken, beyond), name = _held_by_bdf(read_taken(folder)), folder.name.removeprefix(PREFIX)
    pieces, shift = pieces_of(taken, name), None
    if pieces and taken.said.pose and taken.said.pose.source == FOLLOW:
        shift = shift_of([piece.recording for piece in pieces])
        pieces = pieces_of(taken, name, shift.shifted_ms / 1000)
    files = _add(folder, taken, pieces, shift) if pieces else ()
    seconds = sum(piece.recording.seconds for piece in pieces)
    why = _left_out(taken, seconds)
    done = folder.with_name(folder.name.replace(PREFIX, DAMAGED if why else DONE, 1))
    folder.replace(done)
    if not why:
        shutil.rmtree(done, ignore_errors=True)
    lost = int(taken.skip_T[1:].sum())
    sentence = _sentence(folder.parent, files, seconds, lost, came=bool(len(taken.emg_TC)))
    if beyond:
        sentence += f"; {beyond} samples with a value beyond {RANGE[1]:,.0f}, more than BDF holds, count as lost"
    if why:
        sentence += f"{why} and were left out: they are kept in {done}"
    return Finished(files, seconds, lost, sentence)


def _held_by_bdf(taken: Taken) -> tuple[Taken, int]:
    """Return what was taken with values that BDF cannot hold as no numbers, and how many samples have such."""
    beyond_T = (taken.emg_TC.max(axis=1) > RANGE[1]) | (taken.emg_TC.min(axis=1) < -RANGE[1])
    if not beyond_T.any():
        return taken, 0
    emg_TC = np.where(np.abs(taken.emg_TC) > RANGE[1], np.float32(np.nan), taken.emg_TC)
    return replace(taken, emg_TC=emg_TC), int(beyond_T.sum())


def _left_out(taken: Taken, seconds: float) -> str:
    """Return why the recorder's files hold more than the recordings of ``seconds``; empty where they hold no more."""
    rate = taken.said.device.emg_rate
    if taken.unread > TORN_S * rate:
        return f"; {taken.unread / rate:.0f} s after that are damaged on the disk"
    left_s = min(unusable(taken.emg_TC), len(taken.emg_TC) - seconds * rate) / rate
    return f"; {no_numbers(taken.emg_TC)} of the source; {left_s:.0f} s cannot be used" if left_s > WRONG_S else ""


def unfinished(home: Path) -> list[Path]:
    """Return the folders of recordings that are not yet in a data set and that nobody records, the oldest first."""
    found = [one for one in home.glob(f"{PREFIX}*") if (one / ABOUT).is_file() and not is_open(one)]
    return sorted(found)


def recover(home: Path) -> tuple[list[Finished], list[str]]:
    """Add to a data set all that a kill, a cut of the power or a full disk left beside it.

    Returns:
        what was added; and a sentence for each recording that could not be, which is kept as it is.
    """
    for left in (*home.glob(f"{DONE}*"), *_never_begun(home)):
        shutil.rmtree(left, ignore_errors=True)
    done, failed = [], []
    for folder in unfinished(home):
        try:
            done.append(finish(folder))
        except UserError as error:
            failed.append(str(error))
    return done, failed


def _never_begun(home: Path) -> list[Path]:
    """Return the folders of recorders that were killed before they could be given a sample."""
    found = []
    for one in home.glob(f"{PREFIX}*"):
        inside = [file for file in one.iterdir() if file.name != LOCK and not is_leftover(file)]
        begins = not (one / LOCK).exists() and time.time() - one.stat().st_mtime < BEGINS_S
        if not any(file.name == ABOUT or file.stat().st_size for file in inside) and not begins and not is_open(one):
            found.append(one)
    return found


def _add(folder: Path, taken: Taken, pieces: list[Piece], shift: Shift | None) -> tuple[Path, ...]:
    home = folder.parent
    with alone(home):
        files = [
            add(home, place, piece.recording, _utc(taken.said, piece), _recorded(taken.said, piece, shift))
            for place, piece in zip(_places(folder, pieces), pieces, strict=True)
        ]
        for file, piece in zip(files, pieces, strict=True):
            check(file, piece.recording)
    return tuple(files)


def _places(folder: Path, pieces: list[Piece]) -> list[Place]:
    """Return the places that were chosen for a recorder's recordings, by an earlier attempt or now."""
    if (folder / PLACED).is_file():
        return [Place(**one) for one in parse_json(folder / PLACED)]
    others = [parse_json(one) for one in folder.parent.glob(f"{PREFIX}*/{PLACED}")]
    taken = {one["stem"] for other in others for one in other}
    places = places_for(folder.parent, [piece.recording for piece in pieces], taken)
    write_json(folder / PLACED, [asdict(place) for place in places])
    return places


def check(file: Path, recording: Recording) -> None:
    """Read a recording back and compare it with what was to be written.

    Raises:
        UserError: it is something else.
    """
    found = read_recording(file)
    if not isinstance(found, Recording):
        raise _differs(file, "it comes in parts")
    for what, one, other in (
        ("person", found.user, recording.user),
        ("session", found.session, recording.session),
        ("arm", found.side, recording.side),
        ("device", found.device, recording.device),
        ("names of gestures", found.vocabulary, recording.vocabulary),
    ):
        if one != other:
            raise _differs(file, f"its {what} is {one!r}, and {other!r} was recorded")
    for what, mine, theirs in (
        ("labels", found.label_T, recording.label_T),
        ("prompts", found.prompt_T, recording.prompt_T),
        ("repetitions", found.repetition_T, recording.repetition_T),
        ("valid frames of the pose", found.valid_S, recording.valid_S),
    ):
        if not _same(mine, theirs):
            raise _differs(file, f"its {what} are others")
    if not _close(found.emg_TC, recording.emg_TC):
        raise _differs(file, "its EMG is another one")
    if recording.anchor_SJ is not None and not (
        found.anchor_SJ is not None
        and _close(found.anchor_SJ, np.where(recording.valid_S[:, None], recording.anchor_SJ, 0))
    ):
        raise _differs(file, "its pose is another one")


def _same(mine: IntArray | BoolArray | None, theirs: IntArray | BoolArray | None) -> bool:
    return mine is theirs or (mine is not None and theirs is not None and np.array_equal(mine, theirs))


def _close(mine_TC: FloatArray, theirs_TC: FloatArray) -> bool:
    if mine_TC.shape != theirs_TC.shape:
        return False
    most_C = np.maximum(np.abs(theirs_TC).max(axis=0, initial=0), RANGE[0])
    return bool((np.abs(mine_TC.astype(np.float64) - theirs_TC) <= ROUNDING * most_C).all())


def _differs(file: Path, what: str) -> UserError:
    return UserError(
        f"{file} is not what was recorded: {what}; the recording is kept as it came in, so please report this"
    )


def _utc(said: Said, piece: Piece) -> str:
    begun = datetime.fromisoformat(said.started_utc) + timedelta(seconds=piece.begin_s - said.started_s)
    return f"{begun.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _recorded(said: Said, piece: Piece, shift: Shift | None) -> dict[str, Any]:
    """Return what BIDS has no word for."""
    return {
        "source": said.source,
        "protocol": said.protocol,
        "notes": said.about.notes,
        "cpep": said.version,
        "first_sample": piece.first,
        "measured_rate": piece.recording.measured_rate,
        "remarks": list(piece.recording.notes),
        **({"pose": said.pose.source} if said.pose else {}),
        **({"follow": asdict(shift)} if shift else {}),
    }


def _sentence(home: Path, files: tuple[Path, ...], seconds: float, lost: int, *, came: bool) -> str:
    if not files:
        return f"{home}: no sample {'can be used' if came else 'came'}, so that nothing was added"
    runs = "1 run" if len(files) == 1 else f"{len(files)} runs, cut where samples were lost"
    gone = f", {lost} samples lost" if lost else ""
    return f"{home}: {seconds:.1f} s in {runs}{gone}, from {files[0].relative_to(home)}; read back and the same"
