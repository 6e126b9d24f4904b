r"""Bring your own recordings: .npz, or text tables (.csv, .tsv, .txt, also .gz) with a sidecar.

A sidecar is JSON beside the data: ``<stem>.json`` for one file, or ``cpep.json`` for all files of a folder.
For a ``S03_day2.npz`` with the arrays ``emg`` (samples, 8), ``angles`` (frames, 5), ``gesture`` (samples,)::

    {
      "emg":   {"field": "emg", "scale": 0.001},
      "rate":  1000,
      "kind":  "raw",
      "unit":  "mV",
      "ring":  [0, 1, 2, 3, 4, 5, 6, 7],
      "pose":  {"field": "angles", "rate": 60, "unit": "rad",
                "names": ["thumb", "index", "middle", "ring", "little"]},
      "label": {"field": "gesture", "names": {"0": "rest", "1": "fist", "2": "spread"}},
      "user":  {"pattern": "S(\\d+)"},
      "session": {"pattern": "day(\\d+)"}
    }

Keys (those in brackets are optional):

- ``emg``: ``field``, an array of an .npz (and [``columns``], the numbers of the columns to take), or ``columns``,
  the names of columns of a .csv; [``scale``]: factor to the unit; [``clock``]: the time of each row where rows
  are not regular, as ``{"field": "t", "unit": "ms"}`` (or s, us, ns).
- ``rate``: samples per second; where there is a clock, the rate to resample to.
- ``kind``: ``raw``, or ``envelope`` for a rectified and smoothed signal.
- ``unit``: of the EMG (``uV``, ``mV``, ``V``, ...); a checkpoint refuses EMG in another unit than it was trained on.
- [``ring``]: channels that form a closed ring around the arm, in order.
- [``pose``]: as ``emg``, with ``unit`` (``rad``, ``ratio``, ``count``), [``rate``] (of the EMG unless given) and
  [``names``].
- [``anchor``]: in place of ``pose``, another modality that EMG is aligned to: as ``pose``, with [``kind``]
  (``joint_angles``, ``glove``, ``landmarks``, ``features``, ``values``, or one of your own: docs/anchors.md). The
  kinds ``features`` and ``values`` need no ``unit``.
- [``label``]: ``field`` and ``names``, from the values in the file to names. A value without a name is
  unknown.
- [``prompt``]: field of the gesture that was asked for, in the same values as the label.
- [``repetition``]: field of the number of the repetition.
- ``user``, [``session``], [``stage``]: a text, or a pattern to find in the file's name (its group, where it
  has one). A session or stage that is not given is the file's name.
- [``side``]: ``left`` or ``right``, the default.
- [``max_gap_s``]: longest time between rows that is no gap, seconds; 0.1 unless given.

Rows with a clock are interpolated linearly onto a regular one; rows of the same time are averaged before. In a gap
of more than ``max_gap_s`` the EMG is interpolated too, but the anchor is invalid and the label unknown, so that
no labelled or paired window is taken from it. Both clocks have the same zero; an anchor without one starts with the
EMG, or shares its clock where the rows are the same. A row of the anchor that is not finite is invalid; EMG must
be finite.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cpep.data.readers.metadata import MAYBE_SPLITS
from cpep.data.readers.registry import READERS, Found, Missing, Reader
from cpep.data.readers.sidecar import Sidecar, read_sidecar
from cpep.data.readers.table import ENDINGS, Table, read_table, stem
from cpep.data.recording import Recording
from cpep.data.resample import SAME_TIME_S, interpolate_rows, regular_clock
from cpep.types import UNKNOWN, BoolArray, FloatArray, UserError

FOLDER_SIDECAR = "cpep.json"
OFTEN_TEXT = re.compile(r"\.(tsv|txt)(\.gz)?$", re.IGNORECASE)
"""Endings of recordings and of much else: such a file needs a sidecar to be one."""
NO_TABLE = re.compile(
    r"(read.?me|(data.?)?licen[cs]e|notice|notes?|changes|changelog|citation|participants|requirements)\b.*",
    re.IGNORECASE,
)
"""What lies beside recordings as .txt or .tsv."""
WORKBOOK = re.compile(r"\.(xlsx?|xlsm|ods|numbers)$", re.IGNORECASE)


def is_data(path: Path) -> bool:
    """Tell whether a file can be a generic recording, by its name."""
    return bool(ENDINGS.search(path.name))


def sidecar_of(path: Path) -> Path | None:
    """Return the sidecar of a file: its own, else the sidecar of its folder, else ``None``."""
    for name in (f"{stem(path)}.json", FOLDER_SIDECAR):
        sidecar = path.with_name(name)
        if sidecar.is_file() or sidecar.is_symlink():  # a link that leads nowhere is said when it is read
            return sidecar
    return None


def read_recording(path: Path, sidecar: Path) -> Recording:
    """Read one recording as its sidecar describes it.

    Raises:
        UserError: file or sidecar are damaged, or do not fit each other; the sentence names the place.
    """
    said = read_sidecar(sidecar)
    table = read_table(path, said)
    rows_TC = table.block(said.emg, "emg")
    if len(rows_TC) == 0:
        raise UserError(f"{path} holds no samples; remove it")
    time_T = table.clock(said.emg, len(rows_TC), said.rate)
    grid_T = regular_clock(time_T, said.rate) if said.emg.clock else time_T
    emg_TC, solid_T = interpolate_rows(rows_TC, time_T, grid_T, said.max_gap_s)
    # The row that a regular sample belongs to, for what cannot be interpolated.
    row_T = np.searchsorted(time_T, grid_T + SAME_TIME_S, side="right") - 1
    label_R, notes = table.labels(said.label, len(rows_TC))
    prompt_R, _ = table.labels(said.prompt, len(rows_TC))
    anchor_SJ, valid_S = _anchor(table, said, time_T, grid_T, solid_T)
    name = stem(path)
    return Recording(
        name=name,
        user=said.user.of(name, path, "user"),
        session=said.session.of(name, path, "session"),
        stage=said.stage.of(name, path, "stage"),
        side=said.side,
        device=said.device(emg_TC.shape[1], _anchor_names(said, anchor_SJ)),
        emg_TC=emg_TC,
        anchor_SJ=anchor_SJ,
        anchor_rate=said.anchor_rate,
        valid_S=valid_S,
        label_T=np.where(solid_T, label_R[row_T], np.int16(UNKNOWN)),
        vocabulary=said.label_names.vocabulary,
        prompt_T=prompt_R[row_T] if said.prompt else None,
        notes=(*table.notes, *notes),
        repetition_T=table.repetitions(said.repetition, len(rows_TC))[row_T] if said.repetition else None,
    )


def _anchor(
    table: Table, said: Sidecar, time_T: FloatArray, grid_T: FloatArray, solid_T: BoolArray
) -> tuple[FloatArray | None, BoolArray]:
    """Return the anchor on a regular clock that starts with the EMG, and where it is valid."""
    if said.anchor is None:
        return None, np.zeros(0, bool)
    rows_SJ = table.block(said.anchor, said.anchor_key)
    if said.anchor.clock:
        time_S = table.clock(said.anchor, len(rows_SJ), said.anchor_rate)
    elif said.emg.clock:
        table.check_rows(f"{said.anchor_key} (which has no clock of its own)", len(rows_SJ), len(time_T))
        time_S = time_T
    else:
        time_S = time_T[0] + np.arange(len(rows_SJ)) / said.anchor_rate
    if said.emg.clock or said.anchor.clock:
        frames = int((grid_T[-1] - grid_T[0]) * said.anchor_rate + 1e-6) + 1
        grid_S = grid_T[0] + np.arange(frames) / said.anchor_rate
    else:
        grid_S = time_S
    anchor_SJ, valid_S = interpolate_rows(rows_SJ, time_S, grid_S, said.max_gap_s)
    sample_S = np.minimum(np.searchsorted(grid_T, grid_S + SAME_TIME_S, side="right") - 1, len(grid_T) - 1)
    valid_S = valid_S & solid_T[sample_S]
    return np.where(valid_S[:, None], anchor_SJ, np.float32(0)), valid_S


def _anchor_names(said: Sidecar, anchor_SJ: FloatArray | None) -> tuple[str, ...]:
    if anchor_SJ is None or said.anchor is None:
        return ()
    columns = said.anchor.columns if all(isinstance(column, str) for column in said.anchor.columns) else ()
    names = (
        said.anchor_names or columns or tuple(f"{said.anchor_key}_{column}" for column in range(anchor_SJ.shape[1]))
    )
    if len(names) != anchor_SJ.shape[1]:
        raise UserError(f"{said.path}: {len(names)} names for {anchor_SJ.shape[1]} columns of {said.anchor_key}")
    return tuple(str(name) for name in names)


def _find(path: Path) -> Found | None:
    if WORKBOOK.search(path.name):
        return _workbook(path)
    if not is_data(path):
        return None
    often_text = OFTEN_TEXT.search(path.name)
    own = path.with_name(f"{stem(path)}.json")
    if often_text and NO_TABLE.fullmatch(path.name) and not own.is_file():
        return None
    if sidecar := sidecar_of(path):
        return Found(stem(path), (sidecar,))
    if often_text:
        return None
    remedy = (
        f"write {stem(path)}.json beside it, or {FOLDER_SIDECAR} for all: "
        "`python -m pydoc cpep.data.readers.generic` shows one"
    )
    return Found(stem(path), missing=Missing(".npz or .csv", "sidecar", remedy))


def _workbook(path: Path) -> Found | None:
    """Say of a spreadsheet with a sidecar and no table of its name that it is not read."""
    name = WORKBOOK.sub("", path.name)
    if any(path.with_name(f"{name}{ending}").exists() for ending in (".csv", ".npz", ".tsv", ".txt")):
        return None
    remedy = "cpep reads no spreadsheets, so save each sheet as CSV (in Excel: CSV UTF-8)"
    return Found(name, missing=Missing("spreadsheets", "CSV of the same name", remedy))


def _describes(path: Path) -> bool:
    return path.suffix == ".json"


READERS.add(
    "generic",
    Reader(
        "generic",
        ".npz, .csv, .tsv and .txt with a sidecar (cpep.data.readers.generic)",
        _find,
        read_recording,
        describes=_describes,
        tables=(MAYBE_SPLITS,),
        priority=-1,
    ),
)
