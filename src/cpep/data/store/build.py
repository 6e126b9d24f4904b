"""Writes a store of recordings that are in memory already."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cpep.data.store.arrays import place
from cpep.data.store.frames import Frames
from cpep.data.store.journal import JOURNAL
from cpep.data.store.store import Store, open_store
from cpep.data.store.writer import StoreWriter
from cpep.runtime.files import make_safe
from cpep.runtime.locks import hold_file


def build(
    out: Path,
    name: str,
    names: Sequence[str],
    pieces: Iterable[Frames],
    splits: Mapping[str, str],
    extra: dict[str, Any],
) -> Store:
    """Write recordings as a store, which appears whole or not at all.

    Args:
        out: the store; nothing may be there.
        name: of the data set.
        names: of the recordings.
        pieces: the recordings, in the same order.
        splits: split of a recording by its name.
        extra: further fields of the index.

    Raises:
        OSError: no space.
    """
    growing = out.with_name(f".{out.name}.partial")
    with hold_file(out):
        shutil.rmtree(growing, ignore_errors=True)
        with closing(StoreWriter(growing, [[name] for name in names], keep_skipped=False)) as writer:
            for piece in pieces:
                writer.add(place(growing, [piece], writer.frames, writer.blocks))
            writer.finish(name, dict(splits), extra)
        (growing / JOURNAL).unlink()
        growing.replace(out)
        make_safe(out.parent)
    return open_store(out)
