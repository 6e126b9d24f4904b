"""One EMG-MAE step beside the step as one would first write it, and beside what the processor can multiply.

bf16 where the processor multiplies it natively, as `cpep` itself chooses; fp32 elsewhere, and the names say so.
Steps are whole: forward, backward, clipping, AdamW; signals lie in memory already.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.measure import Figure, beside, seconds
from benchmarks.plain import PlainEncoder, PlainMae, PlainStep
from cpep.config.presets import preset
from cpep.config.schema import OptimConfig
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.mae import MaskedAutoencoder
from cpep.runtime.distributed import Steps
from cpep.train.flops import step_gflop
from cpep.train.loop import optimiser_of, train_step
from cpep.train.pretrain import masked_loss
from cpep.train.task import autocast

BATCH, WIDTH, DEPTH, HEADS = 256, 256, 4, 8
RATE, SECONDS, CHANNELS, PATCH = 2000, 2, 16, 40
OPTIM = OptimConfig(lr=1e-4)
CONFIG = preset("paper", ["device=cpu"])
FORMAT = "bf16" if autocast(CONFIG).fast_dtype is torch.bfloat16 and autocast(CONFIG)._enabled else "fp32"

TIE = 1.5 if FORMAT == "bf16" else 0.8
"""Bound of the step beside a plain one: in fp32 nothing sets them apart."""


def own_step(model: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], float]:
    """Return a step of the project's own loop."""
    optimiser = optimiser_of(model, OPTIM)

    def loss_at(step: int) -> torch.Tensor:
        with autocast(CONFIG):
            return loss()

    return lambda: train_step(model, loss_at, optimiser, OPTIM, 0, 0, OPTIM.lr, Steps())


def gemm_gflops() -> float:
    """Return the highest rate, in 10^9 operations a second, of products of the step's inner sizes and of a square."""
    kind = torch.bfloat16 if FORMAT == "bf16" else torch.float32
    rates = []
    for m, k, n in ((1536, 1536, 1536), (BATCH * 51, WIDTH, 4 * WIDTH), (BATCH * 51, 4 * WIDTH, WIDTH)):
        a, b = torch.randn(m, k).to(kind), torch.randn(k, n).to(kind)
        a @ b
        rates.append(2 * m * k * n / 1e9 / min(seconds(lambda a=a, b=b: a @ b, time.process_time) for _ in range(7)))
    return max(rates)


def autoencoder() -> tuple[MaskedAutoencoder, torch.Tensor]:
    """Return an EMG masked autoencoder: raw patches, width 256, depth 4, 2-s windows of 16 channels at 2 kHz."""
    steps = RATE * SECONDS
    encoder = PatchEncoder(
        columns=CHANNELS, steps=steps, token_steps=PATCH, width=WIDTH, depth=DEPTH, heads=HEADS, dropout=0.0
    )
    return MaskedAutoencoder(encoder, 0.5, 1, HEADS), torch.randn(BATCH, steps, CHANNELS)


def masked_step() -> list[Figure]:
    """Return the figures of a step of ``autoencoder``."""
    mae, signal_BTC = autoencoder()
    signal_BCT = signal_BTC.transpose(1, 2).contiguous()
    gflop = step_gflop(masked_loss(mae), BATCH)
    ours = own_step(mae, lambda: mae(signal_BTC))
    plain = PlainStep(PlainMae(PlainEncoder(CHANNELS, RATE * SECONDS, PATCH, WIDTH, DEPTH, HEADS), WIDTH, HEADS))
    peaks = [gemm_gflops()]
    own_s, plain_s, ratio = beside(ours, lambda: plain(signal_BCT), clock=time.process_time)
    peaks.append(gemm_gflops())
    peak = statistics.mean(peaks)
    return [
        Figure(f"EMG-MAE step in {FORMAT}, beside plain fp32, ms", 1e3 * own_s, 1e3 * plain_s, ratio, 2.0, TIE),
        Figure(
            f"EMG-MAE step, GF/s, beside the peak of {FORMAT} products",
            gflop / own_s,
            peak,
            gflop / own_s / peak,
            0.55,
            0.4,
        ),
    ]


def figures() -> list[Figure]:
    """Return the figures of an EMG-MAE step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return masked_step()
