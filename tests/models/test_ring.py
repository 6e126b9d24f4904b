"""The encoder for any ring: what must not change an embedding, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cpep.data.ring import PLACES, TIMES, VALUES, Ring
from cpep.models.ring import RingEncoder, RingMae, RingSizes

SIZES = RingSizes(TIMES, VALUES, PLACES, out=16, width=32, depth=2)


@pytest.fixture(scope="module")
def encoder() -> RingEncoder:
    torch.manual_seed(0)
    return RingEncoder(SIZES).eval()


def drawn(channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(channels)
    angles = tuple(2 * np.pi * np.arange(channels) / channels)
    return torch.randn(5, TIMES, channels, VALUES, generator=generator), Ring(angles, "raw", turn_known=True).places()


@pytest.mark.parametrize("channels", [4, 9, 32])
def test_any_number_of_channels_in_any_order(encoder: RingEncoder, channels: int) -> None:
    token_BSCV, place_CP = drawn(channels)
    order_C = torch.randperm(channels, generator=torch.Generator().manual_seed(1))
    one, other = encoder(token_BSCV, place_CP), encoder(token_BSCV[:, :, order_C], place_CP[order_C])
    assert one.shape == (5, 16)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(5))
    assert (one - encoder(token_BSCV[:, :, order_C], place_CP)).abs().max() > 1e-3


def test_hidden_tokens_have_no_effect(encoder: RingEncoder) -> None:
    token_BSCV, place_CP = drawn(6)
    keep_BK = torch.tensor([0, 3, 7]).expand(5, 3)
    seen_BN = torch.zeros(5, 12, dtype=torch.bool).scatter(1, keep_BK, True)
    other_BSCV = torch.where(seen_BN.view(5, TIMES, 6, 1), token_BSCV, torch.randn_like(token_BSCV))
    one, other = encoder.states(token_BSCV, place_CP, keep_BK), encoder.states(other_BSCV, place_CP, keep_BK)
    assert one.shape == (5, 4, 32)
    torch.testing.assert_close(one, other)
    assert encoder.pooled(token_BSCV, place_CP).shape == (5, 64)


def test_a_masked_autoencoder_learns_what_channels_share() -> None:
    torch.manual_seed(0)
    encoder, decoder = RingEncoder(SIZES), RingMae(SIZES)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters()], 3e-3)
    losses = []
    for _ in range(50):
        token_BSCV = torch.randn(16, 1, 1, 1).expand(16, TIMES, 8, VALUES)
        loss = decoder(encoder, token_BSCV, drawn(8)[1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])
