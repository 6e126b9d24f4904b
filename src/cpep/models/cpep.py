"""The aligned pair of encoders (CPEP section 2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.losses import info_nce
from cpep.models.encoder import Encoder


class Cpep(nn.Module):
    """An EMG encoder that learns to land where the frozen pose encoder puts the pose of the same time.

    The pose side is the frozen encoder's [CLS] as it is, and the one-layer projection is on the EMG side.

    Args:
        emg: EMG encoder, trained.
        pose: pose encoder, frozen here.
        temperature: initial value of the learnable temperature.
        temperature_min: lower bound.
        temperature_max: upper bound.
    """

    def __init__(
        self, emg: Encoder, pose: Encoder, temperature: float, temperature_min: float, temperature_max: float
    ) -> None:
        super().__init__()
        self.emg, self.pose = emg, pose.requires_grad_(False).eval()
        self.projection = nn.Linear(emg.width, pose.width)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.bounds = (math.log(temperature_min), math.log(temperature_max))

    def train(self, mode: bool = True) -> Cpep:
        """Set training mode; the pose encoder stays in evaluation mode."""
        super().train(mode)
        self.pose.eval()
        return self

    @property
    def temperature(self) -> Tensor:
        """The temperature within its bounds."""
        return self.log_temperature.clamp(*self.bounds).exp()

    def embed_emg(self, signal_BNF: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of EMG signals."""
        return F.normalize(self.projection(self.emg(signal_BNF)).float(), dim=-1)

    def embed_pose(self, pose_BSJ: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of pose windows."""
        return F.normalize(self.pose(pose_BSJ).float(), dim=-1)

    def forward(self, signal_BNF: Tensor, pose_BD: Tensor) -> Tensor:
        """Return the symmetric InfoNCE of EMG windows and the pose embeddings of the same windows."""
        return info_nce(self.embed_emg(signal_BNF), pose_BD, self.temperature)
