"""SensingDynamics (Simpetru et al. 2022): raw and low-passed EMG, convolutions around the ring, an MLP."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.models.baselines.regressor import (
    DESIGN_RATE,
    PoseRegressor,
    check_window,
    kernel_at,
    nearest_odd,
    receptive_field,
    strides_at,
)

KERNELS, STRIDES = (31, 18), (8, 5)
"""Kernels and strides of the first two convolutions over time, at 2,000 Hz."""
FILTERS = (128, 64, 64)
HIDDEN, FEATURES = 1024, 128
CUTOFF_HZ = 20.0


class RingNorm(nn.Module):
    """Standardises the filters and electrodes of each time together; a weight and a bias for each filter.

    The paper has InstanceNorm, which takes its statistics over the whole window. Then an output would depend on
    EMG after it and on the window's length, and a stream could not give the outputs of a window. InstanceNorm
    also standardises each filter alone; here all filters of a time have one mean and one SD.
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(filters)), nn.Parameter(torch.zeros(filters))

    def forward(self, x_BDCT: Tensor) -> Tensor:
        """Return the same shape."""
        variance, mean = torch.var_mean(x_BDCT.float(), dim=(1, 2), keepdim=True, correction=0)
        gain = (variance + 1e-5).rsqrt() * self.weight[:, None, None]
        return x_BDCT * gain + (self.bias[:, None, None] - mean * gain)


class RingConv(nn.Module):
    """Convolution, GELU and norm; valid over time, and circular over electrodes if its kernel spans several."""

    def __init__(self, filters: int, out: int, kernel: tuple[int, int], stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(filters, out, kernel, (1, stride), padding=(kernel[0] // 2, 0), padding_mode="circular")
        self.norm = RingNorm(out)

    def forward(self, x_BDCT: Tensor) -> Tensor:
        """Return (B, out, C, fewer steps)."""
        out: Tensor = self.norm(F.gelu(self.conv(x_BDCT)))
        return out


class SensingDynamics(PoseRegressor):
    """Raw EMG and its 20-Hz low-pass as two images of electrodes by time, to a pose at 50 Hz.

    We adapt it to one ring of electrodes: all channels are taken as a ring, in their order, and so is a sensor
    beside the ring. Weights: ``convs``, a list of three; ``mlp``; the linear ``head``. The low-pass is a Hann
    window as long as a period of 20 Hz (-6 dB there). It is valid over time, and the raw EMG is cut to the samples
    at the centres of the low-pass. Nothing is padded, so an output is the same in every window that contains it.

    On another device, ``strides_at`` gives the strides, ``kernel_at`` the kernels, the rate the low-pass, and the
    number of electrodes the width of the first linear layer.

    Args:
        channels: EMG channels C.
        rate: EMG samples per second.
        samples: EMG samples T of a window, more than ``context``.
        joints: joints J of a pose.

    Attributes:
        stride: EMG samples between outputs; 40 at 2,000 Hz. An output's own sample is the last it reads.
    """

    lowpass_K: Tensor

    def __init__(self, channels: int, rate: float, samples: int, joints: int) -> None:
        strides = strides_at(STRIDES, rate / DESIGN_RATE)
        kernels = [kernel_at(*layer) for layer in zip(KERNELS, STRIDES, strides, strict=True)]
        taps = max(3, nearest_odd(rate / CUTOFF_HZ))
        field, stride = receptive_field([(taps, 1), *zip(kernels, strides, strict=True)]), math.prod(strides)
        check_window(samples, field, rate, "SensingDynamics")
        super().__init__(
            joints=joints,
            samples=samples,
            rate=rate,
            context=field - 1,
            times_S=(torch.arange(field - 1, samples, stride, dtype=torch.float64) / rate).float(),
        )
        self.stride = stride
        hann = torch.hann_window(taps + 2, periodic=False)[1:-1]  # without the zeros at its ends
        self.register_buffer("lowpass_K", hann / hann.sum(), persistent=False)
        self.convs = nn.Sequential(
            RingConv(2, FILTERS[0], (1, kernels[0]), strides[0]),
            RingConv(FILTERS[0], FILTERS[1], (3, kernels[1]), strides[1]),
            RingConv(FILTERS[1], FILTERS[2], (3, 1), 1),
        )
        self.mlp = nn.Sequential(
            nn.Linear(channels * FILTERS[2], HIDDEN), nn.GELU(), nn.Linear(HIDDEN, FEATURES), nn.GELU()
        )
        self.head = nn.Linear(FEATURES, joints)

    def both(self, signal_BTC: Tensor) -> Tensor:
        """Return raw and low-passed EMG of the same times, (B, 2, C, T - taps + 1)."""
        raw_BCT = signal_BTC.transpose(1, 2)
        slow_BCT = F.conv1d(raw_BCT.flatten(0, 1).unsqueeze(1), self.lowpass_K[None, None]).view(
            *raw_BCT.shape[:2], -1
        )
        edge = len(self.lowpass_K) // 2
        return torch.stack([raw_BCT[..., edge:-edge].to(slow_BCT.dtype), slow_BCT], dim=1)

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the 128 features that the head reads, (B, S, 128)."""
        ring_BDCT = self.convs(self.both(signal_BTC))
        out: Tensor = self.mlp(ring_BDCT.permute(0, 3, 2, 1).flatten(2))
        return out

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose less the mean pose, (B, S, J)."""
        out: Tensor = self.scale * self.head(features_BND)
        return out
