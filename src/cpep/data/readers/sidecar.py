"""The JSON beside a generic recording that says what is in it; ``cpep.data.readers.generic`` shows one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cpep.data.anchor import ANCHORS, BY_UNIT
from cpep.data.readers.keys import Keys, read_keys
from cpep.data.readers.labels import LabelNames, read_names
from cpep.data.readers.patterns import check_pattern, found_by
from cpep.data.recording import MOST_HZ, Device, check_ring
from cpep.signal.units import KNOWN, OF_EMG, converted, known_unit
from cpep.types import EmgKind, UserError

LOWEST_RATE = 10.0
"""Lowest rate, samples per second: a slower signal cannot follow a movement, so the unit was mistaken."""

LOWEST_ANCHOR_RATE = 0.1
"""Lowest rate of an anchor, frames per second; its frames are put on a grid of about 100 Hz."""
LONGEST_GAP_S = 3600.0
"""An anchor is interpolated over no longer time."""

POSE_SLACK, POSE_FRAMES = 0.05, 2
"""An anchor without a clock may be longer or shorter than its EMG by this share, and by so many frames."""

TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Block:
    """Where a table of numbers is.

    Attributes:
        field: array of an .npz; empty for a .csv, whose columns say all.
        columns: column names of a .csv, or column numbers of the array; empty for all.
        scale: factor to the unit of the recording.
        transposed: whether the array of an .npz is (columns, times).
        clock: field or column of the time of each row; empty where rows are regular.
        clock_s: unit of the clock in seconds.
    """

    field: str
    columns: tuple[str | int, ...]
    scale: float
    clock: str
    clock_s: float
    transposed: bool = False

    @property
    def places(self) -> tuple[tuple[str, int | None], ...]:
        """Each part by its name, and by the number of a column where it is one of several under that name."""
        return tuple(
            (column, None) if isinstance(column, str) else (self.field, column) for column in self.columns
        ) or ((self.field, None),)

    @property
    def takes(self) -> tuple[str | int, ...]:
        """What is taken of a .csv: columns by name or number."""
        return self.columns or (self.field,)


@dataclass(frozen=True)
class Names:
    """How a text of the recording is found: given outright, or by a pattern in the file's name."""

    text: str
    pattern: str

    def of(self, stem: str, path: Path, what: str) -> str:
        """Return the text for a file.

        Raises:
            UserError: the pattern is not found in the file's name, or its group is empty, or it cannot be looked for.
        """
        if not self.pattern:
            return self.text
        try:
            found = found_by(self.pattern, stem)
        except UserError as error:
            raise UserError(f"{path}: the sidecar's {what} pattern {self.pattern!r}: {error}") from error
        if not found:
            raise UserError(f"{path}: the sidecar's {what} pattern {self.pattern!r} does not match {stem!r}")
        return found


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says; see ``cpep.data.readers.generic`` for the meaning of each key."""

    path: Path
    emg: Block
    rate: float
    kind: EmgKind
    unit: str
    highpass_hz: float | None
    notch_hz: float
    ring: tuple[int, ...]
    anchor: Block | None
    anchor_rate: float
    anchor_names: tuple[str, ...]
    anchor_unit: str
    anchor_kind: str
    label: str
    label_names: LabelNames
    prompt: str
    repetition: str
    user: Names
    session: Names
    stage: Names
    side: str
    max_gap_s: float
    counter: str = ""
    decimal: str = ""
    encoding: str = ""
    first_row: int = 0

    @property
    def anchor_key(self) -> str:
        """The key that describes the anchor: ``anchor`` or ``pose``."""
        return "anchor" if self.anchor_kind else "pose"

    def device(self, channels: int, anchor_names: tuple[str, ...]) -> Device:
        """Return the device, once the number of channels is known.

        Raises:
            UserError: the ring names channels that do not exist, or the EMG cannot be filtered as it is asked for.
        """
        anchor = (anchor_names, self.anchor_unit, self.anchor_kind) if anchor_names else ((), "", "")
        filtered = (self.highpass_hz, self.notch_hz)
        try:
            return check_ring(Device(channels, self.rate, self.kind, self.unit, self.ring, *anchor, *filtered))
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error


def read_sidecar(path: Path) -> Sidecar:
    """Read and check a sidecar.

    Raises:
        UserError: a key is missing, unknown or of the wrong type; the sentence names it.
    """
    top = read_keys(path)
    emg = top.inner("emg") or top.wrong("emg", "an object with field or columns")
    anchor, pose, label = top.inner("anchor"), top.inner("pose"), top.inner("label")
    if anchor and pose:
        top.wrong("pose", "left out beside 'anchor', of which a recording has one")
    anchor = anchor or pose
    counter = top.inner("counter")
    unit, scale = _unit(top, OF_EMG, "uV")
    anchor_kind, anchor_unit, anchor_scale = _kind_and_unit(anchor) if anchor else ("", "", 1.0)
    rate = top.number("rate")
    if not LOWEST_RATE <= rate <= MOST_HZ:
        top.wrong("rate", f"{LOWEST_RATE:g} to {MOST_HZ:,.0f} samples per second")
    anchor_rate = anchor.number("rate", rate) if anchor else rate
    if anchor and not LOWEST_ANCHOR_RATE <= anchor_rate <= MOST_HZ:
        anchor.wrong("rate", f"{LOWEST_ANCHOR_RATE:g} to {MOST_HZ:,.0f} frames per second")
    max_gap_s = top.number("max_gap_s", 0.1)
    if max_gap_s > LONGEST_GAP_S:
        top.wrong("max_gap_s", f"at most {LONGEST_GAP_S:,.0f} seconds")
    if top.text("kind") not in ("raw", "envelope"):
        top.wrong("kind", "'raw' or 'envelope'")
    if top.text("side", "right") not in ("left", "right"):
        top.wrong("side", "'left' or 'right'")
    sidecar = Sidecar(
        path=path,
        emg=_block(emg, scale),
        rate=rate,
        kind="envelope" if top.text("kind") == "envelope" else "raw",
        unit=unit,
        highpass_hz=top.frequency("highpass"),
        notch_hz=top.frequency("notch") or 0.0,
        ring=top.listed("ring", int),
        anchor=_block(anchor, anchor_scale) if anchor else None,
        anchor_rate=anchor_rate,
        anchor_names=anchor.listed("names", str) if anchor else (),
        anchor_unit=anchor_unit,
        anchor_kind=anchor_kind,
        label=label.text("field") if label else "",
        label_names=read_names(label.mapping("names") if label else {}, path),
        prompt=top.text("prompt", ""),
        repetition=top.text("repetition", ""),
        user=_names(top, "user"),
        session=_names(top, "session", default="(.+)"),
        stage=_names(top, "stage", default="(.+)"),
        side=top.text("side", "right"),
        max_gap_s=max_gap_s,
        counter=counter.text("field") if counter else "",
        decimal=top.text("decimal", ""),
        encoding=top.text("encoding", ""),
        first_row=_line(top),
    )
    for reader in (top, emg, anchor, label, counter):
        if reader is not None:
            reader.done()
    if sidecar.decimal not in ("", ".", ","):
        top.wrong("decimal", "'.' or ','")
    _refuse_shared(sidecar)
    return sidecar


def _line(top: Keys) -> int:
    """Return the number of the line of the first row; 0 where it is not said."""
    value = top.get("first_row")
    if value is not None and (type(value) is not int or value < 1):
        top.wrong("first_row", "the number of a line, from 1")
    return value or 0


def _refuse_shared(said: Sidecar) -> None:
    """Refuse a column that is two things: EMG that holds its own labels or pose gives results that mean nothing."""
    used: dict[str, dict[int | None, str]] = {}
    for key, block in (("emg", said.emg), (said.anchor_key, said.anchor)):
        for name, number in block.places if block else ():
            others = used.setdefault(name, {})
            if number in others or (name and None in (number, *others) and others):
                other = others.get(number, next(iter(others.values())))
                where = f"{key} twice" if other == key else f"{other} and in {key}"
                shown = repr(name) if number is None else f"column {number}"
                raise UserError(f"{said.path}: {shown} is in {where}; name each column once")
            others[number] = key
    fields = {"label": said.label, "prompt": said.prompt, "repetition": said.repetition, "clock": said.emg.clock}
    fields["counter"] = said.counter
    for what, name in (*fields.items(), ("clock", said.anchor.clock if said.anchor else "")):
        if name and name in used:
            key = next(iter(used[name].values()))
            raise UserError(f"{said.path}: {name!r} is in {key} and is the {what} as well; take it out of {key}")


def _unit(reader: Keys, known: Sequence[str], *wanted: str) -> tuple[str, float]:
    """Return the unit of a signal as it will be, and the factor to it from the unit that the sidecar states.

    Args:
        reader: of the object with the key ``unit``.
        known: units that the signal can have.
        wanted: units that values are converted to, where that is possible.
    """
    if reader.value.get("unit") == "":
        reader.wrong("unit", "one of " + ", ".join(known))
    text = reader.text("unit")
    try:
        return converted(text, known, *wanted)
    except UserError as error:
        raise UserError(f"{reader.path}: '{reader.where}unit': {error}") from error


def _kind_and_unit(reader: Keys) -> tuple[str, str, float]:
    """Return kind, unit and the factor to it; the kind of a ``pose`` is empty, since its unit says it.

    An anchor of values or features, or of a kind from elsewhere, may have a unit that nobody else knows.
    """
    pose, text = reader.where == "pose.", reader.text("unit", "")
    unit, scale = _unit(reader, KNOWN, "rad", "mm") if pose or known_unit(text) else (text, 1.0)
    if pose:
        return "", unit, scale
    name = reader.text("kind", BY_UNIT.get(unit, "values"))
    try:
        ANCHORS.get(name).check_unit(unit)
    except UserError as error:
        raise UserError(f"{reader.path}: 'anchor': {error}") from error
    return name, unit, scale


def _block(reader: Keys, factor: float) -> Block:
    """Read the keys that ``emg`` and ``anchor`` share; the factor leads from the stated unit to the recording's."""
    clock = reader.inner("clock")
    block = Block(
        field=reader.text("field", ""),
        columns=reader.listed("columns", str, int),
        scale=reader.number("scale", 1.0) * factor,
        clock=clock.text("field") if clock else "",
        clock_s=TIME_UNITS.get(clock.text("unit"), 0.0) if clock else 0.0,
        transposed=reader.flag("transposed"),
    )
    if clock is not None:
        if block.clock_s == 0:
            clock.wrong("unit", f"one of {', '.join(TIME_UNITS)}")
        clock.done()
    if not block.field and not block.columns:
        reader.wrong("field", "the array of an .npz, or else columns the names of those of a .csv")
    return block


def _names(top: Keys, key: str, default: str = "") -> Names:
    if isinstance(top.value.get(key), dict):
        inner = top.inner(key)
        assert inner is not None
        pattern = inner.text("pattern")
        try:
            check_pattern(pattern)
        except UserError as error:
            raise UserError(f"{top.path}: '{key}.pattern': {error}") from error
        inner.done()
        return Names("", pattern)
    text = top.text(key, "" if default else None)
    return Names(text, "" if text else default)
