"""The encoder: from a window to one vector, and one state of each token; and the registry of encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, TypedDict, Unpack

import torch
from msgspec import Meta
from torch import Tensor, nn

from cpep.config.ranges import divisor
from cpep.config.schema import EncoderConfig, RunConfig
from cpep.models.transformer import Block
from cpep.runtime.checked import Size
from cpep.runtime.registry import Registry
from cpep.types import UserError

ENCODERS: Registry[type[Encoder]] = Registry("encoder", ("cpep.models.encoders.patches", "cpep.models.encoders.conv"))
"""All encoders, by the names that ``emg.tokens`` and ``pose.tokens`` take."""


class Sizes(TypedDict):
    """Constructor arguments that every encoder takes.

    Attributes:
        columns: values F at each step: EMG channels (and their rates, if bins have them), or joints.
        steps: steps of a window: samples, bins or frames; a multiple of ``token_steps``.
        token_steps: steps of a token.
        width: width D of the states.
        depth: number of blocks.
        heads: attention heads.
        dropout: on residual branches.
    """

    columns: Size
    steps: Size
    token_steps: Size
    width: Size
    depth: Annotated[int, Meta(ge=1, le=1000)]
    heads: Size
    dropout: Annotated[float, Meta(ge=0, lt=1)]


class Tokeniser(nn.Module):
    """Cuts a window into tokens of standardised values.

    Mean and SD of the columns are fitted once on training windows and saved with the weights.

    Args:
        columns: see ``Sizes``.
        steps: see ``Sizes``.
        token_steps: see ``Sizes``.

    Raises:
        UserError: ``steps`` is no multiple of ``token_steps``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, columns: int, steps: int, token_steps: int) -> None:
        super().__init__()
        if steps % token_steps:
            raise UserError(f"windows of {steps} steps do not divide into tokens of {token_steps}")
        self.columns, self.steps = columns, steps
        self.tokens, self.token_values = steps // token_steps, token_steps * columns
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))

    def fit(self, signal_BNF: Tensor) -> None:
        """Take mean and SD of every column from training windows."""
        values = signal_BNF.flatten(0, 1)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(values.std(dim=0).clamp_min(1e-3))

    def standardised(self, signal_BNF: Tensor) -> Tensor:
        """Return the signal less the mean of each column, over its SD."""
        out: Tensor = (signal_BNF - self.mean) / self.std
        return out

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return (B, tokens, values of a token)."""
        return self.standardised(signal_BNF).reshape(-1, self.tokens, self.token_values)


class Encoder(nn.Module, ABC):
    """From windows of a signal to states; all networks of CPEP that read tokens are built on an encoder.

    A new encoder implements ``encode`` and is registered by ``ENCODERS.add(name, class)``. A Transformer over other
    vectors of tokens derives from ``TransformerEncoder``. No other module uses the parts of an encoder.

    Args:
        sizes: see ``Sizes``.
    """

    reads_bins: ClassVar[bool] = False
    """Whether it takes EMG as log energies of bins (``emg.bin_ms``); if not, as raw samples over their level."""

    def __init__(self, **sizes: Unpack[Sizes]) -> None:
        super().__init__()
        self.width, self.depth, self.heads = sizes["width"], sizes["depth"], sizes["heads"]
        self.dropout = sizes["dropout"]
        self.tokeniser = Tokeniser(sizes["columns"], sizes["steps"], sizes["token_steps"])

    @classmethod
    def arguments(cls, config: EncoderConfig, columns: int, steps: int, rate: float) -> dict[str, Any]:
        """Return the constructor arguments, which a checkpoint keeps as JSON; a subclass may add to them.

        Args:
            config: settings of the encoder.
            columns: values at each step.
            steps: steps of a window.
            rate: steps per second.
        """
        return {
            "columns": columns,
            "steps": steps,
            "token_steps": divisor(steps, rate * config.token_ms / 1000),
            "width": config.width,
            "depth": config.depth,
            "heads": config.heads,
            "dropout": config.dropout,
        }

    @property
    def columns(self) -> int:
        """Values at each step of a window, F."""
        return self.tokeniser.columns

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.tokeniser.steps

    @property
    def tokens(self) -> int:
        """Tokens of a window N, [CLS] not among them."""
        return self.tokeniser.tokens

    @property
    def target_values(self) -> int:
        """Values P of a token that a masked autoencoder reconstructs."""
        return self.tokeniser.token_values

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.tokeniser.mean.device

    def fit(self, signal_BNF: Tensor) -> None:
        """Take the statistics that the encoder needs from training windows; no label is read."""
        self.tokeniser.fit(signal_BNF)

    def standardised(self, signal_BNF: Tensor) -> Tensor:
        """Return windows (B, steps, F) less the training windows' mean of each column, over its SD."""
        return self.tokeniser.standardised(signal_BNF)

    def tokens_of(self, signal_BNF: Tensor) -> Tensor:
        """Cut windows (B, steps, F) into tokens (B, N, values); a token depends on its own steps alone."""
        tokens_BNP: Tensor = self.tokeniser(signal_BNF)
        return tokens_BNP

    def targets(self, tokens_BNP: Tensor) -> Tensor:
        """Return the target of a masked autoencoder for each token, (B, N, P), in units of SD."""
        return tokens_BNP

    @abstractmethod
    def encode(self, tokens_BNP: Tensor, keep_BK: Tensor | None = None) -> Tensor:
        """Return (B, 1 + K, D): the vector of the window ([CLS]), then the states of the kept tokens.

        Args:
            tokens_BNP: what ``tokens_of`` returns.
            keep_BK: positions of the visible tokens; without it all are visible. Hidden ones must have no effect.
        """

    def states(self, signal_BNF: Tensor) -> Tensor:
        """Return [CLS] and the states of all tokens of windows, (B, 1 + N, D)."""
        return self.encode(self.tokens_of(signal_BNF))

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return the [CLS] embedding (B, D) of windows."""
        return self.states(signal_BNF)[:, 0]

    def pooled(self, signal_BNF: Tensor) -> Tensor:
        """Return [CLS] and the mean of the tokens, (B, 2 D), for a linear probe (as in DINOv2)."""
        out_BND = self.states(signal_BNF)
        return torch.cat([out_BND[:, 0], out_BND[:, 1:].mean(dim=1)], dim=1)


class TransformerEncoder(Encoder):
    """Pre-norm Transformer over the tokens of a window and a [CLS] token.

    Args:
        stem: from tokens (B, K, values) to vectors (B, K, D), each token by itself.
        sizes: see ``Sizes``.
    """

    def __init__(self, stem: nn.Module, **sizes: Unpack[Sizes]) -> None:
        super().__init__(**sizes)
        self.embed = stem
        self.position = nn.Parameter(0.02 * torch.randn(self.tokens, self.width))
        self.cls = nn.Parameter(0.02 * torch.randn(self.width))
        self.blocks = nn.ModuleList(Block(self.width, self.heads, self.dropout) for _ in range(self.depth))
        self.norm = nn.LayerNorm(self.width)

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """See ``Encoder.forward``; of the last block, [CLS] alone is computed."""
        return self._encoded(self.tokens_of(signal_BNF), None, 1)[:, 0]

    def encode(self, tokens_BNP: Tensor, keep_BK: Tensor | None = None) -> Tensor:
        """See ``Encoder.encode``; hidden tokens reach neither the stem nor a block."""
        return self._encoded(tokens_BNP, keep_BK, None)

    def _encoded(self, tokens_BNP: Tensor, keep_BK: Tensor | None, read: int | None) -> Tensor:
        """Return the first ``read`` states, of which [CLS] is the first, or all."""
        B, N, _ = tokens_BNP.shape
        position_BND = self.position.expand(B, N, -1)
        if keep_BK is not None:
            tokens_BNP = take(tokens_BNP, keep_BK)
            position_BND = self.position.index_select(0, keep_BK.reshape(-1)).view(B, -1, self.width)
        x = self.embed(tokens_BNP) + position_BND
        x = torch.cat([self.cls.to(x.dtype).expand(B, 1, -1), x], dim=1)
        for number, block in enumerate(self.blocks, 1):
            x = block(x, read=read if number == self.depth else None)
        out: Tensor = self.norm(x)
        return out

    def embedded(self, tokens_BNP: Tensor, hidden_BN: Tensor, mask_D: Tensor) -> Tensor:
        """Return the input of the first block, (B, N, D), with one vector in place of every hidden token.

        Args:
            tokens_BNP: what ``tokens_of`` returns.
            hidden_BN: which tokens are hidden.
            mask_D: the vector in their place, before the positions are added.
        """
        x_BND = self.embed(tokens_BNP)
        return torch.where(hidden_BN[..., None], mask_D.to(x_BND.dtype), x_BND) + self.position

    def block_weights(self) -> dict[str, Tensor]:
        """Return the weights of ``blocks`` and ``norm``, for a network that has both with the same sizes."""
        named = self.state_dict().items()
        return {name: tensor for name, tensor in named if name.startswith(("blocks.", "norm."))}


def require_encoders(config: RunConfig) -> RunConfig:
    """Check that the encoders of a run exist, before a long preparation starts, and return its settings.

    Raises:
        UserError: ``emg.tokens`` or ``pose.tokens`` names no encoder; the nearest is named.
    """
    for name, encoder in (("emg", config.emg), ("pose", config.pose)):
        try:
            ENCODERS.get(encoder.tokens)
        except UserError as error:
            raise UserError(f"{name}.tokens={encoder.tokens}: {error}") from error
    return config


def transformer_of(encoder: Encoder) -> TransformerEncoder:
    """Return the anchor encoder that queries are built on.

    Raises:
        UserError: it is no Transformer.
    """
    if not isinstance(encoder, TransformerEncoder):
        raise UserError(
            f"align.queries needs an anchor encoder of Transformer blocks, and {type(encoder).__name__} has none; "
            "set align.queries=0 or pose.tokens=patch"
        )
    return encoder


def take(x_BND: Tensor, index_BK: Tensor) -> Tensor:
    """Return the tokens (B, K, D) at given positions; a flat ``index_select`` is faster than a 3-D gather.

    Args:
        x_BND: tokens.
        index_BK: positions among the N of each window.
    """
    B, N, D = x_BND.shape
    flat = (index_BK + N * torch.arange(B, device=x_BND.device)[:, None]).reshape(-1)
    return x_BND.reshape(B * N, D).index_select(0, flat).view(B, -1, D)
