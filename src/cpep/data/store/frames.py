"""A recording as a prepared store holds it: cut to whole frames, anchor and labels per frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpep.data.recording import JUMPS, Device, Recording, Repair
from cpep.data.resample import frame_ratio, resample_anchor
from cpep.data.store.finite import all_finite, first_bad
from cpep.signal.conditioning import NOTHING_ASKED, Asked, Conditioner
from cpep.types import UNKNOWN, BoolArray, FloatArray, IntArray, UserError

POWER_BLOCK_S = 0.25
"""Length of the blocks whose mean square is kept for normalisation."""

BLOCKS_AT_ONCE = 4
"""Number of blocks that are squared at once: in float64 they stay in a core's cache, which halves the time."""


@dataclass(frozen=True, eq=False)
class Frames:
    """One recording in the layout of a store; labels index the recording's own vocabulary.

    Frame m is samples m * ratio to (m + 1) * ratio - 1. Its label, prompt and repetition
    sum up these samples. Its anchor, and whether that is valid, belong to the time of its first sample.

    Attributes:
        emg_TC: float32, right-handed channel order, T = M * ratio.
        anchor_MJ: float32, zero where invalid.
        power_KC: float32, mean square of the EMG in blocks; the last may be shorter.
        name: of the recording.
        repairs: what its reader mended.

    Raises:
        UserError: EMG, its power or the anchor is not finite, in float32.
    """

    user: str
    session: str
    stage: str
    side: str
    device: Device
    vocabulary: tuple[str, ...]
    emg_TC: FloatArray
    anchor_MJ: FloatArray
    valid_M: BoolArray
    label_M: IntArray
    prompt_M: IntArray
    repetition_M: IntArray
    power_KC: FloatArray
    name: str
    repairs: tuple[Repair, ...]

    def __post_init__(self) -> None:
        ratio = max(1, len(self.emg_TC) // max(1, len(self.valid_M)))
        arrays = (
            ("EMG", self.emg_TC, self.device.emg_rate),
            ("the anchor", self.anchor_MJ, self.device.emg_rate / ratio),
            ("the power of the EMG", self.power_KC, 1 / POWER_BLOCK_S),
        )
        for what, array, rate in arrays:
            if not all_finite(array):
                row, column = first_bad(array)
                raise UserError(
                    f"{self.name}: {what} is not finite, or too large, at {row / rate:.3f} s (column {column}); cut "
                    "or interpolate these samples before use"
                )


def to_frames(recording: Recording, asked: Asked = NOTHING_ASKED, *, from_mean: bool = False) -> Frames:
    """Condition, cut, mirror and resample a recording.

    The EMG is conditioned from its first sample on, as a stream of it is, before anything is measured.

    Args:
        recording: as its reader gives it.
        asked: conditioning in place of what the recording says.
        from_mean: whether the filter begins after an endless past of the recording's mean, in place of its first
            sample: a window that was cut from a recording begins amid movement.

    Raises:
        UserError: the recording is shorter than one frame, or cannot be filtered as it is asked for.
    """
    device = recording.device.filtered(asked)
    ratio = frame_ratio(device.emg_rate)
    frames = len(recording.emg_TC) // ratio
    if frames == 0:
        raise UserError(f"{recording.name} is shorter than one frame of {ratio} samples; remove it")
    samples = frames * ratio
    conditioner = Conditioner(device.conditioning, device.emg_rate, device.channels)
    if from_mean:
        conditioner.begin(recording.emg_TC[:samples].mean(axis=0, dtype=np.float64))
    emg_TC = conditioner.whole(recording.emg_TC[:samples])
    mended = (Repair(JUMPS, conditioner.jumps),) if conditioner.jumps else ()
    if recording.mirror:
        emg_TC = emg_TC[:, recording.mirror]
    anchor_MJ = np.zeros((frames, len(device.anchor_names)), np.float32)
    valid_M = np.zeros(frames, bool)
    if recording.anchor_SJ is not None:
        anchor_MJ, valid_M = resample_anchor(
            recording.anchor_SJ, recording.valid_S, recording.anchor_rate, device.emg_rate / ratio, frames
        )
    label_MR = recording.label_T[:samples].reshape(frames, ratio)
    prompt_T = recording.label_T if recording.prompt_T is None else recording.prompt_T
    repetition_M = np.zeros(frames, np.int16)
    if recording.repetition_T is not None:
        repetition_M = recording.repetition_T[:samples].reshape(frames, ratio).max(1)
    return Frames(
        user=recording.user,
        session=recording.session,
        stage=recording.stage,
        side=recording.side,
        device=device,
        vocabulary=recording.vocabulary,
        emg_TC=np.ascontiguousarray(emg_TC, np.float32),
        anchor_MJ=anchor_MJ.astype(np.float32, copy=False),
        valid_M=valid_M,
        label_M=np.where((label_MR == label_MR[:, :1]).all(1), label_MR[:, 0], UNKNOWN).astype(np.int16),
        # The largest index: a gesture wins over rest and rest over unknown, so that no gesture is overlooked.
        prompt_M=prompt_T[:samples].reshape(frames, ratio).max(1).astype(np.int16),
        repetition_M=repetition_M.astype(np.int16),
        power_KC=block_power(emg_TC, device.emg_rate),
        name=recording.name,
        repairs=(*recording.repairs, *mended),
    )


def block_end(sample: int, block: float) -> int:
    """Return the end of the block that a sample lies in, as a number of samples; ``block_power`` cuts these blocks.

    Args:
        sample: its number, from 0.
        block: samples of a block, perhaps no whole number.
    """
    blocks = int(sample / block) + 1
    end = int(blocks * block)
    return end if end > sample else int((blocks + 1) * block)


def block_power(emg_TC: FloatArray, rate: float) -> FloatArray:
    """Return the mean square (K, C) of consecutive blocks of ``POWER_BLOCK_S``, float32.

    Block k ends at or before second (k + 1) * POWER_BLOCK_S, so that causal statistics stay causal where a
    block is no whole number of samples.
    """
    block = rate * POWER_BLOCK_S
    assert block >= 1, f"{rate} Hz is no EMG rate"
    edges = np.floor(np.arange(math.ceil(len(emg_TC) / block) + 1) * block).astype(np.intp)
    edges[-1] = len(emg_TC)
    sums_KC = np.empty((len(edges) - 1, emg_TC.shape[1]))
    for k in range(0, len(sums_KC), BLOCKS_AT_ONCE):
        here = edges[k : k + BLOCKS_AT_ONCE + 1]
        squares_TC = np.square(emg_TC[here[0] : here[-1]], dtype=np.float64)
        sums_KC[k : k + BLOCKS_AT_ONCE] = np.add.reduceat(squares_TC, here[:-1] - here[0], axis=0)
    with np.errstate(over="ignore"):  # ``Frames`` refuses what is too large
        return np.asarray((sums_KC / np.diff(edges)[:, None]).astype(np.float32))
