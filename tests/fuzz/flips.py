"""Damages stores, checkpoints and books, and looks whether a number changes without a word.

``python -m tests.fuzz.flips --count 1000 --seed 0`` prints a table. Each flip damages one file of a sound set: a bit,
a byte, a page of zeros, a cut, or two pages that change places. Then all that a table rests on is read and computed
anew: labels, prompts, repetitions, power, samples, embeddings of EMG and of poses, and what a book answers. Either
that is refused by a sentence, or the numbers are those of the sound set to the bit; then ``why`` has to say for what
reason the damage has no effect. Anything else is a finding.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.embed import embed_anchor, embed_emg
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data import Store, from_arrays, list_windows, make_splits, open_store
from cpep.data.store import checked_rows
from cpep.data.windows import AnchorReader, SampleReader
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background, Kept
from cpep.types import UserError
from tests.checkpoints.arrays import RATE, made

PAGE = 4096
DAMAGES = ("bit", "byte", "zeros", "cut", "swap")


@dataclass(frozen=True)
class Flip:
    """What was done to a file, and what came of it: ``noticed``, a reason why it has no effect, or a finding."""

    file: str
    damage: str
    outcome: str

    @property
    def found(self) -> bool:
        """Whether a number changed without a word, or something else than a sentence came."""
        return self.outcome.startswith("FOUND")


def write(folder: Path) -> None:
    """Write a sound set: a store of several blocks a recording, a checkpoint, and a book."""
    emg, names, people, pose = made()
    block, checked_rows.BLOCK_BYTES = checked_rows.BLOCK_BYTES, 2048
    try:
        facts = {"people": people, "pose": pose, "pose_rate": 100, "highpass_hz": 0}
        store = from_arrays(emg, names, rate=RATE, folder=folder / "store", **facts)
    finally:
        checked_rows.BLOCK_BYTES = block
    (split,) = make_splits(store)
    torch.manual_seed(0)
    model = Model(make_card("cpep", store, split, preset("tiny", ["data.window_s=1"]), 0)).eval()
    model.emg_frontend.fit(store, split.users_train)
    windows = list_windows(store, 1.0, 1.0)
    model.net.emg.fit(model.emg_frontend.reader(store, windows.frames)(windows))
    model.net.anchor.fit(AnchorReader(store, windows.frames)(windows))
    save(model, folder / "checkpoint")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 16)).astype(np.float32)
    kept = Kept(emg_GTC=rng.normal(size=(5, 200, 8)).astype(np.float32), session_G=np.zeros(5, np.int16))
    book = GestureBook(model, Background(vectors[:30], vectors[30:], np.array(["fist", "open", "rest"] * 10)))
    book.add("fist", rng.uniform(0, 1, (100, 20)).astype(np.float32))
    book.add_emg("shown", vectors[:5], kept)
    book.save(folder / "my.book")


def numbers(folder: Path) -> str:
    """Return a hash of all that results rest on.

    Raises:
        UserError: something is damaged.
    """
    store, model = open_store(folder / "store"), load(folder / "checkpoint")
    digest = hashlib.sha256()
    for array in _arrays(store, model, GestureBook.load(folder / "my.book", model)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(store: Store, model: Model, book: GestureBook) -> Iterator[np.ndarray]:
    windows = list_windows(store, 1.0, 0.5)
    yield from (store.label_M, store.valid_M, store.prompt_M, store.repetition_M, store.power_KC)
    yield np.array([str(part) for part in (store.name, store.entries, store.vocabulary, store.device, model.card)])
    found = embed_emg(model, store, windows)
    yield from (
        found.x_ND,
        found.label_N,
        found.user_N.astype("S"),
        SampleReader(store, windows.frames, None)(windows),
    )
    yield embed_anchor(model, store, windows).x_ND
    yield book.predict_proba(found.x_ND)
    yield from (np.array(book.names), *(book.pose_at(k) for k in range(len(book.names))))
    yield from (part for entry in book.entries for part in (entry.vector_GD, entry.kept.emg_GTC))


def damaged(data: bytes, how: str, rng: np.random.Generator) -> bytes:
    """Return the content of a file after some damage."""
    at, page = int(rng.integers(len(data))), min(PAGE, max(len(data) // 4, 1))
    first, other = (int(k) * page for k in rng.integers(len(data) // page, size=2))
    if how == "bit":
        return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
    if how == "byte":
        return data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
    if how == "cut":
        return data[:at]
    if how == "zeros":
        return data[:first] + bytes(min(page, len(data) - first)) + data[first + page :]
    low, high = sorted((first, other))
    return b"".join(
        (data[:low], data[high : high + page], data[low + page : high], data[low : low + page], data[high + page :])
    )


def why(name: str, before: bytes, path: Path) -> str:
    """Return why damage has no effect; empty where nothing says so."""
    if name.startswith("store/bins"):
        return "bins are made again"
    try:
        if path.suffix == ".json" and json.loads(before) == json.loads(path.read_bytes()):
            return "the same JSON"
        if path.suffix in (".safetensors", ".book"):
            after = path.read_bytes()
            path.write_bytes(before)
            one = _content(path)
            path.write_bytes(after)
            return "the same tensors" if one == _content(path) else ""
    except (ValueError, SafetensorError):
        return ""
    return ""


def _content(path: Path) -> dict[str, tuple[str, bytes]]:
    with safe_open(path, "numpy") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        note = {name: (text, b"") for name, text in (file.metadata() or {}).items()}
    return note | {name: (f"{array.dtype}{array.shape}", array.tobytes()) for name, array in found.items()}


def flips(folder: Path, count: int, seed: int) -> Iterator[Flip]:
    """Yield what came of some flips.

    Args:
        folder: empty; the sound set is written into it.
        count: how many.
        seed: of the flips; the same seed gives the same ones.
    """
    sound, copy = folder / "sound", folder / "copy"
    write(sound)
    wanted = numbers(sound)
    names = sorted(str(path.relative_to(sound)) for path in sound.rglob("*") if path.is_file())
    names = [name for name in names if not name.endswith(".lock")]
    sizes = np.array([(sound / name).stat().st_size for name in names], float)
    # Files are drawn half by their size, as a disk damages them, and half each as often, as small ones tell most.
    share = 0.5 * sizes / sizes.sum() + 0.5 / len(names)
    rng, done = np.random.default_rng(seed), 0
    while done < count:
        name, how = names[int(rng.choice(len(names), p=share))], DAMAGES[int(rng.integers(len(DAMAGES)))]
        before = (sound / name).read_bytes()
        after = damaged(before, how, rng)
        if after == before:
            continue
        shutil.copytree(sound, copy)
        (copy / name).write_bytes(after)
        yield Flip(name, how, _outcome(copy, name, before, wanted))
        shutil.rmtree(copy)
        done += 1


def _outcome(folder: Path, name: str, before: bytes, wanted: str) -> str:
    look = partial(why, name, before, folder / name)
    reason = "" if name.startswith("store/bins") else look()
    try:
        same = numbers(folder) == wanted
    except UserError:
        return "noticed"
    except Exception as error:
        return f"FOUND {type(error).__name__}: {error}"
    if not same:
        return "FOUND other numbers"
    return reason or look() or "FOUND no effect, and nothing says why"


def table(found: Sequence[Flip]) -> str:
    """Return how often each outcome came, by the kind of file."""
    counts: Counter[tuple[str, str]] = Counter((one.file, one.outcome) for one in found)
    outcomes = sorted({one.outcome for one in found}, key=lambda outcome: (outcome != "noticed", outcome))
    width = max(len(one.file) for one in found)
    lines = [f"{'':<{width}}  {'flips':>6}  " + "  ".join(outcomes)]
    for file in (*sorted({one.file for one in found}), "all"):
        row = [sum(n for (f, o), n in counts.items() if f in (file, *([f] if file == "all" else [])) and o == outcome)
               for outcome in outcomes]  # fmt: skip
        shown = "  ".join(f"{n:>{len(outcome)}}" for n, outcome in zip(row, outcomes, strict=True))
        lines.append(f"{file:<{width}}  {sum(row):>6}  {shown}")
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cpep-flips-") as folder:
        found = list(flips(Path(folder), asked.count, asked.seed))
    print(table(found))
    return int(any(one.found for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
