"""The files of one recording in EMG-BIDS: signals in BDF, and the sidecars beside it.

As NEMAR has emg2pose: EMG in SD of noise keeps its numbers, labelled uV in the BDF and V in channels.tsv, and
``SoftwareFilters`` says what they are; the anchor comes as channels of type MISC at the rate of the EMG, zero where
it is invalid, with ``BAD_IK`` there; the last data record is filled up with the last sample. What BIDS has no word
for (the ring, the vocabulary, the session's own name) is in the key ``cpep`` of emg.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cpep.data.readers.bids_channels import LONGEST_LABEL, VOLTS
from cpep.data.readers.bids_events import LABEL, PROMPT, REPETITION
from cpep.data.readers.bids_identity import OURS
from cpep.data.recording import Device, Recording
from cpep.data.resample import resample_anchor
from cpep.runtime.files import atomic_path, write_json, write_text
from cpep.signal.conditioning import Conditioning
from cpep.types import UNKNOWN, BoolArray, FloatArray, IntArray, UserError

if TYPE_CHECKING:
    from edfio import BdfSignal

FULL_SCALE = 2**23 - 1
"""The largest number of 24 bits; the range is symmetric, so that zero stays zero."""
RANGE = (1e-4, 9_999_999.0)
"""Ends of a channel's range that fit into the eight characters of a header with enough digits, least and most."""
LONGEST_RECORD_S = 10
BAD = "bad"
UNFILTERED = Conditioning()
NOISE_SD = {
    "EMG rescaling": {
        "Description": "Numbers are in standard deviations of the noise floor (1 = noise), though they are labelled "
        "uV as emg2pose's EMG-BIDS conversion has them."
    }
}
ENVELOPE = {"Envelope": {"Description": "The signal is rectified and smoothed."}}

Table = Sequence[Sequence[str]]


def write_files(
    folder: Path,
    stem: str,
    recording: Recording,
    task: str,
    dataset: str,
    done: Conditioning = UNFILTERED,
    recorded: Mapping[str, Any] | None = None,
) -> None:
    """Write the files of one recording, the signals last; each appears whole.

    Args:
        folder: of the files, ``.../emg``.
        stem: their name up to the suffix: ``sub-01_task-grasp_run-01_recording-right``.
        recording: what to write.
        task: name of the task.
        dataset: name of the data set that it is from.
        done: what cpep has filtered out of it.
        recorded: how it was recorded, plain values; ``None`` where cpep did not record it.

    Raises:
        UserError: edfio is missing, the disk is full, or a value is too large for BDF.
    """
    rate, samples = recording.device.emg_rate, len(recording.emg_TC)
    per_record, record_s = record_of(rate)
    padding = -samples % per_record
    anchor_TJ, lost_T = _anchor(recording)
    sidecar = _sidecar(recording, task, dataset, padding, done)
    if recorded is not None:
        sidecar[OURS]["recorded"] = dict(recorded)
    write_json(folder / f"{stem}_emg.json", sidecar)
    write_text(folder / f"{stem}_channels.tsv", tsv(_channels(recording.device)))
    rows = _events(recording, lost_T, padding)
    write_text(folder / f"{stem}_events.tsv", tsv([("onset", "duration", "trial_type", "kind"), *rows]))
    signals = _signals(recording, anchor_TJ, padding, per_record / record_s)
    bad = [row for row in rows if row[3] == BAD]
    _write_bdf(folder / f"{stem}_emg.bdf", signals, bad, record_s)


def record_of(rate: float) -> tuple[int, float]:
    """Return samples and seconds of a data record: the shortest of whole seconds that holds whole samples.

    >>> record_of(2000.0), record_of(62.5)
    ((2000, 1.0), (125, 2.0))
    """
    for seconds in range(1, LONGEST_RECORD_S + 1):
        if abs(rate * seconds - round(rate * seconds)) < 1e-9:
            return round(rate * seconds), float(seconds)
    return round(rate), float(f"{round(rate) / rate:.6f}")  # as many digits as the header holds


def tsv(rows: Table) -> str:
    """Return rows as the text of a .tsv; an empty cell is ``n/a``."""
    return "".join(
        "\t".join(cell.replace("\t", " ").replace("\n", " ") or "n/a" for cell in row) + "\n" for row in rows
    )


def number(value: float) -> str:
    """Return a time in seconds, to a nanosecond.

    >>> number(1.5), number(0.0005), number(3.0)
    ('1.5', '0.0005', '3')
    """
    return np.format_float_positional(round(value, 9), trim="-")


def spans(array_T: IntArray | BoolArray) -> list[tuple[int, int, int]]:
    """Return begin, end and value of the stretches of one value.

    >>> spans(np.array([1, 1, 0]))
    [(0, 2, 1), (2, 3, 0)]
    """
    edges = np.flatnonzero(np.diff(array_T)) + 1
    bounds = [0, *edges.tolist(), len(array_T)]
    return [(begin, end, int(array_T[begin])) for begin, end in pairwise(bounds) if end > begin]


def _anchor(recording: Recording) -> tuple[FloatArray | None, BoolArray]:
    """Return the anchor at the rate of the EMG, and where it is invalid."""
    samples, columns = len(recording.emg_TC), len(recording.device.anchor_names)
    if recording.anchor_SJ is None:
        nowhere = np.zeros((samples, columns), np.float32) if columns else None
        return nowhere, np.full(samples, columns > 0)
    anchor_TJ, valid_T = resample_anchor(
        recording.anchor_SJ, recording.valid_S, recording.anchor_rate, recording.device.emg_rate, samples
    )
    return anchor_TJ, ~valid_T


def anchor_labels(device: Device) -> list[str]:
    """Return names of the anchor's channels: ``joint0``, ... for a hand, as emg2pose has them, else its own."""
    if device.anchor_names and device.anchor.is_hand:
        return [f"joint{k}" for k in range(len(device.anchor_names))]
    short = [name[:LONGEST_LABEL].strip() for name in device.anchor_names]
    plain = all(name.isascii() and name and not name.lower().startswith("emg") for name in short)
    unique = len(set(short)) == len(short)
    return short if plain and unique else [f"anchor{k}" for k in range(len(device.anchor_names))]


def _sidecar(recording: Recording, task: str, dataset: str, padding: int, done: Conditioning) -> dict[str, Any]:
    device, samples = recording.device, len(recording.emg_TC)
    anchor = {"names": device.anchor_names, "unit": device.anchor_unit, "kind": device.anchor_kind}
    ours = {
        "dataset": dataset,
        "session": recording.session,
        "device": asdict(device),
        "vocabulary": recording.vocabulary,
        "mirror": recording.mirror,
        "repairs": [[repair.what, repair.count] for repair in recording.repairs],
        **({"anchor": anchor} if device.anchor_names else {}),
    }
    return {
        "TaskName": task,
        "SamplingFrequency": device.emg_rate,
        "PowerLineFrequency": "n/a",
        "SoftwareFilters": _filters(device, done) or "n/a",
        "HardwareFilters": "n/a",
        "RecordingType": "continuous",
        "RecordingDuration": samples / device.emg_rate,
        "EMGReference": "n/a",
        "EMGGround": "n/a",
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": _placement(device),
        "EMGChannelCount": device.channels,
        "Stage": recording.stage,
        "HandSide": recording.side,
        "SourceFile": recording.name,
        "ValidSamples": samples,
        "BDFPaddedSamples": padding,
        OURS: ours,
    }


def _filters(device: Device, done: Conditioning) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if device.emg_unit == "noise_sd":
        filters |= NOISE_SD
    if device.emg_kind == "envelope":
        filters |= ENVELOPE
    if done.highpass_hz:
        filters["cpep high-pass"] = {"Cutoff (Hz)": done.highpass_hz}
    if done.notch_hz:
        filters["cpep notch and harmonics"] = {"Frequency (Hz)": done.notch_hz}
    return filters


def _placement(device: Device) -> str:
    if not device.ring:
        return "not known"
    return f"channels {', '.join(map(str, device.ring))} form a closed ring around the arm, in this order"


def _channels(device: Device) -> list[tuple[str, ...]]:
    unit = {"noise_sd": "V", **{name: name for name in VOLTS}}.get(device.emg_unit, "")
    rate = f"{device.emg_rate:.10g}"
    rows = [(f"emg{channel}", "EMG", unit, rate, "good") for channel in range(device.channels)]
    anchor = zip(anchor_labels(device), device.anchor_names, strict=True)
    rows += [(label, "MISC", device.anchor_unit, rate, "good") for label, _ in anchor]
    names = ["", *(["electromyogram"] * device.channels), *device.anchor_names]
    head = ("name", "type", "units", "sampling_frequency", "status", "description")
    return [head, *((*row, name) for row, name in zip(rows, names[1:], strict=True))]


def _events(recording: Recording, lost_T: BoolArray, padding: int) -> list[tuple[str, str, str, str]]:
    rate, names = recording.device.emg_rate, recording.vocabulary
    if odd := [name for name in names if not name.strip() or name.strip() == "n/a"]:
        raise UserError(f"{recording.name}: {odd[0]!r} is no name of a gesture in BIDS; give it another one")
    found: list[tuple[int, int, str, str]] = []
    for begin, end, label in spans(recording.label_T):
        if label != UNKNOWN:
            found.append((begin, end, names[label], LABEL))
    if recording.prompt_T is not None:
        known = [one for one in spans(recording.prompt_T) if one[2] != UNKNOWN]
        found += [(begin, end, f"{PROMPT}/{names[label]}", PROMPT) for begin, end, label in known]
    if recording.repetition_T is not None:
        counted = [one for one in spans(recording.repetition_T) if one[2] != 0]
        found += [(begin, end, f"{REPETITION}/{count}", REPETITION) for begin, end, count in counted]
    found += [(begin, end, "BAD_IK", BAD) for begin, end, lost in spans(lost_T) if lost]
    if padding:
        found.append((len(recording.emg_TC), len(recording.emg_TC) + padding, "BAD_ACQ_SKIP", BAD))
    return [
        (number(begin / rate), number((end - begin) / rate), text, kind) for begin, end, text, kind in sorted(found)
    ]


def _signals(
    recording: Recording, anchor_TJ: FloatArray | None, padding: int, rate: float
) -> Iterable[tuple[str, str, FloatArray, float]]:
    """Yield label, unit, samples and rate of each channel, filled up with its last sample."""
    device = recording.device
    unit = {"noise_sd": "uV", **{name: name for name in VOLTS}}.get(device.emg_unit, "")
    blocks = [(f"emg{channel}", unit, recording.emg_TC[:, channel]) for channel in range(device.channels)]
    if anchor_TJ is not None:
        labels = enumerate(anchor_labels(device))
        blocks += [(label, "", anchor_TJ[:, column]) for column, label in labels]
    for label, dimension, values_T in blocks:
        yield label, dimension, np.pad(values_T.astype(np.float64), (0, padding), mode="edge"), rate


def refuse_without_edfio() -> None:
    """Refuse where EMG-BIDS cannot be written.

    Raises:
        UserError: edfio is missing.
    """
    try:
        import edfio  # noqa: F401
    except ImportError as error:
        raise UserError('writing EMG-BIDS needs edfio; install it with pip install "cpep[bids]"') from error


def _write_bdf(
    path: Path, signals: Iterable[tuple[str, str, FloatArray, float]], bad: Sequence[tuple[str, ...]], record_s: float
) -> None:
    refuse_without_edfio()
    from edfio import Bdf, EdfAnnotation

    marks = [EdfAnnotation(float(onset), float(duration), text) for onset, duration, text, _ in bad]
    file = Bdf([_signal(*signal) for signal in signals], annotations=marks, data_record_duration=record_s)
    with atomic_path(path) as temporary:
        file.write(temporary)


def _signal(label: str, dimension: str, values_T: FloatArray, rate: float) -> BdfSignal:
    from edfio import BdfSignal

    most = float(np.abs(values_T).max()) or 1.0
    if most > RANGE[1]:
        raise UserError(f"{label} reaches {most:.4g}, and a BDF file holds numbers up to {RANGE[1]:,.0f}")
    most = max(most, RANGE[0])
    return BdfSignal(
        values_T.astype(np.float64, copy=False),
        rate,
        label=label,
        physical_dimension=dimension,
        physical_range=(-most, most),
        digital_range=(-FULL_SCALE, FULL_SCALE),
    )
