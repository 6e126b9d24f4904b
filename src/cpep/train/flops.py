"""The cost of training in floating-point operations: models are trained on equal terms by this measure.

The count does not depend on the machine, so a run that was resumed, or moved to a GPU, makes as many steps as any
other. Matrix products and convolutions are counted, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

COUNTED_WINDOWS = 2


def step_gflop(loss_of: Callable[[int], Tensor], batch: int) -> float:
    """Return the operations of one training step, in 10^9.

    Args:
        loss_of: from a number of windows to their loss; it must not train (no dropout, no running statistics).
        batch: windows of a step; the cost of a window is taken to be the same for every batch.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # other kernels of attention are not all counted
        loss_of(COUNTED_WINDOWS).backward()  # type: ignore[no-untyped-call]
    return counter.get_total_flops() / COUNTED_WINDOWS * batch / 1e9


def saved_bytes(loss_of: Callable[[int], Tensor]) -> float:
    """Return the bytes that a training step keeps of each window for its backward pass.

    Weights and their casts, which do not depend on the batch, are not in it. Call it under the number format of the
    step, with the model in training mode, so that the masks of dropout are counted.

    Args:
        loss_of: see ``step_gflop``.
    """
    few, more = (_kept(loss_of, count) for count in (COUNTED_WINDOWS, 2 * COUNTED_WINDOWS))
    return (more - few) / COUNTED_WINDOWS


def step_kernels(loss_of: Callable[[int], Tensor]) -> int:
    """Return how many operators a training step calls, forward and backward; views are not counted.

    On a GPU each operator is one kernel or a few, which the processor launches. Weights must have no gradient yet.

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
    """Return the bytes that are saved for the backward pass; memory that tensors share is counted once."""
    found: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        loss = loss_of(count)  # kept until the sum is made: freed memory would be counted twice
        total = sum(found.values())
    del loss
    return total
