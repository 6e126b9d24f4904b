"""An encoder for any ring of electrodes: a token is half a second of one channel, with its place on the arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from cpep.models.losses import masked_mse
from cpep.models.transformer import Block
from cpep.runtime.checked import Size


@dataclass(frozen=True)
class RingSizes:
    """Sizes of the network.

    Attributes:
        times: tokens of a channel in a window, S.
        values: of a token, V.
        places: values of the place of a channel, P.
        out: width of the embedding, that of the frozen encoder of poses.
        width: of the states.
        depth: number of blocks.
        heads: attention heads.
        dropout: on residual branches.
    """

    times: Size
    values: Size
    places: Size
    out: Size
    width: Size = 64
    depth: Annotated[int, Meta(ge=1, le=1000)] = 3
    heads: Size = 4
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1


class RingEncoder(nn.Module):
    """A Transformer over the channels of a window, as many as there are; no weight belongs to one of them.

    Args:
        sizes: of the network.
    """

    def __init__(self, sizes: RingSizes) -> None:
        super().__init__()
        self.sizes, width = sizes, sizes.width
        self.value, self.place = nn.Linear(sizes.values, width), nn.Linear(sizes.places, width)
        self.time = nn.Parameter(0.02 * torch.randn(sizes.times, width))
        self.cls = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, sizes.heads, sizes.dropout) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, sizes.out)

    def states(self, token_BSCV: Tensor, place_CP: Tensor, keep_BK: Tensor | None = None) -> Tensor:
        """Return [CLS] and the states of the kept tokens, (B, 1 + K, D); without ``keep_BK`` all are kept."""
        where_ND = (self.place(place_CP) + self.time[:, None]).flatten(0, 1)
        x_BND = self.value(token_BSCV).flatten(1, 2) + where_ND
        if keep_BK is not None:
            x_BND = x_BND.take_along_dim(keep_BK[..., None], dim=1)
        x_BND = torch.cat([self.cls.expand(len(x_BND), 1, -1), x_BND], dim=1)
        for block in self.blocks:
            x_BND = block(x_BND)
        out: Tensor = self.norm(x_BND)
        return out

    def pooled(self, token_BSCV: Tensor, place_CP: Tensor) -> Tensor:
        """Return [CLS] and the mean of the tokens, (B, 2 D), for a read-out that a person's own EMG fits."""
        x_BND = self.states(token_BSCV, place_CP)
        return torch.cat([x_BND[:, 0], x_BND[:, 1:].mean(dim=1)], dim=1)

    def forward(self, token_BSCV: Tensor, place_CP: Tensor) -> Tensor:
        """Return the embedding (B, out) of windows, L2-normalised, beside those of poses."""
        return F.normalize(self.projection(self.states(token_BSCV, place_CP)[:, 0]), dim=-1)


class RingMae(nn.Module):
    """Hides tokens, or all tokens of some channels, and reconstructs their values from the others.

    Args:
        sizes: of the encoder.
        share: of the tokens that are hidden.
    """

    def __init__(self, sizes: RingSizes, share: float = 0.6) -> None:
        super().__init__()
        self.share, width = share, sizes.width
        self.place, self.time = nn.Linear(sizes.places, width), nn.Parameter(0.02 * torch.randn(sizes.times, width))
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.block, self.norm = Block(width, sizes.heads, 0.0), nn.LayerNorm(width)
        self.out = nn.Linear(width, sizes.values)

    def forward(self, encoder: RingEncoder, token_BSCV: Tensor, place_CP: Tensor) -> Tensor:
        """Return the mean squared error of the hidden tokens; half of the windows lose whole channels."""
        B, S, C, _ = token_BSCV.shape
        by_channel_B11 = 10.0 * (torch.rand(B, 1, 1) < 0.5)
        order_BN = (torch.rand(B, S, C) + by_channel_B11 * torch.rand(B, 1, C)).flatten(1).argsort(dim=1)
        keep_BK = order_BN[:, : max(1, round((1 - self.share) * S * C))]
        seen_BKD = encoder.states(token_BSCV, place_CP, keep_BK)
        at_BKD = keep_BK[..., None].expand(-1, -1, encoder.sizes.width)
        x_BND = self.mask.expand(B, S * C, -1).scatter(1, at_BKD, seen_BKD[:, 1:])
        x_BND = x_BND + (self.place(place_CP) + self.time[:, None]).flatten(0, 1)
        x_BND = self.norm(self.block(torch.cat([seen_BKD[:, :1], x_BND], dim=1))[:, 1:])
        hidden_BN = torch.ones(B, S * C, dtype=torch.bool).scatter(1, keep_BK, False)
        return masked_mse(self.out(x_BND), token_BSCV.flatten(1, 2), hidden_BN)
