"""The EMG side of an aligned pair as arrays: what ``Cpep.embed_emg`` computes, for streams on one core.

For one window of some tokens, calling the network's many small operations takes torch longer than computing them.
Here there are fewer, and NumPy calls each faster. Constants are merged into the weights before: mean and SD of the
tokeniser, gain and offset of the norms, the scale of attention. All that is added to the tokens has mean zero, which
a norm would subtract, so that norms divide alone. The last block is computed for the token that is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from cpep.models.cpep import Cpep
from cpep.models.encoder import TransformerEncoder
from cpep.models.encoders.patches import EnergyEncoder, PatchEncoder
from cpep.models.transformer import Block
from cpep.types import FloatArray

CUBE, SCALE = 0.044715, (2 / np.pi) ** 0.5
"""Of the GELU in its form with tanh."""


def lean(net: nn.Module) -> Lean | None:
    """Return the EMG side of a pair with the weights that it has now; ``None`` for a network of other parts.

    Args:
        net: of a checkpoint, in float32.
    """
    if type(net) is not Cpep or net.former is not None or not isinstance(net.projection, nn.Linear | nn.Identity):
        return None
    encoder = net.emg
    if not isinstance(encoder, TransformerEncoder) or type(encoder) not in (PatchEncoder, EnergyEncoder):
        return None
    return Lean(net, encoder)


class Lean:
    """Embeds windows; it is called as ``Cpep.embed_emg``, with arrays, and agrees with it to 1e-6.

    Args:
        net: the pair; see ``lean`` for what it may be.
        encoder: its EMG encoder.
    """

    def __init__(self, net: Cpep, encoder: TransformerEncoder) -> None:
        tokeniser, stem, self.width = encoder.tokeniser, encoder.embed, encoder.width
        assert isinstance(stem, nn.Linear), "as in the encoders that `lean` takes"
        token_steps = tokeniser.token_values // tokeniser.columns
        std_P, mean_P = (np.tile(_wide(part), token_steps) for part in (tokeniser.std, tokeniser.mean))
        stem_PD = _wide(stem.weight).T / std_P[:, None]
        self._shape = tokeniser.tokens, tokeniser.token_values
        self._stem = _narrow(_centred(stem_PD))
        self._place = _narrow(_centred(_wide(stem.bias) - mean_P @ stem_PD + _wide(encoder.position)))
        self._cls = _narrow(_centred(_wide(encoder.cls)))
        self._blocks = [_merged(block) for block in encoder.blocks if isinstance(block, Block)]
        self._cls_alone, self._small = net.pool == "cls", encoder.norm.eps * self.width
        weight_DE, bias_E = _wide(encoder.norm.weight)[:, None] * np.eye(self.width), _wide(encoder.norm.bias)
        if isinstance(net.projection, nn.Linear):
            projection_DE = _wide(net.projection.weight).T
            weight_DE, bias_E = weight_DE @ projection_DE, bias_E @ projection_DE + _wide(net.projection.bias)
        self._out, self._out_bias = _narrow(weight_DE * self.width**0.5), _narrow(bias_E)

    def __call__(self, signal_BNF: FloatArray) -> FloatArray:
        """Return L2-normalised embeddings (B, D) of the output of the front end (B, N, F), float32."""
        tokens, values = self._shape
        x_BND = np.empty((len(signal_BNF), 1 + tokens, self.width), np.float32)
        x_BND[:, 0] = self._cls
        np.add(
            (signal_BNF.reshape(-1, values) @ self._stem).reshape(-1, tokens, self.width), self._place, x_BND[:, 1:]
        )
        last = len(self._blocks) - 1
        for index, block in enumerate(self._blocks):
            x_BND = self._after(block, x_BND, 1 if self._cls_alone and index == last else 1 + tokens)
        normed_BND = self._normed(x_BND if self._cls_alone else x_BND[:, 1:])
        x_BD = np.add.reduce(normed_BND, axis=1) / np.float32(normed_BND.shape[1])
        x_BD = x_BD @ self._out + self._out_bias
        return np.asarray(x_BD / np.maximum(np.sqrt(np.einsum("bd,bd->b", x_BD, x_BD)), 1e-12)[:, None])

    def _normed(self, x_BND: FloatArray) -> FloatArray:
        """Return tokens of mean zero over their length; the rest of a layer norm is in the weights that follow."""
        square_BN = np.einsum("bnd,bnd->bn", x_BND, x_BND)
        square_BN += self._small
        return np.asarray(x_BND / np.sqrt(square_BN)[:, :, None])

    def _after(self, block: _Merged, x_BND: FloatArray, read: int) -> FloatArray:
        """Return the first ``read`` tokens after a block."""
        B, N, D = x_BND.shape
        head = D // block.heads
        qkv = (self._normed(x_BND).reshape(-1, D) @ block.qkv + block.qkv_bias).reshape(B, N, 3, block.heads, head)
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)
        score_BHNM = query[:, :, :read] @ key.transpose(0, 1, 3, 2)
        score_BHNM -= score_BHNM.max(axis=3, keepdims=True)
        np.exp(score_BHNM, score_BHNM)
        score_BHNM /= np.add.reduce(score_BHNM, axis=3, keepdims=True)
        mixed = (score_BHNM @ value).transpose(0, 2, 1, 3).reshape(-1, D)
        x_BND = x_BND[:, :read] + (mixed @ block.out).reshape(B, read, D)
        up = self._normed(x_BND).reshape(-1, D) @ block.up
        up += block.up_bias
        bent = up * up
        bent *= np.float32(CUBE * SCALE)
        bent += np.float32(SCALE)
        bent *= up
        np.tanh(bent, bent)
        bent += np.float32(1)
        bent *= up
        return np.asarray(x_BND + (bent @ block.down).reshape(B, read, D))


@dataclass(frozen=True)
class _Merged:
    """A block: its weights with the norms, the scale of attention and the half of GELU in them."""

    heads: int
    qkv: FloatArray
    qkv_bias: FloatArray
    out: FloatArray
    up: FloatArray
    up_bias: FloatArray
    down: FloatArray


def _merged(block: Block) -> _Merged:
    width = len(block.norm_mlp.weight)
    scale_3D = np.ones(3 * width)
    scale_3D[:width] = (width // block.heads) ** -0.5
    qkv, qkv_bias = _after_norm(block.norm_attention, _wide(block.qkv.weight).T * scale_3D)
    up, up_bias = _after_norm(block.norm_mlp, _wide(block.up.weight).T)
    out, down = _centred(_wide(block.out.weight).T), _centred(_wide(block.down.weight).T / 2)
    return _Merged(block.heads, qkv, qkv_bias, _narrow(out), up, up_bias, _narrow(down))


def _after_norm(norm: nn.LayerNorm, weight_DE: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return weights and bias of a linear layer that takes what ``_normed`` returns."""
    gain_D1 = _wide(norm.weight)[:, None] * len(norm.weight) ** 0.5
    return _narrow(gain_D1 * weight_DE), _narrow(_wide(norm.bias) @ weight_DE)


def _centred(x_XD: FloatArray) -> FloatArray:
    return np.asarray(x_XD - x_XD.mean(axis=-1, keepdims=True))


def _wide(tensor: Tensor) -> FloatArray:
    return tensor.detach().cpu().double().numpy()


def _narrow(x: FloatArray) -> FloatArray:
    return np.ascontiguousarray(x, np.float32)
