"""A convolutional stem for raw EMG: log power of learnt bands in short bins, as ShallowConvNet reads EEG."""

from __future__ import annotations

import math
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.config.ranges import divisor
from cpep.config.schema import EncoderConfig
from cpep.models.encoder import ENCODERS, Sizes, TransformerEncoder
from cpep.types import UserError

FILTERS = 8
KERNEL_MS, STRIDE_MS = 16.0, 2.0
LOWEST_HZ = 20.0
"""Centre of the lowest band at the start; the highest is at 0.4 of the rate, at most HIGHEST_HZ."""
HIGHEST_HZ = 400.0
POWER_FLOOR = 0.01
"""Added to a power before the logarithm, in units of the standardised samples: flattens sensor noise."""
FITTED_WINDOWS, FITTED_AT_ONCE = 128, 16
"""Windows from which the statistics of log powers come, at equal distances in the list; and how many at once."""


def log_power(power: Tensor) -> Tensor:
    """Return the logarithm of the RMS, given the mean square."""
    return (power + POWER_FLOOR).log() / 2


class BandPowers(nn.Module):
    """From tokens of raw samples to vectors: filters, square, mean of each bin, logarithm, one linear layer.

    The filters are shared by all channels and start as band-passes. No filter reaches over the border of a bin, so
    a token holds nothing of its neighbours. Log powers are standardised by the mean and SD that the untrained filters
    gave.

    Args:
        columns: channels C.
        token_steps: samples of a token.
        bin_steps: samples of a bin; divides ``token_steps``.
        kernel: samples of a filter.
        stride: samples from one place of a filter to the next.
        rate: samples per second.
        width: width D of the vectors.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, columns: int, token_steps: int, bin_steps: int, kernel: int, stride: int, rate: float, width: int
    ) -> None:
        super().__init__()
        self.columns, self.bin_steps = columns, bin_steps
        self.filters = nn.Conv2d(1, FILTERS, (kernel, 1), (stride, 1), bias=False)
        self.out = nn.Linear(token_steps // bin_steps * FILTERS * columns, width)
        self.register_buffer("mean", torch.zeros(FILTERS, columns))
        self.register_buffer("std", torch.ones(FILTERS, columns))
        with torch.no_grad():
            self.filters.weight.copy_(band_passes(kernel, rate)[:, None, :, None])

    def powers(self, tokens_BKP: Tensor) -> Tensor:
        """Return the log power of each bin, band and channel, (B, K, bins, FILTERS, C)."""
        B, K, _ = tokens_BKP.shape
        bins_M1LC = tokens_BKP.reshape(-1, 1, self.bin_steps, self.columns)
        power_MFC = self.filters(bins_M1LC).float().square().mean(dim=2)
        powers: Tensor = log_power(power_MFC).view(B, K, -1, FILTERS, self.columns)
        return powers

    def fit(self, tokens_BNP: Tensor) -> None:
        """Take mean and SD of the log powers of each band and channel from tokens of training windows."""
        with torch.no_grad():
            parts = [self.powers(some) for some in torch.split(tokens_BNP, FITTED_AT_ONCE)]
        powers_XFC = torch.cat(parts).flatten(0, 2)
        self.mean.copy_(powers_XFC.mean(dim=0))
        self.std.copy_(powers_XFC.std(dim=0).clamp_min(1e-3))

    def forward(self, tokens_BKP: Tensor) -> Tensor:
        """Return vectors (B, K, D) of tokens."""
        standard = (self.powers(tokens_BKP) - self.mean) / self.std
        out: Tensor = self.out(standard.flatten(2))
        return out


def band_passes(kernel: int, rate: float) -> Tensor:
    """Return filters (FILTERS, kernel) of unit length: the signal itself, then bands of equal ratios of frequency."""
    time_L = (torch.arange(kernel) - (kernel - 1) / 2) / rate
    highest = min(HIGHEST_HZ, 0.4 * rate)
    hz_F = torch.logspace(math.log10(min(LOWEST_HZ, highest)), math.log10(highest), FILTERS - 1)
    window_L = torch.hann_window(kernel + 2, periodic=False)[1:-1]
    waves_FL = torch.cos(2 * math.pi * hz_F[:, None] * time_L) * window_L
    itself_1L = (torch.arange(kernel) == kernel // 2).float()[None]
    return F.normalize(torch.cat([itself_1L, waves_FL]), dim=1)


class ConvEncoder(TransformerEncoder):
    """A Transformer over ``BandPowers`` of raw EMG; any rate, since kernel and stride are set in ms.

    A masked autoencoder reconstructs the log power of each bin and channel, since raw samples are noise.

    Args:
        bin_steps: samples of a bin.
        kernel: samples of a filter.
        stride: samples from one place of a filter to the next.
        rate: samples per second.
        sizes: see ``Sizes``.

    Raises:
        UserError: bins do not divide a token, or a filter does not fit a bin.
    """

    embed: BandPowers
    target_mean: Tensor
    target_std: Tensor

    def __init__(self, *, bin_steps: int, kernel: int, stride: int, rate: float, **sizes: Unpack[Sizes]) -> None:
        columns, token_steps = sizes["columns"], sizes["token_steps"]
        if not (1 <= kernel <= bin_steps and token_steps % bin_steps == 0 and stride >= 1):
            raise UserError(
                f"filters of {kernel} samples every {stride} do not fit bins of {bin_steps} and tokens of "
                f"{token_steps}"
            )
        super().__init__(BandPowers(columns, token_steps, bin_steps, kernel, stride, rate, sizes["width"]), **sizes)
        self.bin_steps, self.bins = bin_steps, token_steps // bin_steps
        self.register_buffer("target_mean", torch.zeros(columns))
        self.register_buffer("target_std", torch.ones(columns))

    @classmethod
    def arguments(cls, config: EncoderConfig, columns: int, steps: int, rate: float) -> dict[str, Any]:
        """See ``Encoder.arguments``; a bin is the divisor of a token that is nearest to ``bin_ms``."""
        sizes = super().arguments(config, columns, steps, rate)
        bin_steps = divisor(sizes["token_steps"], rate * config.bin_ms / 1000)
        return {
            **sizes,
            "bin_steps": bin_steps,
            "kernel": min(max(1, round(rate * KERNEL_MS / 1000)), bin_steps),
            "stride": max(1, round(rate * STRIDE_MS / 1000)),
            "rate": rate,
        }

    @property
    def target_values(self) -> int:
        """See ``Encoder.target_values``."""
        return self.bins * self.columns

    def fit(self, signal_BNF: Tensor) -> None:
        """See ``Encoder.fit``."""
        super().fit(signal_BNF)
        every = max(1, len(signal_BNF) // FITTED_WINDOWS)
        tokens_BNP = self.tokens_of(signal_BNF[::every])
        self.embed.fit(tokens_BNP)
        energy_XC = self._energies(tokens_BNP).flatten(0, 2)
        self.target_mean.copy_(energy_XC.mean(dim=0))
        self.target_std.copy_(energy_XC.std(dim=0).clamp_min(1e-3))

    def targets(self, tokens_BNP: Tensor) -> Tensor:
        """See ``Encoder.targets``."""
        return ((self._energies(tokens_BNP) - self.target_mean) / self.target_std).flatten(2)

    def _energies(self, tokens_BNP: Tensor) -> Tensor:
        """Return the log power of each bin and channel, (B, N, bins, C)."""
        B, N, _ = tokens_BNP.shape
        return log_power(tokens_BNP.view(B, N, self.bins, self.bin_steps, self.columns).square().mean(dim=3))


ENCODERS.add("conv", ConvEncoder)
