"""Dropout, beside torch's."""

import pytest
import torch
from torch import nn

from cpep.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.01, 0.1, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_so_many_are_dropped_and_the_others_keep_the_mean(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(400, 1000, dtype=dtype)
    found = Dropout(p)(x)
    share = (found == 0).double().mean().item()
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / x.numel()) ** 0.5 + 1e-5)
    kept = found[found != 0].unique()
    theirs = nn.Dropout(p)(x)
    assert len(kept) == 1 and kept.item() == pytest.approx(theirs[theirs != 0][0].item(), rel=2e-3)


def test_elements_are_dropped_independently_of_their_neighbours():
    """Four elements share one random number; none of its parts tells another, nor does the next number."""
    torch.manual_seed(1)
    dropped = (Dropout(0.3)(torch.ones(100_000, 8)) == 0).double() - 0.3
    correlation = torch.corrcoef(dropped.T)
    assert (correlation - torch.eye(8)).abs().max() < 5 / 100_000**0.5
    following = (dropped[1:] * dropped[:-1]).mean(0) / (0.3 * 0.7)
    assert following.abs().max() < 5 / 100_000**0.5


def test_the_gradient_flows_through_what_was_kept():
    torch.manual_seed(0)
    x = torch.randn(5, 7, requires_grad=True)
    found = Dropout(0.4)(x)
    found.sum().backward()
    assert torch.equal(x.grad == 0, found == 0)
    assert torch.allclose(x.grad[found != 0], (found / x)[found != 0].detach())


def test_it_follows_the_seed_and_rests_in_evaluation():
    layer, x = Dropout(0.5), torch.randn(3, 5)

    def drawn(seed):
        torch.manual_seed(seed)
        return layer(x)

    assert torch.equal(drawn(0), drawn(0)) and not torch.equal(drawn(0), drawn(1))
    assert layer.eval()(x) is x or torch.equal(layer(x), x)
    assert torch.equal(Dropout(0.0)(x), x) and Dropout(0.5)(torch.zeros(0, 3)).shape == (0, 3)
