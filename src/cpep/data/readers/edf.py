"""EDF and BDF files: header, samples of some channels, annotations. Nothing but what is asked for is decoded.

edfio decodes every channel of a BDF file, which takes three times as long as the HDF5 of the same recording; the
reader of EMG-BIDS needs 16 channels whole and every 20th sample of 20 others. It writes the files that cpep exports.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.data.recording import MOST_HZ
from cpep.types import FloatArray, UserError

FIXED = 256
"""Bytes of the header, and of the header of each signal."""

FIELDS = {
    "label": 16, "transducer": 80, "dimension": 8, "low": 8, "high": 8, "digital_low": 8, "digital_high": 8,
    "filters": 80, "samples": 8, "reserved": 32,
}  # fmt: skip
"""Width of the fields of the signals' headers; each field comes for all signals before the next one."""

LONGEST_RECORD_S = 1e6
LATEST_S = 1e9
"""No annotation is so many seconds away from the first sample."""

ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class Signal:
    """One channel of a file.

    Attributes:
        label: its name in the header.
        dimension: its unit in the header; may be empty.
        gain: of a digital step, in that unit.
        offset: value of the digital zero, in that unit.
        first: its first byte in a data record.
        samples: of a data record.
    """

    label: str
    dimension: str
    gain: float
    offset: float
    first: int
    samples: int


@dataclass(frozen=True)
class Annotation:
    """A text with onset and duration, both in seconds; the duration is ``None`` where there is none."""

    onset: float
    duration: float | None
    text: str


@dataclass(frozen=True, eq=False)
class Edf:
    """An open file.

    Attributes:
        width: bytes of a sample: 2 for EDF, 3 for BDF.
        begin: first byte of the first data record.
        record: bytes of a data record.
        records: how many there are.
        record_s: seconds of a data record.
        signals: channels with samples.
        texts: channels with annotations.
        reserved: ``BDF+C`` for annotations in a continuous file, ``BDF+D`` where it may have gaps.
    """

    path: Path
    width: int
    begin: int
    record: int
    records: int
    record_s: float
    signals: tuple[Signal, ...]
    texts: tuple[Signal, ...]
    reserved: str

    def rate(self, signal: Signal) -> float:
        """Return the samples per second of a channel."""
        return signal.samples / self.record_s

    def read(self, signals: list[Signal], stride: int = 1, dtype: type = np.float32) -> FloatArray:
        """Return every ``stride``-th sample of channels of one rate, (T, channels), in the unit of each header."""
        samples = self.records * signals[0].samples
        values_TC: FloatArray = np.empty((-(-samples // stride), len(signals)), dtype)
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for channel, signal in enumerate(signals):
                digital_T = self._digital(data, signal, stride)
                values_TC[:, channel] = digital_T * signal.gain + signal.offset
        return values_TC

    def _digital(self, data: mmap.mmap, signal: Signal, stride: int) -> FloatArray:
        shape, first = (self.records, signal.samples), self.begin + signal.first
        if self.width == 2:
            raw = np.ndarray(shape, "<i2", data, first, (self.record, 2))
        else:  # four bytes that end with the sample; the shift drops the byte before it and keeps the sign
            raw = np.ndarray(shape, "<i4", data, first - 1, (self.record, 3))
        whole = signal.samples % stride == 0
        taken = raw[:, ::stride] if whole else raw.reshape(-1)[::stride]
        digital = (taken >> 8 if self.width == 3 else taken).astype(np.float64).reshape(-1)
        del raw, taken  # or the file could not be closed
        return digital

    def annotations(self) -> list[Annotation]:
        """Return the annotations, with onsets from the first sample.

        Raises:
            UserError: the file has gaps between its records.
        """
        if not self.texts:
            return []
        starts, found = [], []
        with self.path.open("rb") as file:
            for record in range(self.records):
                for place, signal in enumerate(self.texts):
                    file.seek(self.begin + record * self.record + signal.first)
                    lists = _timed_lists(file.read(signal.samples * self.width), self.path)
                    if place == 0 and lists:  # the first one of a record says when the record begins
                        starts.append(lists[0][0])
                    found += [Annotation(at, span, text) for at, span, texts in lists for text in texts]
        if not starts:
            return found
        late = np.abs(np.array(starts) - starts[0] - np.arange(len(starts)) * self.record_s)
        if late.max() > self.record_s / 2:
            gap = int(np.argmax(late > self.record_s / 2))
            raise UserError(
                f"{self.path} has a gap before its data record {gap}, at {starts[gap]:g} s; save its parts as files"
            )
        return [Annotation(one.onset - starts[0], one.duration, one.text) for one in found]


def open_edf(path: Path) -> Edf:
    """Read the header of an EDF or BDF file.

    Raises:
        UserError: it is neither, or shorter or longer than its header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(FIXED)
        if head[:8] not in (b"\xffBIOSEMI", b"0       "):
            raise UserError(f"{path} is neither EDF nor BDF: it does not begin as they do; fetch it again")
        if len(head) < FIXED:
            raise UserError(f"{path} ends within its header; fetch it again")
        try:
            return _parsed(path, size, head, file.read(FIXED * int(head[252:256])))
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path}: its header is damaged ({error}); fetch it again") from error


def _parsed(path: Path, size: int, head: bytes, rest: bytes) -> Edf:
    width = 3 if head[:1] == b"\xff" else 2
    count, begin = int(head[252:256]), int(head[184:192])
    records, record_s = int(head[236:244]), float(head[244:252])
    if begin != FIXED * (count + 1) or len(rest) < FIXED * count:
        raise ValueError(f"{begin} bytes of header for {count} channels")
    fields: dict[str, list[str]] = {}
    at = 0
    for name, length in FIELDS.items():
        cells = [rest[at + k * length : at + (k + 1) * length] for k in range(count)]
        fields[name] = [cell.decode("latin-1").strip(" \0") for cell in cells]
        at += count * length
    if not 0 <= record_s < LONGEST_RECORD_S:
        raise ValueError(f"data records of {record_s} s")
    signals: list[Signal] = []
    texts: list[Signal] = []
    first = 0
    for column in zip(*fields.values(), strict=True):
        signal = _signal(dict(zip(fields, column, strict=True)), first)
        first += signal.samples * width
        (texts if signal.label in ANNOTATIONS else signals).append(signal)
    there, odd = divmod(size - begin, first) if first else (0, 0)
    if records == -1 and not odd:  # a recorder that was stopped leaves it so
        records = there
    if size - begin != records * first or records < 1:
        raise UserError(f"{path} holds {there} data records where its header says {records}; fetch it again")
    if signals and not max(one.samples for one in signals) <= MOST_HZ * record_s:
        raise ValueError(f"data records of {record_s} s with {max(one.samples for one in signals)} samples")
    reserved = head[192:236].decode("latin-1").strip()
    return Edf(path, width, begin, first, records, record_s, tuple(signals), tuple(texts), reserved)


def _signal(fields: dict[str, str], first: int) -> Signal:
    samples = int(fields["samples"])
    if samples < 1:
        raise ValueError(f"{samples} samples of {fields['label']}")
    if fields["label"] in ANNOTATIONS:
        return Signal(fields["label"], "", 1.0, 0.0, first, samples)
    low, high = float(fields["low"]), float(fields["high"])
    digital_low, digital_high = int(fields["digital_low"]), int(fields["digital_high"])
    gain = (high - low) / (digital_high - digital_low) if digital_high > digital_low else 0.0
    if gain == 0 or not math.isfinite(gain) or not math.isfinite(low - digital_low * gain):
        raise ValueError(f"the range of {fields['label']}")
    return Signal(fields["label"], fields["dimension"], gain, low - digital_low * gain, first, samples)


def _timed_lists(raw: bytes, path: Path) -> list[tuple[float, float | None, list[str]]]:
    """Return onset, duration and texts of each time-stamped list of a data record."""
    lists = []
    for part in raw.split(b"\0"):
        if not part:
            continue
        head, *texts = part.split(b"\x14")
        onset, _, duration = head.partition(b"\x15")
        try:
            times = float(onset), float(duration) if duration else None
            if not (abs(times[0]) < LATEST_S and 0 <= (times[1] or 0) < LATEST_S):  # so is NaN
                raise ValueError("no time")
        except ValueError as error:
            raise UserError(f"{path}: an annotation begins with {head[:20]!r}; fetch it again") from error
        lists.append((*times, [text.decode("utf-8", "replace") for text in texts if text]))
    return lists
