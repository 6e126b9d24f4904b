"""One loop for every stage: steps, validation, which weights are kept, resume.

Everything random in step ``s`` follows from (seed, s), and the whole state is saved in one atomic file. So a run that
was stopped and resumed ends bit-identical to one that was not. Several ranks on CPUs draw what one process draws; on
GPUs dropout follows from (seed, s, rank). Every rank holds the whole state and rank 0 saves it; a run may be resumed
with another number of ranks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cpep.config.schema import OptimConfig
from cpep.models.parameters import by_shape
from cpep.runtime import distributed, memory
from cpep.train.log import Log
from cpep.train.rng import seed_step
from cpep.train.schedule import History, is_flat, last_step, rate_of
from cpep.train.state import resume, save_state
from cpep.types import Note, Progress, UserError, no_note, no_progress

SAVE_EVERY_S = 30.0
KEPT_WITHIN = 0.02
"""The weights of a later check are kept if its validation loss is above the lowest by at most this share of it.

Two validation people disagree on smaller differences: between two checks the loss of one can fall while the loss of
the other rises (LOG.md, 2026-11-26). The later check has the smaller learning rate. A contrastive loss that never
falls 2 % below the chance loss keeps its last weights.
"""


def parameter_groups(model: nn.Module, weight_decay: float, scalar_rate: float) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups: matrices are decayed, scalars learn ``scalar_rate`` times as fast.

    The scalars are the logarithm of the temperature and the bias of a sigmoid loss. The temperature must move from
    0.02 to its optimum within a few hundred steps; at the rate of the matrices it would hardly move.
    """
    matrices, vectors, scalars = by_shape(model)
    return [
        {"params": matrices, "weight_decay": weight_decay, "rate": 1.0},
        {"params": vectors, "weight_decay": 0.0, "rate": 1.0},
        {"params": scalars, "weight_decay": 0.0, "rate": scalar_rate},
    ]


def fit(
    model: nn.Module,
    loss_at: Callable[[int], Tensor],
    validate: Callable[[], float],
    config: OptimConfig,
    *,
    seed: int,
    state: Path,
    key: str,
    chance_loss: float = math.inf,
    progress: Progress = no_progress,
    note: Note = no_note,
) -> History:
    """Train ``model``, and leave in it the latest weights with about the lowest validation loss (``KEPT_WITHIN``).

    Args:
        model: parameters that require a gradient are trained; all tensors are saved.
        loss_at: loss of one step; its random numbers are seeded by (seed, step). Over ranks it is the loss of the
            rank's part, so that the mean over ranks is the loss of the batch.
        validate: positive validation loss of the model as it is, lower is better; the same on all ranks.
        config: optimiser settings.
        seed: of the run.
        state: file to resume from, kept until the caller removes it; the log of the stage lies beside it.
        key: fingerprint of the run; a state of another run is refused.
        chance_loss: validation loss of a model that knows nothing; a plateau counts only below it.
        progress: called with windows done and in all.
        note: called with the losses at every check.

    Returns:
        The steps, losses and kept step of the stage.

    Raises:
        UserError: the state file is of another run, or a loss is not finite.
    """
    optimiser = optimiser_of(model, config)
    history, kept = History(), _copy(model)
    if distributed.on_main_rank(state.exists):
        history, kept = resume(state, key, model, optimiser)
    distributed.same(model.state_dict().values())
    check = max(1, config.steps // config.checks)
    saved = time.monotonic()
    log = Log(state.parent, history.step) if distributed.is_main_rank() else None
    try:
        with distributed.Steps() as together, memory.kept():
            while history.step < (end := last_step(history, config)):
                progress(history.step * config.batch, end * config.batch)
                rate = rate_of(history, config)
                loss = train_step(model, loss_at, optimiser, config, seed, history.step, rate, together)
                history.running.append(loss)
                history.step += 1
                if history.step % check == 0 or history.step == end:
                    kept = _check(model, validate, history, kept, seed)
                    if log:
                        note(log.add(*history.points[-1], rate, kept=history.kept_step == history.step).text)
                    if not history.flat_at and is_flat(history, config, chance_loss):
                        history.flat_at = history.step
                if together.stop:
                    raise KeyboardInterrupt
                if distributed.is_main_rank() and time.monotonic() - saved > SAVE_EVERY_S:
                    save_state(state, key, model, optimiser, history, kept)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        if distributed.is_main_rank():
            save_state(state, key, model, optimiser, history, kept)
        raise
    progress(config.steps * config.batch, config.steps * config.batch)
    model.load_state_dict(kept)
    model.eval()
    return history


def optimiser_of(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return AdamW for the parameters that are trained."""
    groups = parameter_groups(model, config.weight_decay, config.scalar_rate)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def train_step(
    model: nn.Module,
    loss_at: Callable[[int], Tensor],
    optimiser: torch.optim.Optimizer,
    config: OptimConfig,
    seed: int,
    step: int,
    rate: float,
    together: distributed.Steps,
) -> float:
    """Take one step and return its loss.

    Args:
        model: in training mode afterwards.
        loss_at: loss of a step.
        optimiser: see ``optimiser_of``.
        config: optimiser settings.
        seed: of the run.
        step: number of the step, from 0.
        rate: learning rate.
        together: averages gradients over ranks.

    Raises:
        UserError: the loss is not finite.
    """
    seed_step(seed, step)
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * rate
    model.train()
    loss = loss_at(step)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    trained = [p for p in model.parameters() if p.requires_grad]
    value = together.average(trained, loss)
    if not math.isfinite(value):
        raise UserError(f"the loss of step {step} is {value}; lower the learning rate (--set ...optim.lr=...)")
    nn.utils.clip_grad_norm_(trained, config.clip)
    optimiser.step()
    return value


def _check(
    model: nn.Module, validate: Callable[[], float], history: History, kept: dict[str, Tensor], seed: int
) -> dict[str, Tensor]:
    """Validate, add the losses to the history, and return the weights to keep."""
    model.eval()
    distributed.same(model.buffers())  # each rank has BatchNorm statistics of its own rows
    seed_step(seed, -1)
    with torch.no_grad():
        value = validate()
    if not math.isfinite(value):
        raise UserError(f"the validation loss of step {history.step} is {value}; are the recordings sound?")
    history.points.append((history.step, sum(history.running) / len(history.running), value))
    history.running = []
    history.lowest = min(history.lowest, value)
    if value <= history.lowest * (1 + KEPT_WITHIN):
        history.kept_step = history.step
        return _copy(model)
    return kept


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
