"""Our encoder with a regression head: the pose of each token's time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.encoder import Encoder
from cpep.types import UserError


class PoseT(PoseRegressor):
    """A linear ``head`` on every token (not on [CLS]) says the pose frames of the token's time.

    Its signal is what the encoder takes, (B, steps, columns): log-energy bins or samples; so ``samples`` and
    ``rate`` count steps. Every token attends to the whole window, so ``context`` is 0, as for ``NeuroPose``.

    Args:
        encoder: an encoder of EMG windows.
        joints: J.
        frames: pose frames S of a window, a multiple of the encoder's tokens.
        window_s: length of a window, seconds.
    """

    def __init__(self, encoder: Encoder, joints: int, frames: int, window_s: float) -> None:
        tokens, steps = encoder.tokeniser.tokens, encoder.tokeniser.steps
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
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, frames // tokens * joints)

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the tokens (B, N, D), without [CLS]."""
        return self.encoder.encode(self.encoder.tokeniser(signal_BTC))[:, 1:]

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose less the mean pose."""
        out: Tensor = self.head(features_BND)
        return out.reshape(len(out), -1, self.joints)
