"""How fast this machine trains: a few steps of a stage on noise, as the stage would take them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.inspect_text import aligned
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.experiments.rows import StageRun
from cpep.experiments.runs import processor
from cpep.runtime.jobs import cores
from cpep.train.loop import optimiser_of
from cpep.train.stage import Trained
from cpep.train.task import autocast, device_of

STEPS, FEW, LONGEST_S = 3, 8, 2.0
"""Steps that are timed; windows of the step before them; a step of so many seconds has fewer windows."""


def seconds_of_step(run: StageRun, store: Store, split: Split, batch: int) -> float:
    """Return the seconds of one training step of a stage on this machine, measured on noise; nothing is kept.

    Args:
        run: the stage with its settings.
        store: recordings, for sizes.
        split: held-out people and unseen gestures.
        batch: windows of a step.
    """
    config, stage = run.config, run.stage
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            model = Model(make_card(stage.model, store, split, config, 0))
            model.net.to(device_of(config.device))
            return _seconds(stage.trained(model, config, split), config, stage.optim(config), batch)
    finally:
        torch.set_num_threads(before)


def _seconds(trained: Trained, config: RunConfig, optim: OptimConfig, batch: int) -> float:
    optimiser = optimiser_of(trained.net, optim)
    trained.net.train()
    gpu = device_of(config.device).type == "cuda"

    def timed(windows: int) -> float:
        began = time.perf_counter()
        optimiser.zero_grad()
        with autocast(config):
            total = trained.total_of(windows)
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    timed(FEW)  # the first steps allocate
    windows = min(batch, max(FEW, int(FEW * LONGEST_S / timed(FEW))))
    timed(windows)
    return min(timed(windows) for _ in range(STEPS)) * batch / windows


def here_text(stages: Sequence[tuple[str, int, int, float]], config: RunConfig) -> str:
    """Return the table of hours on this machine.

    Args:
        stages: name of a stage, how often it is trained, its steps, and seconds of a step.
        config: settings of the run.
    """
    together = max(1, min(cores() // config.threads, max(times for _, times, _, _ in stages)))
    rows = [
        (name, f"{1e3 * step_s:,.0f}", f"{steps:,}", f"{times}", _hours(times * steps * step_s))
        for name, times, steps, step_s in stages
    ]
    alone_s = sum(times * steps * step_s for _, times, steps, step_s in stages) / together
    rows.append(("total", "", "", "", _hours(alone_s)))
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    device = torch.cuda.get_device_name() if device_of(config.device).type == "cuda" else f"{cores()} x {processor()}"
    notes = [
        f"measured now on this machine ({device}): {STEPS} steps of each stage on noise, threads={config.threads}; "
        f"total: the stages of a fold one after another, {together} at a time.",
        "Reading, validation and evaluation come on top; docs/results/performance.md compares this with real runs.",
    ]
    if busy > 1.5:
        notes.append(f"Other programs use the cores (load {busy:.1f}); on idle ones it is faster.")
    return "\n".join([*aligned(("stage", "ms a step", "steps", "times", "here"), rows), *notes])


def _hours(seconds: float) -> str:
    """Write a duration in its best unit.

    >>> _hours(42), _hours(600), _hours(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
