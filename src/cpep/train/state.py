"""The state of a stage that is not finished, in one file of safetensors: all that its next step depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cpep.runtime import checked, sums
from cpep.runtime.checked import Count, Finite
from cpep.runtime.files import atomic_path, refuse_special, write_tensors
from cpep.train.schedule import History
from cpep.types import UserError

AGAIN = "delete it, and the same command trains this stage from its beginning"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW keeps of a parameter."""


@dataclass(frozen=True)
class Saved:
    """``History`` as it is in the file; the lowest loss follows from the points.

    Attributes:
        step: as in ``History``, as the others are.
    """

    step: Count
    points: list[tuple[Count, Finite, Finite]]
    kept_step: Count
    running: list[Finite]
    flat_at: Count
    lowest: Finite | None = None


def save_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    history: History,
    kept: Mapping[str, Tensor],
) -> None:
    """Write the state of a stage.

    Args:
        path: the file.
        key: fingerprint of the stage.
        model: what is trained.
        optimiser: of it.
        history: steps and losses so far.
        kept: weights that were kept.
    """
    tensors = {f"model/{name}": t.detach().clone() for name, t in model.state_dict().items()}
    tensors |= {f"kept/{name}": t for name, t in kept.items()}
    for index, entries in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": t.clone() for name, t in entries.items()}
    plain = {name: value for name, value in vars(history).items() if name != "lowest"}
    note = {"key": key, "history": json.dumps(plain, allow_nan=False)}
    note[sums.FIELD] = _sum(tensors, note)
    with atomic_path(path) as temporary:
        write_tensors(save_file, tensors, temporary, note)


def resume(
    path: Path, key: str, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[History, dict[str, Tensor]]:
    """Bring a model and its optimiser to the state of a file; return the history and the weights that were kept.

    Raises:
        UserError: the file is damaged, or of another stage.
    """
    note, tensors = _read(path)
    if note.get("key") != key:
        raise UserError(f"{path} belongs to a run with other settings; choose another output folder or delete it")
    _refuse_damaged(note, tensors, path)
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "kept": {}, "optimiser": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    weights = {name: _like(tensor) for name, tensor in model.state_dict().items()}
    moments = {
        f"{index}/{what}": (torch.float32, () if what == "step" else tuple(parameter.shape))
        for index, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"])
        for what in MOMENTS
    }
    for part, expected in (("model", weights), ("kept", weights), ("optimiser", moments)):
        if {name: _like(tensor) for name, tensor in parts[part].items()} != expected:
            raise UserError(f"{path} is damaged: its tensors {part}/... are not those of this stage; {AGAIN}")
    history = _history(note.get("history", ""), path)
    model.load_state_dict(parts["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimiser"].items():
        index, _, what = name.partition("/")
        state.setdefault(int(index), {})[what] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return history, parts["kept"]


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the notes and tensors of a file; the library compares all sizes with that of the file."""
    refuse_special(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({str(error).splitlines()[0][:200]}); {AGAIN}") from error


def refuse_damaged(path: Path) -> None:
    """Compare a state with its checksum; older ones have none.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    _refuse_damaged(*_read(path), path)


def _refuse_damaged(note: Mapping[str, str], tensors: Mapping[str, Tensor], path: Path) -> None:
    if sums.FIELD in note and note[sums.FIELD] != _sum(tensors, note):
        raise sums.damaged(path, AGAIN)


def _history(text: str, path: Path) -> History:
    """Return the history of a stage; one of before the first check says that its lowest loss is ``Infinity``."""
    found = checked.decode(text.replace('"lowest": Infinity', '"lowest": null'), Saved, path, remedy=AGAIN)
    if max(found.kept_step, found.flat_at, *(step for step, _, _ in found.points)) > found.step:
        raise UserError(f"{path} is damaged: a check lies after its last step; {AGAIN}")
    lowest = min((value for _, _, value in found.points), default=float("inf"))
    return History(found.step, list(found.points), found.kept_step, lowest, list(found.running), found.flat_at)


def _like(tensor: Tensor) -> tuple[torch.dtype, tuple[int, ...]]:
    return tensor.dtype, tuple(tensor.shape)


def _sum(tensors: Mapping[str, Tensor], note: Mapping[str, str]) -> str:
    return sums.of_arrays({name: tensor.cpu().numpy() for name, tensor in tensors.items()}, note)
