"""Pieces of EMG and pose that a simulated person with a smaller band makes, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.hand.joints import JOINTS, LANDMARKS
from cpep.hand.kinematics import Hand
from cpep.signal.resampler import resampled
from cpep.simulate.conductor import CHANNELS
from cpep.simulate.live import following_take
from cpep.simulate.record import wear
from cpep.simulate.script import Script
from cpep.simulate.variability import CONTROL_RATE, Variability
from cpep.types import FloatArray, UserError

UV_PER_NOISE_SD = 2.46
"""Of the simulated wristband."""
FADE_S = 0.15
"""What was interrupted fades this fast: about as fast as muscles relax."""
PoseKind = Literal["angles", "landmarks", "none"]
COLUMNS: dict[PoseKind, tuple[str, ...]] = {
    "angles": JOINTS,
    "landmarks": tuple(f"{point}_{axis}" for point in ("WRIST", *LANDMARKS) for axis in "XYZ"),
    "none": (),
}
UNITS: dict[PoseKind, str] = {"angles": "rad", "landmarks": "mm", "none": ""}


@dataclass(frozen=True, eq=False)
class Piece:
    """What is made from one moment to another.

    Attributes:
        emg_TC: uV, float32, at the band's rate.
        pose_SX: columns of the pose, at 100 Hz.
        name_S: what the hand makes, at 100 Hz.
    """

    emg_TC: FloatArray
    pose_SX: FloatArray
    name_S: list[str]


class Wearer:
    """A simulated person who wears some of the wristband's channels.

    Args:
        channels: 1 to 16, evenly spaced round the wrist.
        rate: EMG samples per second.
        pose: what the columns of the pose are.
        seed: who the person is.
        side: ``right`` or ``left``.

    Raises:
        UserError: channels or a rate that the simulated wristband cannot give.
    """

    def __init__(self, channels: int, rate: float, pose: PoseKind, seed: int, side: str) -> None:
        if not 1 <= channels <= CHANNELS or not 50 <= rate <= SAMPLE_RATE:
            raise UserError(
                f"a simulated band of {channels} channels at {rate:g} Hz; it has 1 to {CHANNELS} channels at 50 to "
                f"{SAMPLE_RATE:g} Hz"
            )
        self._rate, self._pose, self._side = rate, pose, side
        self._chosen = np.linspace(0, CHANNELS, channels, endpoint=False).astype(int)
        self._session, self._count = wear(seed, "band", "band_s0", side, Variability(wrong_prompts=0)), 0

    def piece(self, script: Script, lag_s: float = 0.0) -> Piece:
        """Return what the person makes of a script, ``lag_s`` behind it; another execution each time."""
        self._count += 1
        take = following_take(self._session, self._count, script, lag_s)
        emg_TC = UV_PER_NOISE_SD * resampled(take.emg_TC[:, self._chosen], SAMPLE_RATE, self._rate)
        names = [take.names[label] for label in take.label_S]
        return Piece(emg_TC.astype(np.float32), self._columns(take.pose_SJ[:, : len(JOINTS)]), names)

    def faded(self, piece: Piece, left: Piece) -> Piece:
        """Let what is left of an interrupted piece fade into another one."""
        emg_TC, pose_SX = piece.emg_TC.copy(), piece.pose_SX.copy()
        for new, old, per_s in ((emg_TC, left.emg_TC, self._rate), (pose_SX, left.pose_SX, CONTROL_RATE)):
            count = min(round(FADE_S * per_s), len(old), len(new))
            weight_N1 = np.linspace(0, 1, count)[:, None]
            new[:count] = weight_N1 * new[:count] + (1 - weight_N1) * old[:count]
        return Piece(emg_TC, pose_SX, piece.name_S)

    def _columns(self, pose_SJ: FloatArray) -> FloatArray:
        if self._pose != "landmarks":
            return pose_SJ
        with torch.inference_mode():
            landmark_SPC = Hand()(torch.from_numpy(pose_SJ)).numpy()
        if self._side == "left":
            landmark_SPC = landmark_SPC * np.array([-1, 1, 1])
        return np.concatenate([np.zeros((len(pose_SJ), 3)), landmark_SPC.reshape(len(pose_SJ), -1)], axis=1)
