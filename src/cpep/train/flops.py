"""What training costs in floating-point operations: the measure by which models are trained on equal terms.

Operations do not depend on the machine, so that a run that was resumed, or moved to a GPU, trains as long as
one that was not. Matrix products and convolutions are counted, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cpep.checkpoints.card import Card, Kind
from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import RunConfig
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.models.mae import MaskedAutoencoder
from cpep.train.objective import Objective

COUNTED_WINDOWS = 2


def step_gflop(loss_of: Callable[[int], Tensor], batch: int) -> float:
    """Return the operations of one training step, in 10^9.

    Args:
        loss_of: returns the loss of that many windows; it must not train (no dropout, no running statistics).
        batch: windows of a step; the cost of a window is taken as independent of it.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # other kernels of attention are not all counted
        loss_of(COUNTED_WINDOWS).backward()  # type: ignore[no-untyped-call]
    return counter.get_total_flops() / COUNTED_WINDOWS * batch / 1e9


def saved_bytes(loss_of: Callable[[int], Tensor]) -> float:
    """Return the bytes that a training step keeps of each window for its backward pass.

    What a step keeps whatever its batch, weights and their casts, is not in it. Call it under the number format
    of the step, with the model in training mode, so that what dropout keeps is counted.

    Args:
        loss_of: returns the loss of that many windows.
    """
    few, more = (_kept(loss_of, count) for count in (COUNTED_WINDOWS, 2 * COUNTED_WINDOWS))
    return (more - few) / COUNTED_WINDOWS


def step_kernels(loss_of: Callable[[int], Tensor]) -> int:
    """Return how many operators a training step calls, forward and backward, views not counted.

    Each is a kernel, or a few, that the processor launches on a GPU. Weights must have no gradient yet.

    Args:
        loss_of: see ``step_gflop``.
    """
    calls = _Calls()
    with calls:
        loss_of(COUNTED_WINDOWS).backward()  # type: ignore[no-untyped-call]
    return calls.count


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operators that are called within it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        aliases = [value.alias_info for value in func._schema.returns]
        self.count += not any(alias is not None and not alias.is_write for alias in aliases)
        return func(*args, **(kwargs or {}))


def _kept(loss_of: Callable[[int], Tensor], count: int) -> int:
    """Return the bytes of all that is saved; of tensors that are views of one memory, once."""
    found: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        loss = loss_of(count)  # held until the sum is made: memory that is free again could be used twice
        total = sum(found.values())
    del loss
    return total


def cpep_gflop(card: Card, config: RunConfig) -> dict[str, float]:
    """Return the operations of the three stages of CPEP, in 10^9, with the steps that are set.

    The pose embeddings that the alignment computes once, similarities within a batch, and validation are not
    counted.

    Args:
        card: of an aligned model.
        config: settings.
    """
    with torch.random.fork_rng(devices=[]):  # a count must not move what a stage draws
        net = Model(card).net
        assert isinstance(net, Cpep)
        per_step = {"cpep": align_gflop(Objective(net, config.align), config.align.optim.batch)}
        kinds: tuple[tuple[Kind, Encoder], ...] = (("emg_mae", net.emg), ("pose_mae", net.anchor))
        for name, encoder in kinds:
            mae = autoencoder(encoder.requires_grad_(), config, name).eval()
            per_step[name] = masked_gflop(mae, getattr(config, name).optim.batch)
    used = {"cpep": True, "emg_mae": config.align.start_emg, "pose_mae": config.align.start_pose}
    steps = {name: used[name] * getattr(config, "align" if name == "cpep" else name).optim.steps for name in per_step}
    return {name: value * steps[name] for name, value in per_step.items()}


def align_gflop(objective: Objective, batch: int) -> float:
    """Return the operations of one step of the alignment, in 10^9; of a pose encoder too if it is trained."""
    objective.eval()
    found = step_gflop(align_total(objective), batch)
    objective.zero_grad()
    return found


def align_total(objective: Objective) -> Callable[[int], Tensor]:
    """Return a function from a number of windows to a sum that the alignment of as many passes back through."""
    net = objective.net
    emg, pose, device = net.emg, net.anchor, net.log_temperature.device

    def loss_of(count: int) -> Tensor:
        signal = torch.zeros(count, emg.steps, emg.columns, device=device)
        anchor_BSJ = torch.zeros(count, pose.steps, pose.columns, device=device)
        embedding, terms = objective.embed(signal, anchor_BSJ)
        total = embedding.sum() + terms
        return total + net.embed_anchor(anchor_BSJ).sum() if net.train_pose else total

    return loss_of


def autoencoder(encoder: Encoder, config: RunConfig, kind: Kind) -> MaskedAutoencoder:
    """Return the masked autoencoder around an encoder.

    Raises:
        UserError: no token or every token would be masked.
    """
    settings, heads = (
        (config.emg_mae, config.emg.heads) if kind == "emg_mae" else (config.pose_mae, config.pose.heads)
    )
    return MaskedAutoencoder(encoder, settings.mask, settings.decoder_depth, heads)


def masked_gflop(mae: MaskedAutoencoder, batch: int) -> float:
    """Return the operations of one step of a masked autoencoder, in 10^9."""
    return step_gflop(masked_loss(mae), batch)


def masked_loss(mae: MaskedAutoencoder) -> Callable[[int], Tensor]:
    """Return a function from a number of windows to the loss of as many windows of noise."""
    encoder = mae.encoder
    return lambda n: mae(torch.randn(n, encoder.steps, encoder.columns, device=encoder.device))
