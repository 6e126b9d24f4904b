"""Channels of a BIDS recording: which are EMG, in which unit, and what is odd about them.

A channel's numbers are those of the header of its file, which scales them: physical over digital range.
``channels.tsv`` says ``V`` in all that MNE-BIDS writes, whatever the unit in the file, so it decides only where the
header has no unit. emg2pose in EMG-BIDS is the exception: its header says uV, and the numbers are those of emg2pose's
HDF5, in SD of noise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.bids_text import Row, number_in
from cpep.data.readers.edf import LATEST_S, Edf, Signal
from cpep.signal import units
from cpep.types import EmgKind, FloatArray, UserError

VOLTS = {"nV": 1e-9, **units.VOLTS}
ALSO = {"nv": "nV", "microv": "uV", "n/a": ""}
"""Spellings that are met in headers, beside those that cpep knows everywhere."""
HIGHPASS = re.compile(r"highpass|lowcut")
CUTOFF = re.compile(r"([0-9.]+)\s*(hz)?", re.IGNORECASE)
ENOUGH_HZ = 10.0
"""A high-pass from here on leaves no offset that drifts."""
LONGEST_LABEL = 16
"""Characters of a channel's name in EDF; a longer one is cut off there."""
STRONGEST_V = 1.0
"""No muscle gives as much."""
WEAKEST_NOISE = 1e-3
"""RMS of EMG in SD of its noise is about 1 or more; less than this is another unit."""
RATES_AGREE = 1e-3
"""Share by which the rate of the header may differ from the one in the sidecar, which has more digits."""


@dataclass(frozen=True)
class Channel:
    """One channel: its name and type in ``channels.tsv``, or as its label in the file tells; its unit, in short."""

    name: str
    type: str
    unit: str
    signal: Signal
    row: Row


def unit_of(text: str) -> str:
    r"""Return a unit in short: ``uV`` for each way to write microvolt.

    >>> unit_of("\N{MICRO SIGN}V"), unit_of("microvolts"), unit_of("n/a"), unit_of("mm")
    ('uV', 'uV', '', 'mm')
    """
    text = text.strip().replace("\u00c2", "")  # of UTF-8 in a header of Latin 1
    return ALSO.get(text.lower(), units.known_unit(text) or text)


def channels_of(edf: Edf, rows: Sequence[Row], said: Mapping[str, Any]) -> list[Channel]:
    """Return the channels of a file, in its order.

    Args:
        edf: the file.
        rows: of ``channels.tsv``; without any, the labels in the file tell: ``emg...`` and ``joint...``.
        said: ``emg.json``.

    Raises:
        UserError: the table and the file have other channels, or nothing says which channels are EMG.
    """
    if rows:
        return [_channel(signal, row) for signal, row in zip(edf.signals, _in_order(edf, rows), strict=True)]
    kinds = [_kind(signal.label) for signal in edf.signals]
    count = said.get("EMGChannelCount")
    if "EMG" not in kinds and count == len(kinds):
        kinds = ["EMG"] * len(kinds)
    if "EMG" not in kinds or (count is not None and kinds.count("EMG") != count):
        raise UserError(
            f"nothing says which channels of {edf.path} are EMG ({', '.join(one.label for one in edf.signals[:4])}, "
            "...); write a channels.tsv with the columns name, type and units"
        )
    named = [{"name": signal.label, "type": kind} for signal, kind in zip(edf.signals, kinds, strict=True)]
    return [_channel(signal, row) for signal, row in zip(edf.signals, named, strict=True)]


def _kind(label: str) -> str:
    return "EMG" if label.lower().startswith("emg") else "MISC"


def _channel(signal: Signal, row: Row) -> Channel:
    unit = unit_of(signal.dimension) or unit_of(row.get("units", ""))
    return Channel(row.get("name") or signal.label, row.get("type", "").upper(), unit, signal, row)


def _in_order(edf: Edf, rows: Sequence[Row]) -> list[Row]:
    """Return the row of each channel of the file: by name, as far as a label holds one."""
    names = [row.get("name", "")[:LONGEST_LABEL].strip() for row in rows]
    labels = [signal.label for signal in edf.signals]
    if names == labels:
        return list(rows)
    if len(set(names)) == len(names) and set(labels) <= set(names):
        return [rows[names.index(label)] for label in labels]
    other = next((label for label in labels if label not in names), labels[0] if labels else "")
    raise UserError(
        f"{edf.path} has {len(labels)} channels and its channels.tsv {len(names)}, which do not fit by name: "
        f"the first that differs is {other!r}; correct channels.tsv"
    )


def emg_rate(edf: Edf, channels: Sequence[Channel], said: Mapping[str, Any]) -> float:
    """Return the rate of the EMG channels, samples per second.

    Raises:
        UserError: they have several, or the sidecar says another one.
    """
    rates = sorted({edf.rate(channel.signal) for channel in channels})
    if len(rates) != 1:
        raise UserError(
            f"{edf.path}: its EMG channels have several rates ({', '.join(f'{rate:g}' for rate in rates)} Hz); "
            "save each rate as a file of its own (acq-LABEL)"
        )
    stated = said.get("SamplingFrequency", rates[0])
    if isinstance(stated, bool) or not isinstance(stated, int | float) or abs(stated / rates[0] - 1) > RATES_AGREE:
        raise UserError(
            f"{edf.path} has EMG at {rates[0]:g} Hz and its emg.json says SamplingFrequency {stated}; "
            "correct the one that is wrong"
        )
    return float(stated)


def emg_of(
    edf: Edf, channels: Sequence[Channel], unit: str, *, ours: bool = False
) -> tuple[FloatArray, str, list[str]]:
    """Return the EMG (T, C), float32, its unit, and what is odd about it.

    Args:
        edf: the file.
        channels: its EMG channels.
        unit: of the numbers as they stand in the file, whatever its header says; empty to go by the header.
        ours: whether cpep wrote the file: it labels SD of noise as uV, as emg2pose's conversion does.

    Raises:
        UserError: the channels have units that do not fit each other, or numbers that the unit excludes.
    """
    found = list(dict.fromkeys(channel.unit for channel in channels))
    emg_TC = edf.read([channel.signal for channel in channels])
    notes = [note for channel in channels if (note := _mark(channel))] + _other_rate(channels, edf)
    target = "uV" if found[0] in VOLTS and not unit else found[0]
    if len(found) > 1 or target != found[0]:
        if unit or not set(found) <= set(VOLTS):
            named = ", ".join(one or "none" for one in found)
            raise UserError(f"{edf.path}: its EMG channels have units that do not fit each other: {named}")
        emg_TC *= np.array([VOLTS[channel.unit] / VOLTS[target] for channel in channels], np.float32)
    if unit == "noise_sd" and (rms := float(np.sqrt(np.square(emg_TC).mean()))) < WEAKEST_NOISE:
        raise UserError(f"{edf.path}: EMG in SD of its noise has an RMS of {rms:.2g}; its scale is another one")
    if unit:
        usual = ours and (unit, target) == ("noise_sd", "uV")
        odd = target not in ("", unit) and not usual
        return emg_TC, unit, [*notes, *([f"its numbers are in {unit}, though the file says {target}"] if odd else [])]
    if not target:
        notes.append("nothing says the unit of its EMG")
    notes += _conflicts(channels)
    if target in VOLTS and (most := float(np.abs(emg_TC).max(initial=0)) * VOLTS[target]) > STRONGEST_V:
        notes.append(f"its EMG reaches {most:.3g} V, which no muscle gives: the unit is doubtful")
    return emg_TC, target, notes


def _mark(channel: Channel) -> str:
    if channel.row.get("status", "").lower() != "bad":
        return ""
    why = channel.row.get("status_description", "")
    return f"channel {channel.name} is marked bad" + (f" ({why})" if why else "")


def _conflicts(channels: Sequence[Channel]) -> list[str]:
    """Return a note where table and header differ; ``V`` in the table is what MNE-BIDS always writes."""
    for channel in channels:
        header, table = unit_of(channel.signal.dimension), unit_of(channel.row.get("units", ""))
        if header and table not in ("", "V", header):
            return [f"channels.tsv gives {channel.name} in {table} and the file in {header}; the file is believed"]
    return []


def _other_rate(channels: Sequence[Channel], edf: Edf) -> list[str]:
    """Return a note where the table says another rate than the header."""
    for channel in channels:
        rate, stated = edf.rate(channel.signal), channel.row.get("sampling_frequency", "")
        if stated and not abs(_hertz(stated) / rate - 1) <= RATES_AGREE:
            return [
                f"channels.tsv gives {channel.name} at {stated} Hz and the file at {rate:g}; the file is believed"
            ]
    return []


def kind_of(said: Mapping[str, Any]) -> EmgKind:
    """Return whether the filters that a sidecar names leave a raw signal or an envelope."""
    filters = json.dumps([said.get("SoftwareFilters", ""), said.get("HardwareFilters", "")])
    return "envelope" if re.search(r"rectif|envelope|\brms\b", filters, re.IGNORECASE) else "raw"


def highpass_of(said: Mapping[str, Any], channels: Sequence[Channel]) -> float:
    """Return the highest cut-off of a high-pass that the EMG has had, Hz; 0 where none is named.

    It stands in the filters of ``emg.json``, in whatever words, or for every channel as ``low_cutoff`` in the table.
    """
    named = [cut for key in ("SoftwareFilters", "HardwareFilters") for cut in _cutoffs(said.get(key), "")]
    table = [_hertz(channel.row.get("low_cutoff", "")) for channel in channels]
    return max([*named, min(table, default=0.0)], default=0.0)


def _cutoffs(value: Any, where: str) -> list[float]:
    """Return the numbers under names that speak of a high-pass."""
    if isinstance(value, dict):
        return [
            cut for key, inner in value.items() for cut in _cutoffs(inner, where + re.sub(r"\W|_", "", key).lower())
        ]
    is_cutoff = HIGHPASS.search(where) and re.search(r"cut|hz|freq", where)
    return [_hertz(str(value))] if is_cutoff and not isinstance(value, list) else []


def _hertz(text: str) -> float:
    match = CUTOFF.fullmatch(text.strip())
    try:
        return float(match[1]) if match else 0.0
    except ValueError:
        return 0.0


def valid_samples(edf: Edf, said: Mapping[str, Any], scan: Row, signal: Signal, rate: float) -> tuple[int, str]:
    """Return how many samples are no padding, and a note where what is said cannot be.

    The last data record of a file is filled up: by less than a data record.

    Raises:
        UserError: more valid samples are stated than there are.
    """
    total = edf.records * signal.samples
    stated, padded = _count(said, "ValidSamples"), _count(said, "BDFPaddedSamples")
    if stated is None and padded is not None:
        stated = total - padded
    if stated is not None:
        if not 0 < stated <= total:
            raise UserError(
                f"{edf.path} has {total} samples and its emg.json says {stated} valid ones; fetch it again"
            )
        return stated, ""
    for place, value in (("scans.tsv", scan.get("duration")), ("RecordingDuration", said.get("RecordingDuration"))):
        try:
            seconds = number_in(value) if isinstance(value, str) and value else float(value or 0)
            if not abs(seconds) < LATEST_S:
                raise ValueError
        except (TypeError, ValueError) as error:
            raise UserError(f"{edf.path}: the duration in {place} is {value!r}, not a number") from error
        samples = round(seconds * rate)
        if samples > 0:
            if total - signal.samples < samples < total - 1:
                return samples, ""
            note = f"{place} says {seconds:g} s and the file holds {total / rate:g} s; all of it is taken"
            return total, note if abs(total - samples) > 1 else ""
    return total, ""


def _count(said: Mapping[str, Any], key: str) -> int | None:
    value = said.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        raise UserError(f"{key} in emg.json is {value!r}, not a number of samples")
    return int(value)


def is_emg2pose(said: Mapping[str, Any], channels: Sequence[Channel], rate: float) -> bool:
    """Tell whether a recording is of emg2pose: by what its sidecar says of its source, and by its channels."""
    told = json.dumps([said.get(key, "") for key in ("SourceURL", "SoftwareFilters", "SourceFile", "TaskName")])
    names = [channel.name for channel in channels if channel.type == "EMG"]
    return rate == 2000 and names == [f"emg{k}" for k in range(16)] and "emg2pose" in told


def told_unit(said: Mapping[str, Any]) -> str:
    """Return the unit that the filters in a sidecar tell: ``noise_sd`` where they scaled the noise to an SD of 1."""
    filters = json.dumps(said.get("SoftwareFilters", ""))
    scaled = re.search(r"standard deviation|\bSD\b", filters)
    return "noise_sd" if scaled and re.search(r"noise", filters, re.IGNORECASE) else ""


def settings_unit(said: str, path: Path) -> str:
    """Check a unit that a user gave."""
    known = (*VOLTS, "noise_sd", "count")
    if said and said not in known:
        raise UserError(f"{path}: 'bids.unit' is {said!r}; it must be one of {', '.join(known)}")
    return said
