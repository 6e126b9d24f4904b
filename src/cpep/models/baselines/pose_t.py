"""Our encoder with a regression head: each token gives the pose of its time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.encoder import Encoder
from cpep.types import UserError


class PoseT(PoseRegressor):
    """A linear ``head`` on every token (not on [CLS]) predicts the pose frames of the token's time.

    Its signal is the encoder's input, (B, steps, columns): log-energy bins or samples. So ``samples`` and
    ``rate`` count steps. Every token attends to the whole window, so ``context`` is 0, as for ``NeuroPose``.

    Args:
        encoder: an encoder of EMG windows.
        joints: joints J of a pose.
        frames: pose frames S of a window, a multiple of the encoder's tokens.
        window_s: length of a window, seconds.

    Raises:
        UserError: the tokens do not divide the frames.
    """

    def __init__(self, encoder: Encoder, joints: int, frames: int, window_s: float) -> None:
        tokens, steps = encoder.tokens, encoder.steps
        if frames % tokens:
            raise UserError(
                f"PoseT: {frames} pose frames of a window do not divide among {tokens} tokens; set emg.token_ms"
            )
        super().__init__(
            joints=joints,
            samples=steps,
            rate=steps / window_s,
            context=0,
            times_S=(torch.arange(frames, dtype=torch.float64) / frames * window_s).float(),
        )
        self.encoder, self.tokens = encoder, tokens
        self.head = nn.Linear(encoder.width, frames // tokens * joints)

    def fit(self, signals: Callable[[], Tensor], pose_BSJ: Tensor) -> None:
        """Take the mean pose, and mean and SD of the encoder's signal, from training windows."""
        super().fit(signals, pose_BSJ)
        self.encoder.fit(signals())

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the tokens (B, N, D), without [CLS]."""
        return self.encoder.states(signal_BTC)[:, 1:]

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose less the mean pose, (B, S, J)."""
        out: Tensor = self.scale * self.head(features_BND)
        return out.reshape(len(out), -1, self.joints)
