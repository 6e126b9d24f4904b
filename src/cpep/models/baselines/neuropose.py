"""NeuroPose (Liu et al. 2021), a U-shaped convolutional network, as the emg2pose benchmark uses it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.models.baselines.regressor import DESIGN_RATE, PoseRegressor, check_window, strides_at

KERNEL = (3, 2)
"""Kernel of every convolution, time by electrodes."""
FILTERS = (1, 32, 128, 256)
TIME_POOLS = (10, 8, 4)
"""Pools over time at 2,000 Hz, first stage first."""
ELECTRODE_POOLS, ELECTRODE_UPS = (2, 2, 4), (4, 4, 2)
"""Pools over electrodes at 16 electrodes, first stage first; and the factors by which the decoder widens the image,
for any number of electrodes."""
RESIDUALS = 5
POSE_RATE = 50.0
"""Poses per second."""


class ConvNorm(nn.Module):
    """Convolution that keeps the image's size, then BatchNorm; weights ``conv`` and ``norm``."""

    def __init__(self, filters: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(filters, out, KERNEL)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x_BDTC: Tensor) -> Tensor:
        """Return an image of the same size; for the even kernel, a column of zeros follows the last electrode."""
        out: Tensor = self.norm(self.conv(F.pad(x_BDTC, (0, 1, 1, 1))))
        return out


class Residual(nn.Module):
    """Three ``layers`` with ReLU between them; the input is added to their output."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNorm(filters, filters) for _ in range(3))

    def forward(self, x_BDTC: Tensor) -> Tensor:
        """Return an image of the same size."""
        first, second, third = self.layers
        out: Tensor = x_BDTC + third(F.relu(second(F.relu(first(x_BDTC)))))
        return out


class NeuroPose(PoseRegressor):
    """The window as an image, time by electrodes: pooled down, five residual blocks, and back up to a pose.

    Weights: ``encoder``, ``middle`` and ``decoder``, lists of blocks, and the linear ``head``. The decoder
    ends in 32 columns, for any number of electrodes, from which the head reads the joints; the poses of all
    samples are averaged to 50 Hz. The window's first samples are dropped, so that the pools divide its length.
    In the middle one column is left, so half of each kernel there reads only padding. The published number of
    parameters counts these idle weights, and so does this network's.

    On another device, ``strides_at`` gives the pools over time. A pool over electrodes is no larger than the
    number of columns that are left, and the last one takes all of them.

    A U-shaped network reads samples before and after each output; for every output it reads the whole window.
    So ``context`` is 0, and a stream does not give the outputs of a window.

    Args:
        channels: EMG channels C.
        rate: EMG samples per second.
        samples: EMG samples T of a window.
        joints: joints J of a pose.
    """

    def __init__(self, channels: int, rate: float, samples: int, joints: int) -> None:
        time_pools = strides_at(TIME_POOLS, rate / DESIGN_RATE)
        stride = math.prod(time_pools)
        check_window(samples, stride, rate, "NeuroPose")
        crop = samples % stride
        kept = samples - crop
        frames = max(1, min(kept, round(kept / rate * POSE_RATE)))
        centre_S = (torch.arange(frames, dtype=torch.float64) + 0.5) / frames * kept - 0.5  # in samples
        super().__init__(
            joints=joints,
            samples=samples,
            rate=rate,
            context=0,
            times_S=((crop + centre_S) / rate).float(),
        )
        self.crop = crop
        self.pools = list(zip(time_pools, electrode_pools(channels), strict=True))
        self.ups = [(float(time), float(up)) for time, up in zip(time_pools[::-1], ELECTRODE_UPS, strict=True)]
        self.encoder = nn.ModuleList(ConvNorm(*pair) for pair in pairwise(FILTERS))
        self.middle = nn.Sequential(*(Residual(FILTERS[-1]) for _ in range(RESIDUALS)))
        self.decoder = nn.ModuleList(ConvNorm(*pair) for pair in pairwise((*FILTERS[:0:-1], 1)))
        self.head = nn.Linear(math.prod(ELECTRODE_UPS), joints)

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the middle's output (B, N, 256), about 6 times a second."""
        x = as_image(signal_BTC[:, self.crop :].unsqueeze(3))
        for block, pool in zip(self.encoder, self.pools, strict=True):
            x = F.max_pool2d(F.relu(block(x)), pool, ceil_mode=True)
        out: Tensor = self.middle(x)
        return out.squeeze(3).transpose(1, 2)

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose less the mean pose, (B, S, J).

        No ReLU follows the last block. The block has one filter; if its output were negative in a whole window,
        a ReLU would pass nothing to the joints and no gradient back.
        """
        x = as_image(features_BND.unsqueeze(2))
        for i, (block, factor) in enumerate(zip(self.decoder, self.ups, strict=True)):
            x = block(F.interpolate(x if i == 0 else F.relu(x), scale_factor=factor))
        # Averaged before the head and not after it: the head is linear, so the result is the same.
        columns_BSC = F.adaptive_avg_pool1d(x.squeeze(1).transpose(1, 2), len(self.times_S)).transpose(1, 2)
        out: Tensor = self.scale * self.head(columns_BSC)
        return out


def as_image(x_BTCD: Tensor) -> Tensor:
    """Return (B, D, T, C) with the filters side by side in memory: on CPU a step takes two thirds of the time."""
    return x_BTCD.permute(0, 3, 1, 2)


def electrode_pools(channels: int) -> list[int]:
    """Return the pools that bring the electrodes down to one column.

    >>> electrode_pools(16), electrode_pools(10), electrode_pools(1)
    ([2, 2, 4], [2, 2, 3], [1, 1, 1])
    """
    pools: list[int] = []
    for pool in ELECTRODE_POOLS[:-1]:
        pools.append(min(pool, channels))
        channels = math.ceil(channels / pools[-1])
    return [*pools, channels]
