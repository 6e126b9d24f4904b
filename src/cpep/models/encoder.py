"""One encoder class for both modalities: tokens in, [CLS] and tokens out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.models.transformer import Block


class Tokeniser(nn.Module):
    """Cuts a signal into tokens of standardised values; what a masked autoencoder reconstructs.

    Mean and SD of the columns are fitted once on training windows and saved with the weights.

    Args:
        columns: values at each time F: EMG channels (with rates, if bins have them), or joints.
        steps: times of a window: samples, bins or frames; a multiple of ``token_steps``.
        token_steps: times of a token.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, columns: int, steps: int, token_steps: int) -> None:
        super().__init__()
        if steps % token_steps:
            raise ValueError(f"windows of {steps} steps do not divide into tokens of {token_steps}")
        self.columns, self.steps = columns, steps
        self.tokens, self.token_values = steps // token_steps, token_steps * columns
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))

    def fit(self, signal_BNF: Tensor) -> None:
        """Take mean and SD of every column from training windows."""
        values = signal_BNF.flatten(0, 1)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(values.std(dim=0).clamp_min(1e-3))

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return (B, tokens, values of a token)."""
        standard: Tensor = (signal_BNF - self.mean) / self.std
        return standard.reshape(-1, self.tokens, self.token_values)


class Encoder(nn.Module):
    """Pre-norm Transformer over the tokens of a window and a [CLS] token.

    Args:
        columns: see ``Tokeniser``.
        steps: see ``Tokeniser``.
        token_steps: see ``Tokeniser``.
        width: token width D.
        depth: number of blocks.
        heads: attention heads.
        dropout: on residual branches.
    """

    def __init__(
        self,
        *,
        columns: int,
        steps: int,
        token_steps: int,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, dropout
        self.tokeniser = Tokeniser(columns, steps, token_steps)
        self.embed = nn.Linear(self.tokeniser.token_values, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.tokeniser.tokens, width))
        self.cls = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return the [CLS] embedding (B, D) of whole windows."""
        return self.encode(self.tokeniser(signal_BNF))[:, 0]

    def pooled(self, signal_BNF: Tensor) -> Tensor:
        """Return [CLS] and the mean of the tokens, (B, 2 D): what a linear probe reads (as in DINOv2)."""
        out_BND = self.encode(self.tokeniser(signal_BNF))
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
