"""EMG-BIDS (BIDS 1.11): recordings in EDF or BDF with their sidecars, and the emg2pose that people download today.

``sub-01/ses-01/emg/sub-01_ses-01_task-grasp_run-01_emg.bdf`` with ``_emg.json``, ``_channels.tsv``, ``_events.tsv``
beside it or inherited from further up (``bids_layout``). Which channels are EMG and in which unit is in
``bids_channels``, what events mean in ``bids_events``, where a pose comes from in ``bids_pose``, who a person is in
``bids_identity``. Reading needs no further package; ``cpep data export --bids`` writes such data sets.

A ``cpep.json`` at the top of the data set says what its files do not, or not rightly; each key is optional::

    {"bids": {"unit": "noise_sd", "zero_duration_s": 0.2, "ignore": ["stage_start"], "tracksys": "optical"}}

- ``unit``: of the EMG's numbers as they stand in the files (``nV``, ``uV``, ``mV``, ``V``, ``count``, ``noise_sd``).
- ``zero_duration_s``: seconds for which an event of zero duration is a label.
- ``ignore``: texts of events that are no labels.
- ``tracksys``: the tracking system that is the anchor, where several were recorded.

A person is ``original_user`` of ``participants.tsv`` where the data set is emg2pose or was exported by cpep, else the
label: a text, so that ``01`` and ``1`` are two people. A session of emg2pose is what its metadata, or the name of its
source before ``-recording-`` or the stage, says; else the label, and ``1`` where there is none. The side is
``HandSide``, ``side`` of scans.tsv, or ``recording-left``. What is padding is cut off and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers import emg2pose
from cpep.data.readers.bids_channels import (
    ENOUGH_HZ,
    Channel,
    channels_of,
    emg_of,
    emg_rate,
    highpass_of,
    is_emg2pose,
    kind_of,
    settings_unit,
    told_unit,
    valid_samples,
)
from cpep.data.readers.bids_events import Marks, events_of, marks_of
from cpep.data.readers.bids_identity import Said, said_of, session_of, side_of, split_of, stage_of, user_of
from cpep.data.readers.bids_layout import ENDINGS, METADATA, Beside, beside, is_recording, parsed
from cpep.data.readers.bids_pose import Pose, motion_of, pose_of
from cpep.data.readers.bids_text import read_settings, read_table, refuse_pointer
from cpep.data.readers.edf import Edf, open_edf
from cpep.data.readers.registry import DATASETS, READERS, DataSet, Found, Missing, Reader, Terms
from cpep.data.recording import Device, Recording, Repair
from cpep.types import BoolArray, FloatArray, UserError

SHORTEST_PART_S = 0.1
"""A part between two cuts that is shorter holds no window."""
DESCRIBING = ("emg", "channels", "events", "electrodes", "coordsystem", "scans", "sessions", "motion", "photo")
AT_TOP = ("dataset_description.json", "participants.tsv", "participants.json", "README", "CHANGES", "LICENSE")
RING_OF = {"sEMG-RD": 16}
"""Bands whose channels are known to form a ring, by ``ManufacturersModelName``, and how many they have."""


@dataclass(frozen=True)
class _Opened:
    """The file of a recording, with its channels.

    Attributes:
        emg: those of type EMG, in the order of the file.
        rate: of the EMG, samples per second.
        emg2pose: whether it is emg2pose as NEMAR has it: EMG in SD of noise whatever its header says.
    """

    edf: Edf
    channels: list[Channel]
    emg: list[Channel]
    rate: float
    emg2pose: bool


def read_recording(path: Path, *sidecars: Path) -> Recording | tuple[Recording, ...]:
    """Read one recording of an EMG-BIDS data set.

    Returns:
        it; or its parts, where ``BAD_ACQ_SKIP`` or a boundary cuts it.

    Raises:
        UserError: its content was not fetched, or files contradict each other; the sentence names the place.
    """
    refuse_pointer(path)
    files = beside(path)
    said, settings = said_of(path, files), read_settings(files.settings)
    opened = _opened(path, files, said)
    edf, rate, like = opened.edf, opened.rate, opened.emg2pose
    samples, odd = valid_samples(edf, said.json, said.scan, opened.emg[0].signal, rate)
    stage = stage_of(said, path, emg2pose=like)
    events, unnamed = events_of(files.events[-1] if files.events else None, edf.annotations())
    marks = marks_of(events, samples, rate, settings, stage if like else "", said.ours.get("vocabulary", ()))
    spans = _kept(marks, samples)
    stated = said.ours.get("device", {}).get("emg_unit", "") or ("noise_sd" if like else told_unit(said.json))
    wanted = settings_unit(settings.unit, path) or stated
    emg_TC, unit, about = emg_of(edf, opened.emg, wanted, ours=bool(said.ours))
    whole = any(begin for begin, _ in spans)
    pose, other = pose_of(edf, opened.channels, rate, said.ours, emg2pose=like, whole=whole)
    if pose is None:
        pose, beyond = motion_of(files.motion, said.scans, path, settings)
        other += beyond
    side, assumed = side_of(said, path)
    recording = Recording(
        name=_name(path),
        user=user_of(said, path, emg2pose=like),
        session=session_of(said, path, files, emg2pose=like),
        stage=stage,
        side=side,
        device=_device(said, opened, unit, pose),
        emg_TC=emg_TC[:samples],
        anchor_SJ=None,
        anchor_rate=pose.kept_rate if pose else rate,
        valid_S=np.zeros(0, bool),
        label_T=marks.label_T,
        vocabulary=marks.vocabulary,
        prompt_T=marks.prompt_T,
        repetition_T=marks.repetition_T,
        mirror=tuple(said.ours.get("mirror", ())),
        repairs=tuple(Repair(str(what), int(count)) for what, count in said.ours.get("repairs", ())),
        notes=tuple(note for note in (*unnamed, odd, *about, *other, *marks.notes, assumed) if note),
    )
    padded = len(emg_TC) - samples
    repairs = [Repair("samples of padding cut off at the end", padded)] if padded else []
    if skipped := int(marks.skipped_T.sum()):
        repairs.append(Repair("samples of BAD_ACQ_SKIP left out", skipped))
    return _parts(recording, pose, marks.lost_T, spans, repairs)


def _opened(path: Path, files: Beside, said: Said) -> _Opened:
    edf = open_edf(path)
    channels = channels_of(edf, read_table(files.channels[-1]) if files.channels else (), said.json)
    emg = [channel for channel in channels if channel.type == "EMG"]
    if not emg:
        raise UserError(f"{path} has no channel of type EMG in its channels.tsv")
    rate = emg_rate(edf, emg, said.json)
    return _Opened(edf, channels, emg, rate, is_emg2pose(said.json, channels, rate) and not said.ours)


def _parts(
    recording: Recording,
    pose: Pose | None,
    lost_T: BoolArray,
    spans: Sequence[tuple[int, int]],
    repairs: list[Repair],
) -> Recording | tuple[Recording, ...]:
    """Return the recording, or its parts, without what is too short; the first of them has the repairs."""
    long = [(begin, end) for begin, end in spans if end - begin >= SHORTEST_PART_S * recording.device.emg_rate]
    if spans[1:]:
        if short := sum(end - begin for begin, end in spans) - sum(end - begin for begin, end in long):
            repairs.append(Repair(f"samples in parts of less than {SHORTEST_PART_S:g} s left out", short))
    else:
        long = list(spans)
    if not long:
        raise UserError(f"{recording.name}: no sample is left beside BAD_ACQ_SKIP; remove the recording")
    parts = [_part(recording, pose, lost_T, begin, end) for begin, end in long]
    parts[0] = replace(parts[0], repairs=(*parts[0].repairs, *repairs))
    return tuple(parts) if parts[1:] else parts[0]


def _kept(marks: Marks, samples: int) -> list[tuple[int, int]]:
    """Return first sample and the one after the last of each part."""
    edges = np.flatnonzero(np.diff(marks.skipped_T.astype(np.int8), prepend=0, append=0))
    bounds = sorted({0, samples, *edges.tolist(), *(cut for cut in marks.cuts if cut < samples)})
    return [(begin, end) for begin, end in pairwise(bounds) if not marks.skipped_T[begin]]


def _part(recording: Recording, pose: Pose | None, lost_T: BoolArray, begin: int, end: int) -> Recording:
    rate = recording.device.emg_rate
    anchor_SJ: FloatArray | None = None
    valid_S = recording.valid_S
    if pose is not None:
        anchor_SJ, valid_S = pose.part(begin / rate, end / rate)
        sample_S = begin + np.round(np.arange(len(valid_S)) * rate / pose.kept_rate).astype(np.intp)
        valid_S = valid_S & ~lost_T[np.minimum(sample_S, end - 1)]
        anchor_SJ = np.where(valid_S[:, None], anchor_SJ, np.float32(0))
    if (begin, end) == (0, len(recording.emg_TC)):
        return replace(recording, anchor_SJ=anchor_SJ, valid_S=valid_S)
    prompt_T, repetition_T = recording.prompt_T, recording.repetition_T
    return replace(
        recording,
        emg_TC=recording.emg_TC[begin:end],
        anchor_SJ=anchor_SJ,
        valid_S=valid_S,
        label_T=recording.label_T[begin:end],
        prompt_T=None if prompt_T is None else prompt_T[begin:end],
        repetition_T=None if repetition_T is None else repetition_T[begin:end],
    )


def _device(said: Said, opened: _Opened, unit: str, pose: Pose | None) -> Device:
    if opened.emg2pose and unit == emg2pose.DEVICE.emg_unit and pose and pose.names == emg2pose.DEVICE.anchor_names:
        return emg2pose.DEVICE
    channels = len(opened.emg)
    band = RING_OF.get(str(said.json.get("ManufacturersModelName")), 0)
    ring = tuple(range(channels)) if opened.emg2pose or band == channels else ()
    anchor = (pose.names, pose.unit, pose.kind) if pose else ((), "", "")
    done = highpass_of(said.json, opened.emg) >= ENOUGH_HZ
    device = Device(channels, opened.rate, kind_of(said.json), unit, ring, *anchor, highpass_hz=0.0 if done else None)
    measured = ("channels", "emg_rate", "emg_unit", "anchor_names", "anchor_unit", "anchor_kind")
    known = {field.name for field in fields(Device)} - set(measured)
    ours = said.ours.get("device", {})
    return replace(device, **{key: _plain(value) for key, value in ours.items() if key in known})


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _name(path: Path) -> str:
    return path.name[: -len("_emg.bdf")]


def _find(path: Path) -> Found | None:
    if path.suffix.lower() not in ENDINGS:
        return None
    if is_recording(path):
        return Found(_name(path), beside(path).files)
    if path.stem.startswith("sub-"):  # EEG and other kinds
        return None
    remedy = "call it sub-LABEL_task-LABEL_emg" + path.suffix.lower() + ", as EMG-BIDS does"
    return Found(path.stem, missing=Missing(".bdf or .edf", "name of BIDS", remedy))


def _describes(path: Path) -> bool:
    name = parsed(path.name)
    own = bool(name and name.suffix in DESCRIBING and name.ending in (".json", ".tsv", ".jpg", ".png"))
    return path.name in (*AT_TOP, *METADATA[1:]) or own


def _dataset(path: Path) -> str:
    files = beside(path)
    said = said_of(path, files)
    if said.ours.get("dataset"):
        return str(said.ours["dataset"])
    if _opened(path, files, said).emg2pose:
        return "emg2pose"
    return NM000105 if said.json.get("TaskName") == "discretegestures" else ""


NM000105 = "nm000105"

READERS.add(
    "bids",
    Reader("bids", "EMG-BIDS (_emg.bdf or _emg.edf)", _find, read_recording, _dataset, _describes, split=split_of),
)
DATASETS.add(NM000105, DataSet(Terms("CC-BY-NC-4.0", "cc-by-nc-4.0", non_commercial=True)))
