"""A recorder's files as recordings: EMG on its grid, and labels and pose on the clock of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cpep.data.readers.bids_pose import FULL_TURN
from cpep.data.readers.on_grid import FACTOR, ClockedRows, OnGrid, grids_of
from cpep.data.recording import Device, Recording, Repair
from cpep.data.resample import frame_ratio
from cpep.live.record.about import beyond
from cpep.live.record.labels import Asked, asked
from cpep.live.record.taken import Taken
from cpep.signal.parts import parts_of
from cpep.signal.rate import measured_rate, same_rate
from cpep.types import UNKNOWN, BoolArray, FloatArray, IntArray

SURE_S = 20.0
"""The rate of a shorter recording is the one that its device states: jitter of the stamps hides another one."""
GAP_S, GAP_FRAMES = 0.1, 2.5
"""A pose is interpolated over so much, or so many frames, and no more."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One recording of a stream that was cut where it lost more than 20 ms.

    Attributes:
        recording: it.
        first: number of its first sample in the stream, lost ones counted.
        begin_s: time of its first sample on the monotonic clock.
    """

    recording: Recording
    first: int
    begin_s: float


def pieces_of(taken: Taken, name: str, later_s: float = 0.0) -> list[Piece]:
    """Return the recordings of what was taken; none where no sample came.

    Samples that are no finite numbers count as lost. Up to 20 ms of lost samples are filled by interpolation and
    counted; at more, the recording is cut, and what is shorter than a frame is left out.

    Args:
        taken: a recorder's files.
        name: of the recording; its parts get a number.
        later_s: the pose is moved later by so much, such as the drawn hand that a person follows.
    """
    taken, odd = _finite(taken)
    rate = taken.said.device.emg_rate
    if not len(taken.emg_TC):
        return []
    measured = _rate(taken)
    parts = parts_of(taken.skip_T, taken.stamp_T, measured)
    words = asked(taken.prompts, taken.place_T, rate)
    grids = grids_of(parts, len(taken.emg_TC), rate, measured)
    if grids and odd:
        grids[0] = replace(grids[0], repairs=(*grids[0].repairs, odd))
    return [
        Piece(
            _recording(taken, grid, words, name if len(grids) == 1 else f"{name}@{k}", later_s),
            int(taken.place_T[grid.part.rows.start]),
            float(grid.seconds(np.zeros(1))[0]),
        )
        for k, grid in enumerate(grids, start=1)
    ]


def _finite(taken: Taken) -> tuple[Taken, Repair | None]:
    """Turn samples that are no numbers into lost ones."""
    good_T = np.isfinite(taken.emg_TC).all(axis=1)
    bad = int((~good_T).sum())
    if not bad:
        return taken, None
    place_T = taken.place_T[good_T]
    skip_T = np.diff(place_T, prepend=-1) - 1
    left = replace(taken, emg_TC=taken.emg_TC[good_T], skip_T=skip_T, stamp_T=taken.stamp_T[good_T])
    return left, Repair("samples that are no finite numbers taken as lost", bad)


def _rate(taken: Taken) -> float:
    """Return samples per second by the stamps, where these can tell another rate than the device's."""
    nominal = taken.said.device.emg_rate
    if len(taken.emg_TC) < SURE_S * nominal:
        return nominal
    measured = measured_rate(taken.stamp_T, taken.place_T, nominal)
    far = not nominal / FACTOR <= measured <= nominal * FACTOR
    return nominal if far or same_rate(measured, nominal) else measured


def _recording(taken: Taken, grid: OnGrid, words: Asked, name: str, later_s: float) -> Recording:
    said = taken.said
    anchor_SJ, anchor_rate, valid_S = _anchor(taken, grid, later_s)
    prompt_T, repetition_T = (grid.along(one_T) for one_T in (words.prompt_T, words.repetition_T))
    return Recording(
        name=name,
        user=said.about.person,
        session=said.about.session,
        stage=said.protocol,
        side=said.about.arm,
        device=_device(taken),
        emg_TC=np.asarray(grid.emg(taken.emg_TC), np.float32),
        anchor_SJ=anchor_SJ,
        anchor_rate=anchor_rate,
        valid_S=valid_S,
        label_T=grid.along(words.label_T),
        vocabulary=words.vocabulary,
        prompt_T=_any(prompt_T, prompt_T != UNKNOWN),
        repetition_T=_any(repetition_T, repetition_T != 0),
        repairs=grid.repairs,
        notes=tuple(_notes(taken, grid)),
        measured_rate=grid.measured_rate,
    )


def _any(values_T: IntArray, known_T: BoolArray) -> IntArray | None:
    return values_T if known_T.any() else None


def _device(taken: Taken) -> Device:
    pose = taken.said.pose
    if pose is None:
        return taken.said.device
    return replace(taken.said.device, anchor_names=pose.names, anchor_unit=pose.unit, anchor_kind=pose.kind)


def _anchor(taken: Taken, grid: OnGrid, later_s: float) -> tuple[FloatArray | None, float, BoolArray]:
    """Return the pose at about 100 frames a second, from the first sample on, its rate, and where it is valid."""
    emg_rate = taken.said.device.emg_rate
    rate = emg_rate / frame_ratio(emg_rate)
    if taken.said.pose is None:
        return None, rate, np.zeros(0, bool)
    time_S = taken.stamp_S + later_s
    if not len(time_S):
        frames = -(-grid.samples // frame_ratio(emg_rate))
        return np.zeros((frames, len(taken.said.pose.names)), np.float32), rate, np.zeros(frames, bool)
    pose_SJ = np.where(_angles(taken)[:, None], taken.pose_SJ, np.float32(np.nan))
    usual_s = float(np.median(np.diff(time_S))) if len(time_S) > 1 else 0.0
    rows = ClockedRows(pose_SJ, rate, emg_rate, [(slice(0, len(time_S)), time_S)])
    anchor_SJ, valid_S = rows.on(grid, max(GAP_S, GAP_FRAMES * usual_s))
    return anchor_SJ, rate, valid_S


def _angles(taken: Taken) -> BoolArray:
    """Return which frames (S,) can be: the angles of the others are more than a full turn."""
    no_angle = taken.said.pose is None or taken.said.pose.unit != "rad"
    return np.asarray(no_angle | ~(np.abs(taken.pose_SJ) > FULL_TURN).any(axis=1))


def _notes(taken: Taken, grid: OnGrid) -> Iterator[str]:
    yield from grid.notes
    if taken.said.pose is not None and not len(taken.stamp_S):
        yield f"no frame of the pose came from {taken.said.pose.source}"
    if taken.said.pose is not None and (odd := beyond(taken.said.pose, taken.pose_SJ)):
        yield f"{odd}; {int((~_angles(taken)).sum())} of {len(taken.stamp_S)} frames are taken as no pose"
