r"""Bring your own recordings: .npz, .mat, or text tables (.csv, .tsv, .txt, also .gz) with a sidecar.

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

- ``emg``: ``field``, an array of an .npz or a .mat (and [``columns``], the numbers of the columns to take;
  [``transposed``]: true where it is (channels, times)), or ``columns``, the names of columns of a text table, or
  their numbers from 0, where it has no line of names; [``scale``]: factor to the unit; [``clock``]: the time of each
  row where rows or their rate are not regular, as ``{"field": "t", "unit": "ms"}`` (or s, us, ns); it may hold dates
  such as ``2024-05-01T12:00:03.250``, of which no unit is used.
- [``counter``]: the number of each row's sample or packet, as ``{"field": "n"}``: where one is missing, samples were
  lost. Numbers may begin anew after 255, or any other one.
- ``rate``: samples per second; where the clock tells another rate, the rate to resample to.
- ``kind``: ``raw``, or ``envelope`` for a rectified and smoothed signal.
- ``unit``: of the EMG: ``V``, ``mV`` or ``uV``, which are read as uV; or ``count``, ``noise_sd`` or ``ratio``. A
  checkpoint that was trained on one of these three refuses EMG in another unit.
- [``highpass``]: cut-off of the high-pass that cpep puts over raw EMG, Hz; 20, or a tenth of a rate below 200, unless
  given. 0 says that the EMG is high-passed already.
- [``notch``]: 50 or 60 where cpep must take out hum of the mains, with its harmonics; 0, for none, unless given.
- [``ring``]: channels that form a closed ring around the arm, in order.
- [``pose``]: as ``emg``, with ``unit`` (``rad``; ``deg``, read as rad; ``ratio``, ``count``), [``rate``] (of the EMG
  unless given) and [``names``].
- [``anchor``]: in place of ``pose``, another modality that EMG is aligned to: as ``pose``, with [``kind``]
  (``joint_angles``, ``glove``, ``landmarks``, ``features``, ``values``, or your own: docs/explanation/anchors.md).
  The kinds ``features`` and ``values`` need no ``unit``. Lengths are read as mm.
- [``label``]: ``field`` and ``names``, from the values in the file to names. A value without a name is unknown, and
  counted. Values are the same where they are the same text or number: 1, 1.0 and 1e0 are one, 1_1 and 11 two. Any of
  the words in ``cpep.data.readers.labels.REST_WORDS`` is rest: Rest, No Motion, idle, Ruhe, repos, ...
- [``prompt``]: field of the gesture that was asked for, in the same values as the label.
- [``repetition``]: field of the number of the repetition.
- ``user``, [``session``], [``stage``]: a text, or a pattern to find in the file's name (its group, where it
  has one): a regular expression of RE2, without look-ahead and references (``cpep.data.readers.patterns``). A
  session or stage that is not given is the file's name.
- [``side``]: ``left`` or ``right``, the default.
- [``encoding``], [``decimal``]: of a text table, where it is neither UTF-8 nor marked (``cp1252``), or where a comma
  may be the decimal sign or part thousands (``,`` or ``.``). Separators, lines before the names, quotation marks and
  line ends are found: the first line that holds all names of columns names them.
- [``max_gap_s``]: longest time between rows of the anchor that is no gap, seconds; 0.1 unless given.
- [``first_row``]: number of the line with the first row, from 1, of a text table whose names do not tell it; its
  columns are then called by their number from 0.

With a clock, the times of the rows tell the rate, and where samples are missing; the samples themselves keep their
values and their order. Times may jitter, or be those of packets whose rows share a time. Where the rate by the clock
is within 0.5 % of ``rate``, the samples lie on its grid as they are; else they are resampled to it. Holes of up to
20 ms are filled by linear interpolation. At longer ones, and where the clock jumps back (it was set, or files were
joined, or rows were mixed up), the recording is cut into parts ``S1~1``, ``S1~2``, ...; cpep does not sort rows.
Parts shorter than a frame are left out, and so are rows that are written twice, with the same time and the same EMG:
of tables that were joined or merged. All this is counted, in ``cpep data inspect`` and in the store. A measured
rate of less than half or more than twice ``rate`` is refused. Without numbers (``counter``), losses that are shorter
than the jitter of the times are not seen; see ``cpep.signal.timeline``.

The anchor keeps its own clock and is interpolated linearly onto regular frames: a video of 30 Hz has 33 ms between
frames. A frame in a gap of the anchor of more than ``max_gap_s``, or in a hole of the EMG, is invalid. Both clocks
have the same zero; an anchor without one starts with the EMG, and is refused if it ends more than a 20th earlier or
later; or it shares the EMG's clock where the rows are the same. A row of the anchor that is not finite is invalid;
EMG must be finite. Labels belong to the row of each sample.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from cpep.data.readers.metadata import MAYBE_SPLITS
from cpep.data.readers.on_grid import ClockedRows, OnGrid, on_grid, runs
from cpep.data.readers.registry import AS_NPZ, READERS, Found, Missing, Reader
from cpep.data.readers.sidecar import POSE_FRAMES, POSE_SLACK, Sidecar, read_sidecar
from cpep.data.readers.table import ENDINGS, Table, read_table, stem
from cpep.data.readers.twice import written_once
from cpep.data.recording import Recording, Repair
from cpep.types import BoolArray, FloatArray, UserError

FOLDER_SIDECAR = "cpep.json"
TWICE = "rows left out, which are written twice, with the same time and the same EMG"
OFTEN_TEXT = re.compile(r"\.(tsv|txt)(\.gz)?$", re.IGNORECASE)
"""Endings of recordings and of much else, and of what recordings in other forms were made from."""
NO_TABLE = re.compile(
    r"(read.?me|(data.?)?licen[cs]e|notice|notes?|changes|changelog|citation|participants|requirements)\b.*",
    re.IGNORECASE,
)
"""What lies beside recordings as .txt or .tsv."""
WORKBOOK = re.compile(r"\.(xlsx?|xlsm|ods|numbers)$", re.IGNORECASE)
OTHER_ARRAYS = (".npy", ".h5")
"""Files of arrays that are not read: they say nothing of what an array is."""


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


def read_recording(path: Path, sidecar: Path) -> Recording | tuple[Recording, ...]:
    """Read one recording as its sidecar describes it; or the parts of one whose clock jumps.

    Raises:
        UserError: file or sidecar are damaged, or do not fit each other; the sentence names the place.
    """
    said = read_sidecar(sidecar)
    table = read_table(path, said)
    rows_TC = table.block(said.emg, "emg")
    if len(rows_TC) == 0:
        raise UserError(f"{path} holds no samples; remove it")
    time_T = table.clock(said.emg, len(rows_TC)) if said.emg.clock else None
    number_T = table.numbers_of(said.counter, len(rows_TC)) if said.counter else None
    once_T = np.ones(len(rows_TC), bool) if time_T is None else written_once(time_T, rows_TC)
    time_T, number_T = (None if found is None else found[once_T] for found in (time_T, number_T))
    grids = on_grid(int(once_T.sum()), time_T, number_T, said.rate, (path, said.emg.clock, said.counter))
    anchor = _anchor(table, said, grids, once_T)
    parts = [_part(table, said, rows_TC[once_T], once_T, grid, anchor) for grid in grids]
    if twice := int((~once_T).sum()):
        parts[0] = replace(parts[0], repairs=(*parts[0].repairs, Repair(TWICE, twice)))
    return tuple(parts) if parts[1:] else parts[0]


def _part(
    table: Table, said: Sidecar, rows_TC: FloatArray, once_T: BoolArray, grid: OnGrid, anchor: ClockedRows | None
) -> Recording:
    """Return one part of a file as a recording."""
    label_R, notes = table.labels(said.label, len(once_T))
    prompt_R, _ = table.labels(said.prompt, len(once_T))
    anchor_SJ, valid_S = (None, np.zeros(0, bool)) if anchor is None else anchor.on(grid, said.max_gap_s)
    name = stem(table.path)
    emg_TC = grid.emg(rows_TC)
    return Recording(
        name=name,
        user=said.user.of(name, table.path, "user"),
        session=said.session.of(name, table.path, "session"),
        stage=said.stage.of(name, table.path, "stage"),
        side=said.side,
        device=said.device(emg_TC.shape[1], _anchor_names(said, anchor_SJ)),
        emg_TC=emg_TC,
        anchor_SJ=anchor_SJ,
        anchor_rate=said.anchor_rate,
        valid_S=valid_S,
        label_T=grid.along(label_R[once_T]),
        vocabulary=said.label_names.vocabulary,
        prompt_T=grid.along(prompt_R[once_T]) if said.prompt else None,
        repetition_T=(
            grid.along(table.repetitions(said.repetition, len(once_T))[once_T]) if said.repetition else None
        ),
        repairs=grid.repairs,
        notes=(*table.notes, *notes, *grid.notes),
        measured_rate=grid.measured_rate,
    )


def _anchor(table: Table, said: Sidecar, grids: list[OnGrid], once_T: BoolArray) -> ClockedRows | None:
    """Return the anchor with its times; ``None`` without one. Rows of EMG that are copies are not in ``grids``."""
    if said.anchor is None:
        return None
    key, rows_SJ = said.anchor_key, table.block(said.anchor, said.anchor_key)
    if said.anchor.clock:
        time_S = table.clock(said.anchor, len(rows_SJ))
        own_S = written_once(time_S, rows_SJ)
        rows_SJ, time_S = rows_SJ[own_S], time_S[own_S]
        return ClockedRows(rows_SJ, said.anchor_rate, said.rate, runs(time_S, grids, table.path, said.anchor.clock))
    if not said.emg.clock and not said.counter:
        _refuse_other_length(table, said, len(rows_SJ), len(once_T))
        return ClockedRows(rows_SJ, said.anchor_rate, said.rate)
    table.check_rows(f"{key} (which has no clock of its own)", len(rows_SJ), len(once_T))
    return ClockedRows(rows_SJ[once_T], said.anchor_rate, said.rate, None, with_emg=True)


def _refuse_other_length(table: Table, said: Sidecar, frames: int, rows: int) -> None:
    """Refuse an anchor without a clock that ends far before or after the EMG: its rate is mistaken, or frames lack.

    Raises:
        UserError: the lengths differ by more than ``POSE_SLACK`` and ``POSE_FRAMES``.
    """
    wanted = rows / said.rate * said.anchor_rate
    if abs(frames - wanted) <= POSE_SLACK * wanted + POSE_FRAMES:
        return
    key, guess = said.anchor_key, frames / rows * said.rate
    raise UserError(
        f"{table.path}: its {key} has {frames:,} rows, which are {frames / said.anchor_rate:.2f} s at "
        f"{said.anchor_rate:g} Hz, and its EMG lasts {rows / said.rate:.2f} s; correct 'rate' in '{key}' of "
        f"{said.path.name} ({guess:.5g} if both end together), name a 'clock' there, or fill what was not measured "
        "with NaN"
    )


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
    if path.suffix.lower() in OTHER_ARRAYS:
        return Found(path.stem, missing=Missing(" or ".join(OTHER_ARRAYS), "layout that cpep reads", AS_NPZ))
    if not is_data(path):
        return None
    sidecar = sidecar_of(path)
    is_text, is_mat = bool(OFTEN_TEXT.search(path.name)), path.suffix.lower() == ".mat"
    if is_text and sidecar is None:
        return None
    if sidecar:
        beside = (is_text or is_mat) and _is_beside(path, sidecar, is_text)
        return None if beside else Found(stem(path), (sidecar,))
    command = "cpep data describe"
    file, folder = shlex.quote(str(path)), shlex.quote(str(path.parent))
    remedy = f"`{command} {file}` writes one, and `{command} {folder}` one for all files there"
    return Found(stem(path), missing=Missing(".mat" if is_mat else ".npz or .csv", "sidecar", remedy))


def _is_beside(path: Path, sidecar: Path, is_text: bool) -> bool:
    """Tell whether a .mat, .txt or .tsv lies beside what the sidecar describes: a map of electrodes, a note."""
    tables = _tables(path.parent, path.parent.stat().st_mtime_ns, is_text)
    if sidecar.name != FOLDER_SIDECAR:
        return stem(path) in tables
    return bool(tables) or (is_text and NO_TABLE.fullmatch(path.name) is not None)


@lru_cache(maxsize=64)
def _tables(folder: Path, changed_ns: int, and_mat: bool) -> frozenset[str]:
    """Return the names of the .csv, .npz and, if wished, .mat of a folder, without their endings."""
    found = (path for path in folder.iterdir() if is_data(path) and not OFTEN_TEXT.search(path.name))
    others = (path for path in found if path.name != MAYBE_SPLITS.name)
    return frozenset(stem(path) for path in others if and_mat or path.suffix.lower() != ".mat")


def _workbook(path: Path) -> Found | None:
    """Say of a spreadsheet with a sidecar and no table of its name that it is not read."""
    name = WORKBOOK.sub("", path.name)
    if any(path.with_name(f"{name}{ending}").exists() for ending in (".csv", ".npz", ".mat", ".tsv", ".txt")):
        return None
    remedy = "cpep reads no spreadsheets, so save each sheet as CSV (in Excel: CSV UTF-8)"
    return Found(name, missing=Missing("spreadsheets", "CSV of the same name", remedy))


def _describes(path: Path) -> bool:
    return path.suffix == ".json"


READERS.add(
    "generic",
    Reader(
        "generic",
        ".npz, .mat, .csv, .tsv and .txt with a sidecar (cpep.data.readers.generic)",
        _find,
        read_recording,
        describes=_describes,
        tables=(MAYBE_SPLITS,),
        priority=-1,
    ),
)
