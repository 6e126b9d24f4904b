"""What a book says of itself, typed, and whether its arrays agree with that and with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from cpep.checkpoints.card import Card
from cpep.data.recording import Device, check_ring
from cpep.data.store.index import device_fields
from cpep.live.book.entries import checked as checked_name
from cpep.live.book.readout import ReadOut
from cpep.runtime import checked, plain, sums
from cpep.runtime.checked import Name, Positive, Share, Text
from cpep.types import FloatArray, UserError

FORMAT, READABLE, CHECKED = 4, (1, 2, 3, 4), 3
"""Format that is written, formats that are read, and the first with a checksum."""
REMEDY = "make it again with `cpep book`, or take a copy that is not damaged"
LONGEST_S = 60.0
"""No window that a book keeps is longer."""


@dataclass(frozen=True)
class Note:
    """The note of a book.

    Attributes:
        format: version of the layout.
        model: fingerprint of the checkpoint.
        names: of the entries.
        false_alarms: see ``GestureBook``.
        background: gesture of each window of the background; empty where it is not known.
        kept_background: gesture of each window that is kept of the background.
        device: of the checkpoint; ``None`` in format 1.
        rate: frames per second of the anchors that are kept.
        level: what kept EMG was divided by.
        read_out: how the gallery is read.
        accuracy: balanced accuracy of each read-out when it was chosen; empty where none was.
    """

    format: int
    model: Name
    names: tuple[Name, ...]
    false_alarms: Share
    background: tuple[Text, ...] = ()
    kept_background: tuple[Text, ...] = ()
    device: Device | None = None
    rate: Positive = 1.0
    level: Annotated[float, Meta(ge=1e-30, le=1e30)] = 1.0
    read_out: ReadOut = ReadOut.nearest
    accuracy: dict[Name, Share] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            checked_name(name)
        if len(set(self.names)) < len(self.names):
            raise UserError("two gestures have one name")
        if self.format > 1 and self.device is None:
            raise UserError("the field device is missing")
        if self.device is not None:
            check_ring(self.device)


def read_note(text: str, arrays: Mapping[str, FloatArray], path: Path) -> Note:
    """Return the note of a book.

    Args:
        text: of the note.
        arrays: of the book, with which its checksum is compared.
        path: of the book, for the sentence.

    Raises:
        UserError: another format, what is no note of a book, or content that does not fit its checksum.
    """
    fields = plain.parse(text.encode("utf-8", "surrogatepass"), path, REMEDY)
    if not isinstance(fields, dict) or fields.get("format") not in READABLE:
        raise UserError(
            f"{path} has another format of books; this version of cpep reads formats {READABLE[0]} to {READABLE[-1]}"
        )
    sums.refuse_broken_note(fields, arrays, path, REMEDY, required=fields["format"] >= CHECKED)
    fields.pop(sums.FIELD, None)
    if "device" in fields:
        fields["device"] = device_fields(fields["device"])
    return checked.convert(fields, Note, path, remedy=REMEDY)


def refuse_other_arrays(note: Note, arrays: Mapping[str, FloatArray], path: Path) -> dict[str, int]:
    """Check that a book has the arrays that its note names, in shapes that agree with each other.

    Returns:
        Sizes by letter: D of a vector, J of the anchor, S and T of windows, N and M of the background.

    Raises:
        UserError: it has not.
    """
    wanted = layout(note)
    if differ := arrays.keys() ^ wanted.keys():
        raise UserError(
            f"{path} is damaged: the array {min(differ)[:60]!r} is missing, or belongs to no gesture; {REMEDY}"
        )
    sizes = {} if note.device is None else {"C": note.device.channels, "J": len(note.device.anchor_names)}
    sizes |= {"N": len(note.background)} if note.background else {}
    sizes |= {"M": len(note.kept_background)} if note.format > 1 else {}
    for name, patterns in wanted.items():
        shape = arrays[name].shape
        if not any(_fits(pattern.split(), shape, sizes) for pattern in patterns):
            raise UserError(
                f"{path} is damaged: {name} has the shape {shape}, which does not fit the others; {REMEDY}"
            )
    for name in wanted:
        kind, _, of = name.partition(".")
        if kind == "session" and (len(arrays[name]) != len(arrays[f"emg.{of}"]) or not _are_numbers(arrays[name])):
            raise UserError(f"{path} is damaged: {name} does not number the windows of emg.{of}; {REMEDY}")
    rates = {"S": note.rate, "T": note.device.emg_rate if note.device else 1.0}
    for letter, rate in rates.items():
        if sizes.get(letter, 0) > rate * LONGEST_S:
            raise UserError(
                f"{path} is damaged: windows of {sizes[letter] / rate:,.0f} s, which no book has; {REMEDY}"
            )
    if arrays["emg"].size and not arrays["pose"].size and not note.background:
        raise UserError(f"{path} is damaged: its background has neither poses nor names; {REMEDY}")
    return sizes


def refuse_other_model(sizes: Mapping[str, int], card: Card, width: int, path: Path) -> None:
    """Check that a book has vectors and anchors as its own checkpoint makes them.

    Args:
        sizes: by letter, as ``refuse_other_arrays`` returns them.
        card: of the checkpoint.
        width: of its embeddings.
        path: of the book, for the sentence.

    Raises:
        UserError: it has not.
    """
    own = {"D": width, "J": len(card.device.anchor_names)}
    for letter, size in own.items():
        if sizes.get(letter, size) != size:
            raise UserError(
                f"{path} is damaged: it holds {'vectors' if letter == 'D' else 'anchors'} of {sizes[letter]} values, "
                f"and its checkpoint makes {size}; {REMEDY}"
            )


def layout(note: Note) -> dict[str, tuple[str, ...]]:
    """Return the arrays of a book by name, each with the shapes that it may have; 0 where nothing was kept."""
    found: dict[str, tuple[str, ...]] = {"emg": ("N D", "0 0"), "pose": ("N D", "N 0", "0 0")}
    for i in range(len(note.names)):
        found |= {f"vector.{i}": (f"G{i} D",), f"pose.{i}": (f"G{i} J", f"G{i} 0")}
    of = {"known": "M", **{str(i): f"G{i}" for i in range(len(note.names))}} if note.format > 1 else {}
    for name, count in of.items():
        found |= {f"windows.{name}": (f"{count} S J", "0 0 0"), f"emg.{name}": (f"{count} T C", "0 0 0")}
        found[f"session.{name}"] = (count, "0")
    return found


def _fits(letters: Sequence[str], shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Tell whether a shape has known sizes, and note those that were not known; each of those is at least 1."""
    if len(letters) != len(shape):
        return False
    pairs = list(zip(letters, shape, strict=True))
    if any(
        size != int(letter) if letter.isdecimal() else size != sizes.get(letter, size or 1) for letter, size in pairs
    ):
        return False
    sizes |= {letter: size for letter, size in pairs if not letter.isdecimal()}
    return True


def _are_numbers(session_G: FloatArray) -> bool:
    """Tell whether values are numbers of wearings."""
    return bool(np.all((session_G >= 0) & (session_G < 2**15) & (session_G == np.floor(session_G))))
