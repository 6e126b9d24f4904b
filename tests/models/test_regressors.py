"""The regression models, each against the paper's numbers and against loops that say the same slowly."""

import math

import pytest
import torch

from cpep.models.emg2pose import Emg2Pose, TdsBlock
from cpep.models.encoder import Encoder
from cpep.models.neuropose import NeuroPose
from cpep.models.pose_t import PoseT
from cpep.models.regressor import kernel_at, strides_at
from cpep.models.sensing_dynamics import RingNorm, SensingDynamics
from cpep.types import UserError


def pose_t(channels, rate, samples, joints):
    encoder = Encoder(
        columns=channels, steps=samples, token_steps=samples // 10, width=32, depth=2, heads=2, dropout=0
    )
    return PoseT(encoder, joints, frames=50, window_s=samples / rate)


def velocity(channels, rate, samples, joints):
    return Emg2Pose(channels, rate, samples, joints, "velocity")


def position(channels, rate, samples, joints):
    return Emg2Pose(channels, rate, samples, joints, "position")


BENCHMARKS = [velocity, position, NeuroPose, SensingDynamics]
MODELS = [*BENCHMARKS, pose_t]


def build(make, channels=16, rate=2000.0, samples=4000, joints=20):
    torch.manual_seed(0)
    return make(channels, rate, samples, joints).eval()


def signal(model, windows=2, channels=16):
    return torch.randn(windows, model.samples, channels, generator=torch.Generator().manual_seed(1))


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
    assert build(velocity, samples=11_790).times_S[:2].tolist() == pytest.approx([0.915, 0.935])


def test_neuropose_drops_the_first_samples_and_averages_to_50_hz():
    model = build(NeuroPose)
    x = signal(model, 1)
    changed = x.clone()
    changed[:, :160] += 1.0
    with torch.no_grad():
        assert model.features(x).shape == (1, 12, 256)
        assert model(x).shape == (1, 96, 20)
        assert torch.equal(model(x), model(changed))
    assert model.times_S[0].item() == pytest.approx((160 + 20) / 2000)
    assert model.times_S[-1].item() == pytest.approx((4000 - 20) / 2000)


def test_sensing_dynamics_context_and_lengths():
    model = build(SensingDynamics)
    assert (model.context, model.stride) == (100 + 30 + 17 * 8, 40)
    with torch.no_grad():
        assert model.features(signal(model)).shape == (2, 94, 128)
    assert model.times_S[0].item() == pytest.approx(267 / 2000)


@pytest.mark.parametrize("make", MODELS)
def test_times_ascend_within_the_window(make):
    model = build(make)
    with torch.no_grad():
        assert model(signal(model)).shape == (2, len(model.times_S), 20)
    assert (model.times_S.diff() > 0).all()
    assert model.context / model.rate < model.times_S[0]
    assert model.times_S[-1] <= model.samples / model.rate


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
    assert (model.times_S.diff() > 0).all() and model.times_S[-1] <= 2.0


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


# --- emg2pose ---


def test_a_tds_block_against_loops():
    torch.manual_seed(0)
    block, x = TdsBlock(3).double(), torch.randn(5, 256, dtype=torch.float64)
    weight, bias = block.conv.weight[:, :, 0], block.conv.bias
    mixed = torch.zeros(3, 256, dtype=torch.float64)
    for t in range(3):
        for channel in range(16):
            for width in range(16):
                total = bias[channel]
                for other in range(16):
                    total = total + weight[channel, other] @ x[t : t + 3, 16 * other + width]
                mixed[t, 16 * channel + width] = total.clamp_min(0)
    y = block.norm_conv(mixed + x[2:])
    expected = block.norm_mlp(y + block.down(block.up(y).clamp_min(0)))
    assert torch.allclose(block(x[None])[0], expected)


def lstm_step(weights, cell, x, h, c):
    gates = weights[f"decoder.cells.{cell}.weight_ih"] @ x + weights[f"decoder.cells.{cell}.bias_ih"]
    gates = gates + weights[f"decoder.cells.{cell}.weight_hh"] @ h + weights[f"decoder.cells.{cell}.bias_hh"]
    i, f, g, o = gates.split(512)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def slow_decoder(model, features_ND, first_J=None):
    """The pose of one window less the mean pose, sequentially and from the state dict alone."""
    weights, N = model.state_dict(), len(features_ND)
    pose = torch.zeros(20, dtype=torch.float64) if first_J is None else first_J
    memory = [[torch.zeros(512, dtype=torch.float64)] * 2 for _ in range(2)]
    out = []
    for step in range(2 * N):
        n, neighbour = step // 2, step // 2 + (1 if step % 2 else -1)
        feature = 0.75 * features_ND[n] + 0.25 * features_ND[min(max(neighbour, 0), N - 1)]
        memory[0] = lstm_step(weights, 0, torch.cat([feature, pose]), *memory[0])
        memory[1] = lstm_step(weights, 1, memory[0][0], *memory[1])
        head = 0.01 * (weights["decoder.head.weight"] @ memory[1][0] + weights["decoder.head.bias"])
        pose = head[:20] if first_J is None and step * 0.02 < 0.25 else pose + head[20:]
        out.append(pose)
    return torch.stack(out)


def test_the_velocity_decoder_against_a_slow_loop():
    model = build(velocity, samples=1791 + 12 * 80).double()
    first = torch.randn(2, 20, dtype=torch.float64)
    x = signal(model).double()
    with torch.no_grad():
        model.decoder.head.weight *= 100  # so that the pose that is fed back matters
        model.fit_mean(torch.randn(1, 5, 20, dtype=torch.float64))
        features, mean = model.features(x), model.mean_J
        for b in range(2):
            regressed = mean + slow_decoder(model, features[b])
            tracked = mean + slow_decoder(model, features[b], first[b] - mean)
            assert torch.allclose(model(x)[b], regressed, atol=1e-10)
            assert torch.allclose(model(x, first)[b], tracked, atol=1e-10)


def silent(positions, velocities):
    """A velocity model whose head says the same at every step."""
    model = build(velocity, samples=1791 + 12 * 80)
    model.decoder.head.weight.data.zero_()
    model.decoder.head.bias.data = torch.cat([torch.full((20,), positions), torch.full((20,), velocities)])
    return model


def test_thirteen_positions_and_then_velocities():
    model = silent(300.0, 10.0)
    pose = model(signal(model))[0, :, 0].tolist()
    assert pose[:13] == pytest.approx([3.0] * 13)
    assert pose[13:] == pytest.approx([3.0 + 0.1 * step for step in range(1, 14)])


def test_tracking_starts_at_the_given_pose_and_only_velocities_move_it():
    first = torch.randn(2, 20)
    still, moving, other = silent(300.0, 0.0), silent(300.0, 10.0), silent(-50.0, 10.0)
    x = signal(still)
    for model in (still, moving, other):
        model.fit_mean(torch.ones(1, 1, 20))
    assert torch.allclose(still(x, first), first[:, None].expand(-1, 26, -1), atol=1e-6)
    assert torch.allclose(moving(x, first)[:, 0], first + 0.1, atol=1e-6)
    assert torch.equal(moving(x, first), other(x, first))


def test_tracking_ignores_the_position_head():
    model = build(velocity, samples=1791 + 12 * 80)
    x, first = signal(model), torch.randn(2, 20)
    with torch.no_grad():
        tracked, regressed = model(x, first), model(x)
        model.decoder.head.weight[:20] += 1.0
        model.decoder.head.bias[:20] += 1.0
        assert torch.equal(model(x, first), tracked)
        assert not torch.allclose(model(x), regressed)


def test_the_position_decoder_against_a_slow_loop():
    model = build(position, samples=1791 + 2 * 80).double()
    x = signal(model, 1).double()
    with torch.no_grad():
        model.decoder.head.weight *= 100
        features, pose = model.features(x)[0], torch.zeros(20, dtype=torch.float64)
        expected = []
        for step in range(6):
            n, neighbour = step // 2, step // 2 + (1 if step % 2 else -1)
            feature = 0.75 * features[n] + 0.25 * features[min(max(neighbour, 0), 2)]
            pose = 0.01 * model.decoder.head(model.decoder.hidden(torch.cat([feature, pose])))[:20]
            expected.append(pose)
        assert torch.allclose(model(x)[0], torch.stack(expected), atol=1e-10)


# --- NeuroPose, SensingDynamics, PoseT ---


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
    assert model.times_S[:2].tolist() == pytest.approx([0.001, 0.003])


def test_pose_t_frames_divide_among_tokens():
    encoder = build(pose_t, samples=200).encoder
    with pytest.raises(ValueError, match="51 pose frames of a window do not divide among 10 tokens"):
        PoseT(encoder, 20, frames=51, window_s=2.0)
