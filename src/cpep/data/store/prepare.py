"""Writes prepared stores: in order, resumable, at bounded memory.

The arrays grow in a folder ``.<out>.partial`` beside the store, one recording after the other. A journal
gets a line after each: a run that was stopped cuts the arrays back to the last line and goes on from there.
At the end the ``.npy`` headers and the index are written and the folder is renamed. Recordings are read by
several processes, each of which writes the large arrays of what it read itself; their places follow from the
order of the names, so that the bytes do not depend on how many. Machines share the work as ``cpep.data.store.shards``
says: each prepares a part. The same code then joins the parts, and reads them in place of the recordings.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from cpep.data.readers.folder import Source, dataset_name, find_recordings
from cpep.data.readers.split_files import SplitFile, find_split_files, split_notes, splits_of
from cpep.data.store import shards
from cpep.data.store.arrays import Placed, Places, place
from cpep.data.store.frames import Frames, to_frames
from cpep.data.store.index import read_index
from cpep.data.store.journal import JOURNAL, Stamp
from cpep.data.store.shards import Shard
from cpep.data.store.store import Store, is_store, open_store
from cpep.data.store.writer import StoreWriter
from cpep.data.told import named_alike, shared_sidecar, spelt_twice
from cpep.runtime.files import make_safe
from cpep.runtime.jobs import in_order
from cpep.runtime.leftovers import is_empty
from cpep.runtime.locks import PATIENCE_S, hold_file, lock_of
from cpep.runtime.pool import no_shared_memory
from cpep.signal.conditioning import NOTHING_ASKED, Asked
from cpep.types import Progress, UserError, no_progress

SKIP = "or leave out such files: cpep data prepare --skip-bad"

Reader = Callable[[], tuple[Frames, ...] | UserError]
"""Reads one file; an error is returned, not raised, as the process that collects results decides."""


def prepare(
    folder: Path,
    out: Path,
    *,
    workers: int = 1,
    shard: Shard | None = None,
    skip_bad: bool = False,
    asked: Asked = NOTHING_ASKED,
    progress: Progress = no_progress,
) -> Store:
    """Prepare the recordings of a folder into a store, or open the store that already holds them.

    A run that was stopped goes on where it was; recordings that changed since are read again. Where shards were
    prepared, they are joined.

    Args:
        folder: recordings in any layout that cpep reads, of one device; some may have no anchor.
        out: the store; it must not exist, or be an empty folder or the store of these very recordings.
        workers: processes that read.
        shard: prepare the recordings of this shard alone, as a part of the store, and return the part.
        skip_bad: leave out recordings that cannot be read, and list them in ``Store.skipped``.
        asked: conditioning of all recordings, in place of what they say.
        progress: called with the number of recordings done and their total.

    Raises:
        UserError: a recording is unreadable or of another device, ``out`` holds something else or was conditioned in
            another way, no space, or shards were begun of which not all are complete.
    """
    out = out.resolve()
    sources = find_recordings(folder)

    def build(out: Path, mine: slice, readers: list[Reader], splits: dict[str, str], metadata: Stamp | None) -> Store:
        """Write the store of some of the recordings."""
        growing = out.with_name(f".{out.name}.partial")
        with hold_file(out):
            with closing(StoreWriter(growing, stamps[mine], asked, keep_skipped=skip_bad)) as writer:
                _fill(writer, readers, sources[mine], workers, skip_bad, progress)
                writer.finish(dataset_name(sources[mine]), splits, {"metadata": metadata})
            growing.replace(out)
            make_safe(out.parent)
            (out / JOURNAL).unlink()
        return open_store(out)

    def existing(path: Path, mine: slice, metadata: Stamp | None) -> Store | None:
        """Return the store of these recordings, if it is there and was conditioned as it is asked for."""
        store = _existing(path, stamps[mine], metadata, skip_bad)
        if store:
            _refuse_other_conditioning(store, sources[mine], asked)
            _finish_what_was_killed(path)
        return store

    try:
        stamps = [stamp_of(source) for source in sources]
        tables = [file for file in find_split_files(folder, sources) if not file.foreign]
        metadata = _metadata(tables)
        whole = existing(out, slice(None), metadata)
        if shard and not whole:
            mine, part = shard.slice(len(sources)), shard.path(out)
            shards.refuse_other_division(out, shard)
            return existing(part, mine, None) or build(part, mine, _readers(sources[mine], asked), {}, None)
        if not whole:
            splits = {source.name: split for source in sources if (split := source.split())} | splits_of(tables)
            readers = _parts(out, existing, stamps) or _readers(sources, asked)
            whole = build(out, slice(None), readers, splits, metadata)
        shutil.rmtree(shards.parts_folder(out), ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot write {out}: {error.strerror or error}; what is done so far is kept for the next run"
        ) from error
    return whole


def names_and_tables(folder: Path, store: Store) -> list[tuple[str, str]]:
    """Return what is odd about the names of people and gestures, and about tables of splits: of what, and a sentence.

    Args:
        folder: of the recordings.
        store: as it was prepared of them.
    """
    return [
        *(("users", note) for note in spelt_twice(store.users)),
        *(("labels", note) for note in named_alike(store.vocabulary)),
        *split_notes(find_split_files(folder, find_recordings(folder))),
    ]


def _finish_what_was_killed(store: Path) -> None:
    """Remove what a kill leaves that comes after a store has its name."""
    if (store / JOURNAL).exists() or lock_of(store).exists():
        with hold_file(store, wait_s=PATIENCE_S):
            (store / JOURNAL).unlink(missing_ok=True)


def _readers(sources: Sequence[Source], asked: Asked) -> list[Reader]:
    return [partial(_frames_of, source, asked) for source in sources]


def _parts(
    out: Path, existing: Callable[[Path, slice, Stamp | None], Store | None], stamps: list[Stamp]
) -> list[Reader]:
    """Return a reader of every recording from the parts of the shards; an empty list where no shard was begun.

    Args:
        out: the store.
        existing: returns the part at a place, of these recordings.
        stamps: of all recordings.

    Raises:
        UserError: a shard is not complete, or recordings changed since.
    """
    readers: list[Reader] = []
    missing = []
    for shard in shards.shards_at(out):
        part, mine = shard.path(out), shard.slice(len(stamps))
        if not (store := existing(part, mine, None)):
            missing.append(f"{shard.index}/{shard.count}")
            continue
        at: dict[str, list[int]] = {}
        for index, entry in enumerate(store.entries):
            at.setdefault(entry.source, []).append(index)
        why = dict(store.skipped)
        readers += [
            partial(shards.frames_of_part, part, at[name]) if name in at else partial(UserError, why[name])
            for name, *_ in stamps[mine]
        ]
    if missing:
        raise UserError(
            f"{out}: not complete yet: --shard {', '.join(missing)}; run the same command with each to the end, "
            f"or delete {shards.parts_folder(out)} to prepare without shards"
        )
    shards.forget()
    return readers


def _fill(
    writer: StoreWriter,
    readers: Sequence[Reader],
    sources: Sequence[Source],
    workers: int,
    skip_bad: bool,
    progress: Progress,
) -> None:
    """Read and write the recordings that are not done yet."""
    progress(writer.done, len(readers))
    # Spawned, not forked: torch may have started threads in this process.
    context = multiprocessing.get_context("spawn") if workers > 1 else None
    try:
        places = Places(writer.done, writer.frames, writer.blocks, context)
    except OSError as error:
        raise UserError(no_shared_memory(error)) from error
    jobs = list(enumerate(readers))[writer.done :]
    with closing(in_order(partial(_placed, writer.partial), jobs, workers, partial(_share, places))) as results:
        for result in results:
            if not isinstance(result, UserError):
                writer.add(result)
            elif skip_bad:
                writer.skip(str(result))
            else:
                shared = shared_sidecar(str(result), sources)
                remedy = f"it describes {shared} recordings" if shared > 1 else SKIP
                raise UserError(f"{result} ({remedy})") from result
            progress(writer.done, len(readers))


_places: Places | None = None


def _share(places: Places) -> None:
    """Let this process know where recordings go; what processes share can only be given to them when they start."""
    global _places
    _places = places


def _placed(folder: Path, job: tuple[int, Reader]) -> list[Placed] | UserError:
    """Read a file and write the large arrays of its recordings."""
    assert _places is not None
    index, read = job
    length = blocks = 0
    try:
        parts = read()
        if isinstance(parts, UserError):
            return parts
        length, blocks = sum(len(part.valid_M) for part in parts), sum(len(part.power_KC) for part in parts)
    finally:
        start, power_start = _places.take(index, length, blocks)
    return place(folder, parts, start, power_start)


def _existing(out: Path, stamps: list[Stamp], metadata: Stamp | None, skip_bad: bool) -> Store | None:
    """Return the store at ``out`` if it is the wanted one; ``None`` where nothing is there.

    Raises:
        UserError: something else is there.
    """
    if not out.exists() or (out.is_dir() and is_empty(out)):
        return None
    if not is_store(out):
        raise UserError(f"{out} exists and is no prepared store; choose another place")
    index = read_index(out).index
    if index.sources != stamps or index.metadata != metadata:
        raise UserError(
            f"{out} is a store of other recordings, or they changed since; delete it or choose another place"
        )
    store = open_store(out)
    if store.skipped and not skip_bad:
        raise UserError(
            f"{out} was prepared without {len(store.skipped)} unreadable recordings, the first "
            f"{store.skipped[0][0]}; accept that with --skip-bad, or choose another place"
        )
    return store


def _refuse_other_conditioning(store: Store, sources: Sequence[Source], asked: Asked) -> None:
    """Check that a store was conditioned as it is asked for.

    Raises:
        UserError: it was not.
    """
    if read_index(store.path).index.asked == asdict(asked):
        return
    first = next(source for source in sources if source.name == store.entries[0].source)
    wanted = first.parts()[0].device.filtered(asked).conditioning
    if wanted != store.device.conditioning:
        here = store.device.conditioning
        raise UserError(
            f"the EMG of {store.path} is {here}, and EMG that is {wanted} is asked for; prepare that into another "
            f"place, or take the store as it is: `cpep data prepare {here.options}`"
        )


def stamp_of(source: Source) -> Stamp:
    """Return what tells whether a recording is the same: its name, size and time of each of its files."""
    paths = (source.path, *source.sidecars)
    return [source.name, *(number for path in paths for number in _size_and_time(path))]


def _size_and_time(path: Path) -> list[int]:
    status = path.stat() if path.exists() else path.lstat()  # a link that leads nowhere: reading it says so
    return [status.st_size, status.st_mtime_ns]


def _metadata(tables: Sequence[SplitFile]) -> Stamp | None:
    return [part for table in tables for part in (table.name, *_size_and_time(table.path))] or None


def _frames_of(source: Source, asked: Asked) -> tuple[Frames, ...] | UserError:
    """Read one file of a folder."""
    try:
        return tuple(to_frames(part, asked) for part in source.parts())
    except UserError as error:
        return error
