"""vemg2pose and emg2pose against loops that say the same slowly."""

import pytest
import torch

from cpep.models.baselines.emg2pose import TdsBlock
from tests.models.regressors import build, position, signal, velocity


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
