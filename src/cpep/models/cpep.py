"""The aligned pair of encoders (CPEP section 2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.losses import info_nce
from cpep.models.encoder import Encoder
from cpep.types import UserError


class Cpep(nn.Module):
    """An EMG encoder that learns to land where the frozen pose encoder puts the pose of the same time.

    The pose side is the frozen encoder's [CLS] as it is, and the one-layer projection is on the EMG side. The
    settings can leave the published way: another pooling or projection, the EMG encoder frozen, the pose
    encoder trained too, the temperature fixed (the ablations of results.md).

    Args:
        emg: EMG encoder.
        pose: pose encoder.
        temperature: initial value of the temperature.
        temperature_min: lower bound.
        temperature_max: upper bound.
        learn_temperature: whether it is trained.
        pool: what of an encoder is embedded: its [CLS] (``cls``) or the mean of its other tokens (``mean``).
        projection: ``linear``, ``mlp`` (two layers) or ``none``.
        freeze_emg: train the projection alone.
        train_pose: train the pose encoder too.

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
    ) -> None:
        super().__init__()
        self.emg = emg.requires_grad_(not freeze_emg)
        self.pose = pose.requires_grad_(train_pose).eval()
        self.pool, self.freeze_emg, self.train_pose = pool, freeze_emg, train_pose
        self.projection = _projection(projection, emg.width, pose.width)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), learn_temperature)
        self.bounds = (math.log(temperature_min), math.log(temperature_max))

    def train(self, mode: bool = True) -> Cpep:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        self.emg.train(mode and not self.freeze_emg)
        self.pose.train(mode and self.train_pose)
        return self

    @property
    def temperature(self) -> Tensor:
        """The temperature within its bounds."""
        return self.log_temperature.clamp(*self.bounds).exp()

    def embed_emg(self, signal_BNF: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of EMG signals."""
        return F.normalize(self.projection(self._pooled(self.emg, signal_BNF)).float(), dim=-1)

    def embed_pose(self, pose_BSJ: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of pose windows."""
        return F.normalize(self._pooled(self.pose, pose_BSJ).float(), dim=-1)

    def forward(self, signal_BNF: Tensor, pose_BD: Tensor) -> Tensor:
        """Return the symmetric InfoNCE of EMG windows and the pose embeddings of the same windows."""
        return info_nce(self.embed_emg(signal_BNF), pose_BD, self.temperature)

    def _pooled(self, encoder: Encoder, signal_BNF: Tensor) -> Tensor:
        out_BND = encoder.encode(encoder.tokeniser(signal_BNF))
        return out_BND[:, 0] if self.pool == "cls" else out_BND[:, 1:].mean(dim=1)


def _projection(kind: str, width: int, out: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(width, out)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))
    if width != out:
        raise UserError(f"without a projection, emg.width={width} and pose.width={out} must be equal; set one")
    return nn.Identity()
