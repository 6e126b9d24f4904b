"""A cohort of random bands, each on a person of its own: what an encoder for any ring learns from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from cpep.data.ring import BIN_S, Ring, ring_bins
from cpep.runtime.files import atomic_path
from cpep.simulate.bands import delivered, random_band
from cpep.simulate.gestures import FREE, STAGES, holds_unseen
from cpep.simulate.record import measure, perform, wear
from cpep.simulate.variability import CONTROL_RATE, Variability, generator
from cpep.types import EmgKind, FloatArray, IntArray, Progress, no_progress

FRAMES = round(BIN_S * CONTROL_RATE)
"""Frames of movement in a bin."""
GESTURES = tuple(stage for stage, names in STAGES.items() if names != (FREE,) and not holds_unseen(stage))
FREE_FORM = tuple(stage for stage, names in STAGES.items() if names == (FREE,))
WRIST, OTHER = "WristFlexionAbduction", "GraspPunchCloseFar"
SECONDS = (25.0, 25.0, 12.0, 25.0)
"""Length of two stages of gestures, of the wrist's and of free movement, which every person makes."""
ANATOMY, STYLE = 1.3, 1.2
SESSION, NOISE = (0.5, 1.5), (0.3, 3.0)
"""Range of these sources of variation, over those of the default cohort."""


@dataclass(frozen=True, eq=False)
class Worn:
    """What one band delivered of one person.

    Attributes:
        ring: the band; its turn is known.
        bins_K3C: see ``ring_bins``; recordings follow each other.
        part_R: bins of each recording.
        pose_SJ: 20 joint angles at 100 Hz, rad.
        drive_KV: of the muscles under the band, mean of each bin.
        label_K: what the hand does at the start of each bin, index into ``VOCABULARY``.
    """

    ring: Ring
    bins_K3C: FloatArray
    part_R: IntArray
    pose_SJ: FloatArray
    drive_KV: FloatArray
    label_K: IntArray

    def starts(self, length: int, every: int) -> IntArray:
        """Return the first bins of windows of that many bins, none of which reaches into another recording."""
        edges = np.concatenate([[0], np.cumsum(self.part_R)])
        return np.concatenate([np.arange(first, stop - length + 1, every) for first, stop in pairwise(edges)])


def make_worn(seed: int, number: int) -> Worn:
    """Return what the band and the person of (seed, number) give; unseen gestures are not among them."""
    rng = generator(seed, "band", number)
    band = random_band(rng)
    session, noise = float(rng.uniform(*SESSION)), float(np.exp(rng.uniform(*np.log(NOISE))))
    variability = Variability(anatomy=ANATOMY, style=STYLE, session=session, noise=noise)
    wearing = wear(seed, f"ring_{number}", "s0", "right", variability, band.band)
    parts = []
    for stage, seconds in zip(_stages(rng), SECONDS, strict=True):
        done = perform(wearing, stage, 0, seconds)
        bins_K3C = ring_bins(delivered(band, measure(wearing, stage, 0, done)), band.rate, band.kind)
        moved, bins = done.trajectory, min(len(bins_K3C), len(done.trajectory.pose_SJ) // FRAMES)
        frames = FRAMES * bins
        drive_KV = done.drive.drive_SV[:frames].reshape(bins, FRAMES, -1).mean(axis=1)
        parts.append((bins_K3C[:bins], moved.pose_SJ[:frames, :20], drive_KV, moved.label_S[:frames:FRAMES]))
    bins_K3C, pose_SJ, drive_KV = (
        np.concatenate([part[column] for part in parts]).astype(np.float32) for column in range(3)
    )
    ring = Ring(band.band.angles, band.kind, band.band.pair_mm > 0, turn_known=True)
    part_R, label_K = np.array([len(part[0]) for part in parts]), np.concatenate([part[3] for part in parts])
    return Worn(ring, bins_K3C, part_R, pose_SJ, drive_KV, label_K)


def _stages(rng: np.random.Generator) -> list[str]:
    gestures = [str(stage) for stage in rng.permutation(GESTURES)[:2]]
    free = str(rng.choice(FREE_FORM))
    if WRIST in gestures:
        gestures = [OTHER, *(stage for stage in gestures if stage != WRIST)]
    return [*gestures, WRIST, free]


def simulate_bands(out: Path, bands: int, seed: int, progress: Progress = no_progress) -> None:
    """Write what ``bands`` random bands deliver, a file each; files that are there are kept."""
    for number in range(bands):
        path = out / f"{number:04d}.npz"
        if not path.exists():
            write_worn(make_worn(seed, number), path)
        progress(number + 1, bands)


def write_worn(worn: Worn, path: Path) -> None:
    """Write a file that appears whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            bins=worn.bins_K3C,
            pose=worn.pose_SJ,
            drive=worn.drive_KV,
            label=worn.label_K,
            part=worn.part_R,
            angle=np.array(worn.ring.angles),
            pairs=worn.ring.pairs,
            envelope=worn.ring.kind == "envelope",
        )


def read_worn(path: Path) -> Worn:
    """Read a file of ``write_worn``."""
    with np.load(path) as file:
        kind: EmgKind = "envelope" if file["envelope"] else "raw"
        ring = Ring(tuple(file["angle"].tolist()), kind, bool(file["pairs"]), turn_known=True)
        return Worn(ring, file["bins"], file["part"], file["pose"], file["drive"], file["label"])
