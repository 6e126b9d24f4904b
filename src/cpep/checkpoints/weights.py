"""The weights of a checkpoint, which must be those of the model that its card describes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cpep.runtime.files import refuse_special
from cpep.types import UserError

FLOATS = ("F16", "BF16", "F32")
"""Kinds of numbers that floating-point weights may be saved as; ``checkpoint.save`` writes the first or the last."""
BESIDE = 2**20
"""Values that a network may make beside its weights: filters, times."""
REMEDY = "take an undamaged copy of the checkpoint"
FEW = 3
"""How many tensors a sentence names."""

MAKERS: frozenset[Callable[..., Any]] = frozenset(
    (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.hann_window)
)
"""Functions of torch that make a tensor of a given size."""


@dataclass(frozen=True)
class Saved:
    """What the head of a file of weights says of a tensor.

    Attributes:
        shape: of the tensor.
        kind: of its numbers, as safetensors calls it.
    """

    shape: tuple[int, ...]
    kind: str

    @property
    def values(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        """Return both, such as ``F32 256x16``."""
        return f"{self.kind} {'x'.join(map(str, self.shape)) or 'scalar'}"


def read_head(path: Path) -> dict[str, Saved]:
    """Return what a file of weights holds; no tensor is read.

    Raises:
        UserError: no such file, or a damaged one.
    """
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {name: Saved(tuple(one.get_shape()), str(one.get_dtype())) for name, one in slices.items()}
    return _renamed(found)


def read_weights(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights from a file.

    Args:
        path: of the file.
        wanted: the weights of the model, by name: exactly these must be there, in these shapes.

    Raises:
        UserError: no such file, a damaged one, weights of another model, or such that are not finite.
    """
    refuse_other(read_head(path), wanted, path)
    with _opened(path) as file:
        found = _renamed({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    if bad := [name for name, tensor in found.items() if not bool(torch.isfinite(tensor).all())]:
        raise UserError(f"{path} is damaged: {few(bad)} not finite; {REMEDY}")
    return found


def refuse_other(head: Mapping[str, Saved], wanted: Mapping[str, Tensor], path: Path) -> None:
    """Check that a file has exactly the weights of a model, in its shapes, as numbers that fit them.

    Raises:
        UserError: it has not.
    """
    both = [name for name in wanted if name in head]
    wrong = {
        "not there": [name for name in wanted if name not in head],
        "not of this model": [name for name in head if name not in wanted],
        "of another shape": [f"{name}: {head[name]}" for name in both if head[name].shape != wanted[name].shape],
        "of another kind of number": [
            f"{name}: {head[name]}" for name in both if not _fits(head[name], wanted[name])
        ],
    }
    if said := "; ".join(f"{few(names)} {what}" for what, names in wrong.items() if names):
        raise UserError(f"{path} does not fit the JSON beside it, or one of both is damaged: {said}; {REMEDY}")


def few(names: list[str]) -> str:
    """Return some names, and how many more there are, with the verb.

    >>> few(["a", "b"]), few(["a", "b", "c", "d"])
    ("'a', 'b' are", "'a', 'b', 'c' and 1 more are")
    """
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"{', '.join(repr(name[:80]) for name in names[:FEW])}{more} {'is' if len(names) == 1 else 'are'}"


class Bounded(TorchFunctionMode):
    """A context in which a network is built that must not be larger than the file of its weights.

    Args:
        head: what the file holds.
        path: of the file, for the sentence.

    Raises:
        UserError: more is asked for; nothing of that size was allocated.
    """

    def __init__(self, head: Mapping[str, Saved], path: Path) -> None:
        super().__init__()
        self.there, self.path = sum(one.values for one in head.values()), path
        self.left = 2 * self.there + BESIDE

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count what is made."""
        if func in MAKERS:
            self.left -= _asked(args, kwargs or {})
            if self.left < 0:
                raise UserError(
                    f"it describes a larger model than the {self.there:,} values of {self.path.name} beside it; "
                    f"{REMEDY}"
                )
        return func(*args, **(kwargs or {}))


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return how many values a call of one of ``MAKERS`` makes."""
    size = kwargs.get("size", args[0] if args and not isinstance(args[0], int) else args)
    return math.prod(one for one in size if isinstance(one, int))


def _fits(saved: Saved, wanted: Tensor) -> bool:
    """Tell whether numbers of a file can be those of a tensor; half precision may hold whole numbers too."""
    whole = {torch.int64: "I64", torch.bool: "BOOL"}.get(wanted.dtype)
    return saved.kind in FLOATS if whole is None else saved.kind in (whole, "F16")


def _renamed(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights under the names of the written format; in format 5 the anchor encoder is ``net.pose``."""
    return {re.sub(r"^net\.pose\.", "net.anchor.", name): one for name, one in named.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file of safetensors.

    Raises:
        UserError: no such file, or a damaged one.
    """
    refuse_special(path)
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged: {str(error).splitlines()[0]}; {REMEDY}") from error
