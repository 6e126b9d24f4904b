"""The network as arrays, beside the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import EnergyEncoder, PatchEncoder
from cpep.models.lean import lean

SIZES = {"columns": 3, "steps": 20, "token_steps": 4, "width": 16, "depth": 2, "heads": 2, "dropout": 0.2}


def pair(encoder=EnergyEncoder, width=16, **options):
    """A pair whose every weight and statistic matters."""
    torch.manual_seed(0)
    pose = PatchEncoder(**{**SIZES, "columns": 5, "width": width})
    net = Cpep(encoder(**SIZES), pose, 0.1, 0.01, 1.0, **options)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.add_(0.3 * torch.randn_like(tensor))
        net.emg.tokeniser.std.abs_().add_(0.5)
    return net.eval()


@pytest.mark.parametrize("encoder", [EnergyEncoder, PatchEncoder])
@pytest.mark.parametrize(
    "options",
    [{}, {"pool": "mean"}, {"projection": "none"}, {"pool": "mean", "projection": "none"}, {"width": 8}],
)
@pytest.mark.parametrize("windows", [1, 7])
def test_it_embeds_as_the_network_does(encoder, options, windows):
    net = pair(encoder, **options)
    found = lean(net)
    signal_BNF = torch.randn(windows, 20, 3)
    got_BD = found(signal_BNF.numpy())
    assert got_BD.dtype == np.float32
    with torch.inference_mode():
        np.testing.assert_allclose(got_BD, net.embed_emg(signal_BNF).numpy(), atol=1e-6)
        wanted_BD = net.double().embed_emg(signal_BNF.double()).numpy()
    np.testing.assert_allclose(got_BD, wanted_BD, atol=5e-7)


class Other(EnergyEncoder):
    """An encoder that somebody adds, and that may compute anything."""


def test_other_networks_are_left_to_torch():
    assert lean(pair(projection="mlp")) is None
    assert lean(pair(queries=2)) is None
    assert lean(pair(Other)) is None
    assert lean(nn.Linear(2, 2)) is None
