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

    The pose side is standardised by statistics of the training windows before the cosine: the [CLS] of a
    masked autoencoder has a few dominant directions that would otherwise decide every similarity.

    Args:
        emg: EMG encoder, trained.
        pose: pose encoder, frozen here.
        temperature: initial value of the learnable temperature.
        temperature_min: lower bound.
        temperature_max: upper bound.
    """

    pose_mean: Tensor
    pose_std: Tensor

    def __init__(
        self, emg: Encoder, pose: Encoder, temperature: float, temperature_min: float, temperature_max: float
    ) -> None:
        super().__init__()
        self.emg, self.pose = emg, pose.requires_grad_(False).eval()
        self.projection = nn.Linear(emg.width, pose.width)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.bounds = (math.log(temperature_min), math.log(temperature_max))
        self.register_buffer("pose_mean", torch.zeros(pose.width))
        self.register_buffer("pose_std", torch.ones(pose.width))

    def train(self, mode: bool = True) -> Cpep:
        """Set training mode; the pose encoder stays in evaluation mode."""
        super().train(mode)
        self.pose.eval()
        return self

    @torch.no_grad()
    def fit_pose(self, cls_ND: Tensor) -> None:
        """Take mean and SD of the pose encoder's [CLS] over training windows."""
        self.pose_mean.copy_(cls_ND.mean(dim=0))
        self.pose_std.copy_(cls_ND.std(dim=0).clamp_min(1e-6))

    @property
    def temperature(self) -> Tensor:
        """The temperature within its bounds."""
        return self.log_temperature.clamp(*self.bounds).exp()

    def embed_emg(self, signal_BNC: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of what ``emg.tokeniser.signal`` returned."""
        return F.normalize(self.projection(self.emg(signal_BNC)).float(), dim=-1)

    def embed_pose(self, pose_BSJ: Tensor) -> Tensor:
        """Return L2-normalised embeddings (B, D) of pose windows."""
        return self.place_pose(self.pose(pose_BSJ))

    def place_pose(self, cls_BD: Tensor) -> Tensor:
        """Standardise and L2-normalise what the pose encoder returned (so that it can be cached)."""
        return F.normalize((cls_BD.float() - self.pose_mean) / self.pose_std, dim=-1)

    def forward(self, signal_BNC: Tensor, pose_BD: Tensor) -> Tensor:
        """Return the symmetric InfoNCE of EMG windows and the placed pose embeddings of the same windows."""
        return info_nce(self.embed_emg(signal_BNC), pose_BD, self.temperature)
