"""What the regression models share, and the papers' numbers of each."""

import math

import pytest
import torch

from cpep.models.baselines.emg2pose import Emg2Pose
from cpep.models.baselines.neuropose import NeuroPose
from cpep.models.baselines.regressor import kernel_at, strides_at
from cpep.models.baselines.sensing_dynamics import SensingDynamics
from cpep.types import UserError
from tests.models.regressors import BENCHMARKS, MODELS, build, pose_t, position, signal, velocity

# --- the papers' numbers ---


@pytest.mark.parametrize(
    "make, parameters",
    [(velocity, 5_980_328), (position, 2_962_600), (NeuroPose, 6_354_903), (SensingDynamics, 1_646_740)],
)
def test_parameter_counts(make, parameters):
    assert sum(p.numel() for p in build(make).parameters()) == parameters


def test_emg2pose_context_and_lengths():
    for samples, features, frames in ((11_790, 125, 250), (4000, 28, 56), (1791, 1, 2)):
        model = build(position, samples=samples)
        assert (model.context, model.encoder.stride) == (1790, 80)
        with torch.no_grad():
            said = model.features(signal(model, 1))
            assert said.shape == (1, features, 64)
            assert model.decode(said, None).shape == (1, frames, 20)
        assert len(model.times_S) == frames
    assert build(velocity, samples=11_790).times_S[:2].tolist() == pytest.approx([1829 / 2000, 1869 / 2000])


def test_neuropose_drops_the_first_samples_and_averages_to_50_hz():
    model = build(NeuroPose)
    x = signal(model, 1)
    changed = x.clone()
    changed[:, :160] += 1.0
    with torch.no_grad():
        assert model.features(x).shape == (1, 12, 256)
        assert model(x).shape == (1, 96, 20)
        assert torch.equal(model(x), model(changed))
    assert model.times_S[0].item() == pytest.approx((160 + 19.5) / 2000)  # mean of samples 160 to 199
    assert model.times_S[-1].item() == pytest.approx((4000 - 20.5) / 2000)


def test_sensing_dynamics_context_and_lengths():
    model = build(SensingDynamics)
    assert (model.context, model.stride) == (100 + 30 + 17 * 8, 40)
    with torch.no_grad():
        assert model.features(signal(model)).shape == (2, 94, 128)
    assert model.times_S[0].item() == pytest.approx(266 / 2000)


@pytest.mark.parametrize("make", MODELS)
def test_times_ascend_within_the_window(make):
    model = build(make)
    with torch.no_grad():
        assert model(signal(model)).shape == (2, len(model.times_S), 20)
    assert (model.times_S.diff() > 0).all()
    assert model.context / model.rate - 1e-6 < model.times_S[0]
    assert model.times_S[-1] < model.samples / model.rate


@pytest.mark.parametrize("rate", [2000.0, 100.0])
def test_an_output_of_sensing_dynamics_is_at_the_last_sample_that_it_reads(rate):
    model = build(SensingDynamics, rate=rate, samples=round(2 * rate))
    x = signal(model, 1).requires_grad_()
    for output in (0, 3, len(model.times_S) - 1):
        (gradient,) = torch.autograd.grad(model.features(x)[0, output].sum(), x)
        last = gradient[0].any(dim=1).nonzero().max().item()
        assert model.times_S[output].item() == pytest.approx(last / rate)


@pytest.mark.parametrize("rate", [2000.0, 250.0, 100.0])
def test_steps_of_emg2pose_end_at_the_last_sample(rate):
    model = build(position, rate=rate, samples=round(2 * rate))
    assert model.times_S[-1].item() == pytest.approx(2 - 1 / rate)
    share = (model.samples - model.context) / len(model.times_S)
    assert model.times_S[0].item() == pytest.approx((model.context + share - 1) / rate)


def test_names_that_checkpoints_are_mapped_onto():
    names = set(build(velocity).state_dict())
    assert names >= {
        "mean_J",
        "encoder.stem.0.conv.weight",
        "encoder.stem.1.norm.bias",
        "encoder.stages.0.conv.weight",
        "encoder.stages.0.norm.weight",
        "encoder.stages.1.blocks.1.conv.weight",
        "encoder.stages.1.blocks.1.norm_conv.weight",
        "encoder.stages.1.blocks.1.up.weight",
        "encoder.stages.1.blocks.1.down.weight",
        "encoder.stages.1.blocks.1.norm_mlp.weight",
        "encoder.out.weight",
        "decoder.cells.1.weight_ih",
        "decoder.head.weight",
    }
    assert "times_S" not in names


# --- what an output reads ---


@pytest.mark.parametrize("make", [position, SensingDynamics])
@pytest.mark.parametrize("rate, channels", [(2000.0, 16), (100.0, 10)])
def test_context_and_one_sample_give_exactly_one_feature(make, rate, channels):
    context = build(make, channels, rate, samples=round(2 * rate)).context
    model = build(make, channels, rate, samples=context + 1)
    assert model.features(signal(model, 1, channels)).shape[1] == 1
    with pytest.raises(UserError, match="too short"):
        build(make, channels, rate, samples=context)


@pytest.mark.parametrize("make", [position, SensingDynamics])
@pytest.mark.parametrize("rate", [2000.0, 100.0])
def test_a_feature_reads_its_context_and_nothing_else(make, rate):
    model = build(make, rate=rate, samples=round(2 * rate)).double()
    stride = model.encoder.stride if isinstance(model, Emg2Pose) else model.stride
    x = signal(model, 1).double()[:, : model.context + 1 + 2 * stride]
    with torch.no_grad():
        before = model.features(x)
        assert before.shape[1] == 3
        for sample, read in ((stride - 1, False), (stride, True), (-1 - stride, True), (-stride, False)):
            changed = x.clone()
            changed[:, sample] += 100.0
            assert ((model.features(changed) - before)[:, 1].abs().max() > 1e-9) == read


@pytest.mark.parametrize("make", [position, SensingDynamics])
def test_features_are_the_same_in_whatever_window_they_lie(make):
    model = build(make, samples=2400)
    stride = model.encoder.stride if isinstance(model, Emg2Pose) else model.stride
    x = signal(model)
    with torch.no_grad():
        assert torch.allclose(model.features(x)[:, 1:], model.features(x[:, stride:]), atol=1e-5)


@pytest.mark.parametrize(
    "make, shortest",
    [(velocity, "0.896 s"), (position, "0.896 s"), (NeuroPose, "0.16 s"), (SensingDynamics, "0.134 s")],
)
def test_too_short_a_window_is_a_sentence(make, shortest):
    with pytest.raises(UserError, match=f"too short for .*: at 2000 Hz the shortest is {shortest}"):
        build(make, samples=200 if make in (velocity, position) else 100)
    build(make, samples=math.ceil(float(shortest.split()[0]) * 2000))


# --- what all models share ---


@pytest.mark.parametrize("make", MODELS)
def test_gradient_reaches_every_parameter(make):
    model = build(make, samples=2400 if make is not pose_t else 200)
    model(signal(model)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("make", MODELS)
def test_the_mean_pose_is_added(make):
    model = build(make, samples=2000)
    mean_J = torch.linspace(-1, 1, 20)
    x = signal(model)
    with torch.no_grad():
        plain = model(x)
        model.fit_mean(mean_J.expand(3, 4, 20))
        assert torch.allclose(model.mean_J, mean_J)
        assert torch.equal(model(x), model.mean_J + plain)
    assert "mean_J" in model.state_dict() and "mean_J" not in dict(model.named_parameters())


@pytest.mark.parametrize("make", [position, NeuroPose, SensingDynamics, pose_t])
def test_only_the_velocity_decoder_tracks(make):
    model = build(make, samples=2000)
    with pytest.raises(ValueError, match="only the velocity decoder tracks"):
        model(signal(model), torch.zeros(2, 20))


def test_windows_have_the_models_length():
    with pytest.raises(ValueError, match="a window of 2001 samples for a model of 2000"):
        build(position, samples=2000)(torch.zeros(1, 2001, 16))


@pytest.mark.parametrize("make", BENCHMARKS)
@pytest.mark.parametrize("rate, channels", [(100.0, 10), (1000.0, 8), (200.0, 1)])
def test_other_devices(make, rate, channels):
    model = build(make, channels, rate, samples=round(2 * rate), joints=22)
    with torch.no_grad():
        pose = model(signal(model, 2, channels))
    assert pose.shape == (2, len(model.times_S), 22)
    assert pose.isfinite().all()
    assert len(model.times_S) / (2 - model.context / rate) == pytest.approx(50, rel=0.3)  # 62.5 at 1 kHz
    assert (model.times_S.diff() > 0).all() and model.times_S[-1] < 2.0


def test_strides_are_dealt_out_from_the_last_stage():
    assert strides_at((5, 2, 4, 2), 1.0) == strides_at((5, 2, 4, 2), 2.0) == (5, 2, 4, 2)
    assert strides_at((5, 2, 4, 2), 0.05) == (1, 1, 2, 2)
    assert strides_at((5, 2, 4, 2), 0.5) == (2, 2, 4, 2)
    assert strides_at((5, 2, 4, 2), 0.001) == (1, 1, 1, 1)
    assert strides_at((10, 8, 4), 0.05) == (1, 4, 4)


def test_kernels_shrink_with_their_stride():
    assert kernel_at(18, 5, 5) == 18
    assert [kernel_at(11, 5, new) for new in (1, 2, 3, 4)] == [3, 5, 7, 9]


def test_the_100_hz_encoder_reads_less_than_half_of_two_seconds():
    model = build(velocity, 10, 100.0, 200, 22)
    assert (model.context, model.encoder.stride, len(model.times_S)) == (92, 4, 54)
