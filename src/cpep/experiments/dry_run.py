"""``--dry-run``: the cost of a run as text: training, memory, reading and hours; nothing is trained or written.

Hours of this machine are measured by a few steps (``pace``). For GPUs that are not here the assumptions are in this
module: peaks, the share of the peak that a step reaches, how fast a loader reads. All other figures are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.config.schema import RunConfig
from cpep.data.inspect_text import aligned
from cpep.experiments.estimate import Basis, Cost, basis_of, bytes_a_second, costs_of
from cpep.experiments.pace import here_text
from cpep.experiments.rows import left_out, rows_for
from cpep.experiments.runs import Request
from cpep.train.stage import chain

USED = 0.3
"""Share of a GPU's peak that a step is assumed to reach."""

LOADER = 10e9
"""Bytes a second that one process reads from a store in memory: memcpy on a Zen 4 core; a disk gives less."""

LAUNCH_S = 10e-6
"""Seconds that Python and the processor take to launch one operator on a GPU."""

PAPER_H, PAPER_GPUS, FP16 = 4.5, 4, 125e12
"""CPEP's paper: hours for a model (about), number of V100 GPUs, and operations a second of one V100 in fp16."""


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU, and its dense operations a second (data sheet) in the number format in which cpep trains."""

    name: str
    peak: float
    format: str


GPUS = (Gpu("V100", 15.7e12, "fp32"), Gpu("A100", 312e12, "bf16"), Gpu("H100", 989e12, "bf16"))
"""GPUs in the table; cpep trains in bf16 where the hardware has it, else in fp32, and never in fp16."""


def dry_run(request: Request, data: Path | None, gpus: int) -> str:
    """Return the text that ``--dry-run`` prints.

    Args:
        request: the run.
        data: recordings or a store; ``None`` for the published sizes of emg2pose.
        gpus: number of GPUs that train one stage together.

    Raises:
        UserError: see ``basis_of`` and ``costs_of``.
    """
    basis = basis_of(request, data)
    costs = costs_of(request, basis)
    head = f"preset {request.config.preset}, recipe {request.config.recipe}: nothing is trained or written"
    bare = left_out(rows_for(request.models, basis.store, request.config)[1])
    parts = ["\n".join([head, basis.text, *bare, _disk(basis)])]
    if not costs:
        return f"{parts[0]}\n\nthe rows asked for train no network"
    here = [(cost.name, cost.times, cost.steps, cost.step_s) for cost in costs]
    parts += [_sizes(costs, gpus), here_text(here, request.config), _times(costs, gpus)]
    if request.config.preset == "paper":
        parts.append(beside_paper(costs))
    return "\n\n".join(parts)


def _disk(basis: Basis) -> str:
    if basis.disk:
        return f"the store: {_size(basis.disk)} of disk"
    return f"the store: {_size(3600 * bytes_a_second(basis.store))} of disk an hour of recording"


def _sizes(costs: Sequence[Cost], gpus: int) -> str:
    """Return the table of stages, with their sizes and memory."""
    head = ("stage", "times", "parameters", "tokens", "batch", "steps", "passes", "GFLOP a step", "memory a GPU")
    rows = [
        (
            cost.name,
            f"{cost.times}",
            f"{cost.trained:,}",
            f"{cost.tokens or '-'}",
            f"{cost.batch}",
            f"{cost.steps:,}",
            f"{cost.passes:.3g}" if cost.passes else "-",
            f"{cost.flop / 1e9:,.0f}" if cost.flop > 1e10 else f"{cost.flop / 1e9:.2g}",
            _size(cost.memory(gpus)),
        )
        for cost in costs
    ]
    notes = (
        "tokens: of a window, with [CLS]. steps: of a baseline those that CPEP's operations pay for, at most.",
        "passes: how often training sees every second of its recordings; overlap gives more windows, "
        "but no longer passes.",
        f"memory: with a batch divided among {_gpus(gpus)}. Weights and their best copy, gradients and AdamW's "
        "moments in fp32;\n  weights' casts and what a step keeps for its backward pass, counted under bf16 with "
        "attention written out, as on\n  a CPU (a fused kernel keeps less); the batch; pose embeddings of all "
        "windows, divided among GPUs. Not counted: what is\n  in use for a moment, buckets of gradients, fragments, "
        "the CUDA context (about 0.5 GB).",
    )
    return "\n".join([*aligned(head, rows), *notes])


def _times(costs: Sequence[Cost], gpus: int) -> str:
    """Return the table of hours, and of the bytes a second that must be read."""
    rates = [USED * gpu.peak for gpu in GPUS]
    names = [gpu.name for gpu in GPUS]
    head = (
        "stage",
        *(f"h on {gpus} x {name}" for name in names),
        "reading",
        "launching",
        *map("GB/s {}".format, names),
    )
    rows, total, slowest = [], np.zeros(len(GPUS)), np.zeros(len(GPUS))
    for cost in costs:
        computing = np.array([cost.hours(gpus, rate) for rate in rates])
        reading = cost.read / LOADER / gpus / 3600
        launching = cost.times * cost.steps * cost.kernels * LAUNCH_S / 3600
        pace = [cost.reading(rate) / 1e9 for rate in rates]
        rows.append((cost.name, *map(_number, (*computing, reading, launching, *pace))))
        total += computing
        slowest += np.maximum(computing, max(reading, launching))
    blank = ("",) * (len(head) - 1 - len(GPUS))
    rows.append(("total", *map(_number, total), *blank))
    rows.append(("total of the slowest", *map(_number, slowest), *blank))
    peaks = ", ".join(f"{gpu.name} {gpu.peak / 1e12:g} TF/s in {gpu.format}" for gpu in GPUS)
    notes = (
        f"h on {gpus} x: operations over {100 * USED:.0f} % of the peak ({peaks}):\n  an assumption, optimistic for "
        "layers this narrow. Matrix products and convolutions are counted, forward and\n  backward; not validation, "
        "the embedding of poses, evaluation.",
        f"reading: h at {LOADER / 1e9:.0f} GB/s a GPU, as memory is copied; a disk gives less. GB/s: what a loader "
        "must give a GPU for the h on it.",
        f"launching: h at {1e6 * LAUNCH_S:.0f} us an operator, one after another, on any number of GPUs: an "
        "assumption too.\nThe last line takes of each stage the longest of computing, reading and launching.",
    )
    return "\n".join([*aligned(head, rows), *notes])


def beside_paper(costs: Sequence[Cost]) -> str:
    """Return a paragraph that compares the operations of CPEP's three stages with the hours of the paper."""
    stages = chain("cpep", RunConfig())
    flop = sum(cost.steps * cost.flop for cost in costs if cost.name in stages)
    needed = flop / (PAPER_GPUS * PAPER_H * 3600)
    (v100, *_) = GPUS
    fits = "compatible" if needed < USED * FP16 else "not compatible"
    return (
        f"the paper: 100 epochs, batch 256, {PAPER_GPUS} x V100, about {PAPER_H} h a model. The three stages of cpep "
        f"are {flop:.2g} operations\n  here; in that time they take {needed / 1e12:.2g} TF/s a GPU: "
        f"{100 * needed / FP16:.2g} % of its {FP16 / 1e12:g} TF/s in fp16, {100 * needed / v100.peak:.2g} % of its "
        f"{v100.peak / 1e12:g} in fp32: {fits}."
    )


def _gpus(count: int) -> str:
    return f"{count} GPU" + ("" if count == 1 else "s")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _size(count: float) -> str:
    return f"{count / 1e9:.2g} GB" if count < 1e11 else f"{count / 1e9:,.0f} GB"
