"""NinaPro .mat files (DB1, DB2, DB5, DB7), as ninapro.hevs.ch distributes them.

Databases are told apart by the file's name and its number of EMG channels:

==================  ========  ========  ==============================================================
name                channels  database  what it is
==================  ========  ========  ==============================================================
``S1_A1_E1.mat``    10        DB1       Otto Bock electrodes, RMS envelope at 100 Hz, 22-sensor glove
``S1_E1_A1.mat``    12        DB2       Delsys electrodes, raw at 2 kHz, 22-sensor glove
``S1_E1_A1.mat``    12        DB7       the same with an 18-sensor glove
``S1_E1_A1.mat``    16        DB5       two Myo armbands, raw at 200 Hz, 22-sensor glove
==================  ========  ========  ==============================================================

Any other combination is refused, as is a file whose own ``frequency`` contradicts the table. In all four the
first eight columns are electrodes equally spaced round the forearm. The glove is uncalibrated: raw counts.

``restimulus`` (relabelled after the movement) gives the labels, ``stimulus`` the prompts, ``rerepetition``
the repetitions. Where one of ``restimulus`` and ``stimulus`` is missing, the other serves for both; ``repetition``
serves for a missing ``rerepetition``. Exercise 1 of DB1 and DB5 holds the twelve finger movements of
``FINGER_MOVEMENTS``; elsewhere movement 5 of exercise 2 is ``e2_5``, so that the labels of different
exercises never collide. User and exercise come from the file's name.

Sources: Atzori et al. 2014 (DB1, DB2), Pizzolato et al. 2017 (DB5), Krasoulis et al. 2017 (DB7).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.registry import DATASETS, READERS, DataSet, Found, Reader, Terms
from cpep.data.recording import Device, Recording
from cpep.runtime.files import refuse_special
from cpep.types import EmgKind, FloatArray, IntArray, UserError

FINGER_MOVEMENTS = (
    "index_flexion",
    "index_extension",
    "middle_flexion",
    "middle_extension",
    "ring_flexion",
    "ring_extension",
    "little_flexion",
    "little_extension",
    "thumb_adduction",
    "thumb_abduction",
    "thumb_flexion",
    "thumb_extension",
)

FIELDS = ("emg", "glove", "restimulus", "stimulus", "rerepetition", "repetition", "frequency")

_ACQUISITION_FIRST = re.compile(r"S(\d+)_A(\d+)_E(\d+)\.mat", re.IGNORECASE)
_EXERCISE_FIRST = re.compile(r"S(\d+)_E(\d+)_A(\d+)\.mat", re.IGNORECASE)


@dataclass(frozen=True)
class Database:
    """What all files of one NinaPro database have in common."""

    name: str
    emg_rate: float
    emg_kind: EmgKind
    emg_unit: str
    sensors: int


DB1 = Database("ninapro_db1", 100.0, "envelope", "V", 22)
DB2 = Database("ninapro_db2", 2000.0, "raw", "V", 22)
DB5 = Database("ninapro_db5", 200.0, "raw", "count", 22)
DB7 = Database("ninapro_db7", 2000.0, "raw", "V", 18)


def is_ninapro(path: Path) -> bool:
    """Tell whether a file is named like a NinaPro recording; it is not opened."""
    return bool(_ACQUISITION_FIRST.fullmatch(path.name) or _EXERCISE_FIRST.fullmatch(path.name))


def database_of(path: Path) -> Database:
    """Return the database that a file belongs to, from its name and the shapes in it.

    Raises:
        UserError: the file is damaged, a device or a pipe, or fits no database of the table above.
    """
    refuse_special(path)
    shapes = _shapes(path)
    if "emg" not in shapes:
        found = ", ".join(sorted(shapes)[:6]) or "nothing"
        raise UserError(f"{path} is not a NinaPro recording: it has no field 'emg' (it holds {found})")
    channels = shapes["emg"][-1]
    acquisition_first = bool(_ACQUISITION_FIRST.fullmatch(path.name))
    if channels == 10 and acquisition_first:
        return DB1
    if channels == 12 and not acquisition_first:
        return DB7 if shapes.get("glove", (0, 0))[-1] == DB7.sensors else DB2
    if channels == 16 and not acquisition_first:
        return DB5
    raise UserError(
        f"{path}: {channels} channels under such a name are neither DB1 (10, S1_A1_E1.mat) nor DB2, DB7 (12) "
        "or DB5 (16, S1_E1_A1.mat); save it as .npz with a sidecar instead"
    )


def read_recording(path: Path) -> Recording:
    """Read one NinaPro file; the pose is the raw glove at the rate of the EMG.

    Raises:
        UserError: the file is missing, damaged, of no known database, or its EMG is not finite.
    """
    database = database_of(path)
    user, exercise = _user_and_exercise(path)
    mat = _load(path)
    emg_TC = _float32(mat["emg"])
    frequency = float(np.ravel(mat["frequency"])[0]) if np.size(mat.get("frequency", ())) else database.emg_rate
    if frequency != database.emg_rate:
        raise UserError(
            f"{path}: its frequency is {frequency:g} Hz where {database.name} has {database.emg_rate:g} Hz"
        )
    prompts_T, movements_T = (
        _numbers(mat, path, "stimulus", "restimulus"),
        _numbers(mat, path, "restimulus", "stimulus"),
    )
    if movements_T is None or prompts_T is None:
        raise UserError(f"{path} has neither restimulus nor stimulus: nothing says what the hand does")
    named = database in (DB1, DB5) and exercise == 1
    vocabulary, (label_T, prompt_T) = _labels(movements_T, prompts_T, exercise, named, path)
    glove_SJ = _float32(mat["glove"]) if np.size(mat.get("glove", ())) else None
    sensors = database.sensors if glove_SJ is None else glove_SJ.shape[1]
    measured_SJ = np.zeros((0, sensors), bool) if glove_SJ is None else np.isfinite(glove_SJ)
    return Recording(
        name=path.stem,
        user=user,
        session=f"E{exercise}",
        stage=f"E{exercise}",
        side="right",
        device=Device(
            channels=emg_TC.shape[1],
            emg_rate=database.emg_rate,
            emg_kind=database.emg_kind,
            emg_unit=database.emg_unit,
            ring=tuple(range(8)),
            anchor_names=tuple(f"glove_{sensor + 1:02d}" for sensor in range(sensors)),
            anchor_unit="count",
        ),
        emg_TC=emg_TC,
        anchor_SJ=None if glove_SJ is None else np.where(measured_SJ, glove_SJ, np.float32(0)),
        anchor_rate=database.emg_rate,
        valid_S=np.asarray(measured_SJ.all(axis=1)),
        label_T=label_T,
        vocabulary=vocabulary,
        prompt_T=prompt_T,
        repetition_T=_numbers(mat, path, "rerepetition", "repetition"),
    )


def _user_and_exercise(path: Path) -> tuple[str, int]:
    if match := _ACQUISITION_FIRST.fullmatch(path.name):
        return str(int(match[1])), int(match[3])
    if match := _EXERCISE_FIRST.fullmatch(path.name):
        return str(int(match[1])), int(match[2])
    raise UserError(f"{path} is not named like a NinaPro recording (S1_A1_E1.mat or S1_E1_A1.mat)")


def _damage() -> tuple[type[Exception], ...]:
    """Return what scipy raises on damaged files; it has no exception of its own for all of them."""
    from scipy.io.matlab import MatReadError

    return (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        MemoryError,
        EOFError,
        NotImplementedError,
        UnicodeDecodeError,
        struct.error,
        zlib.error,
        MatReadError,
    )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every field without reading the fields."""
    import scipy.io  # slow to import, and processes that read HDF5 do without it

    try:
        with path.open("rb") as file:
            return {name: tuple(shape) for name, shape, _ in scipy.io.whosmat(file)}
    except _damage() as error:
        raise _damaged(path, error) from error


def _load(path: Path) -> dict[str, Any]:
    import scipy.io

    try:
        with path.open("rb") as file:
            return dict(scipy.io.loadmat(file, variable_names=list(FIELDS)))
    except _damage() as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return UserError(f"cannot read {path}: {error.strerror}")
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{path} is truncated or damaged, or no MATLAB 5 file ({detail}); fetch it again")


def _float32(array: Any) -> FloatArray:
    # A value beyond float32 becomes infinite, which Recording reports with its place.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _numbers(mat: dict[str, Any], path: Path, *names: str) -> IntArray | None:
    """Return the first of the named fields as int16 (T,)."""
    for name in names:
        if np.size(mat.get(name, ())):
            values = np.ravel(mat[name])
            if values.dtype.kind not in "biuf" or (values != np.rint(values)).any() or abs(values).max() > 32767:
                raise UserError(f"{path}: {name} holds something else than small whole numbers")
            return values.astype(np.int16)
    return None


def _labels(
    movements_T: IntArray, prompts_T: IntArray, exercise: int, named: bool, path: Path
) -> tuple[tuple[str, ...], tuple[IntArray, IntArray]]:
    """Return the vocabulary, and both arrays as indices into it."""
    found = sorted({int(n) for array_T in (movements_T, prompts_T) for n in np.unique(array_T)} - {0})
    if found and (found[0] < 0 or (named and found[-1] > len(FINGER_MOVEMENTS))):
        raise UserError(f"{path}: movement numbers {found[0]} to {found[-1]} are not those of exercise {exercise}")
    if named:
        return ("rest", *FINGER_MOVEMENTS), (movements_T, prompts_T)
    index = np.zeros(max(found, default=0) + 1, np.int16)
    index[found] = np.arange(1, len(found) + 1)
    return ("rest", *(f"e{exercise}_{n}" for n in found)), (index[movements_T], index[prompts_T])


def _find(path: Path) -> Found | None:
    return Found(path.stem) if is_ninapro(path) else None


def _dataset(path: Path) -> str:
    return database_of(path).name


READERS.add("ninapro", Reader("ninapro", "NinaPro (S1_A1_E1.mat)", _find, read_recording, _dataset))
DATASETS.add(
    DB1.name,
    DataSet(
        Terms("research use with citation (Atzori et al. 2014, Scientific Data)", "other", non_commercial=True),
        unseen=("middle_flexion", "ring_extension", "thumb_adduction", "thumb_extension"),
    ),
)
