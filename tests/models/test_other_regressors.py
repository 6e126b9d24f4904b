"""NeuroPose, SensingDynamics, PoseT."""

import math

import pytest
import torch

from cpep.models.baselines.neuropose import NeuroPose
from cpep.models.baselines.pose_t import PoseT
from cpep.models.baselines.sensing_dynamics import RingNorm, SensingDynamics
from tests.models.regressors import build, pose_t, signal


def test_neuropose_reads_each_window_alone_in_evaluation():
    model = build(NeuroPose, samples=640)
    x = signal(model, 3)
    with torch.no_grad():
        assert torch.allclose(model(x)[:1], model(x[:1]), atol=1e-5)
        model.train()
        assert not torch.allclose(model(x)[:1], model(x[:1]), atol=1e-5)


def test_the_low_pass_halves_20_hz_and_keeps_what_is_slow():
    model = build(SensingDynamics)
    time_T = torch.arange(4000) / 2000
    kept = {}
    for frequency in (1.0, 20.0, 100.0):
        wave_BTC = torch.sin(2 * math.pi * frequency * time_T)[None, :, None].expand(1, -1, 16)
        raw, slow = model.both(wave_BTC)[0]
        assert torch.equal(raw[0], wave_BTC[0, 50:-50, 0])
        kept[frequency] = ((raw * slow).sum() / (raw * raw).sum()).item()
    assert kept[1.0] == pytest.approx(1.0, abs=0.01)
    assert kept[20.0] == pytest.approx(0.5, abs=0.03)
    assert abs(kept[100.0]) < 0.01


def test_the_low_pass_is_of_the_same_time_as_the_raw_signal():
    model = build(SensingDynamics)
    raw, slow = model.both(torch.linspace(0, 1, 4000)[None, :, None].expand(1, -1, 16))[0]
    assert torch.allclose(raw, slow, atol=1e-5)


def test_the_electrodes_are_a_ring():
    model = build(SensingDynamics)
    x = signal(model, 1)
    with torch.no_grad():
        turned = model.convs(model.both(x.roll(3, dims=2)))
        assert torch.allclose(turned, model.convs(model.both(x)).roll(3, dims=2), atol=1e-4)


def test_ring_norm_standardises_each_time_over_filters_and_electrodes():
    y = RingNorm(4)(torch.randn(2, 4, 5, 6) * 3 + 1)
    assert torch.allclose(y.mean(dim=(1, 2)), torch.zeros(2, 6), atol=1e-5)
    assert torch.allclose(y.std(dim=(1, 2), correction=0), torch.ones(2, 6), atol=1e-4)


def test_pose_t_says_the_frames_of_each_token_in_order():
    model = build(pose_t, samples=200)
    assert model.features(signal(model)).shape == (2, 10, 32)
    model.head.weight.data.zero_()
    model.head.bias.data = torch.arange(100.0)
    pose = model(signal(model))[0]
    assert torch.equal(pose, torch.arange(100.0).view(5, 20).repeat(10, 1))
    assert model.times_S[:2].tolist() == pytest.approx([0.0, 0.002])


def test_pose_t_frames_divide_among_tokens():
    encoder = build(pose_t, samples=200).encoder
    with pytest.raises(ValueError, match="51 pose frames of a window do not divide among 10 tokens"):
        PoseT(encoder, 20, frames=51, window_s=2.0)
