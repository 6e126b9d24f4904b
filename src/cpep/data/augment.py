"""EMG augmentation, drawn anew for every window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cpep.runtime import distributed


@dataclass(frozen=True)
class Augmentation:
    """Draws a variant of every window; see ``cpep.config.schema.AugmentConfig`` for the fields.

    Works on what ``Frontend.signal`` returns: raw samples over their level, or normalised columns of bins. In bins
    a gain of the EMG is a shift of the log energies, which leaves the rates beside them as they are, and a silent
    channel is one at its mean. Rates turn and drop with their channel.

    Attributes:
        gain: SD of a channel's log gain (raw) or shift.
        common_gain: SD of the same for all channels.
        noise: SD of noise added to every value.
        rotate_deg: largest angle.
        drop: probability that a channel is silent.
        ring: channels that form a ring, in order.
        raw: whether the signal is raw samples.
        channels: EMG channels C.
    """

    gain: float
    common_gain: float
    noise: float
    rotate_deg: float
    drop: float
    ring: tuple[int, ...]
    raw: bool
    channels: int

    def __call__(self, signal_BNF: Tensor, part: distributed.Part | None = None) -> Tensor:
        """Return the augmented windows; draws from the global generator, which the loop seeds at each step.

        Args:
            signal_BNF: windows.
            part: which rows of a batch these are; all of it unless given. Random numbers are drawn for the whole
                batch, so that a window is augmented alike with any number of ranks.
        """
        B, N, F = signal_BNF.shape
        part = part or distributed.Part(0, B, B)
        gain_BC = self.gain * torch.randn(part.whole, self.channels) + self.common_gain * torch.randn(part.whole, 1)
        kept_BC = (torch.rand(part.whole, self.channels) >= self.drop)[part.rows].to(signal_BNF)
        gain_BC = gain_BC[part.rows].to(signal_BNF)
        out_BNGC = self._turned(signal_BNF.view(B, N, F // self.channels, self.channels), part)
        if self.raw:
            out_BNGC = out_BNGC * gain_BC.exp()[:, None, None]
        else:
            energy_BNC, rates_BNGC = out_BNGC[:, :, :1] + gain_BC[:, None, None], out_BNGC[:, :, 1:]
            out_BNGC = torch.cat([energy_BNC, rates_BNGC], dim=2)
        shape = (part.whole, *out_BNGC.shape[1:])
        noise_BNGC = torch.randn(shape, dtype=out_BNGC.dtype, device=out_BNGC.device)[part.rows]
        out_BNGC = out_BNGC + self.noise * noise_BNGC
        return (out_BNGC * kept_BC[:, None, None]).view(B, N, F)

    def _turned(self, signal_BNGC: Tensor, part: distributed.Part) -> Tensor:
        """Turn the ring of each window by up to ``rotate_deg`` degrees either way.

        Columns of bins are interpolated between neighbouring channels; a raw signal turns by whole channels,
        since the mean of two electrodes' signals is not the signal between them.
        """
        most = self.rotate_deg * len(self.ring) / 360  # channels
        if self.raw:
            most = int(most + 1e-9)
        if not most:
            return signal_BNGC
        ring = torch.tensor(self.ring)
        turn_B = most * (2 * torch.rand(part.whole)[part.rows] - 1)
        if self.raw:
            turn_B = turn_B.mul(1 + 0.5 / most).round()
        place_BR = (torch.arange(len(ring)) + turn_B[:, None]) % len(ring)
        low_BR = place_BR.floor().long() % len(ring)
        share_BR = (place_BR - place_BR.floor()).to(signal_BNGC)
        turned_BNGR = self._channels(signal_BNGC, ring[low_BR])
        if not self.raw:
            high_BNGR = self._channels(signal_BNGC, ring[(low_BR + 1) % len(ring)])
            turned_BNGR = turned_BNGR.lerp(high_BNGR, share_BR[:, None, None].expand_as(high_BNGR))
        out_BNGC = signal_BNGC.clone()
        out_BNGC[..., ring] = turned_BNGR
        return out_BNGC

    @staticmethod
    def _channels(signal_BNGC: Tensor, channel_BR: Tensor) -> Tensor:
        """Return other channels of each window."""
        _, N, G, _ = signal_BNGC.shape
        index = channel_BR.to(signal_BNGC.device)[:, None, None].expand(-1, N, G, -1)
        return signal_BNGC.gather(3, index)
