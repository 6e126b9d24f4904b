"""The regression models, built alike, for their tests."""

import torch

from cpep.models.baselines.emg2pose import Emg2Pose
from cpep.models.baselines.neuropose import NeuroPose
from cpep.models.baselines.pose_t import PoseT
from cpep.models.baselines.sensing_dynamics import SensingDynamics
from cpep.models.encoders.patches import PatchEncoder


def pose_t(channels, rate, samples, joints):
    encoder = PatchEncoder(
        columns=channels, steps=samples, token_steps=samples // 10, width=32, depth=2, heads=2, dropout=0
    )
    return PoseT(encoder, joints, frames=50, window_s=samples / rate)


def velocity(channels, rate, samples, joints):
    return Emg2Pose(channels, rate, samples, joints, "velocity")


def position(channels, rate, samples, joints):
    return Emg2Pose(channels, rate, samples, joints, "position")


BENCHMARKS = [velocity, position, NeuroPose, SensingDynamics]
MODELS = [*BENCHMARKS, pose_t]


def build(make, channels=16, rate=2000.0, samples=4000, joints=20):
    torch.manual_seed(0)
    return make(channels, rate, samples, joints).eval()


def signal(model, windows=2, channels=16):
    return torch.randn(windows, model.samples, channels, generator=torch.Generator().manual_seed(1))
