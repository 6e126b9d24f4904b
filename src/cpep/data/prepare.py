"""Writes prepared stores: in order, resumable, at bounded memory.

The arrays grow in a folder ``.<out>.partial`` beside the store, one recording after the other. A journal
gets a line after each: a run that was stopped cuts the arrays back to the last line and goes on from there.
At the end the ``.npy`` headers and the index are written and the folder is renamed. Recordings are read by
several processes but written in the order of their names, so that the bytes do not depend on how many.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from cpep.data import emg2pose
from cpep.data.folder import STORE_INDEX, Source, dataset_name, find_recordings
from cpep.data.frames import Frames, to_frames
from cpep.data.store import Store, is_store, open_store
from cpep.data.writer import JOURNAL, Stamp, StoreWriter
from cpep.files import read_json
from cpep.jobs import shut_down, start_worker, submit
from cpep.types import Progress, UserError, no_progress

Result = TypeVar("Result")


def prepare(
    folder: Path,
    out: Path,
    *,
    workers: int = 1,
    skip_bad: bool = False,
    progress: Progress = no_progress,
) -> Store:
    """Prepare the recordings of a folder into a store, or open the store that already holds them.

    A run that was stopped goes on where it was; recordings that changed since are read again.

    Args:
        folder: recordings in any layout that cpep reads, of one device.
        out: the store; must not exist, be empty, or be the store of these very recordings.
        workers: processes that read.
        skip_bad: leave out recordings that cannot be read, and list them in ``Store.skipped``.
        progress: called with the number of recordings done and their total.

    Raises:
        UserError: a recording is unreadable or of another device, ``out`` holds something else, or no space.
    """
    out = out.resolve()
    sources = find_recordings(folder)
    try:
        stamps = [_stamp(source) for source in sources]
        metadata = _metadata(folder)
        if done := _existing(out, stamps, metadata, skip_bad):
            return done
        splits = _splits(folder, metadata)
        partial = out.with_name(f".{out.name}.partial")
        with closing(StoreWriter(partial, stamps, keep_skipped=skip_bad)) as writer:
            progress(writer.done, len(sources))
            with closing(in_order(_frames_of, sources[writer.done :], workers)) as results:
                for result in results:
                    _take(writer, result, skip_bad)
                    progress(writer.done, len(sources))
            writer.finish(dataset_name(sources), splits, {"metadata": metadata})
        partial.replace(out)
        (out / JOURNAL).unlink()
    except OSError as error:
        raise UserError(
            f"cannot write {out}: {error.strerror or error}; what is done so far is kept for the next run"
        ) from error
    return open_store(out)


def _take(writer: StoreWriter, result: Frames | UserError, skip_bad: bool) -> None:
    if isinstance(result, Frames):
        writer.add(result)
    elif skip_bad:
        writer.skip(str(result))
    else:
        raise UserError(f"{result} (or leave out such files: cpep data prepare --skip-bad)") from result


def _existing(out: Path, stamps: list[Stamp], metadata: Stamp | None, skip_bad: bool) -> Store | None:
    """Open what is at ``out`` if it is the wanted store; ``None`` where nothing is."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not is_store(out):
        raise UserError(f"{out} exists and is no prepared store; choose another place")
    index = read_json(out / STORE_INDEX)
    if index.get("sources") != stamps or index.get("metadata") != metadata:
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


def _stamp(source: Source) -> Stamp:
    paths = [source.path, source.sidecar] if source.sidecar else [source.path]
    return [source.name, *(number for path in paths for number in _size_and_time(path))]


def _size_and_time(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _metadata(folder: Path) -> Stamp | None:
    path = folder / emg2pose.METADATA
    return [emg2pose.METADATA, *_size_and_time(path)] if path.is_file() else None


def _splits(folder: Path, metadata: Stamp | None) -> dict[str, str]:
    return {row.filename: row.split for row in emg2pose.read_metadata(folder)} if metadata else {}


def _frames_of(source: Source) -> Frames | UserError:
    """Read one recording; a mistake in it is a result, since what follows from it is not decided here."""
    try:
        return to_frames(source.read())
    except UserError as error:
        return error


def in_order(
    function: Callable[[Source], Result], sources: Sequence[Source], workers: int
) -> Generator[Result, None, None]:
    """Apply a function to sources in parallel and yield the results in order, two per process in memory.

    Raises:
        UserError: a process was killed.
    """
    if workers <= 1 or len(sources) <= 1:
        yield from map(function, sources)
        return
    # Spawned, not forked: torch may have started threads in this process.
    pool = ProcessPoolExecutor(min(workers, len(sources)), multiprocessing.get_context("spawn"), start_worker)
    try:
        waiting: deque[Future[Result]] = deque()
        for source in sources:
            waiting.append(submit(pool, function, source))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError("a reading process was killed, perhaps for its memory; use fewer processes") from error
    finally:
        shut_down(pool)
