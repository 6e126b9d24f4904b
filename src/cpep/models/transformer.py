"""The pre-norm Transformer block, and attention to other tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.models.dropout import Dropout
from cpep.types import UserError


def attend(query_BHND: Tensor, key_BHND: Tensor, value_BHND: Tensor) -> Tensor:
    """Return softmax attention without dropout; all shapes are (batch, heads, tokens, head width).

    In bf16 on a CPU, the backward pass of ``scaled_dot_product_attention`` is slow. There ``written_out`` makes a
    step 1.4-1.7 times faster; elsewhere ``scaled_dot_product_attention`` is at least as fast.
    """
    if query_BHND.device.type == "cpu" and query_BHND.dtype == torch.bfloat16:
        return written_out(query_BHND, key_BHND, value_BHND)
    return F.scaled_dot_product_attention(query_BHND, key_BHND, value_BHND)


def written_out(query_BHND: Tensor, key_BHND: Tensor, value_BHND: Tensor) -> Tensor:
    """Return softmax attention as two matrix products and a softmax."""
    scores = query_BHND @ key_BHND.transpose(-2, -1) / math.sqrt(query_BHND.shape[-1])
    return scores.softmax(dim=-1).to(value_BHND.dtype) @ value_BHND


class Block(nn.Module):
    """Pre-norm self-attention and MLP, each with dropout on its residual branch.

    Args:
        width: token width.
        heads: attention heads; divides ``width``.
        dropout: probability, on both residual branches.
        mlp_ratio: hidden width of the MLP over ``width``.

    Raises:
        UserError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int, dropout: float, mlp_ratio: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise UserError(f"{heads} heads do not divide width {width}")
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, mlp_ratio * width, bias=False)
        self.down = nn.Linear(mlp_ratio * width, width, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x_BND: Tensor, beside_BMD: Tensor | None = None, read: int | None = None) -> Tensor:
        """Return tokens of the same shape, or the first ``read`` of them.

        Args:
            x_BND: tokens.
            beside_BMD: further tokens, to which ``x_BND`` attend too; they are not changed.
            read: how many tokens are read; the others are not computed. All without it.
        """
        B, N, D = x_BND.shape
        source = x_BND if beside_BMD is None else torch.cat([beside_BMD, x_BND], dim=1)
        qkv = self.qkv(self.norm_attention(source)).view(B, -1, 3, self.heads, D // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        query, x_BND = query[:, :, -N:][:, :, :read], x_BND[:, :read]
        mixed_BND = attend(query, key, value).transpose(1, 2).reshape(x_BND.shape)
        x_BND = x_BND + self.dropout(self.out(mixed_BND))
        hidden = F.gelu(self.up(self.norm_mlp(x_BND)), approximate="tanh")
        out: Tensor = x_BND + self.dropout(self.down(hidden))
        return out


class CrossAttention(nn.Module):
    """Pre-norm attention of some tokens to tokens of another width, as a residual branch.

    Args:
        width: width of the tokens that attend.
        other: width of the tokens that they attend to.
        heads: attention heads; divides ``width``.
        dropout: on the residual branch.
    """

    def __init__(self, width: int, other: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_other = nn.LayerNorm(width), nn.LayerNorm(other)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(other, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x_BND: Tensor, other_BME: Tensor) -> Tensor:
        """Return the tokens ``x_BND`` after attention to ``other_BME``, in the same shape."""
        B, N, D = x_BND.shape
        query = self.query(self.norm(x_BND)).view(B, N, self.heads, D // self.heads).transpose(1, 2)
        both = self.key_value(self.norm_other(other_BME)).view(B, -1, 2, self.heads, D // self.heads)
        key, value = both.permute(2, 0, 3, 1, 4).unbind(0)
        mixed_BND = attend(query, key, value).transpose(1, 2).reshape(B, N, D)
        out: Tensor = x_BND + self.dropout(self.out(mixed_BND))
        return out
