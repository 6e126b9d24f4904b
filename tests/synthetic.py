"""Small recordings in the NinaPro DB1 layout, in which EMG follows pose, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.io import savemat

from cpep.data.store.store import Store, open_store
from tests.data.samples import reseal

GESTURES, HOLD, PAUSE = 12, 300, 150


def write_db1(
    folder: Path,
    users: int = 8,
    repetitions: int = 1,
    seed: int = 0,
    made: Mapping[int, Sequence[int]] = MappingProxyType({}),
) -> Path:
    """Write one .mat file a user: 12 movements of 3 s with 1.5 s of rest between them, 100 Hz.

    ``made`` has the movements of users who make not all of them; the others are rest in their files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pose_KJ = rng.uniform(80, 180, (GESTURES + 1, 22))
    pose_KJ[0] = 130
    mixing_JC = rng.uniform(-0.01, 0.01, (22, 10))
    for user in range(1, users + 1):
        blocks = [0] + [g for _ in range(repetitions) for k in range(1, GESTURES + 1) for g in (k, 0)]
        own = {0, *made.get(user, range(1, GESTURES + 1))}
        label = np.concatenate([np.full(HOLD if g else PAUSE, g if g in own else 0) for g in blocks])
        repetition = np.zeros_like(label)
        repetition[label > 0] = 1 + np.arange((label > 0).sum()) // (GESTURES * HOLD)
        glove = pose_KJ[label] + rng.normal(0, 2, (len(label), 22)) + rng.normal(0, 5, 22)
        gain = rng.lognormal(0, 0.2, 10)
        emg = np.abs((glove - 130) @ mixing_JC) * gain + rng.uniform(0.002, 0.02, (len(label), 10))
        prompt = np.roll(label, 20)
        prompt[label > 0] = label[label > 0]
        savemat(
            folder / f"S{user}_A1_E1.mat",
            {
                "emg": emg,
                "glove": glove,
                "restimulus": label[:, None].astype(np.uint8),
                "stimulus": prompt[:, None].astype(np.uint8),
                "rerepetition": repetition[:, None].astype(np.uint8),
                "repetition": repetition[:, None].astype(np.uint8),
                "subject": np.array([[user]]),
                "exercise": np.array([[1]]),
            },
        )
    return folder


def with_splits(store: Store, splits: Mapping[str, str]) -> Store:
    """Return a store whose recordings have splits, by a part of their names, as metadata.csv gives them."""
    index = store.path / "store.json"
    plain = json.loads(index.read_text())
    for entry in plain["entries"]:
        name = entry[plain["entry_fields"].index("name")]
        entry[plain["entry_fields"].index("split")] = next(split for part, split in splits.items() if part in name)
    index.write_text(json.dumps(plain))
    reseal(store.path)
    return open_store(store.path)
