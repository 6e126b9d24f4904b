r"""Bring your own recordings: .npz, .mat or .csv (also .csv.gz) with a sidecar.

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

- ``emg``: ``field``, an array of an .npz or a .mat (and [``columns``], the numbers of the columns to take), or
  ``columns``, the names of columns of a .csv; [``scale``]: factor to the unit; [``clock``]: the time of each row
  where rows are not regular, as ``{"field": "t", "unit": "ms"}`` (or s, us, ns).
- ``rate``: samples per second; where there is a clock, the rate to resample to.
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
  (``joint_angles``, ``glove``, ``landmarks``, ``features``, ``values``, or one of your own: docs/anchors.md). The
  kinds ``features`` and ``values`` need no ``unit``. Lengths are read as mm.
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

from functools import lru_cache
from pathlib import Path

import numpy as np

from cpep.data.readers.metadata import SPLITS
from cpep.data.readers.registry import READERS, Found, Missing, Reader
from cpep.data.readers.sidecar import Sidecar, read_sidecar
from cpep.data.readers.table import Table, read_table
from cpep.data.recording import Recording
from cpep.data.resample import SAME_TIME_S, interpolate_rows, regular_clock
from cpep.types import UNKNOWN, BoolArray, FloatArray, UserError

FOLDER_SIDECAR = "cpep.json"
ENDINGS = (".npz", ".mat", ".csv", ".csv.gz")


def is_data(path: Path) -> bool:
    """Tell whether a file can be a generic recording, by its name."""
    return path.name.lower().endswith(ENDINGS)


def stem(path: Path) -> str:
    """Return the name without its ending.

    >>> stem(Path("walk.1.csv.gz")), stem(Path("S1.npz"))
    ('walk.1', 'S1')
    """
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return name[: -len(".npz")]


def sidecar_of(path: Path) -> Path | None:
    """Return the sidecar of a file: its own, else the sidecar of its folder, else ``None``."""
    for name in (f"{stem(path)}.json", FOLDER_SIDECAR):
        if path.with_name(name).is_file():
            return path.with_name(name)
    return None


def read_recording(path: Path, sidecar: Path) -> Recording:
    """Read one recording as its sidecar describes it.

    Raises:
        UserError: file or sidecar are damaged, or do not fit each other; the sentence names the place.
    """
    said = read_sidecar(sidecar)
    table = read_table(path, sidecar)
    rows_TC = table.block(said.emg, "emg")
    if len(rows_TC) == 0:
        raise UserError(f"{path} holds no samples; remove it")
    time_T = table.clock(said.emg, len(rows_TC), said.rate)
    grid_T = regular_clock(time_T, said.rate) if said.emg.clock else time_T
    emg_TC, solid_T = interpolate_rows(rows_TC, time_T, grid_T, said.max_gap_s)
    # The row that a regular sample belongs to, for what cannot be interpolated.
    row_T = np.searchsorted(time_T, grid_T + SAME_TIME_S, side="right") - 1
    vocabulary = ("rest", *dict.fromkeys(name for name in said.label_names.values() if name != "rest"))
    label_T = table.labels(said, said.label, len(rows_TC), vocabulary)[row_T]
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
        label_T=np.where(solid_T, label_T, np.int16(UNKNOWN)),
        vocabulary=vocabulary,
        prompt_T=table.labels(said, said.prompt, len(rows_TC), vocabulary)[row_T] if said.prompt else None,
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
    if not is_data(path):
        return None
    is_mat = path.suffix.lower() == ".mat"
    if sidecar := sidecar_of(path):
        beside = is_mat and sidecar.name == FOLDER_SIDECAR and _holds_others(path.parent)
        return None if beside else Found(stem(path), (sidecar,))
    remedy = (
        f"write {stem(path)}.json beside it, or {FOLDER_SIDECAR} for all: "
        "`python -m pydoc cpep.data.readers.generic` shows one"
    )
    return Found(stem(path), missing=Missing(".mat" if is_mat else ".npz or .csv", "sidecar", remedy))


def _holds_others(folder: Path) -> bool:
    """Tell whether a folder's sidecar is for other files than .mat, which then need one each: a map of electrodes."""
    return _has_tables(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _has_tables(folder: Path, changed_ns: int) -> bool:
    others = [path for path in folder.iterdir() if path.suffix.lower() != ".mat" and path.name != SPLITS.name]
    return any(map(is_data, others))


def _describes(path: Path) -> bool:
    return path.suffix == ".json"


READERS.add(
    "generic",
    Reader(
        "generic",
        ".npz, .mat and .csv with a sidecar (cpep.data.readers.generic)",
        _find,
        read_recording,
        describes=_describes,
        tables=(SPLITS,),
        priority=-1,
    ),
)
