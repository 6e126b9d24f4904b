"""What a recorder left on the disk, up to the last whole row of each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.live.record.about import Said
from cpep.live.record.rows import EMG, Prompt, read_chunks, read_pose, read_prompts
from cpep.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Taken:
    """A recording as it came in.

    Attributes:
        said: what was known before it.
        emg_TC: every sample that came, float32; from the disk where there are many.
        skip_T: how many samples were lost before each.
        stamp_T: time of each sample on the monotonic clock, seconds.
        unread: samples on the disk after the last whole chunk.
        prompts: what the person was asked, in order.
        stamp_S: time of each frame of the pose, seconds, in order.
        pose_SJ: frames, float32; not a number where invalid.
    """

    said: Said
    emg_TC: FloatArray
    skip_T: IntArray
    stamp_T: FloatArray
    unread: int
    prompts: tuple[Prompt, ...]
    stamp_S: FloatArray
    pose_SJ: FloatArray

    @property
    def place_T(self) -> IntArray:
        """The number of each sample in the stream, lost ones counted."""
        return np.asarray(np.cumsum(self.skip_T + 1) - 1)


def read_taken(folder: Path) -> Taken:
    """Read the files of a recorder; half a row at the end of a file, or zeros, are left out.

    Raises:
        UserError: ``about.json`` is damaged, or of another version.
    """
    said = Said.read(folder)
    chunks, emg_TC = read_chunks(folder, said.device.channels)
    columns = len(said.pose.names) if said.pose else 0
    stamp_S, pose_SJ = read_pose(folder, columns) if said.pose else (np.zeros(0), np.zeros((0, 0), np.float32))
    order = np.argsort(stamp_S, kind="stable")
    return Taken(
        said=said,
        emg_TC=emg_TC,
        skip_T=_skips(chunks["samples"], chunks["lost"]),
        stamp_T=_stamps(chunks["samples"], chunks["stamp_s"], chunks["heard_s"], said.device.emg_rate),
        unread=(folder / EMG).stat().st_size // (4 * said.device.channels) - len(emg_TC),
        prompts=tuple(read_prompts(folder)),
        stamp_S=stamp_S[order],
        pose_SJ=pose_SJ[order],
    )


def _skips(samples_K: IntArray, lost_K: IntArray) -> IntArray:
    """Return how many samples were lost before each sample; K are chunks."""
    first_K = np.cumsum(samples_K) - samples_K
    skip_T = np.zeros(int(samples_K.sum()) + 1, np.int64)
    np.add.at(skip_T, first_K, lost_K)  # of a chunk without samples, before the first of a later one
    return skip_T[:-1]


def _stamps(samples_K: IntArray, stamp_K: FloatArray, heard_K: FloatArray, rate: float) -> FloatArray:
    """Return the time of each sample: those of the source where it has any, else when chunks were heard."""
    told = samples_K > 0
    last_K = stamp_K if np.isfinite(stamp_K[told]).all() else heard_K
    back_T = np.repeat(np.cumsum(samples_K), samples_K) - 1 - np.arange(int(samples_K.sum()))
    return np.asarray(np.repeat(last_K, samples_K) - back_T / rate)
