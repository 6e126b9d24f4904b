from __future__ import annotations

import pytest
import torch

from cpep.config.presets import preset
from cpep.models.encoders.conv import FILTERS, ConvEncoder, band_passes
from cpep.models.mae import MaskedAutoencoder


def encoder(rate=2000.0, channels=3, bin_ms=50, window_s=1.0):
    torch.manual_seed(0)
    config = preset("tiny", ["emg.tokens=conv", f"emg.bin_ms={bin_ms}"]).emg
    return ConvEncoder(**ConvEncoder.arguments(config, channels, round(window_s * rate), rate))


def tone(hz, rate=2000.0, channels=3):
    return torch.sin(2 * torch.pi * hz * torch.arange(round(rate)) / rate)[None, :, None].expand(4, -1, channels)


@pytest.mark.parametrize("rate", [100.0, 200.0, 500.0, 1111.0, 2000.0, 4000.0])
def test_any_rate_has_filters_of_the_same_length_in_time(rate):
    made = encoder(rate)
    signal = torch.randn(8, made.steps, 3)
    made.fit(signal)
    assert torch.isfinite(made(signal)).all()
    filters = made.embed.filters.weight
    assert len(filters) == FILTERS and filters.shape[2] == min(made.bin_steps, max(1, round(0.016 * rate)))


def test_a_token_reads_its_own_samples_alone():
    made = encoder()
    signal = torch.randn(2, 2000, 3)
    tokens = made.tokens_of(signal)
    other = tokens.clone()
    other[:, 1] += torch.randn_like(other[:, 1])
    same = [0, 2, 3]
    assert torch.equal(made.embed(tokens)[:, same], made.embed(other)[:, same])
    assert torch.equal(made.targets(tokens)[:, same], made.targets(other)[:, same])
    keep = torch.tensor([same, same])
    assert torch.equal(made.encode(tokens, keep), made.encode(other, keep))
    assert not torch.allclose(made.encode(tokens), made.encode(other))


def test_targets_are_the_standardised_log_power_of_bins():
    made = encoder()
    signal = torch.randn(64, 2000, 3) * torch.rand(64, 20, 1, 3).repeat_interleave(100, 1).reshape(64, 2000, 3)
    made.fit(signal)
    found = made.targets(made.tokens_of(signal)).reshape(64, 4, 5, 3)
    bins = ((signal - signal.mean((0, 1))) / signal.std((0, 1))).reshape(64, 4, 5, 100, 3)
    wanted = (bins.square().mean(3) + 0.01).log() / 2
    wanted = (wanted - wanted.mean((0, 1, 2))) / wanted.std((0, 1, 2))
    assert torch.allclose(found, wanted, atol=1e-3)
    assert MaskedAutoencoder(made, 0.5, 1, 2).out.out_features == 5 * 3


def test_a_tone_is_loudest_in_its_own_band():
    made, loudest = encoder(), []
    for hz in (25.0, 60.0, 150.0, 390.0):
        powers = made.embed.powers(made.tokens_of(tone(hz)))[0, 0, 1, 1:, 0]
        loudest.append(int(powers.argmax()))
    assert loudest == sorted(loudest) and len(set(loudest)) == 4


def test_filters_begin_with_unit_length():
    for kernel, rate in ((32, 2000.0), (2, 100.0), (1, 50.0)):
        assert torch.allclose(band_passes(kernel, rate).norm(dim=1), torch.ones(FILTERS), atol=1e-4)


def test_bf16_embeds_as_fp32_does_but_for_its_rounding():
    made, signal = encoder().eval(), 3 * torch.randn(8, 2000, 3)
    made.fit(signal)
    with torch.no_grad():
        whole = made(signal)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            brief = made(signal)
    assert (1 - torch.cosine_similarity(whole, brief.float())).max() < 1e-3
    assert not torch.equal(whole, brief.float())
