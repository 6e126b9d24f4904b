"""A recording that comes through the page: it is checked and read, and gives poses to the studio."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from cpep.data.readers.folder import find_recordings
from cpep.data.readers.hdf5 import open_hdf5
from cpep.data.resample import resample_anchor
from cpep.runtime.confined import MEMORY, bounds_of, call
from cpep.types import REST, BoolArray, FloatArray, UserError

LARGEST = 20 * 2**20
"""Bytes of an upload."""
LARGEST_UNPACKED = 400 * 2**20
"""Unpacked bytes of an upload: a small file may unpack to more than the memory."""
ENDINGS = (".hdf5", ".npz", ".csv", ".json")
"""NinaPro's .mat files are not among them: their unpacked size is not known before they are unpacked."""
LONGEST_NAME = 200
"""Bytes of a file's name."""
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
        UserError: too large, no recording, or one without the pose of a hand.
    """
    if sum(len(content) for _, content in files) > LARGEST:
        raise UserError(f"the upload is larger than {LARGEST // 2**20} MB; cut the recording")
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            kept = [_keep(folder, file, content) for file, content in files]
            found: Poses = call(
                f"{__name__}:poses_of",
                *(folder, rate, LARGEST_UNPACKED),
                what="the upload",
                bounds=replace(bounds_of(kept), memory=MEMORY),
                kinds=(Poses,),
            )
            return found
        except UserError as error:  # the folder is nothing that the user knows
            raise UserError(str(error).replace(f"{folder}/", "").replace(str(folder), "the upload")) from error


def _keep(folder: Path, file: str, content: bytes) -> Path:
    """Write one file of an upload under its own name."""
    path = folder / Path(file.replace("\\", "/")).name
    # Names are kept otherwise: a sidecar goes by the name of its recording, and may read the person from it.
    if not path.name.isprintable() or len(path.name.encode()) > LONGEST_NAME:
        raise UserError(f"a file's name is over {LONGEST_NAME} bytes, or not printable; rename it")
    if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
        raise UserError(f"{path.name} is no recording; there are {', '.join(ENDINGS)}")
    path.write_bytes(content)
    return path


def poses_of(folder: Path, rate: float, largest: int) -> Poses:
    """Read the pose of the one recording in a folder, where that can be ended.

    Args:
        folder: of the files of an upload.
        rate: frames per second to return.
        largest: bytes that a file may unpack to.

    Raises:
        UserError: as ``read_poses``.
    """
    for path in sorted(folder.iterdir()):
        _check_unpacked(path, largest)
    sources = find_recordings(folder)
    if len(sources) > 1:
        raise UserError(f"the upload holds {len(sources)} recordings; send one at a time")
    recording = max(sources[0].parts(), key=lambda part: part.seconds)
    if recording.anchor_SJ is None or recording.device.anchor.no_hand:
        raise UserError(f"{recording.name} has no pose of the 20 joints in rad; choose one that has, as emg2pose has")
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
