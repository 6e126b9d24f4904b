"""The file of a gesture book, and how a book of one checkpoint becomes a book of another.

Format 2 keeps, beside the vectors of its own checkpoint, the windows that they were made of: anchors thinned to
``KEPT_HZ``, conditioned EMG where a gesture was shown by EMG, and some windows to calibrate on. Format 1 has vectors
alone; it is read by its own checkpoint. From format 3 on there is a checksum. Format 4 has the read-out that was
chosen; books of older formats are read by the ten nearest vectors of each entry.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save_file

from cpep.checkpoints.card import Card
from cpep.checkpoints.checkpoint import Model
from cpep.data.recording import Device
from cpep.data.resample import resample_anchor
from cpep.evaluate.knn import unit_rows
from cpep.live.book.entries import Background, Entry, Kept
from cpep.live.book.note import FORMAT, REMEDY, Note, read_note, refuse_other_arrays, refuse_other_model
from cpep.live.book.readout import ReadOut
from cpep.runtime import sums
from cpep.runtime.files import atomic_path, write_tensors
from cpep.runtime.tensors import read_tensors
from cpep.signal.units import factor
from cpep.types import FloatArray, UserError

if TYPE_CHECKING:
    from cpep.live.book.book import GestureBook

KEPT_HZ = 25.0
"""Anchors are kept at this rate or a little above it: a hand moves slower than that."""
FEWEST_KEPT = 100
"""Windows without which a background is not calibrated on anew."""
AGAIN = "its confidence is not calibrated: it follows from fixed numbers until you make the book again (`cpep book`)"


@dataclass(frozen=True)
class ReadBook:
    """A book as it was read, for one checkpoint.

    Attributes:
        entries: its gestures.
        background: windows to calibrate on; ``None`` where there are none.
        false_alarms: see ``GestureBook``.
        notes: sentences on what was done.
        read_out: how its gallery is read.
        accuracy: of each read-out, when it was chosen.
        choose: whether it has to be chosen again, for another checkpoint.
    """

    entries: tuple[Entry, ...]
    background: Background | None
    false_alarms: float
    notes: tuple[str, ...] = ()
    read_out: ReadOut = ReadOut.nearest
    accuracy: Mapping[str, float] = field(default_factory=dict)
    choose: bool = False


def thinned(card: Card, windows_NSJ: FloatArray) -> FloatArray:
    """Return windows of the anchor at about ``KEPT_HZ``, float32; the last frame stays the last."""
    step = max(1, int(card.frame_rate / KEPT_HZ))
    return np.ascontiguousarray(windows_NSJ[:, ::-1][:, ::step][:, ::-1], np.float32)


def kept_rate(card: Card) -> float:
    """Return frames per second of what ``thinned`` returns."""
    return card.frame_rate / max(1, int(card.frame_rate / KEPT_HZ))


def write_book(path: Path, book: GestureBook) -> None:
    """Write a book, whole or not at all."""
    empty = np.zeros((0, 0), np.float32)
    known = book.background or Background(empty, empty, np.zeros(0, np.str_))
    tensors: dict[str, Any] = {"emg": known.emg_ND, "pose": known.pose_ND}
    for i, entry in enumerate(book.entries):
        tensors |= {f"vector.{i}": entry.vector_GD, f"pose.{i}": entry.pose_GJ}
    kepts = {"known": known.kept} | {str(i): entry.kept for i, entry in enumerate(book.entries)}
    level = _level([kept.emg_GTC for kept in kepts.values()])
    for key, kept in kepts.items():
        tensors |= {f"windows.{key}": kept.pose_GSJ, f"emg.{key}": kept.emg_GTC / level}
        tensors[f"session.{key}"] = kept.session_G
    card = book.model.card
    note = {
        "format": FORMAT,
        "model": fingerprint(book.model),
        "names": book.names,
        "background": known.name_N.tolist(),
        "kept_background": known.kept_name_N.tolist(),
        "false_alarms": book.false_alarms,
        "device": asdict(card.device),
        "rate": kept_rate(card),
        "level": level,
        "read_out": book.read_out,
        "accuracy": {name: round(value, 4) for name, value in book.accuracy.items()},
    }
    halves = {name: np.ascontiguousarray(array, np.float16) for name, array in tensors.items()}
    sealed = sums.sealed_note(note, {name: array.astype(np.float32) for name, array in halves.items()})
    with atomic_path(path) as temporary:
        write_tensors(save_file, halves, temporary, {"cpep": json.dumps(sealed)})


def refuse_damaged(path: Path) -> None:
    """Read all of a book without its checkpoint.

    Raises:
        UserError: it is no book, or damaged.
    """
    text, arrays = read_tensors(path, "cpep", "gesture book", ("F16",), REMEDY)
    refuse_other_arrays(read_note(text, arrays, path), arrays, path)


def _level(windows: list[FloatArray]) -> float:
    """Return a level that EMG is divided by, so that half precision holds it in any unit."""
    values = [float(np.abs(emg_GTC).max(initial=0.0)) for emg_GTC in windows]
    return max(values, default=0.0) / 1000 or 1.0


def read_book(path: Path, model: Model) -> ReadBook:
    """Read a book for a checkpoint; see ``GestureBook.load``."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a gesture book, which is one file")
    if not path.is_file():
        raise UserError(f"{path} does not exist; make a book with `cpep book`")
    text, arrays = read_tensors(path, "cpep", "gesture book", ("F16",), REMEDY)
    note = read_note(text, arrays, path)
    sizes = refuse_other_arrays(note, arrays, path)
    own = note.model == fingerprint(model)
    if own:
        refuse_other_model(sizes, model.card, model.n_features, path)
    if not own and note.device is None:
        raise UserError(
            f"{path} was made with another checkpoint, and is of a format that keeps no windows to embed anew; make "
            "it again, or give the checkpoint it is of"
        )
    read = _as_written(note, arrays)
    return read if own or note.device is None else _anew(path, read, model, note.device, note.rate)


def _as_written(note: Note, tensors: Mapping[str, FloatArray]) -> ReadBook:
    """Return a book as its own checkpoint wrote it."""

    def kept(name: str) -> Kept:
        if f"emg.{name}" not in tensors:
            return Kept()
        session_G = tensors[f"session.{name}"].astype(np.int16)
        return Kept(tensors[f"windows.{name}"], tensors[f"emg.{name}"] * np.float32(note.level), session_G)

    entries = tuple(
        Entry(name, unit_rows(tensors[f"vector.{i}"]), tensors[f"pose.{i}"], kept(str(i)))
        for i, name in enumerate(note.names)
    )
    names_N, kept_names_N = (np.array(names, np.str_) for names in (note.background, note.kept_background))
    background = Background(
        unit_rows(tensors["emg"]), unit_rows(tensors["pose"]), names_N, kept("known"), kept_names_N
    )
    known = background if len(background) else None
    return ReadBook(entries, known, note.false_alarms, (), note.read_out, note.accuracy)


def _anew(path: Path, read: ReadBook, model: Model, device: Device, rate: float) -> ReadBook:
    """Return a book of another checkpoint for this one.

    Raises:
        UserError: an entry cannot be embedded by it.
    """
    other = _Embedder(path, model, device, rate)
    entries = tuple(other.entry(entry) for entry in read.entries)
    background = other.background(read.background) if read.background else None
    told = f"{path} was made with another checkpoint; its {len(entries)} gestures were embedded anew"
    calibrated = f"confidence is calibrated on {len(background or ())} of the windows that it kept"
    notes = (f"{told}; {calibrated if background else AGAIN}",)
    return ReadBook(entries, background, read.false_alarms, notes, choose=bool(read.accuracy and background))


class _Embedder:
    """Embeds the windows that a book keeps with another checkpoint.

    Args:
        path: of the book, for sentences.
        model: the checkpoint.
        device: that the book's checkpoint was made for.
        rate: frames per second of the kept anchors.
    """

    def __init__(self, path: Path, model: Model, device: Device, rate: float) -> None:
        self.path, self.model, self.device, self.rate = path, model, device, rate

    def entry(self, entry: Entry) -> Entry:
        """Return an entry with vectors of this checkpoint."""
        if not len(entry.kept.pose_GSJ if entry.shown else entry.kept.emg_GTC):
            raise self.refused(entry.name, "it holds embeddings alone; show it again, by its pose or by EMG")
        if entry.shown:
            windows_GSJ = self.anchors(entry.kept.pose_GSJ, entry.name)
            kept = Kept(pose_GSJ=thinned(self.model.card, windows_GSJ))
            return Entry(entry.name, self.of_anchors(windows_GSJ), windows_GSJ[:, -1], kept)
        if lack := self.other_emg():
            raise self.refused(entry.name, f"it was shown by EMG, and {lack}")
        kept = self.windows(entry.kept, entry.name)
        return Entry(entry.name, self.of_emg(kept), np.zeros((len(kept.emg_GTC), 0), np.float32), kept)

    def background(self, known: Background) -> Background | None:
        """Return the background as far as it was kept; ``None`` where that is too little, or another band's."""
        if len(known.kept.emg_GTC) < FEWEST_KEPT or self.other_emg():
            return None
        try:
            kept = self.windows(known.kept, "the background")
        except UserError:
            return None
        pose_ND = np.zeros((len(kept.emg_GTC), 0), np.float32)
        if self.model.spec.reads_anchor and len(known.kept.pose_GSJ):
            windows_NSJ = self.anchors(known.kept.pose_GSJ, "the background")
            pose_ND, kept = (
                self.of_anchors(windows_NSJ),
                replace(kept, pose_GSJ=thinned(self.model.card, windows_NSJ)),
            )
        return Background(self.of_emg(kept), pose_ND, known.kept_name_N, kept, known.kept_name_N)

    def refused(self, name: str, why: str) -> UserError:
        """Return the error of an entry that cannot be embedded."""
        return UserError(
            f"{self.path} was made with another checkpoint, and {name} cannot be embedded by this one: {why}; or "
            "give the checkpoint that the book is of"
        )

    def other_emg(self) -> str:
        """Return how the EMG differs from what this checkpoint takes; empty where it does not."""
        mine, theirs = self.model.card.device, self.device
        for what in ("channels", "emg_rate", "emg_kind", "conditioning"):
            if getattr(mine, what) != getattr(theirs, what):
                return f"its {what.replace('emg_', '')} is {getattr(theirs, what)}, not {getattr(mine, what)}"
        if mine.emg_unit and theirs.emg_unit and factor(theirs.emg_unit, mine.emg_unit) is None:
            return f"its unit is {theirs.emg_unit}, not {mine.emg_unit}"
        return ""

    def anchors(self, kept_GSJ: FloatArray, name: str) -> FloatArray:
        """Return kept anchors as windows of this checkpoint: at its rate, and their end, or their beginning held.

        Raises:
            UserError: another anchor, or a checkpoint without one.
        """
        card = self.model.card
        if not self.model.spec.reads_anchor:
            raise self.refused(name, "it was shown by its pose, and the checkpoint reads EMG alone")
        try:
            card.device.anchor.refuse_other(self.device.anchor, "it")
        except UserError as error:
            raise self.refused(name, str(error)) from error
        frames = round(card.window_s * card.frame_rate)
        had = max(1, round(kept_GSJ.shape[1] * card.frame_rate / self.rate))
        backwards = [resample_anchor(x_SJ[::-1], np.ones(len(x_SJ), bool), self.rate, card.frame_rate, had)[0]
                     for x_SJ in kept_GSJ]  # fmt: skip
        whole_GSJ = np.stack(backwards)[:, ::-1][:, -frames:]
        lacking = frames - whole_GSJ.shape[1]
        return np.ascontiguousarray(np.pad(whole_GSJ, ((0, 0), (lacking, 0), (0, 0)), mode="edge"), np.float32)

    def of_anchors(self, windows_GSJ: FloatArray) -> FloatArray:
        """Return unit vectors of windows of the anchor."""
        return unit_rows(self.model.encode_pose(torch.from_numpy(windows_GSJ).transpose(1, 2)).cpu().numpy())

    def windows(self, kept: Kept, name: str) -> Kept:
        """Return kept EMG as windows of this checkpoint: their end, in its unit.

        Raises:
            UserError: they are shorter than its windows.
        """
        samples, mine = self.model.card.samples, self.model.card.device
        if kept.emg_GTC.shape[1] < samples:
            had, rate = kept.emg_GTC.shape[1], mine.emg_rate
            raise self.refused(name, f"it keeps {had / rate:g} s of EMG a window, not {samples / rate:g} s")
        units = mine.emg_unit, self.device.emg_unit
        times = (factor(units[1], units[0]) or 1.0) if all(units) else 1.0
        emg_GTC = np.ascontiguousarray(kept.emg_GTC[:, -samples:] * np.float32(times))
        return Kept(emg_GTC=emg_GTC, session_G=kept.session_G)

    def of_emg(self, kept: Kept) -> FloatArray:
        """Return unit vectors of EMG windows, each wearing with a centre and spread of its own."""
        parts, order = [], np.argsort(kept.session_G, kind="stable")
        for session in np.unique(kept.session_G):
            emg_GCT = np.ascontiguousarray(kept.emg_GTC[kept.session_G == session].transpose(0, 2, 1))
            standard = self.model.calibrate(np.concatenate(list(emg_GCT), axis=1))
            parts.append(self.model.encode_emg(torch.from_numpy(emg_GCT), standard).cpu().numpy())
        found_GD = np.concatenate(parts)
        back_GD = np.empty_like(found_GD)
        back_GD[order] = found_GD
        return unit_rows(back_GD)


def fingerprint(model: Model) -> str:
    """Return a hash of a model's weights and statistics: which checkpoint a book is of.

    Tensors are hashed under the names that they had in format 5 of checkpoints, as in existing books.
    """
    digest = hashlib.blake2b(digest_size=8)
    named = {re.sub(r"^net\.anchor\.", "net.pose.", name): tensor for name, tensor in model.state_dict().items()}
    for name, tensor in sorted(named.items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
