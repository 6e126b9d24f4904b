"""One encoder class for both modalities: tokens in, [CLS] and tokens out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.models.transformer import Block


class Tokeniser(nn.Module):
    """Cuts a window into tokens of standardised values; what a masked autoencoder reconstructs.

    With ``bin_samples`` 0 a token is its raw samples (the paper's patches); otherwise the signal becomes
    log RMS in bins of that many samples first (an envelope is the RMS of bins of one sample). Statistics
    are fitted once on training windows and saved with the weights.

    Args:
        channels: EMG channels, or joints.
        samples: samples of a window, a multiple of ``token_samples``.
        token_samples: samples of a token, a multiple of ``bin_samples``.
        bin_samples: samples of one energy bin; 0 for raw patches.
        floor: added to the RMS before the logarithm, in units of the recording's scale. What lies well below
            it (sensor noise) is flattened; a large floor makes the logarithm nearly linear.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, samples: int, token_samples: int, bin_samples: int, floor: float) -> None:
        super().__init__()
        if samples % token_samples or (bin_samples and token_samples % bin_samples):
            raise ValueError(
                f"{samples} samples do not divide into tokens of {token_samples} and bins of {bin_samples}"
            )
        self.channels, self.samples, self.bin_samples, self.floor = channels, samples, bin_samples, floor
        self.tokens = samples // token_samples
        self.token_values = token_samples // max(bin_samples, 1) * channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def signal(self, x_BTC: Tensor) -> Tensor:
        """Return what the encoder takes: raw samples, or the RMS of each bin, shape (B, T / bin, C)."""
        if self.bin_samples == 0:
            return x_BTC
        if self.bin_samples == 1:
            return x_BTC.abs()
        B, T, C = x_BTC.shape
        return x_BTC.reshape(B, T // self.bin_samples, self.bin_samples, C).square().mean(dim=2).sqrt()

    def values(self, signal_BNC: Tensor) -> Tensor:
        """Return raw samples, or the logarithm of the RMS."""
        return (signal_BNC + self.floor).log() if self.bin_samples else signal_BNC

    def fit(self, signal_BNC: Tensor) -> None:
        """Take mean and SD of every channel's values from training windows."""
        values = self.values(signal_BNC).flatten(0, 1)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(values.std(dim=0).clamp_min(1e-3))

    def forward(self, signal_BNC: Tensor) -> Tensor:
        """Return (B, tokens, values of a token)."""
        standard = (self.values(signal_BNC) - self.mean) / self.std
        return standard.reshape(len(signal_BNC), self.tokens, self.token_values)


class Encoder(nn.Module):
    """Pre-norm Transformer over the tokens of a window and a [CLS] token.

    Args:
        channels: EMG channels, or joints.
        samples: samples of a window.
        token_samples: samples of a token.
        bin_samples: samples of an energy bin; 0 for raw patches.
        floor: see ``Tokeniser``.
        width: token width D.
        depth: number of blocks.
        heads: attention heads.
        dropout: on residual branches.
    """

    def __init__(
        self,
        *,
        channels: int,
        samples: int,
        token_samples: int,
        bin_samples: int,
        floor: float,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width = width
        self.tokeniser = Tokeniser(channels, samples, token_samples, bin_samples, floor)
        self.embed = nn.Linear(self.tokeniser.token_values, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.tokeniser.tokens, width))
        self.cls = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, signal_BNC: Tensor) -> Tensor:
        """Return the [CLS] embedding (B, D) of whole windows, given as ``tokeniser.signal`` returns them."""
        return self.encode(self.tokeniser(signal_BNC))[:, 0]

    def pooled(self, signal_BNC: Tensor) -> Tensor:
        """Return [CLS] and the mean of the tokens, (B, 2 D): what a linear probe reads (as in DINOv2)."""
        out_BND = self.encode(self.tokeniser(signal_BNC))
        return torch.cat([out_BND[:, 0], out_BND[:, 1:].mean(dim=1)], dim=1)

    def encode(self, tokens_BNP: Tensor, keep_BK: Tensor | None = None) -> Tensor:
        """Return (B, 1 + K, D): [CLS], then the kept tokens (all without ``keep_BK``).

        Args:
            tokens_BNP: what ``tokeniser`` returns.
            keep_BK: positions of the visible tokens; the others never enter the encoder.
        """
        B, N, _ = tokens_BNP.shape
        position_BND = self.position.expand(B, N, -1)
        if keep_BK is not None:
            tokens_BNP = take(tokens_BNP, keep_BK)
            position_BND = self.position.index_select(0, keep_BK.reshape(-1)).view(B, -1, self.width)
        x = self.embed(tokens_BNP) + position_BND
        x = torch.cat([self.cls.to(x.dtype).expand(B, 1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out


def take(x_BND: Tensor, index_BK: Tensor) -> Tensor:
    """Select tokens by position, row by row; a flat ``index_select`` is faster than a 3-D gather."""
    B, N, D = x_BND.shape
    flat = (index_BK + N * torch.arange(B, device=x_BND.device)[:, None]).reshape(-1)
    return x_BND.reshape(B * N, D).index_select(0, flat).view(B, -1, D)
