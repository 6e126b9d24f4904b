"""The models of the emg2pose benchmark, emg2pose and vemg2pose (Salter et al. 2024, arXiv 2412.02725)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.models.baselines.regressor import (
    DESIGN_RATE,
    PoseRegressor,
    check_window,
    kernel_at,
    receptive_field,
    strides_at,
)

WIDTH, GROUPS, FEATURES, HIDDEN = 256, 16, 64, 512
STEM = ((11, 5), (5, 2))
"""Kernel and stride of the first convolutions at 2,000 Hz."""
STAGES = ((17, 4, 9), (9, 2, 5))
"""Kernel and stride of each stage's convolution at 2,000 Hz, and the kernel of its blocks."""
BLOCKS = 2
"""TDS blocks of a stage."""
POSITION_S = 0.25
"""Seconds from the first output during which the velocity decoder gives positions; then it gives velocities."""


class ConvNorm(nn.Module):
    """Valid convolution over time, LayerNorm, ReLU; weights ``conv`` and ``norm``."""

    def __init__(self, columns: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(columns, WIDTH, kernel, stride)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return (B, fewer steps, 256)."""
        return F.relu(self.norm(self.conv(x_BTC.transpose(1, 2)).transpose(1, 2)))


class TdsBlock(nn.Module):
    """Time-depth-separable block (Hannun et al. 2019), valid over time.

    Weights: ``conv`` and ``norm_conv``, then ``up``, ``down`` and ``norm_mlp``. Column c of the 256 is
    channel c // 16 at width c % 16 of the convolution.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(GROUPS, GROUPS, (1, kernel))
        self.norm_conv = nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm_mlp = nn.LayerNorm(WIDTH)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return (B, T - kernel + 1, 256)."""
        B, T, D = x_BTD.shape
        grouped = x_BTD.transpose(1, 2).view(B, GROUPS, D // GROUPS, T)
        mixed_BTD = F.relu(self.conv(grouped)).flatten(1, 2).transpose(1, 2)
        x_BTD = self.norm_conv(mixed_BTD + x_BTD[:, -mixed_BTD.shape[1] :])
        out: Tensor = self.norm_mlp(x_BTD + self.down(F.relu(self.up(x_BTD))))
        return out


class TdsStage(ConvNorm):
    """A convolution that strides (``conv``, ``norm``), then ``blocks``."""

    def __init__(self, kernel: int, stride: int, block_kernel: int) -> None:
        super().__init__(WIDTH, kernel, stride)
        self.blocks = nn.Sequential(*(TdsBlock(block_kernel) for _ in range(BLOCKS)))

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return (B, fewer steps, 256)."""
        out: Tensor = self.blocks(super().forward(x_BTC))
        return out


class TdsEncoder(nn.Module):
    """EMG to 64 features, 25 times a second: two convolutions ``stem``, two ``stages``, a linear ``out``.

    On another device, ``strides_at`` gives the strides, and ``kernel_at`` gives the kernels of the convolutions
    with a stride. The kernels of the blocks stay, because the rate of their input stays.

    Args:
        channels: EMG channels C.
        rate: EMG samples per second.

    Attributes:
        stride: EMG samples between features; 80 at 2,000 Hz.
        context: EMG samples that a feature reads before its own sample, which is the last that it reads; 1,790 at
            2,000 Hz.
    """

    def __init__(self, channels: int, rate: float) -> None:
        super().__init__()
        stated = (*STEM, *((kernel, stride) for kernel, stride, _ in STAGES))
        strides = strides_at([stride for _, stride in stated], rate / DESIGN_RATE)
        kernels = [kernel_at(*layer, new) for layer, new in zip(stated, strides, strict=True)]
        layers = list(zip(kernels, strides, strict=True))
        stem, stages = layers[: len(STEM)], layers[len(STEM) :]
        self.stride = math.prod(strides)
        self.stem = nn.Sequential(*(ConvNorm(channels if i == 0 else WIDTH, *layer) for i, layer in enumerate(stem)))
        self.stages = nn.Sequential(
            *(TdsStage(*layer, block) for layer, (_, _, block) in zip(stages, STAGES, strict=True))
        )
        self.out = nn.Linear(WIDTH, FEATURES)
        blocks = [[(block, 1)] * BLOCKS for _, _, block in STAGES]
        deep = [layer for pair in zip(stages, blocks, strict=True) for layer in (pair[0], *pair[1])]
        self.context = receptive_field([*stem, *deep]) - 1

    def forward(self, signal_BTC: Tensor) -> Tensor:
        """Return (B, N, 64)."""
        out: Tensor = self.out(self.stages(self.stem(signal_BTC)))
        return out


State = list[tuple[Tensor, Tensor] | None]
"""Hidden and cell state of each LSTM cell; None before the first step."""


class VelocityDecoder(nn.Module):
    """Two LSTM ``cells`` and a linear ``head``: features and the previous pose to positions and velocities.

    Args:
        joints: joints J of a pose.
    """

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(FEATURES + joints, HIDDEN), nn.LSTMCell(HIDDEN, HIDDEN)])
        self.head = nn.Linear(HIDDEN, 2 * joints)

    def forward(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        """Return positions and velocities (B, 2 J) of one step, and the state after it."""
        after: State = []
        for cell, before in zip(self.cells, state, strict=True):
            x_BD, memory = cell(x_BD, before)
            after.append((x_BD, memory))
        return self.head(x_BD), after


class PositionDecoder(nn.Module):
    """An MLP (``hidden``, ``head``) from features and the previous pose to positions; its velocities are not used.

    Args:
        joints: joints J of a pose.
    """

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(FEATURES + joints, HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.ReLU(),
        )
        self.head = nn.Linear(HIDDEN, 2 * joints)

    def forward(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        """Return positions and velocities (B, 2 J) of one step, and the state as it was."""
        return self.head(self.hidden(x_BD)), state


DECODERS: dict[str, type[VelocityDecoder] | type[PositionDecoder]] = {
    "velocity": VelocityDecoder,
    "position": PositionDecoder,
}


class Emg2Pose(PoseRegressor):
    """``TdsEncoder`` and a decoder that reads its own previous pose, 50 times a second.

    The velocity decoder (vemg2pose) gives positions for the first 250 ms; from then on it adds a velocity to
    the previous pose. If it is given the pose at the start (tracking), it adds velocities from the first step on.
    The position decoder (emg2pose) gives the position at every step. Positions and velocities are multiplied by
    ``scale``, so that the pose of an untrained decoder hardly moves. The samples after the context are divided
    equally among the steps; the time of a step is the time of its last sample. Weights: ``encoder``, ``decoder``.

    Args:
        channels: EMG channels C.
        rate: EMG samples per second.
        samples: EMG samples T of a window, more than the encoder's context.
        joints: joints J of a pose.
        decoder: "velocity" or "position".
    """

    usual_scale = 0.01

    def __init__(
        self, channels: int, rate: float, samples: int, joints: int, decoder: Literal["velocity", "position"]
    ) -> None:
        encoder = TdsEncoder(channels, rate)
        check_window(samples, encoder.context + 1, rate, "emg2pose")
        frames = 2 * ((samples - encoder.context - 1) // encoder.stride + 1)
        span_S = torch.arange(1, frames + 1, dtype=torch.float64) / frames
        super().__init__(
            joints=joints,
            samples=samples,
            rate=rate,
            context=encoder.context,
            times_S=((encoder.context + (samples - encoder.context) * span_S - 1) / rate).float(),
        )
        self.encoder = encoder
        self.decoder = DECODERS[decoder](joints)
        self.tracks = decoder == "velocity"
        self.position_steps = math.ceil(POSITION_S * 2 * rate / encoder.stride) if self.tracks else frames

    @property
    def last(self) -> nn.Linear:
        """The decoder's linear layer."""
        return self.decoder.head

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the encoder's features (B, N, 64), 25 times a second."""
        out: Tensor = self.encoder(signal_BTC)
        return out

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose less the mean pose, (B, 2 N, J): two steps for each feature."""
        features_BSD = F.interpolate(
            features_BND.transpose(1, 2), size=2 * features_BND.shape[1], mode="linear"
        ).transpose(1, 2)
        pose_BJ = self.mean_J.new_zeros(len(features_BND), self.joints) if first_BJ is None else first_BJ
        position_steps = self.position_steps if first_BJ is None else 0
        state: State = [None, None]
        poses: list[Tensor] = []
        for step, feature_BD in enumerate(features_BSD.unbind(1)):
            said, state = self.decoder(torch.cat([feature_BD, pose_BJ], dim=1), state)
            # The pose keeps its precision under autocast: it sums up hundreds of small velocities.
            position_BJ, velocity_BJ = (self.scale * said.to(pose_BJ.dtype)).chunk(2, dim=1)
            pose_BJ = position_BJ if step < position_steps else pose_BJ + velocity_BJ
            poses.append(pose_BJ)
        return torch.stack(poses, dim=1)
