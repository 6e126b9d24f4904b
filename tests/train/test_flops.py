import pytest
import torch
from torch import nn

from cpep.config.presets import preset
from cpep.models.encoders.patches import PatchEncoder
from cpep.train.flops import step_gflop
from cpep.train.stage import compute


def test_a_linear_layer_costs_two_operations_a_weight_forward_and_four_backward():
    layer, x = nn.Linear(30, 50), torch.randn(2, 30, requires_grad=True)
    assert step_gflop(lambda n: layer(x[:n]).sum(), 64) == pytest.approx(64 * 6 * 30 * 50 / 1e9)


def test_a_convolution_is_counted():
    layer, x = nn.Conv1d(3, 5, 7), torch.randn(2, 3, 20, requires_grad=True)
    assert step_gflop(lambda n: layer(x[:n]).sum(), 1) == pytest.approx(6 * 14 * 3 * 5 * 7 / 1e9)


def test_an_encoder_costs_what_its_products_do():
    encoder = PatchEncoder(columns=3, steps=40, token_steps=4, width=16, depth=2, heads=2, dropout=0.0)
    tokens, width = 11, 16

    def block(read):  # qkv of all tokens; out, up, down, scores and mixture of those that are read
        return (3 * tokens + (1 + 4 + 4) * read) * width**2 + 2 * read * tokens * width

    embed = 10 * 12 * width  # of the tokens, without [CLS]
    found = step_gflop(lambda n: encoder(torch.zeros(n, 40, 3)).sum(), 1)
    # the signal needs no gradient: the first product has one backward product, not two
    assert found == pytest.approx((6 * (block(tokens) + block(1)) + 4 * embed) / 1e9)


@pytest.fixture(scope="module")
def cost_of(store, split):
    return lambda *sets: compute("cpep", store, split, preset("tiny", sets))


def test_the_cost_of_a_stage_is_proportional_to_its_steps_and_batch(cost_of):
    one, other = cost_of(), cost_of("align.optim.steps=12", "pose_mae.optim.batch=48")
    assert other["cpep"] == pytest.approx(2 * one["cpep"]) and other["pose_mae"] == pytest.approx(3 * one["pose_mae"])
    assert other["emg_mae"] == one["emg_mae"] > 0


def test_a_stage_that_is_not_trained_costs_nothing(cost_of):
    one, other = cost_of(), cost_of("align.start_emg=false")
    assert list(one) == ["emg_mae", "pose_mae", "cpep"]
    assert other == {name: one[name] for name in ("pose_mae", "cpep")}


def test_counting_draws_nothing_from_what_training_draws(cost_of):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    cost_of()
    assert torch.equal(torch.rand(3), wanted)
