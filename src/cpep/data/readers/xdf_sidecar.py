"""The JSON beside an XDF file that says what the file does not; ``cpep.data.readers.xdf`` has the keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpep.data.readers.patterns import check_pattern, found_by
from cpep.data.recording import MOST_HZ
from cpep.runtime.files import read_json
from cpep.types import EmgKind, UserError

STREAM_KEYS = ("emg", "anchor", "markers")
TEXTS = ("user", "session", "stage", "side", "kind", "unit")
KEYS = ("xdf", *TEXTS, "rate", "highpass", "notch", "ring", "pose", "label")
POSE_KEYS = ("unit", "kind", "channels")


@dataclass(frozen=True)
class Said:
    """What a sidecar says; empty where it says nothing.

    Attributes:
        path: of the sidecar; where there is none, of the one that could be written.
        streams: name of the stream by role; an empty name for none.
        texts: user, session, stage, side, kind, unit.
        rate: of the EMG; 0 where it is not said.
        highpass_hz, notch_hz: what cpep filters; ``None`` for the usual high-pass.
        ring: channels around the arm.
        pose_unit, pose_kind: of the anchor.
        pose_channels: labels of the channels to take; empty for all.
        names: gestures by markers; empty where each marker names its own.
    """

    path: Path
    streams: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    rate: float = 0.0
    highpass_hz: float | None = None
    notch_hz: float = 0.0
    ring: tuple[int, ...] = ()
    pose_unit: str = ""
    pose_kind: str = ""
    pose_channels: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> EmgKind:
        """The kind of EMG: raw, unless it is said to be an envelope."""
        return "envelope" if self.texts.get("kind") == "envelope" else "raw"

    def text(self, key: str, stem: str) -> str:
        """Return a text, or what a pattern finds in the name of the file; empty where it is not said.

        Raises:
            UserError: the pattern is not in the name.
        """
        said = self.texts.get(key, "")
        if not said.startswith(_PATTERN):
            return said
        pattern = said.removeprefix(_PATTERN)
        try:
            found = found_by(pattern, stem)
        except UserError as error:
            raise UserError(f"{self.path}: the {key} pattern {pattern!r}: {error}") from error
        if not found:
            raise UserError(f"{self.path}: the {key} pattern {pattern!r} does not match {stem!r}")
        return found


_PATTERN = "\0pattern:"


def read_said(path: Path) -> Said:
    """Read a sidecar.

    Raises:
        UserError: it is damaged, or a key is unknown or of another type than it must be.
    """
    value = _object(read_json(path), path, "the sidecar", KEYS)
    streams = _object(value.get("xdf", {}), path, "'xdf'", STREAM_KEYS)
    pose = _object(value.get("pose", {}), path, "'pose'", POSE_KEYS)
    label = _object(value.get("label", {}), path, "'label'", ("names",))
    names = label.get("names", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) and name for name in names.values()):
        raise UserError(f"{path}: 'label.names' must be an object from markers to names of gestures")
    said = Said(
        path,
        streams={key: _text(one, path, f"xdf.{key}") for key, one in streams.items()},
        texts={key: _named(value[key], path, key) for key in TEXTS if key in value},
        rate=_rate(value.get("rate", 0.0), path, "rate" in value),
        highpass_hz=_frequency(value.get("highpass"), path, "highpass"),
        notch_hz=_frequency(value.get("notch"), path, "notch") or 0.0,
        ring=_listed(value.get("ring", []), path, "ring", int),
        pose_unit=_text(pose.get("unit", ""), path, "pose.unit"),
        pose_kind=_text(pose.get("kind", ""), path, "pose.kind"),
        pose_channels=_listed(pose.get("channels", []), path, "pose.channels", str),
        names=names,
    )
    for key, allowed in (("kind", ("raw", "envelope")), ("side", ("left", "right"))):
        if key in said.texts and said.texts[key] not in allowed:
            raise UserError(f"{path}: '{key}' is {said.texts[key]!r}; it must be {' or '.join(map(repr, allowed))}")
    return said


def _object(value: Any, path: Path, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{path}: {what} must be a JSON object")
    for key in value:
        if key not in keys:
            raise UserError(f"{path}: unknown key {key!r} in {what}; beside an XDF file known are {', '.join(keys)}")
    return value


def _text(value: Any, path: Path, key: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{path}: '{key}' is {value!r}; it must be a text")
    return value


def _named(value: Any, path: Path, key: str) -> str:
    if not isinstance(value, dict):
        text = _text(value, path, key)
        if not text:
            raise UserError(f"{path}: '{key}' is empty; fill it in")
        return text
    pattern = _text(_object(value, path, f"'{key}'", ("pattern",)).get("pattern"), path, f"{key}.pattern")
    try:
        check_pattern(pattern)
    except UserError as error:
        raise UserError(f"{path}: '{key}.pattern': {error}") from error
    return _PATTERN + pattern


def _rate(value: Any, path: Path, given: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or (given and not 10 <= value <= MOST_HZ):
        raise UserError(f"{path}: 'rate' is {value!r}; it must be EMG samples a second")
    return float(value)


def _frequency(value: Any, path: Path, key: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_HZ:
        raise UserError(f"{path}: '{key}' is {value!r}; it must be a frequency in Hz, or 0 for none")
    return float(value)


def _listed(value: Any, path: Path, key: str, kind: type) -> tuple[Any, ...]:
    if not isinstance(value, list) or any(type(item) is not kind for item in value):
        raise UserError(f"{path}: '{key}' must be a list of {'texts' if kind is str else 'numbers'}")
    return tuple(value)
