"""An encoder for any ring of electrodes, from the simulator and the shipped encoder of poses (docs/results/ring.md).

``python -m cpep.share.ring simulate COHORT`` writes what random bands deliver of as many people;
``python -m cpep.share.ring train COHORT CHECKPOINT [STEPS STEPS]`` trains on it: so many steps of the masked
autoencoder and of the alignment, which may be none.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.weights import REMEDY, Bounded, read_head, read_weights
from cpep.config.schema import OptimConfig
from cpep.data.ring import PLACES, TIMES, VALUES, WINDOW_BINS, Ring, RingScale
from cpep.models.losses import info_nce, soft_targets
from cpep.models.ring import RingEncoder, RingMae, RingSizes
from cpep.runtime import checked, plain, sums
from cpep.runtime.files import MOST_JSON, atomic_path, progress_line, read_bytes, write_json, write_tensors
from cpep.share.demo import demo_paths
from cpep.simulate.band_cohort import FRAMES, Worn, read_worn, simulate_bands
from cpep.train.schedule import learning_rate

SEED, BANDS = 18, 300
EVERY = 8
"""Bins from window to window."""
BANDS_AT_ONCE, WINDOWS_OF_EACH = 8, 24
"""A batch: windows of so many people, so many of each."""
MAE, ALIGN = OptimConfig(steps=200), OptimConfig(steps=1200)
SCALES, SCALED = 4, (0.35, 1.0)
"""Scales of a session from which one is drawn, each of a stretch of it that is so long, as in a live stream."""
TURN_KNOWN, TURN_SD = 0.5, 0.15
"""Share of draws in which the turn of the band is told, and the SD of what is told, rad."""
TEMPERATURE, COLDEST = 0.07, 0.02
SOFT, ALIKE = 0.3, 0.1
"""Share of a target on poses that are alike, and the temperature of what is alike."""
DRIVE, DRIVE_FLOOR, DRIVE_BINS = 0.5, 0.01, 12
"""Weight of the muscles' drive beside the pose; floor before its logarithm; bins at the end of a window."""


@dataclass(frozen=True, eq=False)
class Band:
    """The windows of one band, with what goes with them.

    Attributes:
        ring: the band.
        bins_K3C: of all recordings.
        start_N: first bin of each window.
        pose_ND: embedding of the pose of each window.
        drive_NV: logarithm of the muscles' drive in each window.
        scales: of stretches of the session.
    """

    ring: Ring
    bins_K3C: Tensor
    start_N: Tensor
    pose_ND: Tensor
    drive_NV: Tensor
    scales: list[RingScale]

    @classmethod
    def of(cls, worn: Worn, embed: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Band:
        """Return the windows of what a band delivered."""
        bins_K3C, start_N = torch.from_numpy(worn.bins_K3C), worn.starts(WINDOW_BINS, EVERY)
        pose_NSJ = np.stack([worn.pose_SJ[FRAMES * at : FRAMES * (at + WINDOW_BINS)] for at in start_N])
        drive_KV = np.log(worn.drive_KV + DRIVE_FLOOR)
        drive_NV = np.stack([drive_KV[at + WINDOW_BINS - DRIVE_BINS : at + WINDOW_BINS].mean(0) for at in start_N])
        scales = []
        for _ in range(SCALES):
            length = int(len(bins_K3C) * rng.uniform(*SCALED))
            first = int(rng.integers(len(bins_K3C) - length + 1))
            scales.append(RingScale.of(bins_K3C[first : first + length], worn.ring.kind))
        pose_ND = embed(torch.from_numpy(pose_NSJ).transpose(1, 2))
        return cls(worn.ring, bins_K3C, torch.from_numpy(start_N), pose_ND, torch.from_numpy(drive_NV), scales)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens (B, S, C, V) of random windows, places (C, P), and which windows they are (B,)."""
        index_B = torch.from_numpy(rng.integers(len(self.start_N), size=WINDOWS_OF_EACH))
        bins_BN3C = self.bins_K3C[self.start_N[index_B][:, None] + torch.arange(WINDOW_BINS)]
        told = bool(rng.random() < TURN_KNOWN)
        angle_C = np.array(self.ring.angles) + told * TURN_SD * rng.standard_normal()
        ring = Ring(tuple(angle_C.tolist()), self.ring.kind, self.ring.pairs, turn_known=told)
        scale = self.scales[int(rng.integers(len(self.scales)))]
        return scale.tokens(bins_BN3C), ring.places(int(rng.integers(len(angle_C)))), index_B


class Alignment(nn.Module):
    """The loss of a batch: the pose of each window is found among all, and the muscles' drive is told.

    Args:
        bands: all of them, whose drive is standardised together.
        width: of the encoder.
    """

    def __init__(self, bands: list[Band], width: int) -> None:
        super().__init__()
        drive_NV = torch.cat([band.drive_NV for band in bands])
        self.mean_V, self.sd_V = drive_NV.mean(dim=0), drive_NV.std(dim=0)
        self.drive = nn.Linear(width, drive_NV.shape[1])
        self.log_temperature = nn.Parameter(torch.tensor(math.log(TEMPERATURE)))

    def forward(self, encoder: RingEncoder, bands: list[Band], rng: np.random.Generator) -> Tensor:
        """Return the loss of windows of some bands."""
        emg, pose, error = [], [], []
        for band in bands:
            token_BSCV, place_CP, index_B = band.draw(rng)
            cls_BD = encoder.states(token_BSCV, place_CP)[:, 0]
            emg.append(encoder.projection(cls_BD))
            pose.append(band.pose_ND[index_B])
            error.append(self.drive(cls_BD) - (band.drive_NV[index_B] - self.mean_V) / self.sd_V)
        pose_BD = torch.cat(pose)
        target_BB = soft_targets(pose_BD @ pose_BD.T, ALIKE, SOFT)
        temperature = self.log_temperature.clamp(math.log(COLDEST), 0).exp()
        loss = info_nce(torch.cat(emg), pose_BD, temperature, target_BB)
        return loss + DRIVE * torch.cat(error).square().mean()


def train(cohort: Path, out: Path, mae: OptimConfig = MAE, align: OptimConfig = ALIGN) -> None:
    """Train an encoder on a cohort of bands and write it: a masked autoencoder first, then the alignment."""
    torch.manual_seed(SEED)
    rng, model = np.random.default_rng(SEED), load(demo_paths()[0])
    bands = [Band.of(read_worn(path), model.encode_pose, rng) for path in sorted(cohort.glob("*.npz"))]
    sizes = RingSizes(TIMES, VALUES, PLACES, bands[0].pose_ND.shape[1])
    encoder, decoder, alignment = RingEncoder(sizes), RingMae(sizes), Alignment(bands, sizes.width)

    def reconstruction(some: list[Band]) -> Tensor:
        return torch.stack([decoder(encoder, *band.draw(rng)[:2]) for band in some]).mean()

    def chosen() -> list[Band]:
        return [bands[at] for at in rng.choice(len(bands), BANDS_AT_ONCE, replace=False)]

    _run("masked autoencoder", mae, [encoder, decoder], lambda: reconstruction(chosen()))
    _run("alignment", align, [encoder, alignment], lambda: alignment(encoder, chosen(), rng))
    save_ring(encoder, out)


def _run(name: str, config: OptimConfig, modules: list[nn.Module], loss_of: Callable[[], Tensor]) -> None:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, weight_decay=config.weight_decay)
    progress, running = progress_line(name, "steps"), []
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, step)
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        running.append(float(loss.detach()))
        progress(step + 1, config.steps)
    if tenth := -(-config.steps // 10):
        print(f"{name}: loss {np.mean(running[:tenth]):.3f} at first, {np.mean(running[-tenth:]):.3f} at last")


def save_ring(encoder: RingEncoder, folder: Path) -> None:
    """Write an encoder in half precision; the folder appears whole or not at all."""
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        tensors = {name: t.half().contiguous() for name, t in encoder.state_dict().items()}
        write_tensors(save_file, tensors, temporary / "ring.safetensors", {})
        weights = sums.of_file(temporary / "ring.safetensors")
        write_json(temporary / "ring.json", sums.sealed({**asdict(encoder.sizes), "weights": weights}))


def load_ring(folder: Path) -> RingEncoder:
    """Return the encoder of a folder, in evaluation mode.

    Raises:
        UserError: a file is missing or damaged, or both do not fit each other.
    """
    weights, path = folder / "ring.safetensors", folder / "ring.json"
    fields = plain.parse(read_bytes(path, MOST_JSON), path, REMEDY)
    sums.refuse_broken_seal(fields, path, REMEDY, required=False)  # older ones have none
    fields.pop(sums.FIELD, None)
    sum_ = fields.pop("weights", "")
    sizes, bounded = checked.convert(fields, RingSizes, path, remedy=REMEDY), Bounded(read_head(weights), weights)
    if sum_:
        sums.refuse_other_file(weights, sum_, REMEDY)
    with checked.at(path), bounded:
        encoder = RingEncoder(sizes)
    encoder.load_state_dict(read_weights(weights, encoder.state_dict()))
    return encoder.eval()


if __name__ == "__main__":
    if sys.argv[1] == "simulate":
        simulate_bands(Path(sys.argv[2]), BANDS, SEED, progress_line("bands", "bands"))
    else:
        stages = (
            [replace(MAE, steps=int(sys.argv[4])), replace(ALIGN, steps=int(sys.argv[5]))] if sys.argv[4:] else []
        )
        train(Path(sys.argv[2]), Path(sys.argv[3]), *stages)
