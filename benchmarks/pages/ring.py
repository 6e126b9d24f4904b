"""Compare the encoder for any ring with features on real recordings: enrolment, and zero-shot by pose.

python benchmarks/pages/ring.py data runs/ring/checkpoint    # or names of sets: Myo FlexEMG DB1 simulator

Windows of a second, every quarter of one, within a repetition. Enrolment: the read-out of ``cpep enrol`` learns one
or a few repetitions of each gesture and names the windows of the others. Zero-shot: the nearest of the poses of the
gestures, by the shipped encoder of poses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor

from cpep.checkpoints.checkpoint import load
from cpep.data.recording import Device
from cpep.data.ring import WINDOW_BINS, Ring, RingScale, ring_bins
from cpep.evaluate.enrol_features import enrol_features
from cpep.evaluate.features import classical_features
from cpep.evaluate.metrics import balanced_accuracy
from cpep.evaluate.readout import Discriminant
from cpep.models.ring import RingEncoder
from cpep.share.demo import demo_paths
from cpep.share.ring import BANDS, SEED, load_ring
from cpep.signal.conditioning import Conditioning, conditioned, usual_highpass
from cpep.simulate.band_cohort import make_worn
from cpep.simulate.gestures import EXTENDED, FLEXED, GESTURES, SEEN, THUMB_RELAXED, VOCABULARY, Finger, Fingers, hand
from cpep.types import FloatArray, IntArray

HOP_S, ONSET_S = 0.25, 0.25
DRAWS, SHOTS = 4, (1, 2, 4)
TURNS, EVERY = 8, 4
"""Turns of the band that are tried in zero-shot, each in both directions; every so many windows are asked."""
SIMULATOR, SIMULATED = "simulator", 16
MADE = (*SEEN, "wrist_flex", "wrist_ext")
"""What simulated people make, of what has a pose that stays."""


@dataclass(frozen=True, eq=False)
class Person:
    """Recordings of one person: EMG (T, C) of each, with label and repetition of each sample.

    Attributes:
        shown: repetitions that may be shown; all, where none are set apart.
    """

    name: str
    device: Device
    parts: list[tuple[FloatArray, IntArray, IntArray]]
    shown: tuple[int, ...]


def myo(folder: Path) -> Iterator[Person]:
    """Yield 40 people with a Myo: seven gestures, four times 5 s."""
    for path in sorted((folder / "myo_coteallard").glob("*.npz")):
        with np.load(path) as file:
            part = (file["emg"].astype(np.float32), file["gesture"].astype(int), file["cycle"].astype(int))
        yield Person(path.stem, Device(8, 200.0, "raw", ""), [part], tuple(range(4)))


def flexemg(folder: Path) -> Iterator[Person]:
    """Yield 3 people with a ring of 16: four gestures and rest, four trials to show and two to name."""
    for person in ("sub1", "sub2", "sub3"):
        parts = []
        for split in ("Train", "Test"):
            with np.load(folder / "flexemg_1khz" / f"{person}_Session1{split}.npz") as file:
                emg_NTC = np.cumsum(file["emg_raw_delta_u16"], axis=1, dtype=np.uint16) * file["lsb_mV"]
                label_NT = file["label"].astype(int)
            for emg_TC, label_T in zip(emg_NTC, label_NT, strict=True):
                parts.append((emg_TC - emg_TC.mean(axis=0), label_T, np.full(len(label_T), len(parts))))
        yield Person(person, Device(16, 1000.0, "raw", "mV"), parts, tuple(range(4)))


def db1(folder: Path) -> Iterator[Person]:
    """Yield 16 people with the eight electrodes of NinaPro DB1 that form a ring: twelve movements and rest."""
    for path in sorted((folder / "ninapro_db1").glob("*.mat")):
        file = loadmat(path)
        label_T, of_T = file["restimulus"].ravel().astype(int), file["rerepetition"].ravel().astype(int)
        moved_T = np.maximum.accumulate(np.where(label_T > 0, np.arange(len(label_T)), np.argmax(label_T > 0)))
        part = (file["emg"][:, :8].astype(np.float32), label_T, of_T[moved_T])  # rest belongs to what was before
        yield Person(path.stem, Device(8, 100.0, "envelope", ""), [part], tuple(range(1, 11)))


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of a person: features of each kind, tokens, label and repetition."""

    person: Person
    enrol_NF: FloatArray
    classical_NF: FloatArray
    token_NSCV: Tensor
    label_N: IntArray
    repetition_N: IntArray

    @property
    def ring(self) -> Ring:
        """The band: even, turned by nobody knows how much."""
        channels = self.person.device.channels
        return Ring(tuple((2 * np.pi * np.arange(channels) / channels).tolist()), self.person.device.emg_kind)


def cut(person: Person) -> Windows:
    """Condition a person's recordings and cut them into windows."""
    device, kind, rate = person.device, person.device.emg_kind, person.device.emg_rate
    filters, length = Conditioning(usual_highpass(kind, rate)), round(rate)
    wholes = [conditioned(part[0], filters, rate) for part in person.parts]
    found, labels, repetitions = [], [], []
    for whole_TC, (_, label_T, repetition_T) in zip(wholes, person.parts, strict=True):
        changes = np.flatnonzero(np.diff(label_T) | np.diff(repetition_T)) + 1
        for first, stop in pairwise([0, *changes, len(label_T)]):
            onset = round(ONSET_S * rate) if kind == "raw" else 0
            for at in range(first + onset, stop - length + 1, round(HOP_S * rate)):
                found.append(whole_TC[at : at + length])
                labels.append(label_T[first])
                repetitions.append(repetition_T[first])
    emg_NTC, emg_TC = np.stack(found), np.concatenate(wholes)
    level_C = np.sqrt(np.square(emg_TC).mean(axis=0)) if kind == "raw" else emg_TC.mean(axis=0)
    scale = RingScale.of(torch.from_numpy(ring_bins(emg_TC, rate, kind)), kind)
    bins_NK3C = torch.from_numpy(np.stack([ring_bins(window_TC, rate, kind) for window_TC in emg_NTC]))
    return Windows(
        person,
        enrol_features(emg_NTC, device),
        classical_features(emg_NTC / level_C, rate, kind),
        scale.tokens(bins_NK3C),
        np.array(labels),
        np.array(repetitions),
    )


@torch.inference_mode()
def embedded(encoder: RingEncoder, token_NSCV: Tensor, ring: Ring, *, pooled: bool) -> FloatArray:
    """Return an embedding of each window."""
    embed = encoder.pooled if pooled else encoder
    return torch.cat([embed(part, ring.places()) for part in token_NSCV.split(256)]).numpy()


def enrolled(windows: Windows, x_NF: FloatArray, shots: int) -> float:
    """Return the balanced accuracy after so many repetitions of each gesture, mean over draws of them."""
    shown, scores = windows.person.shown, []
    apart = not set(windows.repetition_N) <= set(shown)  # repetitions that are named only
    if shots >= len(shown) and not apart:
        shots = len(shown) - 1
    for draw in range(DRAWS):
        chosen = np.random.default_rng([0, draw]).permutation(shown)[:shots]
        fit_N = np.isin(windows.repetition_N, chosen)
        ask_N = ~np.isin(windows.repetition_N, shown if apart else chosen)
        names, target_N = np.unique(windows.label_N[fit_N], return_inverse=True)
        told = Discriminant.fit(x_NF[fit_N].astype(np.float64), target_N).squares(x_NF[ask_N]).argmin(axis=1)
        scores.append(balanced_accuracy(windows.label_N[ask_N], names[told]))
    return float(np.mean(scores))


def finger(number: int, bent: Finger) -> FloatArray:
    """Return a relaxed hand with one finger bent or stretched."""
    fingers = [RELAXED] * 4
    fingers[number] = bent
    return hand(THUMB_RELAXED, *fingers)


def thumb(angles: Fingers) -> FloatArray:
    """Return a relaxed hand with the thumb elsewhere."""
    return hand(angles, *[RELAXED] * 4)


RELAXED: Finger = (0.25, 0.3, 0.15)
REST = thumb(THUMB_RELAXED)
WRIST_DOWN, WRIST_UP = GESTURES["wrist_flex"].pose_J, GESTURES["wrist_ext"].pose_J
FIST, OPEN = GESTURES["fist"].pose_J, GESTURES["spread"].pose_J
THUMBS = ((0.6, 0.3, 0.25, 0.25), (-0.3, -0.2, 0.1, 0.1), (0.6, -0.1, 0.8, 0.8), (-0.45, 0.2, -0.05, -0.1))
FINGERS = [finger(number, bent) for number in range(4) for bent in (FLEXED, EXTENDED)]
SETS: dict[str, tuple[Callable[[Path], Iterator[Person]], dict[int, FloatArray]]] = {
    "Myo": (myo, {0: REST, 2: WRIST_DOWN, 4: WRIST_UP, 5: FIST, 6: OPEN}),
    "FlexEMG": (flexemg, {0: REST, 1: FIST, 2: WRIST_UP, 3: WRIST_DOWN, 4: OPEN}),
    "DB1": (db1, dict(enumerate([*FINGERS, *map(thumb, THUMBS)], start=1))),
}
"""Loader, and the pose of each label that has one: Myo's deviations of the wrist have none."""


def poses(of: dict[int, FloatArray]) -> tuple[IntArray, FloatArray]:
    """Return labels (G,) and the embedding of their poses (G, D)."""
    model = load(demo_paths()[0])
    joints = len(model.card.device.anchor.names)
    pose_GJT = torch.from_numpy(np.stack(list(of.values()))[:, :joints, None])
    frames = round(model.card.window_s * model.card.frame_rate)
    return np.array(list(of)), model.encode_pose(pose_GJT.repeat(1, 1, frames)).numpy()


def zero_shot(
    token_NSCV: Tensor, label_N: IntArray, encoder: RingEncoder, ring: Ring, label_G: IntArray, pose_GD: FloatArray
) -> float:
    """Return the balanced accuracy of the nearest pose, both less their mean: no label is read."""
    asked_N = np.flatnonzero(np.isin(label_N, label_G))[::EVERY]
    x_ND = centred(embedded(encoder, token_NSCV[asked_N], ring, pooled=False))
    told_N = label_G[(x_ND @ centred(pose_GD).T).argmax(axis=1)]
    return balanced_accuracy(label_N[asked_N], told_N)


def centred(x_ND: FloatArray) -> FloatArray:
    """Return vectors less their mean, of length 1."""
    apart_ND = x_ND - x_ND.mean(axis=0)
    return np.asarray(apart_ND / np.linalg.norm(apart_ND, axis=1, keepdims=True))


def turned(windows: Windows, encoder: RingEncoder, label_G: IntArray, pose_GD: FloatArray) -> FloatArray:
    """Return the accuracy for every turn and direction of the band (2 TURNS,)."""
    scores = []
    for way in (1, -1):
        for turn in 2 * np.pi * np.arange(TURNS) / TURNS:
            angles = tuple(way * angle + turn for angle in windows.ring.angles)
            scores.append(
                zero_shot(windows, encoder, replace(windows.ring, angles=angles, turn_known=True), label_G, pose_GD)
            )
    return np.array(scores)


def told(name: str, scores: list[float] | FloatArray) -> str:
    """Return mean and SD over people in words."""
    return f"  {name:<38}{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}"


def in_the_simulator(encoders: dict[str, RingEncoder]) -> None:
    """Print zero-shot on simulated people and bands that training did not meet, among what each of them makes."""
    label_G, pose_GD = poses({VOCABULARY.index(name): GESTURES[name].pose_J for name in MADE})
    scores: dict[str, list[float]] = {}
    for number in range(BANDS, BANDS + SIMULATED):
        worn = make_worn(SEED, number)
        bins_K3C, start_N = torch.from_numpy(worn.bins_K3C), torch.from_numpy(worn.starts(WINDOW_BINS, 1))
        bins_NK3C = bins_K3C[start_N[:, None] + torch.arange(WINDOW_BINS)]
        token_NSCV = RingScale.of(bins_K3C, worn.ring.kind).tokens(bins_NK3C)
        label_N = worn.label_K[start_N + WINDOW_BINS // 2]
        made_G = np.isin(label_G, label_N)
        scores.setdefault("chance", []).append(1 / made_G.sum())
        for row, encoder in encoders.items():
            for known in (False, True):
                ring = replace(worn.ring, turn_known=known)
                score = zero_shot(token_NSCV, label_N, encoder, ring, label_G[made_G], pose_GD[made_G])
                scores.setdefault(f"{row}, turn {'told' if known else 'not told'}", []).append(score)
    print(f"simulator: {SIMULATED} people, zero-shot among the poses that each makes")
    for row, found in scores.items():
        print(told(row, found))


def main(data: Path, checkpoint: Path, names: list[str]) -> None:
    """Print the comparison of some sets."""
    trained = load_ring(checkpoint)
    torch.manual_seed(0)
    random = RingEncoder(trained.sizes).eval()
    if SIMULATOR in names:
        in_the_simulator({"pre-trained": trained, "random weights": random})
    for name in [name for name in names if name != SIMULATOR]:
        people, pose_of = SETS[name]
        cuts = [cut(person) for person in people(data)]
        print(f"{name}: {len(cuts)} people, {sum(len(windows.label_N) for windows in cuts)} windows")
        rows: dict[str, list[FloatArray]] = {
            "features of cpep enrol": [windows.enrol_NF for windows in cuts],
            "classical features": [windows.classical_NF for windows in cuts],
            "tokens, without a network": [windows.token_NSCV.flatten(1).numpy() for windows in cuts],
            "ring, pre-trained": [embedded(trained, w.token_NSCV, w.ring, pooled=True) for w in cuts],
            "ring, random weights": [embedded(random, w.token_NSCV, w.ring, pooled=True) for w in cuts],
        }
        for kind in ("pre-trained", "random weights"):
            pairs = zip(rows["features of cpep enrol"], rows[f"ring, {kind}"], strict=True)
            rows[f"features beside ring, {kind}"] = [np.concatenate(pair, axis=1) for pair in pairs]
        for shots in SHOTS:
            print(f" {shots} repetitions shown")
            for row, x in rows.items():
                print(told(row, [enrolled(w, x_NF, shots) for w, x_NF in zip(cuts, x, strict=True)]), flush=True)
        label_G, pose_GD = poses(pose_of)
        print(f" zero-shot among {len(label_G)} poses")
        for row, encoder in (("pre-trained", trained), ("random weights", random)):
            asked = [(w.token_NSCV, w.label_N, encoder, w.ring, label_G, pose_GD) for w in cuts]
            print(told(f"{row}, turn not told", [zero_shot(*one) for one in asked]))
            score_UX = np.stack([turned(w, encoder, label_G, pose_GD) for w in cuts])
            others_UX = (score_UX.sum(axis=0) - score_UX) / (len(cuts) - 1)
            own_U = score_UX[np.arange(len(cuts)), others_UX.argmax(axis=1)]
            print(told(f"{row}, best turn of others", own_U), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or [*SETS, SIMULATOR])
