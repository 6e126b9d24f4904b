"""NinaPro .mat files (DB1 to DB8), as ninapro.hevs.ch distributes them, of MATLAB 5 to 7.3.

``cpep.data.readers.ninapro_databases`` says what the databases are, ``ninapro_evidence`` how a file tells which of
them it is from, and ``ninapro_sidecar`` how its user says so. What fits none is refused. The glove is uncalibrated:
raw counts.

``restimulus`` (relabelled after the movement) gives the labels, ``stimulus`` the prompts, ``rerepetition``
the repetitions. Where one of ``restimulus`` and ``stimulus`` is missing, the other serves for both; ``repetition``
serves for a missing ``rerepetition``. User, exercise and session come from the file's name.

Labels that are a little shorter or longer than the EMG are cut together with it at the end (``_most_cut``), and EMG
of (channels, samples) is turned; both are counted. A glove of another length is read at the ``glove_rate`` of the
sidecar, or refused: where its rows lie in time is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.readers import generic, mat
from cpep.data.readers.ninapro_databases import DB1, Database
from cpep.data.readers.ninapro_evidence import Evidence, database_of, glove_turned, is_ninapro, look, whole_numbers
from cpep.data.readers.ninapro_sidecar import Said, read_said
from cpep.data.readers.registry import DATASETS, READERS, DataSet, Found, Reader, Terms
from cpep.data.recording import Device, Recording, Repair
from cpep.types import BoolArray, FloatArray, IntArray, UserError

FIELDS = ("emg", "glove", "restimulus", "stimulus", "rerepetition", "repetition")

FEW = 5
MOST_CUT_S = 0.15
MOST_CUT_PART = 0.01
"""Samples at the end that are cut where fields differ in length: up to ``FEW``, or both of the others; the most that
is known of files as distributed is .136 s (DB2, person 12)."""
GLOVE_FRAMES = 2
"""Frames by which a glove may end before or after the EMG, by its declared rate."""


@dataclass(frozen=True, eq=False)
class _Signals:
    """The fields of a file, of one length, and what was mended and noted on the way.

    Attributes:
        emg_TC: EMG as in the file, (samples, channels).
        label_T: numbers of the movements.
        prompt_T: numbers of the prompted movements.
        repetition_T: numbers of the repetitions, where there are any.
        repairs: what was mended.
        notes: what is odd.
    """

    emg_TC: npt.NDArray[Any]
    label_T: IntArray
    prompt_T: IntArray
    repetition_T: IntArray | None
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...]


def read_recording(path: Path, sidecar: Path | None = None) -> Recording | tuple[Recording, ...]:
    """Read one NinaPro file; the pose is the raw glove at the rate of the EMG, unless the sidecar says another.

    Raises:
        UserError: the file is missing, damaged, of no known database, its fields do not fit each other, its labels
            are no whole numbers, or its EMG is not finite.
    """
    said = read_said(sidecar) if sidecar else Said()
    if said is None:
        assert sidecar is not None
        return generic.read_recording(path, sidecar)
    seen = look(path)
    database, odd = database_of(seen, said.database)
    fields = _numeric(mat.read_mat(path, FIELDS), seen)
    signals = _signals(fields, seen, database)
    samples = len(signals.emg_TC)
    glove_SJ, valid_S, glove_notes = _glove(fields, path, samples, database.emg_rate, said.glove_rate)
    names, index = _vocabulary(database, seen)
    unit, unit_notes = _unit(signals.emg_TC, database)
    session = seen.acquisition if database.session_by == "acquisition" else f"E{seen.exercise}"
    sensors = seen.glove or database.glove
    return Recording(
        name=path.stem,
        user=str(seen.user),
        session=session,
        stage=session,
        side="right",
        device=Device(
            channels=signals.emg_TC.shape[1],
            emg_rate=database.emg_rate,
            emg_kind=database.emg_kind,
            emg_unit=unit,
            ring=database.rings[signals.emg_TC.shape[1]],
            anchor_names=tuple(f"glove_{sensor + 1:02d}" for sensor in range(sensors)),
            anchor_unit="count" if sensors else "",
        ),
        emg_TC=_float32(signals.emg_TC),
        anchor_SJ=glove_SJ,
        anchor_rate=said.glove_rate or database.emg_rate,
        valid_S=valid_S,
        label_T=index[signals.label_T],
        vocabulary=names,
        prompt_T=index[signals.prompt_T],
        repetition_T=signals.repetition_T,
        repairs=signals.repairs,
        notes=(*odd, *database.notes, *signals.notes, *unit_notes, *glove_notes),
    )


def _numeric(fields: dict[str, npt.NDArray[Any]], seen: Evidence) -> dict[str, npt.NDArray[Any]]:
    """Check that all fields that the file has are numbers."""
    for name in FIELDS:
        if name in seen.fields and (name not in fields or fields[name].dtype.kind not in "biuf"):
            raise UserError(f"{seen.path}: {name} holds something else than real numbers")
    return fields


def _signals(fields: dict[str, npt.NDArray[Any]], seen: Evidence, database: Database) -> _Signals:
    """Return EMG and labels of one length."""
    repairs: list[Repair] = []
    emg_TC = fields["emg"]
    if seen.turned:
        emg_TC = emg_TC.T
        repairs.append(Repair("EMG samples turned: the file has (channels, samples)", len(emg_TC)))
    numbers = {name: whole_numbers(fields, name, seen.path) for name in FIELDS[2:]}
    used = {name: array for name, array in numbers.items() if array is not None}
    if "rerepetition" in used:
        used.pop("repetition", None)
    if not used.keys() & {"restimulus", "stimulus"}:
        raise UserError(f"{seen.path} has neither restimulus nor stimulus: nothing says what the hand does")
    label = "restimulus" if "restimulus" in used else "stimulus"
    prompt = "stimulus" if "stimulus" in used else "restimulus"
    notes = (
        ("it has no restimulus, so the prompts (stimulus) serve as labels",) if label == prompt == "stimulus" else ()
    )
    lengths = {name: len(array) for name, array in used.items()}
    kept = _common_length(lengths, len(emg_TC), database.emg_rate, seen.path)
    if cut := max(len(emg_TC), *lengths.values()) - kept:
        repairs.append(Repair("samples at the end left out, since fields differ in length", cut))
    if (empty := list(database.empty)) and seen.channels > max(empty) and not emg_TC[:, empty].any():
        emg_TC = np.delete(emg_TC, empty, axis=1)
        repairs.append(Repair("empty EMG columns left out", len(empty)))
    used = {name: array[:kept] for name, array in used.items()}
    return _Signals(
        emg_TC=emg_TC[:kept],
        label_T=used[label],
        prompt_T=used[prompt],
        repetition_T=used.get("rerepetition", used.get("repetition")),
        repairs=tuple(repairs),
        notes=notes,
    )


def _common_length(lengths: dict[str, int], samples: int, rate: float, path: Path) -> int:
    """Return to how many samples all fields are cut."""
    most = max(FEW, int(min(MOST_CUT_S * rate, MOST_CUT_PART * samples)))
    for name, length in lengths.items():
        if abs(length - samples) > most:
            raise UserError(
                f"{path}: {name} has {length:,} samples for {samples:,} EMG samples, too far apart to be cut (up to "
                f"{most} are); write the file again with fields of one length"
            )
    return min(samples, *lengths.values())


def _glove(
    fields: dict[str, npt.NDArray[Any]], path: Path, samples: int, emg_rate: float, declared: float
) -> tuple[FloatArray | None, BoolArray, tuple[str, ...]]:
    """Return the glove, where it was measured, and notes. ``declared`` is its rate by the sidecar, or 0."""
    if not np.size(fields.get("glove", ())):
        return None, np.zeros(0, bool), ()
    raw_SJ = fields["glove"].T if glove_turned(fields["glove"].shape) else fields["glove"]
    frames, rate, emg_samples = len(raw_SJ), declared or emg_rate, max(fields["emg"].shape)
    if not declared and frames != emg_samples:
        raise UserError(
            f"{path}: its glove has {frames:,} frames for {emg_samples:,} EMG samples, so when they were taken is "
            'not known; say the rate of the glove in a cpep.json beside it, such as {"glove_rate": 25}'
        )
    if abs(frames / rate - emg_samples / emg_rate) > GLOVE_FRAMES / rate:
        raise UserError(
            f"{path}: at {rate:g} Hz its glove lasts {frames / rate:.2f} s where the EMG lasts "
            f"{emg_samples / emg_rate:.2f} s; correct glove_rate in its sidecar"
        )
    glove_SJ = _float32(raw_SJ if declared else raw_SJ[:samples])
    measured_SJ = np.isfinite(glove_SJ)
    valid_S = np.asarray(measured_SJ.all(axis=1))
    bad = int((~valid_S).sum())
    notes = (f"the glove is not finite in {bad:,} frames, which are left out as not measured",) if bad else ()
    return np.where(measured_SJ, glove_SJ, np.float32(0)), valid_S, notes


def _unit(emg_TC: npt.NDArray[Any], database: Database) -> tuple[str, tuple[str, ...]]:
    """Return the unit of the EMG: whole numbers are no volts."""
    if emg_TC.dtype.kind == "f" or database.emg_unit in ("", "count"):
        return database.emg_unit, ()
    note = f"its EMG is in whole numbers ({emg_TC.dtype}), so it is taken as counts where {database.title} has volts"
    return "count", (note,)


def _vocabulary(database: Database, seen: Evidence) -> tuple[tuple[str, ...], IntArray]:
    """Return the labels, and from numbers of movements to indices of labels."""
    movements = database.exercises[seen.exercise]
    index = np.zeros(max(movements) + 1, np.int16)
    index[list(movements)] = np.arange(1, len(movements) + 1)
    return ("rest", *movements.values()), index


def _float32(array: Any) -> FloatArray:
    # A value beyond float32 becomes infinite, which Recording reports with its place.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _find(path: Path) -> Found | None:
    if not is_ninapro(path):
        return None
    sidecar = generic.sidecar_of(path)
    return Found(path.stem, (sidecar,) if sidecar else ())


def _dataset(path: Path) -> str:
    sidecar = generic.sidecar_of(path)
    said = read_said(sidecar) if sidecar else Said()
    return database_of(look(path), said.database)[0].name if said else ""


READERS.add("ninapro", Reader("ninapro", "NinaPro (S1_A1_E1.mat)", _find, read_recording, _dataset))
DATASETS.add(
    DB1.name,
    DataSet(
        Terms("research use with citation (Atzori et al. 2014, Scientific Data)", "other", non_commercial=True),
        unseen=("middle_flexion", "ring_extension", "thumb_adduction", "thumb_extension"),
    ),
)
