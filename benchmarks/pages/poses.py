"""Print the figures of docs/how-to/poses.md: how exact joint angles from landmarks are, and lags of simulated people.

python benchmarks/pages/poses.py    a minute and a half on one core
"""

import time

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cpep.data.recording import Device, Recording
from cpep.hand.inverse import joint_angles
from cpep.hand.joints import JOINTS
from cpep.hand.kinematics import Hand
from cpep.hand.muscles import HIGHEST_J, LOWEST_J
from cpep.live.poses.follow import FollowScript
from cpep.live.poses.lag import EMG_FIRST_MS, lag_of
from cpep.signal.resampler import resampled
from cpep.simulate.live import following_take, live_wearing
from cpep.types import UserError

PEOPLE, SECONDS = 10, 300
FIRST = 100
"""Seeds of the people: the bounds of a lag were chosen on those from 0."""


def points(pose_NJ):
    """Return wrist and landmarks (N, 21, 3), mm."""
    landmark_NPC = Hand().double()(torch.tensor(pose_NJ)).numpy()
    return np.concatenate([np.zeros((len(pose_NJ), 1, 3)), landmark_NPC], axis=1)


def landmarks() -> None:
    """Random poses within the range of motion, somehow turned, with noise on every coordinate."""
    rng = np.random.default_rng(0)
    pose_NJ = rng.uniform(LOWEST_J[:20], HIGHEST_J[:20], (1000, 20))
    turn_N33 = Rotation.random(1000, rng=rng).as_matrix()
    print("noise, mm   off, degrees: median, RMS   landmarks off, mm: median   error, degrees: median   valid   s")
    for noise in (0.0, 1.0, 2.0, 4.0):
        noisy_NPC = points(pose_NJ) + noise * rng.standard_normal((1000, 21, 3))
        begin = time.perf_counter()
        angles = joint_angles(np.einsum("nij,npj->npi", turn_N33, noisy_NPC))
        seconds = time.perf_counter() - begin
        off_NJ = np.rad2deg(np.abs(angles.pose_NJ - pose_NJ))[angles.valid_N]
        away_NP = np.linalg.norm(points(angles.pose_NJ.astype(float)) - points(pose_NJ), axis=2)[angles.valid_N]
        print(
            f"{noise:9.0f}   {np.median(off_NJ):21.2g}, {np.sqrt((off_NJ**2).mean()):.2g}   "
            f"{np.median(away_NP):24.2g}   {np.median(angles.error_N):22.2g}   {angles.valid_N.mean():5.3f}   "
            f"{seconds:.2f}"
        )


def lags() -> None:
    """People who follow the hand, each with a lag of their own; 8 channels at 500 and 200 Hz."""
    all_of_them: dict[tuple[int, int], list[float | None]] = {}
    for number in range(PEOPLE):
        seed, lag_s = FIRST + number, 0.15 + 0.05 * number
        script = FollowScript(SECONDS, seed)
        take = following_take(live_wearing(seed), 0, script.script, lag_s)
        for rate in (500, 200):
            emg_TC = resampled(take.emg_TC[:, ::2], 2000.0, rate)
            for seconds in (60, 120, 300):
                pose_SJ = script.poses_at(np.arange(0, seconds, 1 / 60))
                found = _found(emg_TC[: seconds * rate], rate, pose_SJ, 1000 * lag_s)
                all_of_them.setdefault((rate, seconds), []).append(found)
    print("Hz      s     told   off, ms: mean, SD, worst")
    for (rate, seconds), found in all_of_them.items():
        told = np.array([ms for ms in found if ms is not None])
        off = f"{told.mean():.0f}, {told.std():.0f}, {np.abs(told).max():.0f}" if len(told) else ""
        print(f"{rate:4}  {seconds:4}  {len(told):2} of {len(found)}   {off}", flush=True)


def _found(emg_TC, rate, pose_SJ, lag_ms):
    """Return by how much the lag that is found is off, ms; ``None`` where none is told."""
    valid_S, none_T = np.ones(len(pose_SJ), bool), np.zeros(len(emg_TC), np.int16)
    device = Device(8, rate, "raw", "noise_sd", anchor_names=JOINTS, anchor_unit="rad")
    recording = Recording(
        "f", "u", "s", "t", "right", device, emg_TC, pose_SJ.astype(np.float32), 60.0, valid_S, none_T, ("rest",)
    )
    try:
        return EMG_FIRST_MS - lag_of(recording).ms - lag_ms
    except UserError:
        return None


if __name__ == "__main__":
    landmarks()
    lags()
