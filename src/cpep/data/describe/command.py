"""Looks at files, writes the sidecar that they suggest, and tries it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.describe.arrays import draft_of_arrays, look_at_arrays
from cpep.data.describe.dialect import SEPARATORS
from cpep.data.describe.draft import Draft, draft_of, put_first_words, short
from cpep.data.describe.labels import distinct, gesture_names, text_of
from cpep.data.describe.look import LOOK_ROWS, Look, look_at_table, read_columns
from cpep.data.readers.folder import list_folder
from cpep.data.readers.generic import FOLDER_SIDECAR, NO_TABLE, WORKBOOK, is_data
from cpep.data.readers.patterns import check_pattern
from cpep.data.readers.registry import readers
from cpep.data.readers.table import stem
from cpep.data.recording import Recording
from cpep.runtime.confined import bounds_of, call
from cpep.runtime.files import state_of, write_json
from cpep.runtime.locks import PATIENCE_S, hold_file
from cpep.signal.units import OF_EMG, converted
from cpep.types import UserError

ARRAYS = (".npz", ".mat")
OPTIONS = {"unit": "--unit UNIT", "rate": "--rate HZ", "user": "--user NAME"}


@dataclass(frozen=True)
class Description:
    """What was written, and why.

    Attributes:
        sidecar: the file that was written.
        text: the evidence, what is to be filled in, and what reading the files gave.
    """

    sidecar: Path
    text: str


def describe(
    paths: Sequence[Path], preset: str = "", *, force: bool = False, told: Mapping[str, Any] | None = None
) -> Description:
    """Look at the files of one kind of recording, write their sidecar and read them by it.

    One file gets a sidecar of its own, ``STEM.json``; several get ``cpep.json``, which holds for their whole folder.

    Args:
        paths: the files, or their folder.
        preset: what wrote them; found out where it is empty.
        force: write over a sidecar that is there.
        told: keys of the sidecar that the user knows, such as ``unit``.

    Raises:
        UserError: a file cannot be read or is of another kind than the first, or a sidecar is there and ``force`` is
            not given.
    """
    files = _files(paths)
    sidecar = files[0].with_name(f"{stem(files[0])}.json" if len(files) == 1 else FOLDER_SIDECAR)
    before = state_of(sidecar)
    if before and not force:
        raise UserError(f"{sidecar} is there already; --force writes over it")
    title, keys, evidence, missing = call(
        f"{__name__}:suggested",
        *(files, preset, dict(told or {})),
        what=files[0] if len(files) == 1 else f"{files[0].parent} ({len(files)} files)",
        bounds=bounds_of(files),
    )
    with hold_file(sidecar, wait_s=PATIENCE_S):
        if state_of(sidecar) != before:
            raise UserError(f"{sidecar} was changed by somebody else meanwhile; look at it, then describe again")
        write_json(sidecar, keys)
    lines = [*title, *evidence, "", f"wrote {sidecar}", *_missing(missing, paths), *_trial(files, sidecar)]
    return Description(sidecar, "\n".join(lines))


def suggested(
    files: Sequence[Path], preset: str, told: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any], list[str], list[tuple[str, str]]]:
    """Look at files of one kind, where that can be ended.

    Returns:
        what they are; the keys of their sidecar; the evidence; and the keys that are to be filled in, with what is
        wanted there.

    Raises:
        UserError: a file cannot be read, or is of another kind than the first.
    """
    looks = [look_at(path) for path in files]
    drafts = [_draft(look, preset, told) for look in looks]
    for path, draft in zip(files[1:], drafts[1:], strict=True):
        _refuse_other(files[0], drafts[0], path, draft)
    draft = drafts[0]
    _join_labels(draft, looks, drafts)
    put_first_words(draft, files)
    return list(_title(looks)), draft.keys, list(_evidence(draft)), list(draft.missing)


def known(unit: str | None = None, rate: float | None = None, user: str | None = None) -> dict[str, Any]:
    """Return the keys of a sidecar that a user gives outright; a text with a group is a pattern of names of files.

    >>> known(user="(.+)_day"), known("mV", 2000.0)
    ({'user': {'pattern': '(.+)_day'}}, {'unit': 'mV', 'rate': 2000})

    Raises:
        UserError: EMG cannot have that unit, or the pattern is none.
    """
    said: dict[str, Any] = {"unit": converted(unit, OF_EMG)[0] if unit else None}
    said["rate"] = short(rate) if rate else None
    said["user"] = user
    if user and "(" in user:
        try:
            check_pattern(user)
        except UserError as error:
            raise UserError(f"--user {user!r}: {error}") from error
        said["user"] = {"pattern": user}
    return {key: value for key, value in said.items() if value is not None}


def look_at(path: Path) -> Look:
    """Look at one file, whatever it is.

    Raises:
        UserError: it cannot be read.
    """
    return look_at_arrays(path) if path.name.lower().endswith(ARRAYS) else look_at_table(path)


def _draft(look: Look, preset: str, told: Mapping[str, Any]) -> Draft:
    draft = draft_of(look, preset) if look.dialect else draft_of_arrays(look)
    for key, value in told.items():
        draft.told(key, value)
    return draft


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are meant; a folder stands for those in it that can be generic recordings.

    Raises:
        UserError: there are none, or they lie in several folders.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(one for one in path.iterdir() if _may_be_one(one))
        elif not path.exists():
            raise UserError(f"{path} does not exist")
        else:
            files.append(path)
    files = list(dict.fromkeys(files))
    if not files:
        raise UserError(f"{paths[0]} holds no tables and no arrays to describe{_instead(paths[0])}")
    for path in files:
        if WORKBOOK.search(path.name):
            raise UserError(f"{path} is a spreadsheet; save it as CSV (in Excel: CSV UTF-8), and describe that")
        if not is_data(path) and not path.name.lower().endswith(ARRAYS):
            raise UserError(
                f"{path} is no table (.csv, .tsv, .txt) and no file of arrays (.npz, .mat){_instead(path)}"
            )
    if len({path.parent for path in files}) > 1:
        raise UserError("the files lie in several folders; describe those of each folder by themselves")
    return files


def _may_be_one(path: Path) -> bool:
    """Tell whether a file of a folder can be a recording, and is no note or table of recordings."""
    tables = {table.name for reader in readers() for table in reader.tables}
    other = path.name.startswith(".") or path.name in tables or NO_TABLE.fullmatch(path.name)
    return path.is_file() and is_data(path) and not other


def _instead(path: Path) -> str:
    """Say of a file, or of a folder's first one, that it is read without a sidecar, or what to do about it.

    Raises:
        UserError: its name is that of a known format, and it holds none.
    """
    listing = list_folder(path)
    if listing.sources:
        listing.sources[0].dataset()  # opens it
        return f"; cpep reads it as {listing.sources[0].reader} without this: run `cpep data inspect`"
    if listing.incomplete:
        file, missing = listing.incomplete[0]
        return f": {file.name} has no {missing.what}; {missing.remedy}"
    return ""


def _refuse_other(one: Path, first: Draft, path: Path, draft: Draft) -> None:
    """Refuse files that one sidecar cannot describe."""
    other = f"{path.name} is of another kind than {one.name}"
    alone = "move it to a folder of its own, or name the files that are alike in place of the folder"
    columns, theirs = (draft.keys["emg"].get("columns", []) for draft in (first, draft))
    if lacking := [name for name in columns if isinstance(name, str) and name not in theirs]:
        raise UserError(f"{other}: it has no EMG {', '.join(map(repr, lacking))}; {alone}")
    for key in ("emg", "pose", "rate", "kind", "unit", "first_row"):
        mine, theirs = first.keys.get(key), draft.keys.get(key)
        if mine != theirs:
            raise UserError(f"{other}: its {key!r} is {_told(theirs)}, there it is {_told(mine)}; {alone}")


def _told(value: object) -> str:
    text = str(value) if value not in (None, "") else "not known"
    return text if len(text) < 80 else f"{text[:77]}..."


def _join_labels(draft: Draft, looks: Sequence[Look], drafts: Sequence[Draft]) -> None:
    """Name the labels of all rows of all files: a look sees only the first rows of each."""
    label = draft.keys.get("label")
    if not label:
        return
    texts: set[str] = set()
    for look in looks:
        texts.update(text_of(value) for value in _whole(look, label["field"]))
    rest = next((text for one in drafts for text, name in one.keys["label"]["names"].items() if name == "rest"), "")
    order = sorted(texts, key=lambda text: (text != rest, float(text) if _is_number(text) else 0.0, text))
    names = gesture_names(order, rest)
    label["names"] = {text: names[text] for text in order}


def _whole(look: Look, field: str) -> list[object]:
    """Return the values of a column in all rows."""
    if look.dialect is None:
        return distinct(next(column.values for column in look.columns if column.key == field))
    numbered = {str(column.number): column.number for column in look.columns}
    numbers = numbered | {str(column.key): column.number for column in look.columns}
    return distinct(read_columns(look.path, look.dialect, [numbers[field]], None)[0])


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _title(looks: Sequence[Look]) -> Iterator[str]:
    for look in looks[:5]:
        if look.dialect:
            comma = " and decimal commas" if look.dialect.decimal == "," else ""
            lines = f", {len(look.above)} lines above the rows" if len(look.above) > 1 else ""
            names = "" if look.dialect.names else " without names"
            first = "the first " if look.rows == LOOK_ROWS else ""
            shape = f"{first}{look.rows:,} rows of {look.dialect.cells} columns{names}"
            yield f"{look.path}: {shape}, {SEPARATORS[look.dialect.separator]} between cells{comma}{lines}"
        else:
            arrays = {**look.blocks, **{str(column.key): column.values for column in look.columns}}
            yield f"{look.path}: " + ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if len(looks) > 5:
        yield f"and {len(looks) - 5} files more of the same kind"


def _evidence(draft: Draft) -> Iterator[str]:
    last = ""
    for what, sentence in draft.lines:
        yield f"  {what if what != last else '':<11}{sentence}"
        last = what


def _missing(missing: Sequence[tuple[str, str]], paths: Sequence[Path]) -> Iterator[str]:
    if missing:
        yield "to fill in there, in place of the empty texts:"
        yield from (f"  {key:<11}{wanted}" for key, wanted in missing)
    if said := [OPTIONS[key] for key, _ in missing if key in OPTIONS]:
        some = shlex.join(map(str, paths)) if len(paths) < 4 else "FILES"
        yield f"or say it: cpep data describe --force {' '.join(said)} {some}"
    yield "look through the rest: it is guessed from the evidence above"


def _trial(files: Sequence[Path], sidecar: Path) -> Iterator[str]:
    """Say what reading the first file by the sidecar gives: two lines, or the sentence of what is wrong."""
    try:
        source = next(iter(list_folder(files[0]).sources), None)
        parts = source.parts() if source and sidecar in source.sidecars else ()
    except UserError as error:
        yield f"not readable yet: {error}"
        return
    if not parts:
        yield f"not readable yet: cpep takes {files[0].name} for another format than the one that was described"
        return
    yield from _summary(files[0], parts)
    yield f"next: cpep data inspect {shlex.quote(str(files[0].parent))}"


def _summary(path: Path, parts: Sequence[Recording]) -> Iterator[str]:
    first = parts[0]
    device = first.device
    anchor = str(device.anchor) if device.anchor_names else "no pose"
    cut = f" in {len(parts)} parts, cut where the clock jumps" if len(parts) > 1 else ""
    yield (
        f"{path.name} reads as {sum(part.seconds for part in parts):,.1f} s{cut} by {first.user}: "
        f"{device.channels} channels, {device.emg_kind}, {device.emg_rate:g} Hz, {device.emg_unit}; {anchor}"
    )
    seconds: dict[str, float] = {}
    for part in parts:
        for index in np.unique(part.label_T[part.label_T >= 0]):
            name = part.vocabulary[index]
            seconds[name] = seconds.get(name, 0.0) + float((part.label_T == index).sum()) / device.emg_rate
    shown = ", ".join(f"{name} {length:,.1f} s" for name, length in list(seconds.items())[:12])
    yield f"  gestures: {shown}" if seconds else "  no labels"
