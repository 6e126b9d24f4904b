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


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
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
