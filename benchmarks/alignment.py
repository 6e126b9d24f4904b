"""One alignment step at the small preset beside the step as one would first write it, see ``benchmarks.training``.

Energies of 50-ms bins, width 128, pose tokens of 100 ms, batch 256.
"""

import time

import numpy as np
import torch

from benchmarks.measure import Figure, beside
from benchmarks.plain import PlainEncoder, PlainPair, PlainStep
from benchmarks.training import BATCH, CHANNELS, CONFIG, FORMAT, SECONDS, own_step
from cpep.config.presets import preset
from cpep.config.schema import AlignConfig
from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.losses import info_nce
from cpep.train.task import autocast

FRAME_RATE, JOINTS = 100, 20


SMALL = preset("small")
BINS, COLUMNS, FRAMES = round(1000 * SECONDS / SMALL.emg.bin_ms), 3 * CHANNELS, SECONDS * FRAME_RATE
TOKEN_BINS = round(SMALL.emg.token_ms / SMALL.emg.bin_ms)
TOKEN_FRAMES = round(SMALL.pose.token_ms / 1000 * FRAME_RATE)
WIDTH, DEPTH, HEADS = SMALL.emg.width, SMALL.emg.depth, SMALL.emg.heads


def pair() -> Cpep:
    """Return a model to be aligned."""
    emg, pose = (
        PatchEncoder(
            columns=columns, steps=steps, token_steps=token, dropout=0.0, width=WIDTH, depth=DEPTH, heads=HEADS
        )
        for columns, steps, token in ((COLUMNS, BINS, TOKEN_BINS), (JOINTS, FRAMES, TOKEN_FRAMES))
    )
    align = AlignConfig()
    return Cpep(emg, pose, align.temperature, align.temperature_min, align.temperature_max)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the EMG's columns and the poses of a batch."""
    return torch.randn(BATCH, BINS, COLUMNS), torch.randn(BATCH, FRAMES, JOINTS)


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    signal_BNF, pose_BSJ = batch()
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
            PlainEncoder(COLUMNS, BINS, TOKEN_BINS, WIDTH, DEPTH, HEADS),
            PlainEncoder(JOINTS, FRAMES, TOKEN_FRAMES, WIDTH, DEPTH, HEADS),
            WIDTH,
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
