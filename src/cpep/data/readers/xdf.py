r"""XDF, as LabRecorder writes it: a stream of EMG, a stream of a pose, markers, all on LSL's corrected clock.

Which stream is what:

- EMG: the stream of type ``EMG``, else the one with ``emg`` in its name. Where its channels have types, those of type
  EMG alone are taken.
- The pose, or another anchor: a stream of type MoCap, Pose, Kinematics, JointAngles, Glove, Hand or Landmarks. A file
  without one has no anchor.
- Markers: a stream of type Markers or Events. A marker begins a gesture that lasts until the next marker, or to the
  end; a word for rest begins a rest. Before the first marker nothing is known.

What a file does not say, a sidecar says: ``STEM.json``, or ``cpep.json`` for a folder. All keys may be left out::

    {
      "xdf":     {"emg": "NAME", "anchor": "NAME", "markers": "NAME"},
      "user":    "ann",
      "session": {"pattern": "day(\\d+)"},
      "rate":    2000,
      "kind":    "raw",
      "unit":    "uV",
      "ring":    [0, 1, 2, 3, 4, 5, 6, 7],
      "pose":    {"unit": "deg", "kind": "joint_angles", "channels": ["index_mcp", "index_pip"]},
      "label":   {"names": {"1": "fist", "2": "spread", "0": "rest"}},
      "side":    "left"
    }

- ``xdf``: where several streams fit; an empty name for none.
- ``user``, ``session``, ``stage``: a text, or a pattern in the file's name. Without them, BIDS names are read as
  LabRecorder gives them (``sub-P01_ses-S02_task-fist_eeg.xdf``).
- ``rate``: needed where the stream states none. ``unit``, ``pose.unit``: where the channels state none.
- ``kind``: ``raw``, the default, or ``envelope``. ``highpass``, ``notch``: what cpep filters, Hz, as beside a table.
- ``label``: gestures by markers; a marker that is not named begins something unknown. Without it, each marker is the
  name of its gesture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.data.anchor import ANCHORS, BY_UNIT
from cpep.data.readers.labels import is_rest, plain
from cpep.data.readers.on_grid import ClockedRows, OnGrid, on_grid
from cpep.data.readers.registry import READERS, Found, Reader
from cpep.data.readers.xdf_sidecar import Said, read_said
from cpep.data.readers.xdf_streams import Stream, choose, load_streams, stream_names
from cpep.data.recording import MOST_LABELS, Device, Recording
from cpep.signal.units import KNOWN, OF_EMG, canonical, factor, known_unit
from cpep.types import UNKNOWN, FloatArray, IntArray, UserError

ENDINGS = (".xdf", ".xdfz", ".xdf.gz")
FOLDER_SIDECAR = "cpep.json"

READ_AS = ("uV", "rad", "mm")
"""Units to which others of their kind are converted."""
LONGEST_GAP_S = 0.1
"""A pose is not interpolated over more than that, as in ``cpep.data.readers.generic``."""


def read_recording(path: Path, *sidecars: Path) -> tuple[Recording, ...]:
    """Read a file: one recording for each part of the EMG without a jump of the clock.

    Raises:
        UserError: the file is damaged, or neither it nor the sidecar says which stream is what, whose it is, or a
            rate or unit; the sentence says which key to write.
    """
    said = read_said(sidecars[0]) if sidecars else Said(path.with_name(f"{stem(path)}.json"))
    roles = choose(path, stream_names(path), said.streams, said.path.name)
    loaded, odd = load_streams(path, list(roles.values()))
    streams = dict(zip(roles, loaded, strict=True))
    emg, notes = _emg_channels(streams["emg"])
    if len(emg.stamp_T) < 2:
        raise UserError(f"{path}: the stream {emg.about.name!r} holds no samples; record it again")
    rate = _rate(path, emg, said)
    unit, scale = _emg_unit(path, emg, said)
    emg_TC = (emg.rows_TC * scale).astype(np.float32)
    anchor = _anchor(path, streams["anchor"], said, rate) if "anchor" in streams else None
    device = Device(
        emg.rows_TC.shape[1],
        rate,
        said.kind,
        unit,
        said.ring,
        anchor_names=anchor.names if anchor else (),
        anchor_unit=anchor.unit if anchor else "",
        anchor_kind=anchor.kind if anchor else "",
        highpass_hz=said.highpass_hz,
        notch_hz=said.notch_hz,
    )
    markers = _markers(streams.get("markers"), said)
    names = (path, f"the stamps of {emg.about.name!r}", "")
    grids = on_grid(len(emg.stamp_T), emg.stamp_T, None, rate, names)
    return tuple(_recording(path, said, device, emg_TC, grid, anchor, markers, (*notes, *odd)) for grid in grids)


def stem(path: Path) -> str:
    """Return the name without its ending.

    >>> stem(Path("sub-1_emg.xdf")), stem(Path("a.b.xdf.gz"))
    ('sub-1_emg', 'a.b')
    """
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(ending))
    return path.name[: -len(ending)]


@dataclass(frozen=True, eq=False)
class _Anchor:
    """The anchor as its stream has it, on LSL's clock."""

    names: tuple[str, ...]
    unit: str
    kind: str
    rows: ClockedRows


@dataclass(frozen=True, eq=False)
class _Markers:
    """The label that begins at each marker, on LSL's clock."""

    vocabulary: tuple[str, ...]
    stamp_K: FloatArray
    label_K: IntArray


def _recording(
    path: Path,
    said: Said,
    device: Device,
    rows_TC: FloatArray,
    grid: OnGrid,
    anchor: _Anchor | None,
    markers: _Markers,
    notes: tuple[str, ...],
) -> Recording:
    """Return one part as a recording."""
    emg_TC = np.ascontiguousarray(grid.emg(rows_TC))
    anchor_SJ, valid_S = anchor.rows.on(grid, LONGEST_GAP_S) if anchor else (None, np.zeros(0, bool))
    user, session, stage = _names(path, said)
    return Recording(
        name=stem(path),
        user=user,
        session=session,
        stage=stage,
        side=said.texts.get("side", "right"),
        device=device,
        emg_TC=emg_TC,
        anchor_SJ=anchor_SJ,
        anchor_rate=anchor.rows.rate if anchor else device.emg_rate,
        valid_S=valid_S,
        label_T=_labels(markers, grid.seconds(np.arange(len(emg_TC), dtype=np.float64))),
        vocabulary=markers.vocabulary,
        repairs=grid.repairs,
        notes=(*notes, *grid.notes),
        measured_rate=grid.measured_rate,
    )


def _measured(stamp_T: FloatArray) -> float:
    seconds = float(stamp_T[-1] - stamp_T[0]) if len(stamp_T) > 1 else 0.0
    return (len(stamp_T) - 1) / seconds if seconds > 0 else 0.0


def _emg_channels(stream: Stream) -> tuple[Stream, tuple[str, ...]]:
    """Return the channels that are EMG, where channels have types; and what was left out."""
    mine = [k for k, kind in enumerate(stream.types) if kind.lower() == "emg"]
    if not mine or len(mine) == len(stream.types):
        return stream, ()
    left = len(stream.types) - len(mine)
    return stream.take(mine), (f"{left} channels of {stream.about.name!r} are of another type than EMG and left out",)


def _rate(path: Path, emg: Stream, said: Said) -> float:
    rate = said.rate or emg.about.rate
    if not rate:
        measured = _measured(emg.stamp_T)
        raise UserError(
            f"{path}: the stream {emg.about.name!r} states no rate; by its stamps it has {measured:.5g} samples a "
            f'second: write the rate of the device to {said.path.name}: {{"rate": {round(measured)}}}'
        )
    return rate


def _emg_unit(path: Path, stream: Stream, said: Said) -> tuple[str, float]:
    """Return the unit in which EMG is read, and the factor to it from that of the sidecar or of the channels."""
    stated = said.texts.get("unit") or _stated(stream)
    if not stated or (known_unit(stated) not in OF_EMG and "unit" not in said.texts):
        found = f"states {', '.join(sorted(set(stream.units)))} as its unit" if stream.units else "states no unit"
        raise UserError(
            f"{path}: the stream {stream.about.name!r} {found}; write it to {said.path.name}: "
            '{"unit": "uV"} (or mV, V, count)'
        )
    return _read_as(stated, said, "unit", OF_EMG)


def _stated(stream: Stream) -> str:
    """Return the unit that all channels state; empty where they state none, or several."""
    found = {known_unit(unit) or unit for unit in stream.units}
    return found.pop() if len(found) == 1 else ""


def _read_as(stated: str, said: Said, key: str, known: Sequence[str]) -> tuple[str, float]:
    """Return the unit in which values are read, and the factor to it: volts as uV, angles as rad, lengths as mm."""
    try:
        unit = canonical(stated, known)
    except UserError as error:
        raise UserError(f"{said.path}: '{key}': {error}") from error
    return next(((to, times) for to in READ_AS if (times := factor(unit, to)) is not None), (unit, 1.0))


def _anchor(path: Path, stream: Stream, said: Said, emg_rate: float) -> _Anchor:
    """Return the anchor with its unit and kind."""
    name = stream.about.name
    if missing := [label for label in said.pose_channels if label not in stream.labels]:
        raise UserError(
            f"{path}: {name!r} has no channel {missing[0]!r}, which {said.path.name} takes; it has "
            f"{', '.join(stream.labels) or 'no labels'}"
        )
    if said.pose_channels:
        stream = stream.take([stream.labels.index(label) for label in said.pose_channels])
    if len(stream.stamp_T) < 2:
        raise UserError(f'{path}: the stream {name!r} holds no frames; name none: {{"xdf": {{"anchor": ""}}}}')
    stated = said.pose_unit or _stated(stream)
    if not stated:
        found = f"channels in {', '.join(sorted(set(stream.units)))}" if stream.units else "no units"
        raise UserError(
            f"{path}: the stream {name!r} has {found}; say in {said.path.name} what it is, or which channels to "
            'take: {"pose": {"unit": "deg", "channels": [...]}} (or rad, mm, count, ...)'
        )
    unit, scale = _read_as(stated, said, "pose.unit", KNOWN)
    kind = said.pose_kind or ("landmarks" if unit == "mm" else BY_UNIT.get(unit, "values"))
    ANCHORS.get(kind).check_unit(unit)
    names = stream.labels or tuple(f"pose_{k}" for k in range(stream.rows_TC.shape[1]))
    order = np.argsort(stream.stamp_T, kind="stable")
    rows_SJ = (stream.rows_TC[order] * scale).astype(np.float32)
    rate = stream.about.rate or _measured(stream.stamp_T[order])
    return _Anchor(names, unit, kind, ClockedRows(rows_SJ, rate, emg_rate, [(slice(None), stream.stamp_T[order])]))


def _markers(stream: Stream | None, said: Said) -> _Markers:
    """Return the labels that markers begin."""
    if stream is None or len(stream.stamp_T) == 0:
        return _Markers(("rest",), np.zeros(0), np.zeros(0, np.int16))
    order = np.argsort(stream.stamp_T, kind="stable")
    texts = [_text(value) for value in stream.rows_TC[order, 0]]
    names = said.names or {text: text for text in texts if text}
    told = {text: "rest" if is_rest(name) else name for text, name in names.items()}
    vocabulary = ("rest", *dict.fromkeys(name for name in told.values() if name != "rest"))
    if len(vocabulary) > MOST_LABELS:
        raise UserError(
            f"the stream {stream.about.name!r} has {len(vocabulary):,} different markers; name those of gestures in "
            f'{said.path.name}: {{"label": {{"names": {{"MARKER": "GESTURE"}}}}}}'
        )
    place = {name: index for index, name in enumerate(vocabulary)}
    label_K = [place[told[text]] if text in told else UNKNOWN for text in texts]
    return _Markers(vocabulary, stream.stamp_T[order], np.array(label_K, np.int16))


def _text(value: object) -> str:
    """Return a marker as text: numbers as people write them."""
    return value.strip() if isinstance(value, str) else plain(str(value))


def _labels(markers: _Markers, time_T: FloatArray) -> IntArray:
    """Return the label of each sample: of the last marker before it, or at it."""
    last_T = np.searchsorted(markers.stamp_K, time_T + 1e-6, side="right") - 1
    if len(markers.label_K) == 0:
        return np.full(len(time_T), UNKNOWN, np.int16)
    return np.where(last_T >= 0, markers.label_K[last_T], np.int16(UNKNOWN)).astype(np.int16)


def _names(path: Path, said: Said) -> tuple[str, str, str]:
    """Return user, session and stage."""
    name = stem(path)
    parts = dict(re.findall(r"(?:^|_)(sub|ses|task)-([A-Za-z0-9]+)", name))
    user = said.text("user", name) or parts.get("sub", "")
    if not user:
        raise UserError(
            f"{path}: nothing says whose recording it is; call the file sub-NAME_..., or write to {said.path.name}: "
            '{"user": "NAME"}'
        )
    return (
        user,
        said.text("session", name) or parts.get("ses", name),
        said.text("stage", name) or parts.get("task", name),
    )


def _find(path: Path) -> Found | None:
    if not path.name.lower().endswith(ENDINGS):
        return None
    beside: Sequence[Path] = [path.with_name(f"{stem(path)}.json"), path.with_name(FOLDER_SIDECAR)]
    sidecar = next((one for one in beside if one.is_file()), None)
    return Found(stem(path), (sidecar,) if sidecar else ())


READERS.add("xdf", Reader("xdf", "XDF (.xdf) with a stream of EMG", _find, read_recording))
