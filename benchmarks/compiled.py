"""Steps through ``torch.compile`` beside eager ones, and how long compiling takes. It needs a C++ compiler.

cpep trains eagerly. This tells on which machine that would have to change.
"""

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks import alignment
from benchmarks.measure import Figure, beside, seconds
from benchmarks.training import CONFIG, FORMAT, autoencoder, own_step
from cpep.models.cpep import Cpep
from cpep.models.losses import info_nce
from cpep.train.task import autocast

STAGE_STEPS = 400
"""Steps of an alignment of the small preset."""


class Emg(nn.Module):
    """The EMG side of a model."""

    def __init__(self, model: Cpep) -> None:
        super().__init__()
        self.model = model

    def forward(self, signal_BNF: Tensor) -> Tensor:
        return self.model.embed_emg(signal_BNF)


def compared(name: str, model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> list[Figure]:
    """Return the figures of one step.

    Args:
        name: of the step.
        model: is trained, and a copy of it, compiled.
        loss: of a model, compiled or not, on one batch.
    """
    other = copy.deepcopy(model)
    compiled = torch.compile(other)
    ours, eager = own_step(other, lambda: loss(compiled)), own_step(model, lambda: loss(model))
    compile_s = seconds(ours) + seconds(ours)
    own_s, eager_s, ratio = beside(ours, eager, clock=time.process_time)
    stage_s = STAGE_STEPS * eager_s
    return [
        Figure(f"{name} in {FORMAT}, torch.compile beside eager, ms", 1e3 * own_s, 1e3 * eager_s, ratio, 1.0, 0.3),
        Figure(
            f"first two of it, s, beside {STAGE_STEPS} eager steps", compile_s, stage_s, stage_s / compile_s, 10, 0
        ),
    ]


def figures() -> list[Figure]:
    """Return the figures of a step of EMG-MAE and of an alignment."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    mae, signal_BTC = autoencoder()
    found = compared("EMG-MAE step", mae, lambda model: model(signal_BTC))
    model = alignment.pair()
    signal_BNF, pose_BSJ = alignment.batch()
    with torch.no_grad(), autocast(CONFIG):
        anchor_BD = model.embed_anchor(pose_BSJ)
    return found + compared(
        "alignment step", Emg(model), lambda emg: info_nce(emg(signal_BNF), anchor_BD, model.temperature.detach())
    )
