"""One step of training beside the step as one would first write it, and beside what the processor can multiply.

bf16 where the processor multiplies it natively, as `cpep` itself chooses; fp32 elsewhere, and the names say so.
Steps are whole: forward, backward, clipping, AdamW; signals lie in memory already.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.measure import Figure, beside, seconds
from benchmarks.plain import PlainEncoder, PlainMae, PlainPair, PlainStep
from cpep.config.presets import preset
from cpep.config.schema import AlignConfig, OptimConfig
from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.losses import info_nce
from cpep.models.mae import MaskedAutoencoder
from cpep.runtime.distributed import Steps
from cpep.train.flops import step_gflop
from cpep.train.loop import optimiser_of, train_step
from cpep.train.pretrain import masked_loss
from cpep.train.task import autocast

BATCH, WIDTH, DEPTH, HEADS = 256, 256, 4, 8
RATE, SECONDS, CHANNELS, PATCH = 2000, 2, 16, 40
FRAME_RATE, JOINTS = 100, 20
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


def masked_step() -> list[Figure]:
    """EMG masked autoencoder: raw patches, width 256, depth 4, 2-s windows of 16 channels at 2 kHz."""
    steps = RATE * SECONDS
    signal_BTC = torch.randn(BATCH, steps, CHANNELS)
    signal_BCT = signal_BTC.transpose(1, 2).contiguous()
    encoder = PatchEncoder(
        columns=CHANNELS, steps=steps, token_steps=PATCH, width=WIDTH, depth=DEPTH, heads=HEADS, dropout=0.0
    )
    mae = MaskedAutoencoder(encoder, 0.5, 1, HEADS)
    gflop = step_gflop(masked_loss(mae), BATCH)
    ours = own_step(mae, lambda: mae(signal_BTC))
    plain = PlainStep(PlainMae(PlainEncoder(CHANNELS, steps, PATCH, WIDTH, DEPTH, HEADS), WIDTH, HEADS))
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


def aligned_step() -> list[Figure]:
    """Alignment at the small preset: energies of 50-ms bins, width 128, pose tokens of 100 ms, batch 256."""
    config = preset("small")
    bins, tokens = round(1000 * SECONDS / config.emg.bin_ms), round(config.emg.token_ms / config.emg.bin_ms)
    frames, pose_token = SECONDS * FRAME_RATE, round(config.pose.token_ms / 1000 * FRAME_RATE)
    columns, width, depth, heads = 3 * CHANNELS, config.emg.width, config.emg.depth, config.emg.heads
    sizes = {"width": width, "depth": depth, "heads": heads}

    def pair() -> Cpep:
        emg = PatchEncoder(columns=columns, steps=bins, token_steps=tokens, dropout=0.0, **sizes)
        pose = PatchEncoder(columns=JOINTS, steps=frames, token_steps=pose_token, dropout=0.0, **sizes)
        align = AlignConfig()
        return Cpep(emg, pose, align.temperature, align.temperature_min, align.temperature_max)

    signal_BNF, pose_BSJ = torch.randn(BATCH, bins, columns), torch.randn(BATCH, frames, JOINTS)
    cached, recomputed = pair(), pair()
    with torch.no_grad(), autocast(CONFIG):
        every_ND = torch.cat([cached.embed_anchor(pose_BSJ)] * 8)
    rng = np.random.default_rng(0)

    def with_cache() -> torch.Tensor:
        chosen = torch.from_numpy(rng.permutation(len(every_ND))[:BATCH])
        return info_nce(cached.embed_emg(signal_BNF), every_ND[chosen], cached.temperature)

    def without() -> torch.Tensor:
        with torch.no_grad():
            anchor_BD = recomputed.embed_anchor(pose_BSJ)
        return info_nce(recomputed.embed_emg(signal_BNF), anchor_BD, recomputed.temperature)

    plain = PlainStep(
        PlainPair(
            PlainEncoder(columns, bins, tokens, width, depth, heads),
            PlainEncoder(JOINTS, frames, pose_token, width, depth, heads),
            width,
        )
    )
    signal_BFN, pose_BJS = signal_BNF.transpose(1, 2).contiguous(), pose_BSJ.transpose(1, 2).contiguous()
    ours, anew = own_step(cached, with_cache), own_step(recomputed, without)
    own_s, plain_s, ratio = beside(ours, lambda: plain(signal_BFN, pose_BJS), rounds=15, clock=time.process_time)
    own2_s, anew_s, gain = beside(ours, anew, rounds=15, clock=time.process_time)
    name = f"alignment step in {FORMAT}, cached poses, beside"
    return [
        Figure(f"{name} plain fp32, ms", 1e3 * own_s, 1e3 * plain_s, ratio, 2.5, 1.2),
        Figure(f"{name} poses embedded anew, ms", 1e3 * own2_s, 1e3 * anew_s, gain, 1.3, 1.1),
    ]


def figures() -> list[Figure]:
    """Return the figures of both steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return [*masked_step(), *aligned_step()]
