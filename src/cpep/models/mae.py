"""Masked autoencoder of one modality (CPEP section 1; He et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.models.encoder import Encoder, take
from cpep.models.losses import masked_mse
from cpep.models.transformer import Block
from cpep.types import UserError


class MaskedAutoencoder(nn.Module):
    """Hides part of the tokens, encodes the visible ones, and reconstructs ``Encoder.targets`` of the hidden ones.

    Args:
        encoder: the encoder to train; only visible tokens pass through it.
        mask: share of the tokens that are hidden.
        decoder_depth: blocks of the decoder, which has the encoder's width.
        heads: attention heads of the decoder.

    Raises:
        UserError: no token, or every token, would be hidden.
    """

    def __init__(self, encoder: Encoder, mask: float, decoder_depth: int, heads: int) -> None:
        super().__init__()
        tokens = encoder.tokens
        self.hidden = round(mask * tokens)
        if not 0 < self.hidden < tokens:
            raise UserError(f"mask {mask} of {tokens} tokens hides {self.hidden}: some, and not all, must be hidden")
        self.encoder = encoder
        self.mask_token = nn.Parameter(0.02 * torch.randn(encoder.width))
        self.position = nn.Parameter(0.02 * torch.randn(tokens, encoder.width))
        self.blocks = nn.ModuleList(Block(encoder.width, heads, 0.0) for _ in range(decoder_depth))
        self.norm = nn.LayerNorm(encoder.width)
        self.out = nn.Linear(encoder.width, encoder.target_values)

    def forward(self, signal_BNF: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean squared error on the hidden tokens; ``generator`` chooses them, or the global generator."""
        tokens_BNP = self.encoder.tokens_of(signal_BNF)
        B, N, _ = tokens_BNP.shape
        order_BN = torch.rand(B, N, generator=generator).argsort(dim=1).to(signal_BNF.device)
        keep_BK = order_BN[:, self.hidden :]
        prediction_BNP = self.reconstruct(self.encoder.encode(tokens_BNP, keep_BK), order_BN)
        masked_BN = torch.ones(B, N, dtype=torch.bool, device=signal_BNF.device).scatter(1, keep_BK, False)
        return masked_mse(prediction_BNP, self.encoder.targets(tokens_BNP), masked_BN)

    def reconstruct(self, visible_BKD: Tensor, order_BN: Tensor) -> Tensor:
        """Return a prediction of every token's target, (B, N, P), from [CLS] and the visible tokens.

        Args:
            visible_BKD: the encoder's output, [CLS] first.
            order_BN: positions, the hidden ones first, then the visible ones in the encoder's order.
        """
        masks = self.mask_token.to(visible_BKD.dtype).expand(len(order_BN), self.hidden, -1)
        shuffled_BND = torch.cat([masks, visible_BKD[:, 1:]], dim=1)
        x = take(shuffled_BND, order_BN.argsort(dim=1)) + self.position
        x = torch.cat([visible_BKD[:, :1], x], dim=1)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.out(self.norm(x[:, 1:]))
        return out
