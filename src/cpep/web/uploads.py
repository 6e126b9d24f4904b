"""A recording that comes through the page: it is read in a process of its own, and gives poses to the studio."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from cpep.data.readers import reading
from cpep.data.readers.folder import find_recordings
from cpep.data.readers.hdf5 import open_hdf5
from cpep.data.resample import resample_anchor
from cpep.runtime.confined import MB, Bounds, call
from cpep.types import REST, BoolArray, FloatArray, UserError

LARGEST = 20 * 2**20
"""Bytes of an upload."""
LARGEST_UNPACKED = 400 * 2**20
"""Unpacked bytes of an upload: a small file may unpack to more than the memory."""
ENDINGS = (".hdf5", ".npz", ".csv", ".json")
"""NinaPro's .mat files are not among them: their unpacked size is not known before they are unpacked."""
LONGEST_NAME = 200
"""Bytes of a file's name."""
LONGEST_S = 3600.0
"""Length of an upload's pose, s."""
BOUNDS = Bounds(cpu_s=5.0, wall_s=15.0, memory=1024 * MB)
"""What the reading of an upload may take, whatever its size."""
SPARE_S = 1.0
"""Length of a proposed stretch beyond the one window that it needs, s."""


@dataclass(frozen=True, eq=False)
class Poses:
    """The pose of a recording.

    Attributes:
        name: of the recording.
        pose_SJ: joint angles, rad.
        valid_S: where they were measured.
        rate: frames per second.
        gestures: label and middle, in seconds, of every stretch that has one.
    """

    name: str
    pose_SJ: FloatArray
    valid_S: BoolArray
    rate: float
    gestures: tuple[tuple[str, float], ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.pose_SJ) / self.rate

    def around(self, middle_s: float, window_s: float) -> tuple[float, float]:
        """Return start and stop, s, of a window and ``SPARE_S`` about a time, moved where the recording ends."""
        length = window_s + SPARE_S
        start = max(min(middle_s - length / 2, self.seconds - length), 0.0)
        return start, min(start + length, self.seconds)

    def stretch(self, start_s: float, stop_s: float, window_s: float) -> FloatArray:
        """Return the longest run of measured frames (S, J) in a stretch.

        Raises:
            UserError: that run is shorter than a window.
        """
        first, stop = round(start_s * self.rate), round(stop_s * self.rate)
        bounded = np.concatenate([[False], self.valid_S[first:stop], [False]])
        starts, stops = np.flatnonzero(np.diff(bounded)).reshape(-1, 2).T
        length = stops - starts
        if length.max(initial=0) < max(round(window_s * self.rate), 1):
            raise UserError(
                f"{self.name} has no {window_s:g} s of unbroken pose from {start_s:g} to {stop_s:g} s; a window "
                "takes that, so choose a longer stretch, or another"
            )
        best = length.argmax()
        return self.pose_SJ[first + starts[best] : first + stops[best]]


def read_poses(files: Sequence[tuple[str, bytes]], rate: float) -> Poses:
    """Read the pose of an uploaded recording.

    Args:
        files: names and contents: one recording, with its sidecar where it needs one.
        rate: frames per second to return.

    Raises:
        UserError: too large, no recording, one without the pose of a hand, one that takes more than ``BOUNDS``, or
            another upload is being read.
    """
    if not _reading.acquire(blocking=False):
        raise UserError("another upload is being read; send this one again in some seconds")
    try:
        return _read_alone(files, rate)
    finally:
        _reading.release()


_reading = threading.Lock()


def _read_alone(files: Sequence[tuple[str, bytes]], rate: float) -> Poses:
    if sum(len(content) for _, content in files) > LARGEST:
        raise UserError(f"the upload is larger than {LARGEST // 2**20} MB; cut the recording")
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            for file, content in files:
                _keep(folder, file, content)
            return _read(folder, rate)
        except UserError as error:  # the folder is nothing that the user knows
            raise UserError(str(error).replace(f"{folder}/", "").replace(str(folder), "the upload")) from error


def _keep(folder: Path, file: str, content: bytes) -> None:
    """Write one file of an upload under its own name, and check it."""
    path = folder / Path(file.replace("\\", "/")).name
    # Names are kept otherwise: a sidecar goes by the name of its recording, and may read the person from it.
    if not path.name.isprintable() or len(path.name.encode()) > LONGEST_NAME:
        raise UserError(f"a file's name is over {LONGEST_NAME} bytes, or not printable; rename it")
    if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
        raise UserError(f"{path.name} is no recording; there are {', '.join(ENDINGS)}")
    if path.exists():
        raise UserError(f"the upload holds two files of the name {path.name}; send one of them")
    path.write_bytes(content)


def _read(folder: Path, rate: float) -> Poses:
    sources = find_recordings(folder)
    if len(sources) > 1:
        raise UserError(f"the upload holds {len(sources)} recordings; send one at a time")
    one = sources[0]
    given = (one.reader, one.name, one.path, one.sidecars, rate, LARGEST_UNPACKED)
    found: Poses = call(f"{__name__}:poses_of", *given, what=one.path, bounds=BOUNDS, kinds=(Poses,))
    return found


def poses_of(reader: str, name: str, path: Path, sidecars: tuple[Path, ...], rate: float, largest: int) -> Poses:
    """Read the pose of a recording, in the process of ``cpep.runtime.confined``.

    Args:
        reader: of the file.
        name: of the recording.
        path: the file.
        sidecars: read with it.
        rate: frames per second to return.
        largest: bytes that the file may unpack to.

    Raises:
        UserError: the file unpacks to too much, is damaged, or has no pose of a hand, or an endless one.
    """
    _check_unpacked(path, largest)
    parts = reading.parts(reader, name, path, sidecars)
    if parts is None:
        raise UserError(f"the page does not read {reader} recordings")
    recording = max(parts, key=lambda part: part.seconds)
    if recording.anchor_SJ is None or recording.device.anchor.no_hand:
        raise UserError(f"{recording.name} has no pose of the 20 joints in rad; choose one that has, as emg2pose has")
    if len(recording.anchor_SJ) / recording.anchor_rate > LONGEST_S:
        raise UserError(f"{recording.name} says that its pose is longer than an hour; correct its rate, or cut it")
    frames = round(len(recording.anchor_SJ) * rate / recording.anchor_rate)
    pose_SJ, valid_S = resample_anchor(recording.anchor_SJ, recording.valid_S, recording.anchor_rate, rate, frames)
    starts = np.flatnonzero(np.diff(recording.label_T, prepend=REST))
    stretches = zip(starts, [*starts[1:], len(recording.label_T)][: len(starts)], strict=True)
    gestures = tuple(
        (recording.vocabulary[label], float(start + stop) / 2 / recording.device.emg_rate)
        for start, stop in stretches
        if (label := int(recording.label_T[start])) > REST
    )
    return Poses(recording.name, pose_SJ, valid_S, rate, gestures)


def _check_unpacked(path: Path, largest: int) -> None:
    """Refuse a file whose contents are much larger than it is, and one that is not what its name says."""
    size = 0
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
        elif path.suffix.lower() == ".hdf5":
            sizes: list[int] = []
            with open_hdf5(path) as file:
                file.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
            size = sum(sizes)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path.name} is damaged, or no {path.suffix} file; send another") from error
    if size > largest:
        raise UserError(f"{path.name} unpacks to more than {largest // 2**20} MB; cut the recording")
