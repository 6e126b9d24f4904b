"""The aligned pair of encoders (CPEP section 2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.models.embridge import QueryFormer
from cpep.models.encoder import Encoder
from cpep.types import UserError


class Cpep(nn.Module):
    """An EMG encoder that learns to land where the frozen pose encoder puts the pose of the same time.

    The pose embedding is the frozen encoder's [CLS] without a projection; the one-layer projection is on the EMG
    side. The settings can depart from the paper: another pooling or projection, the EMG encoder frozen, the pose
    encoder trained too, the temperature fixed (the ablations of docs/results/tables.md); or queries that read the EMG
    encoder's tokens in place of pooling (EMBridge).

    Args:
        emg: EMG encoder.
        pose: pose encoder.
        temperature: initial value of the temperature.
        temperature_min: lower bound.
        temperature_max: upper bound.
        learn_temperature: whether the temperature is trained.
        pool: which output of an encoder is the embedding: [CLS] (``cls``) or the mean of the other tokens (``mean``).
        projection: ``linear``, ``mlp`` (two layers) or ``none``.
        freeze_emg: train the projection alone.
        train_pose: train the pose encoder too.
        queries: number of queries of a Q-Former on the EMG encoder; 0 for none.

    Raises:
        UserError: encoders of different widths without a projection.
    """

    def __init__(
        self,
        emg: Encoder,
        pose: Encoder,
        temperature: float,
        temperature_min: float,
        temperature_max: float,
        *,
        learn_temperature: bool = True,
        pool: str = "cls",
        projection: str = "linear",
        freeze_emg: bool = False,
        train_pose: bool = False,
        queries: int = 0,
    ) -> None:
        super().__init__()
        self.emg = emg.requires_grad_(not freeze_emg)
        self.anchor = pose.requires_grad_(train_pose).eval()
        self.pool, self.freeze_emg, self.train_pose = pool, freeze_emg, train_pose
        self.former = QueryFormer(pose, emg.width, queries, emg.dropout) if queries else None
        self.projection = _projection(projection, pose.width if queries else emg.width, pose.width)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), learn_temperature)
        self.bounds = (math.log(temperature_min), math.log(temperature_max))

    def train(self, mode: bool = True) -> Cpep:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        self.emg.train(mode and not self.freeze_emg)
        self.anchor.train(mode and self.train_pose)
        return self

    @property
    def temperature(self) -> Tensor:
        """The temperature within its bounds."""
        return self.log_temperature.clamp(*self.bounds).exp()

    def embed_emg(self, signal_BNF: Tensor) -> Tensor:
        """Return L2-normalised embeddings of EMG signals, (B, D); with queries one for each query, (B, Q, D)."""
        if self.former is None:
            return self._projected(self._pooled(self.emg, signal_BNF))
        return self.of_queries(self.query_states(signal_BNF))

    def query_states(self, signal_BNF: Tensor) -> list[Tensor]:
        """Return the queries at every depth of the Q-Former; see ``QueryFormer.states``."""
        assert self.former is not None
        return self.former.states(self.emg.states(signal_BNF))

    def of_queries(self, states: list[Tensor]) -> Tensor:
        """Return L2-normalised embeddings (B, Q, D) of the queries, from the states that ``query_states`` returns."""
        assert self.former is not None
        return self._projected(self.former.norm(states[-1]))

    def embed_anchor(self, anchor_BSJ: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of pose windows."""
        return F.normalize(self._pooled(self.anchor, anchor_BSJ).float(), dim=-1)

    def _projected(self, x: Tensor) -> Tensor:
        return F.normalize(self.projection(x).float(), dim=-1)

    def _pooled(self, encoder: Encoder, signal_BNF: Tensor) -> Tensor:
        if self.pool == "cls":
            cls_BD: Tensor = encoder(signal_BNF)
            return cls_BD
        return encoder.states(signal_BNF)[:, 1:].mean(dim=1)


def _projection(kind: str, width: int, out: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(width, out)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))
    if width != out:
        raise UserError(f"without a projection, emg.width={width} and pose.width={out} must be equal; set one")
    return nn.Identity()
