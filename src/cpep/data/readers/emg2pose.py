"""The emg2pose layout: HDF5 files of one hand and one stage, and metadata.csv (arXiv 2412.02725).

A file holds a group ``emg2pose`` with attributes (user, session, stage, side, sample_rate, ...) and one
compound dataset ``timeseries`` with the fields ``time`` (f8, s), ``joint_angles`` (20 f4 or f8, rad) and
``emg`` (16 f4, in standard deviations of the noise floor), all at 2 kHz. A row whose 20 angles are all
exactly zero is a failure of inverse kinematics and carries no pose.

The real data do not say what the hand does from sample to sample: their label is the stage. Simulated files
carry more, in datasets that other readers ignore: ``gesture`` (int16 per sample, attribute ``names`` = JSON
list of the vocabulary), ``prompt`` and ``repetition`` (int16 per sample), and on the group the attributes
``simulated`` and ``mirror`` (channel permutation from a left band to a right one). The channel order of the
real left hands is not published, so no permutation is assumed for them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from cpep.data.readers.hdf5 import open_hdf5
from cpep.data.readers.metadata import METADATA, SPLITS, MetadataRow, plain_stage, read_metadata, write_metadata
from cpep.data.readers.registry import AS_NPZ, DATASETS, READERS, DataSet, Found, Reader, Terms
from cpep.data.recording import Device, Recording
from cpep.data.resample import resample_anchor
from cpep.hand.joints import JOINTS
from cpep.runtime.files import atomic_path
from cpep.runtime.plain import parse
from cpep.types import UNKNOWN, FloatArray, IntArray, UserError

__all__ = [
    "DEVICE",
    "JOINTS",
    "METADATA",
    "POSE_RATE",
    "SAMPLE_RATE",
    "MetadataRow",
    "check_file",
    "is_simulated",
    "read_metadata",
    "read_recording",
    "write_metadata",
    "write_recording",
]

SAMPLE_RATE = 2000.0
POSE_STRIDE = 20
POSE_RATE = SAMPLE_RATE / POSE_STRIDE
"""Motion capture ran at 60 Hz behind a 15 Hz low-pass; the 2 kHz in the files are interpolated."""

DEVICE = Device(
    channels=16,
    emg_rate=SAMPLE_RATE,
    emg_kind="raw",
    emg_unit="noise_sd",
    ring=tuple(range(16)),
    anchor_names=JOINTS,
    anchor_unit="rad",
    highpass_hz=0.0,  # at 40 Hz by the makers of the recordings
)

SIMULATED = "emg2pose_simulated"
"""Name of the data set of every recording of the simulator."""

ENDING = ".hdf5"
GROUP = "emg2pose"
TIMESERIES = "timeseries"
REQUIRED_ATTRIBUTES = ("user", "session", "stage", "side", "sample_rate")
CHUNK = 4000
BLOCK = 10 * CHUNK
"""Rows read at once, a multiple of POSE_STRIDE: 6 MB, which a cache holds until the EMG is taken out."""


def read_recording(path: Path) -> Recording:
    """Read one emg2pose file, real or simulated.

    The pose is every 20th sample (100 Hz); ``valid_S`` is false at IK failures and non-finite angles.

    Raises:
        UserError: the file is missing, truncated, not emg2pose, not 2 kHz, its EMG is not finite, or it refers to
            another file.
    """
    with _open_group(path) as group:
        attributes = _attributes(group, path)
        emg_TC, angles_SJ = _signals(_timeseries(group, path))
        label_T, vocabulary = _labels(group, attributes["stage"], len(emg_TC), path)
        prompt_T, repetition_T = (_per_sample(group, name, path) for name in ("prompt", "repetition"))
        mirror = tuple(int(channel) for channel in group.attrs.get("mirror", ()))
    if mirror and sorted(mirror) != list(DEVICE.ring):
        raise UserError(f"{path}: mirror is not a permutation of the channels 0 to 15; write it again")
    valid_S = np.isfinite(angles_SJ).all(1) & (angles_SJ != 0).any(1)
    return Recording(
        name=path.name[: -len(ENDING)],
        user=attributes["user"],
        session=attributes["session"],
        stage=attributes["stage"],
        side=attributes["side"],
        device=DEVICE,
        emg_TC=emg_TC,
        anchor_SJ=np.where(valid_S[:, None], angles_SJ, 0).astype(np.float32),
        anchor_rate=POSE_RATE,
        valid_S=valid_S,
        label_T=label_T,
        vocabulary=vocabulary,
        prompt_T=prompt_T,
        repetition_T=repetition_T,
        mirror=mirror,
    )


def write_recording(
    path: Path,
    recording: Recording,
    *,
    start: float,
    simulated: bool,
    compression: str | None = None,
    pose_dtype: Literal["f4", "f8"] = "f4",
) -> None:
    """Write one emg2pose file atomically; the same recording gives the same bytes.

    Pose at a lower rate is interpolated linearly to 2 kHz; samples next to an invalid frame, and after the
    last one, become all-zero rows. So does a valid frame whose angles are all exactly zero: the layout cannot
    tell them apart. Labels, prompts and repetitions are written per sample where the recording knows any.

    Args:
        path: the file, ``<name>.hdf5``.
        recording: 16 channels at 2 kHz, with the 20 joints of ``JOINTS`` or no pose.
        start: time of the first sample, unix seconds.
        simulated: stored as an attribute; tells simulated data from real.
        compression: ``None``, ``lzf`` or ``gzip``, shuffled. lzf makes simulated files .6 times as large, and
            they take three times as long to write. HDF5 refuses a chunk whose checksum does not fit.
        pose_dtype: f4 as in the real files, or f8.

    Raises:
        ValueError: the recording does not fit the layout.
        UserError: the file cannot be written.
    """
    device, samples = recording.device, len(recording.emg_TC)
    if device.channels != DEVICE.channels or device.emg_rate != SAMPLE_RATE:
        raise ValueError(f"emg2pose has 16 channels at 2000 Hz, not {device.channels} at {device.emg_rate}")
    table = np.zeros(samples, [("time", "f8"), ("joint_angles", pose_dtype, (20,)), ("emg", "f4", (16,))])
    table["time"] = start + np.arange(samples) / SAMPLE_RATE
    table["emg"] = recording.emg_TC
    if recording.anchor_SJ is not None:
        table["joint_angles"], _ = resample_anchor(  # zero where it is invalid
            recording.anchor_SJ, recording.valid_S, recording.anchor_rate, SAMPLE_RATE, samples
        )
    attributes = {
        "filename": path.name.removesuffix(".hdf5"),
        "session": recording.session,
        "user": recording.user,
        "stage": recording.stage,
        "side": recording.side,
        "sample_rate": SAMPLE_RATE,
        "num_channels": DEVICE.channels,
        "start": start,
        "end": float(table["time"][-1]) if samples else start,
        "simulated": simulated,
    }
    if recording.mirror:
        attributes["mirror"] = np.array(recording.mirror, np.int16)
    # Built in memory (a minute takes 20 MB): HDF5 crashes when the disk fills under it.
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        group = file.create_group(GROUP)
        group.attrs.update(attributes)
        packing = {"compression": compression, "shuffle": compression is not None, "fletcher32": True}
        chunks = (max(1, min(CHUNK, samples)),)
        group.create_dataset(TIMESERIES, data=table, chunks=chunks, **packing)
        for name, array_T in (
            ("gesture", recording.label_T if (recording.label_T != UNKNOWN).any() else None),
            ("prompt", recording.prompt_T),
            ("repetition", recording.repetition_T),
        ):
            if array_T is not None:
                group.create_dataset(name, data=array_T.astype(np.int16), chunks=chunks, **packing)
        if "gesture" in group:
            group["gesture"].attrs["names"] = json.dumps(recording.vocabulary)
    with atomic_path(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def check_file(path: Path) -> None:
    """Check that a file is HDF5 of the emg2pose layout, from its attributes to its last sample.

    Raises:
        UserError: it is not.
    """
    with _open_group(path) as group:
        _attributes(group, path)
        _timeseries(group, path)[-1]


def is_simulated(path: Path) -> bool:
    """Tell whether a file was made by the simulator.

    Raises:
        UserError: the file is no readable emg2pose file.
    """
    with _open_group(path) as group:
        return bool(group.attrs.get("simulated", False))


@contextmanager
def _open_group(path: Path) -> Iterator[h5py.Group]:
    """Yield the group ``emg2pose``; turn every damage, also one found while reading, into a sentence."""
    with open_hdf5(path) as file:
        if not isinstance(file.get(GROUP), h5py.Group):
            found = ", ".join(sorted(file)[:5]) or "nothing"
            raise UserError(f"{path} is HDF5 but not emg2pose: it holds {found} and no group '{GROUP}'; {AS_NPZ}")
        yield file[GROUP]


def _attributes(group: h5py.Group, path: Path) -> dict[str, str]:
    """Return the attributes that identify a recording, the stage without the suffix of the prompted hand."""
    if missing := [name for name in REQUIRED_ATTRIBUTES if name not in group.attrs]:
        raise UserError(f"{path}: the group '{GROUP}' lacks the attribute(s) {', '.join(missing)}")
    rate = float(group.attrs["sample_rate"])
    if rate != SAMPLE_RATE:
        raise UserError(f"{path}: sample_rate is {rate:g} Hz where emg2pose has 2000 Hz; resample it")
    values = {name: _text(group.attrs[name]) for name in REQUIRED_ATTRIBUTES}
    return values | {"stage": plain_stage(values["stage"])}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _timeseries(group: h5py.Group, path: Path) -> h5py.Dataset:
    """Return the compound dataset, once it is known to have the fields and shapes of emg2pose."""
    table = group.get(TIMESERIES)
    names = (table.dtype.names or ()) if isinstance(table, h5py.Dataset) else ()
    if not {"emg", "joint_angles"} <= set(names):
        raise UserError(f"{path} is not emg2pose: no dataset '{TIMESERIES}' with emg and joint_angles")
    for name, width in (("emg", DEVICE.channels), ("joint_angles", len(JOINTS))):
        if table.dtype[name].shape != (width,):
            raise UserError(f"{path}: {name} has shape {table.dtype[name].shape} where emg2pose has ({width},)")
        if (dtype := table.dtype[name].base).kind not in "fiu":
            raise UserError(f"{path}: {name} is of type {dtype} where emg2pose has real numbers; write it again")
    if len(table) == 0:
        raise UserError(f"{path} holds no samples; remove it")
    return table


def _signals(table: h5py.Dataset) -> tuple[FloatArray, FloatArray]:
    """Read the EMG (T, 16), float32, and the angles (S, 20) of every ``POSE_STRIDE``-th sample."""
    samples = len(table)
    emg_TC = np.empty((samples, DEVICE.channels), np.float32)
    angles_SJ = np.empty((-(-samples // POSE_STRIDE), len(JOINTS)), table.dtype["joint_angles"].base)
    rows = np.empty(min(BLOCK, samples), table.dtype)
    for first in range(0, samples, BLOCK):
        here = rows[: samples - first]
        table.read_direct(here, np.s_[first : first + len(here)])
        emg_TC[first : first + len(here)] = here["emg"]
        poses_SJ = here["joint_angles"][::POSE_STRIDE]
        angles_SJ[first // POSE_STRIDE :][: len(poses_SJ)] = poses_SJ
    return emg_TC, angles_SJ


def _per_sample(group: h5py.Group, name: str, path: Path) -> IntArray | None:
    if name not in group:
        return None
    array = group[name]
    if not isinstance(array, h5py.Dataset) or array.ndim != 1 or array.dtype.kind not in "iu":
        raise UserError(f"{path}: {GROUP}/{name} is no row of whole numbers, one for each sample; write it again")
    values_T = np.asarray(array[()])
    narrow_T = values_T.astype(np.int16)
    if (narrow_T != values_T).any():
        raise UserError(f"{path}: {GROUP}/{name} holds numbers beyond 32767; number gestures from 0 on")
    return narrow_T


def _labels(group: h5py.Group, stage: str, samples: int, path: Path) -> tuple[IntArray, tuple[str, ...]]:
    """Return labels and vocabulary: the per-sample gesture where the file has one, else its stage."""
    gesture_T = _per_sample(group, "gesture", path)
    if gesture_T is None:
        return np.ones(samples, np.int16), ("rest", stage)
    names = parse(_text(group["gesture"].attrs.get("names", "[]")).encode(), f"{path}: names of {GROUP}/gesture")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: names of {GROUP}/gesture are no list of texts; write it again")
    vocabulary = tuple(names)
    if not vocabulary or gesture_T.max(initial=UNKNOWN) >= len(vocabulary) or gesture_T.min(initial=0) < UNKNOWN:
        raise UserError(f"{path}: labels of {GROUP}/gesture go beyond the {len(vocabulary)} names it carries")
    return gesture_T, vocabulary


def _find(path: Path) -> Found | None:
    return Found(path.name[: -len(ENDING)]) if path.suffix.lower() == ENDING else None


def _dataset(path: Path) -> str:
    return SIMULATED if is_simulated(path) else "emg2pose"


TERMS = Terms("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0", non_commercial=True)

READERS.add(
    "emg2pose",
    Reader("emg2pose", f"emg2pose ({ENDING})", _find, read_recording, _dataset, tables=(SPLITS,)),
)
DATASETS.add(
    "emg2pose",
    DataSet(
        TERMS,
        unseen=("CountingUpDownFaceSideAway", "FingerFreeform", "HookEmHornsOKScissors", "ShakaVulcanPeace"),
        seen=(
            "FingerPinchesSingleFingerPinchesMultiple",
            "FingerAbductionSeries",
            "GraspPunchCloseFar",
            "ThumbsSwipesWholeHand",
        ),
    ),
)
DATASETS.add("emg2pose (imported)", DataSet(TERMS))
DATASETS.add(
    SIMULATED,
    DataSet(
        Terms("made by the simulator of cpep (Apache-2.0), of no real person", "apache-2.0", non_commercial=False),
        unseen=("peace", "shaka", "vulcan", "horns", "ok", "pinch_ring", "four", "gun"),
        seen=("fist", "spread", "pinch_index", "pinch_middle", "point", "three", "thumb_up", "claw"),
        caution="**Simulated people.** These weights were trained on a simulator alone. They, and the figures below, "
        "say nothing about real hands.",
    ),
)
