"""The streams of an XDF file, and which of them is EMG, a pose, or markers."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import numpy.typing as npt

from cpep.data.readers.clock import LATEST_S
from cpep.data.readers.unpacked import gunzip
from cpep.data.recording import MOST_CHANNELS, MOST_HZ
from cpep.runtime.files import refuse_special
from cpep.types import FloatArray, UserError

POSE_TYPES = ("mocap", "pose", "kinematics", "jointangles", "joints", "glove", "hand", "landmarks", "angles")
MARKER_TYPES = ("markers", "marker", "events", "event", "stim", "stimulus")
ROLES = ("emg", "anchor", "markers")

DAMAGE = (
    *(OSError, ValueError, LookupError, EOFError, TypeError, AttributeError, ArithmeticError, MemoryError),
    *(RuntimeError, struct.error, ParseError, zlib.error),
)
"""What pyxdf raises on files that are no XDF, or damaged ones; it has no exception of its own."""


@dataclass(frozen=True)
class StreamName:
    """A stream, before its samples are read.

    Attributes:
        number: in the file.
        name: that its sender gave it.
        type: such as ``EMG``.
        channels: number of channels.
        rate: nominal, samples per second; 0 where the sender states none.
        is_text: whether its samples are texts.
    """

    number: int
    name: str
    type: str
    channels: int
    rate: float
    is_text: bool

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name!r} ({self.type or 'no type'}, {self.channels} channels, {self.rate:g} Hz)"


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream with its samples, on LSL's corrected clock.

    Attributes:
        about: its name and nominal rate.
        rows_TC: numbers (T, C); of texts, the first text of each sample (T, 1).
        stamp_T: time of each sample, seconds.
        labels: of the channels; empty where the sender gives none.
        units: of the channels, likewise.
        types: of the channels, likewise.
    """

    about: StreamName
    rows_TC: npt.NDArray[Any]
    stamp_T: FloatArray
    labels: tuple[str, ...]
    units: tuple[str, ...]
    types: tuple[str, ...]

    def take(self, channels: Sequence[int]) -> Stream:
        """Return some of the channels."""
        some = tuple(
            tuple(texts[k] for k in channels) if texts else () for texts in (self.labels, self.units, self.types)
        )
        return Stream(self.about, self.rows_TC[:, list(channels)], self.stamp_T, *some)


def stream_names(path: Path) -> list[StreamName]:
    """Return the streams of a file without their samples.

    Raises:
        UserError: pyxdf is missing, or the file is no XDF.
    """
    refuse_special(path)
    pyxdf = _pyxdf()
    with _in_sentences(path), _opened(path) as file, _complaints():
        found = [_about(one) for one in pyxdf.resolve_streams(file)]
    for one in found:
        if not (1 <= one.channels <= MOST_CHANNELS and 0 <= one.rate <= MOST_HZ):
            raise UserError(f"{path}: the stream {one} has no such number of channels or rate; copy it again")
    if len({one.number for one in found}) < len(found):
        raise UserError(f"{path} has two streams of one number, so it is damaged; copy it again")
    return found


def load_streams(path: Path, wanted: Sequence[StreamName]) -> tuple[list[Stream], tuple[str, ...]]:
    """Read streams, with all clocks corrected to one, and what was odd about the file.

    Raises:
        UserError: the file is damaged so that a stream cannot be read.
    """
    pyxdf = _pyxdf()
    numbers = [one.number for one in wanted]
    with _in_sentences(path), _opened(path) as file, _complaints() as said:
        loaded, _ = pyxdf.load_xdf(file, numbers, synchronize_clocks=True, dejitter_timestamps=False)
    by_number = {int(one["info"]["stream_id"]): one for one in loaded}
    odd = ("the file is damaged or cut off; what could be read of it was read",) if said else ()
    streams = [_stream(about, by_number[about.number]) for about in wanted]
    for one in streams:
        if not (np.abs(one.stamp_T) <= LATEST_S).all():  # so is NaN
            raise UserError(f"{path}: the stream {one.about.name!r} has a stamp that is no time; record it again")
    return streams, odd


def choose(path: Path, streams: Sequence[StreamName], said: dict[str, str], sidecar: str) -> dict[str, StreamName]:
    """Return which stream has which role: as the sidecar says, else by type and name.

    Args:
        path: the file, for sentences.
        streams: in the file.
        said: the name of a stream by role.
        sidecar: name of the file in which roles can be said.

    Raises:
        UserError: there is no EMG, several streams fit a role, or the sidecar names one that is not there.
    """
    numbers = [one for one in streams if not one.is_text]
    emg = [one for one in numbers if one.type.lower() == "emg"]
    emg = emg or [one for one in numbers if "emg" in one.name.lower()]
    fits = {
        "emg": emg,
        "anchor": [one for one in numbers if _plain(one.type) in POSE_TYPES and one not in emg],
        "markers": [one for one in streams if _plain(one.type) in MARKER_TYPES],
    }
    chosen = {}
    for role in ROLES:
        found = _named(path, streams, said[role], role, sidecar) if role in said else fits[role]
        if len(found) > 1:
            names = ", ".join(map(str, found))
            raise UserError(
                f"{path} has {len(found)} streams that can be the {role}: {names}; say which in {sidecar}: "
                f'{{"xdf": {{"{role}": "{found[0].name}"}}}}'
            )
        if found:
            chosen[role] = found[0]
    if "emg" not in chosen:
        raise UserError(
            f"{path} has no stream of type EMG, and none with 'emg' in its name; it has {_listed(streams)}; say "
            f'which is it in {sidecar}: {{"xdf": {{"emg": "NAME"}}}}'
        )
    return chosen


def _named(path: Path, streams: Sequence[StreamName], name: str, role: str, sidecar: str) -> list[StreamName]:
    if not name:
        return []
    found = [one for one in streams if one.name == name]
    if not found:
        raise UserError(
            f"{path} has no stream {name!r}, which {sidecar} names as its {role}; it has {_listed(streams)}"
        )
    return found


def _listed(streams: Iterable[StreamName]) -> str:
    return ", ".join(map(str, streams)) or "none"


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())


def _about(one: dict[str, Any]) -> StreamName:
    return StreamName(
        number=int(one["stream_id"]),
        name=str(one.get("name") or ""),
        type=str(one.get("type") or ""),
        channels=int(one["channel_count"]),
        rate=float(one.get("nominal_srate") or 0),
        is_text=one.get("channel_format") == "string",
    )


def _stream(about: StreamName, loaded: dict[str, Any]) -> Stream:
    channels = _channels(loaded["info"], about.channels)
    series = loaded["time_series"]
    if about.is_text:
        rows_TC: npt.NDArray[Any] = np.array([[sample[0] or ""] for sample in series], dtype=np.str_).reshape(-1, 1)
    else:
        rows_TC = np.asarray(series, np.float64).reshape(-1, about.channels)
    texts = [tuple(_text(one, key) for one in channels) for key in ("label", "unit", "type")]
    filled = [found if any(found) else () for found in texts]
    return Stream(about, rows_TC, np.asarray(loaded["time_stamps"], np.float64), *filled)


def _channels(info: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return what is written of each channel; nothing where the sender wrote of another number of them."""
    desc = (info.get("desc") or [None])[0] or {}
    block = (desc.get("channels") or [None])[0] or {} if isinstance(desc, dict) else {}
    found = block.get("channel") or [] if isinstance(block, dict) else []
    return [one if isinstance(one, dict) else {} for one in found] if len(found) == count else []


def _text(channel: dict[str, Any], key: str) -> str:
    value = (channel.get(key) or [""])[0]
    return value.strip() if isinstance(value, str) else ""


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, packed or not: pyxdf leaves one open that is no XDF."""
    packed = not path.name.lower().endswith(".xdf")
    with io.BytesIO(gunzip(path)) if packed else path.open("rb", buffering=0) as raw:
        yield _Whole(raw)


class _Whole(io.BufferedReader):
    """A file that pyxdf reads: of a sample that is cut off it would take what it read before for the rest."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw, 1 << 16)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end."""
        count = super().readinto(buffer)
        if 0 < count < len(buffer):
            raise EOFError("the file ends within a sample")
        return count


@contextmanager
def _in_sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except DAMAGE as error:
        raise UserError(f"{path} is no XDF file, or damaged ({error}); copy it again") from error


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Yield what pyxdf logs as an error while a file is read; it prints nothing."""
    logger = logging.getLogger("pyxdf")
    said: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                said.append(record.getMessage())

    keeper, propagates = Keeper(), logger.propagate
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(keeper)
        logger.propagate = propagates


def _pyxdf() -> Any:
    try:
        import pyxdf
    except ImportError as error:
        raise UserError('XDF files need pyxdf; install it with pip install "cpep[xdf]"') from error
    return pyxdf
