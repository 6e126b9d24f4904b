"""Q-Former and masked pose reconstruction of EMBridge (ICLR 2026), from the notes on the paper.

Two choices are ours, since the notes do not state them. Queries do not see the pose tokens (as in BLIP-2, Li et al.
2023), so that they are the same whether a pose is reconstructed or not. Cross-attention comes before self-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.models.encoder import Encoder, transformer_of
from cpep.models.losses import masked_mse
from cpep.models.transformer import Block, CrossAttention
from cpep.runtime.draws import drawn
from cpep.types import UserError


class QueryFormer(nn.Module):
    """Learnt queries that read the EMG tokens through blocks, every second of which has cross-attention to them.

    Args:
        pose: pose encoder; the blocks have its sizes, and ``start_from`` takes its weights.
        emg_width: width of the EMG tokens.
        queries: how many.
        dropout: on residual branches.

    Raises:
        UserError: the pose encoder is no Transformer.
    """

    def __init__(self, pose: Encoder, emg_width: int, queries: int, dropout: float) -> None:
        super().__init__()
        heads, depth = pose.heads, transformer_of(pose).depth
        self.queries = nn.Parameter(0.02 * torch.randn(queries, pose.width))
        self.cross = nn.ModuleList(CrossAttention(pose.width, emg_width, heads, dropout) for _ in range(0, depth, 2))
        self.blocks = nn.ModuleList(Block(pose.width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(pose.width)

    def start_from(self, pose: Encoder) -> None:
        """Take the weights of the pose encoder's blocks."""
        self.load_state_dict({**self.state_dict(), **transformer_of(pose).block_weights()})

    def states(self, emg_BME: Tensor) -> list[Tensor]:
        """Return the input of each block's self-attention, then the output of the last block: (B, Q, D) each."""
        x_BQD = self.queries.to(emg_BME.dtype).expand(emg_BME.shape[0], -1, -1)
        found = []
        for index, block in enumerate(self.blocks):
            if index % 2 == 0:
                x_BQD = self.cross[index // 2](x_BQD, emg_BME)
            found.append(x_BQD)
            x_BQD = block(x_BQD)
        return [*found, x_BQD]


class PoseReconstruction(nn.Module):
    """Masked pose reconstruction (MPRL): predicts the hidden pose tokens from the others and from the queries.

    Pose tokens pass through the Q-Former's self-attention alone: a pose token sees the queries and the pose tokens
    of its depth, never the EMG.

    Args:
        pose: the frozen pose encoder; its stem makes the vectors of the tokens here too.
        mask: share of the pose tokens that are hidden.

    Raises:
        UserError: no token, or every token, would be hidden.
    """

    def __init__(self, pose: Encoder, mask: float) -> None:
        super().__init__()
        tokens = pose.tokens
        self.hidden = round(mask * tokens)
        if not 0 < self.hidden < tokens:
            raise UserError(f"mask {mask} of {tokens} pose tokens hides {self.hidden}: some, not all, must be hidden")
        self.mask_token = nn.Parameter(0.02 * torch.randn(pose.width))
        self.out = nn.Linear(pose.width, pose.target_values)

    def forward(self, former: QueryFormer, states: list[Tensor], pose: Encoder, anchor_BSJ: Tensor) -> Tensor:
        """Return the mean squared error on the hidden tokens.

        Args:
            former: the Q-Former; the tokens pass through its blocks.
            states: states of its queries, from ``former.states``.
            pose: the same encoder as at construction.
            anchor_BSJ: pose windows.
        """
        tokens_BNP = pose.tokens_of(anchor_BSJ)
        B, N, _ = tokens_BNP.shape
        order_BN = drawn(B, lambda rows, generator: torch.rand(rows, N, generator=generator)).argsort(dim=1)
        hidden_BN = order_BN.to(anchor_BSJ.device) < self.hidden
        prediction_BNP = self.reconstruct(former, states, pose, tokens_BNP, hidden_BN)
        return masked_mse(prediction_BNP, pose.targets(tokens_BNP), hidden_BN)

    def reconstruct(
        self, former: QueryFormer, states: list[Tensor], pose: Encoder, tokens_BNP: Tensor, hidden_BN: Tensor
    ) -> Tensor:
        """Return a prediction of every pose token (B, N, P); the hidden tokens are not read."""
        x_BND = transformer_of(pose).embedded(tokens_BNP, hidden_BN, self.mask_token)
        for block, queries_BQD in zip(former.blocks, states, strict=False):
            x_BND = block(x_BND, queries_BQD)
        out: Tensor = self.out(former.norm(x_BND))
        return out
