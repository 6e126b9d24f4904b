"""A cohort: who is recorded doing what, made by several processes, resumable file by file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from cpep.data.readers.emg2pose import SAMPLE_RATE, write_recording
from cpep.data.readers.hdf5 import open_hdf5
from cpep.data.readers.metadata import METADATA, MetadataRow, write_metadata
from cpep.runtime import memory
from cpep.runtime.files import read_json, write_json
from cpep.runtime.jobs import cores, in_order
from cpep.runtime.leftovers import is_empty
from cpep.runtime.locks import alone_in
from cpep.runtime.pool import stopping
from cpep.simulate.gestures import holds_unseen
from cpep.simulate.plan import MINUTES, Cohort, Take
from cpep.simulate.record import Session, record, wear
from cpep.simulate.variability import Variability
from cpep.types import Progress, UserError, no_progress

COHORT = "cohort.json"


def simulate_cohort(
    out: Path,
    *,
    users: int = 24,
    minutes: float = MINUTES,
    seed: int = 0,
    sides: Sequence[str] = ("right",),
    workers: int | None = None,
    variability: Variability | None = None,
    progress: Progress = no_progress,
) -> None:
    """Write a simulated cohort in the emg2pose layout: HDF5 files, metadata.csv and cohort.json.

    Files that are there and whole are kept, others are made. The bytes depend on users, minutes, seed, sides and
    variability alone (on one machine). As workers are spawned, a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        out: folder, new, empty, or of the same cohort.
        users: number of people, named ``user_00`` and so on.
        minutes: recorded of each person and side, over two sessions.
        seed: of all random numbers.
        sides: ``right``, ``left`` or both.
        workers: processes; as many as there are cores if ``None``.
        variability: how much people, sessions and repetitions differ.
        progress: called with seconds of recording done and in all.

    Raises:
        UserError: an argument makes no sense, the folder holds something else, or it cannot be written.
    """
    cohort = Cohort(users, minutes, seed, tuple(sides), variability or Variability())
    with alone_in(out):
        _write(out, cohort, workers, progress)


def _write(out: Path, cohort: Cohort, workers: int | None, progress: Progress) -> None:
    _claim(out, cohort)
    takes = cohort.takes()
    if not (out / METADATA).exists():  # a second call changes nothing, so that a prepared store stays valid
        write_metadata(out, [_metadata(take) for take in takes])
    total = round(sum(take.seconds for take in takes))
    missing = [take for take in takes if not _is_whole(out / f"{take.name}.hdf5", take)]
    done = total - sum(take.seconds for take in missing)
    progress(round(done), total)
    make = partial(_make_group, out=out, cohort=cohort)
    with closing(in_order(make, by_wearing(missing), workers or cores())) as made:
        for seconds in made:
            done += seconds
            progress(round(done), total)


def _claim(out: Path, cohort: Cohort) -> None:
    """Mark a folder as this cohort's; refuse one that holds anything else."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder for the cohort")
    mark = out / COHORT
    if mark.exists():
        found, wanted = read_json(mark), cohort.describe()
        if found != wanted:
            known = found if isinstance(found, dict) else {}
            other = [name for name in wanted if known.get(name) != wanted[name]]
            raise UserError(
                f"{out} holds another cohort (different: {', '.join(other) or 'more fields'}); "
                "name another folder or delete this one"
            )
    elif out.is_dir() and not is_empty(out):
        raise UserError(f"{out} is not empty and holds no simulated cohort; name another folder")
    else:
        write_json(mark, cohort.describe())


def _metadata(take: Take) -> MetadataRow:
    return MetadataRow(
        user=take.user,
        session=take.session,
        stage=take.stage,
        side=take.side,
        moving_hand=take.side,
        held_out_stage=holds_unseen(take.stage),
        start=take.start,
        end=take.start + (take.samples - 1) / SAMPLE_RATE,
        filename=take.name,
    )


def _is_whole(path: Path, take: Take) -> bool:
    """Tell whether a file is there and of full length; HDF5 itself notices when its end is missing."""
    try:
        with open_hdf5(path) as file:
            return len(file["emg2pose/timeseries"]) == take.samples
    except UserError:
        return False


def by_wearing(takes: Sequence[Take]) -> list[list[Take]]:
    """Group the files of one session and side, for which potentials are computed once."""
    groups: dict[tuple[str, str, str], list[Take]] = {}
    for take in takes:
        groups.setdefault((take.user, take.session, take.side), []).append(take)
    return list(groups.values())


def make_take(out: Path, session: Session, take: Take) -> None:
    """Write one file."""
    recording = record(session, take.stage, take.repetition, take.seconds, take.name)
    write_recording(out / f"{take.name}.hdf5", recording, start=take.start, simulated=True)


def _make_group(takes: Sequence[Take], out: Path, cohort: Cohort) -> float:
    """Write the files of one session; return how many seconds they hold."""
    first = takes[0]
    session = wear(cohort.seed, first.user, first.session, first.side, cohort.variability)
    seconds = 0.0
    with memory.kept():
        for take in takes:
            if stopping():
                break
            make_take(out, session, take)
            seconds += take.seconds
    return seconds
