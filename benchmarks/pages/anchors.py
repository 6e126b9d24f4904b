"""Write simulated recordings as .npz files whose anchor is no set of joint angles.

cpep simulate runs/cohort --users 8 --minutes 3
python benchmarks/pages/anchors.py runs/cohort runs/fingertips fingertips     # or: features
python benchmarks/pages/anchors.py compare runs/fingertips.store    # after `cpep data prepare`: normalisations

``fingertips``: places of the five finger tips in mm, of a hand whose size is the person's and whose origin is where
the markers of the session sit. ``features``: what a video encoder might give, 64 numbers 25 times a second: a fixed
random network of the pose, shifted and stretched by each session as by another camera, with noise.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpep.data.anchor_kinds import by_moments, by_percentiles, by_size
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording
from cpep.data.store.store import open_store
from cpep.data.windows import AnchorReader, list_windows
from cpep.evaluate.knn import knn_vote
from cpep.experiments.protocol import mean_parts
from cpep.hand.joints import JOINTS, LANDMARKS, TIPS
from cpep.hand.kinematics import Hand
from cpep.types import FloatArray

FEATURES, HIDDEN, VIDEO_RATE = 64, 128, 25.0


def draws(*names: str) -> np.random.Generator:
    """Return random numbers that depend on names alone."""
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def fingertips(recording: Recording) -> tuple[FloatArray, dict[str, Any]]:
    """Return places of the finger tips (S, 15), mm, and what the sidecar says of them."""
    tips_SP3 = Hand()(torch.from_numpy(recording.anchor_SJ))[:, TIPS].numpy()
    size = np.exp(0.08 * draws("size", recording.user).standard_normal())
    origin_3 = 5 * draws("origin", recording.user, recording.session).standard_normal(3)
    names = [f"{LANDMARKS[tip]}_{axis}" for tip in TIPS for axis in "xyz"]
    said = {"kind": "landmarks", "unit": "mm", "rate": recording.anchor_rate, "names": names}
    return (size * tips_SP3 + origin_3).reshape(len(tips_SP3), -1), said


def features(recording: Recording) -> tuple[FloatArray, dict[str, Any]]:
    """Return feature vectors (S, 64) at ``VIDEO_RATE``, and what the sidecar says of them."""
    network, session = draws("network"), draws("camera", recording.user, recording.session)
    pose_SJ = recording.anchor_SJ[:: round(recording.anchor_rate / VIDEO_RATE)]
    into_JH = network.standard_normal((len(JOINTS), HIDDEN)) / np.sqrt(len(JOINTS))
    out_HF = network.standard_normal((HIDDEN, FEATURES)) / np.sqrt(HIDDEN)
    clean_SF = np.tanh(2 * pose_SJ @ into_JH + network.standard_normal(HIDDEN)) @ out_HF
    stretch_F, shift_F = np.exp(0.2 * session.standard_normal(FEATURES)), 0.5 * session.standard_normal(FEATURES)
    noise_SF = 0.2 * draws("noise", recording.name).standard_normal(clean_SF.shape)
    return stretch_F * clean_SF + shift_F + noise_SF, {"kind": "features", "rate": VIDEO_RATE}


WRITTEN = {"fingertips": fingertips, "features": features}


def convert(source: Path, target: Path, which: str) -> None:
    """Write every recording of a folder as an .npz file with its sidecar."""
    for found in find_recordings(source):
        write(found.read(), target, which)


def write(recording: Recording, target: Path, which: str) -> None:
    """Write one recording as an .npz file with its sidecar."""
    target.mkdir(parents=True, exist_ok=True)
    anchor_SJ, said = WRITTEN[which](recording)
    path = target / recording.name
    np.savez(
        path.with_suffix(".npz"),
        emg=recording.emg_TC[:, recording.mirror] if recording.mirror else recording.emg_TC,
        anchor=np.where(valid_of(recording, len(anchor_SJ))[:, None], anchor_SJ, np.nan).astype(np.float32),
        label=recording.label_T,
        prompt=recording.prompt_T,
        repetition=recording.repetition_T,
    )
    sidecar = {
        "emg": {"field": "emg"},
        "rate": recording.device.emg_rate,
        "kind": recording.device.emg_kind,
        "unit": recording.device.emg_unit,
        "ring": list(recording.device.ring),
        "anchor": {"field": "anchor", **said},
        "label": {"field": "label", "names": dict(enumerate(recording.vocabulary))},
        "prompt": "prompt",
        "repetition": "repetition",
        "user": recording.user,
        "session": recording.session,
        "stage": recording.stage,
        "side": recording.side,
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")


def valid_of(recording: Recording, rows: int) -> np.ndarray:
    """Tell which rows of an anchor at a lower rate have a pose."""
    return recording.valid_S[:: -(-len(recording.valid_S) // rows)][:rows]


def compare(path: Path) -> None:
    """Print, for every way to normalise, how often another person's ten nearest windows name a gesture rightly."""
    store = open_store(path)
    windows = list_windows(store, 1.0, 0.25)
    moves = (windows.label_N > 0) & (windows.label_N != store.vocabulary.index("free"))
    windows = windows.select(moves & windows.valid_N)
    users, label_N = windows.users(store), windows.label_N
    for rule in (None, by_size, by_moments, by_percentiles):
        read = AnchorReader(store, windows.frames)
        read.scale.standardise = rule
        x_NP, right = mean_parts(read(windows).numpy()), []
        for user in store.users:
            mine = users == user
            # as an encoder does, which standardises by training people
            z_NP = (x_NP - x_NP[~mine].mean(axis=0)) / (x_NP[~mine].std(axis=0) + 1e-9)
            said_N = knn_vote(z_NP[mine], z_NP[~mine], label_N[~mine], 10)
            asked_N = label_N[mine]
            right.append(np.mean([(said_N[asked_N == label] == label).mean() for label in np.unique(asked_N)]))
        error = np.std(right, ddof=1) / np.sqrt(len(right))
        print(f"{path.name}  {getattr(rule, '__name__', 'as it is'):16}{np.mean(right):.3f} ± {error:.3f}")


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        for name in sys.argv[2:]:
            compare(Path(name))
    else:
        convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
