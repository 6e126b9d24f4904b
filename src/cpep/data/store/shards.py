"""Shards: shares of a folder that machines prepare apart, on a file system that all of them see, and their joining.

Each shard is prepared into a store of its own in ``.<out>.parts`` beside the store. Nobody but its own shard writes
there, so that the file system needs no locks. Joining reads the parts where it would else read the recordings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cpep.data.store.frames import Frames
from cpep.data.store.store import Entry, Store, open_store
from cpep.types import UserError

_opened = lru_cache(maxsize=2)(open_store)
"""Every process that joins opens a part once."""


@dataclass(frozen=True)
class Shard:
    """One of ``count`` equal shares of the recordings, neighbours in their order; ``index`` counts from 1."""

    index: int
    count: int

    def slice(self, total: int) -> slice:
        """Return which of ``total`` recordings are this shard's.

        Raises:
            UserError: there are fewer recordings than shards.
        """
        if total < self.count:
            raise UserError(f"{self.count} shards for {total} recordings; use {total} at most")
        return slice(total * (self.index - 1) // self.count, total * self.index // self.count)

    def path(self, out: Path) -> Path:
        """Return where its part of the store ``out`` is."""
        return parts_folder(out) / f"{self.index}-of-{self.count}"


def shard_of(text: str | None, environment: Mapping[str, str]) -> Shard | None:
    """Return the shard that ``--shard 2/8`` or else the environment of ``torchrun`` asks for.

    Raises:
        UserError: the text is no shard.
    """
    if text is None:
        count = int(environment.get("WORLD_SIZE", 1)) if "RANK" in environment else 1
        return Shard(int(environment["RANK"]) + 1, count) if count > 1 else None
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"--shard is {text!r}; the second of eight shards is 2/8, the last one 8/8")
    return Shard(int(found[1]), int(found[2]))


def parts_folder(out: Path) -> Path:
    """Return the folder of the parts of a store."""
    return out.with_name(f".{out.name}.parts")


def shards_at(out: Path) -> list[Shard]:
    """Return all shards of a store of which at least one was begun.

    Raises:
        UserError: shards of several divisions were begun.
    """
    counts = _divisions(out)
    if len(counts) > 1:
        raise UserError(
            f"{parts_folder(out)} holds parts of {counts[0]} and of {counts[1]} shards; delete those of one of them"
        )
    return [Shard(index, count) for count in counts for index in range(1, count + 1)]


def refuse_other_division(out: Path, shard: Shard) -> None:
    """Check that no part of another number of shards was begun.

    Raises:
        UserError: one was.
    """
    if other := [count for count in _divisions(out) if count != shard.count]:
        raise UserError(
            f"{parts_folder(out)} holds parts of {other[0]} shards, not of {shard.count}; go on with {other[0]}, "
            "or delete them"
        )


def _divisions(out: Path) -> list[int]:
    names = [path.name for path in parts_folder(out).glob("*-of-*")]
    return sorted({int(found[1]) for name in names if (found := re.search(r"-of-(\d+)", name))})


def forget() -> None:
    """Forget the parts that were open: others may be there now."""
    _opened.cache_clear()


def frames_of_part(part: Path, indices: Sequence[int]) -> tuple[Frames, ...]:
    """Return recordings of a part of a store as they were when their file was read."""
    store = _opened(part)
    return tuple(_frames(store, store.entries[index]) for index in indices)


def _frames(store: Store, entry: Entry) -> Frames:
    rows = slice(entry.start, entry.start + entry.frames)
    return Frames(
        user=entry.user,
        session=entry.session,
        stage=entry.stage,
        side=entry.side,
        device=store.device,
        vocabulary=store.vocabulary,
        emg_TC=store.emg_TC[rows.start * store.ratio : rows.stop * store.ratio],
        anchor_MJ=np.zeros((entry.frames, 0), np.float32) if store.anchor_MJ is None else store.anchor_MJ[rows],
        valid_M=store.valid_M[rows],
        label_M=store.label_M[rows],
        prompt_M=store.prompt_M[rows],
        repetition_M=store.repetition_M[rows],
        power_KC=store.power_KC[entry.power_start : entry.power_start + entry.power_blocks],
        name=entry.name,
        repairs=entry.repairs,
    )
