"""Small recordings for the tests of data/."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cpep.data.readers.emg2pose import DEVICE, write_recording
from cpep.data.readers.folder import STORE_INDEX
from cpep.data.recording import Recording
from cpep.data.store import checks


def emg2pose_like(
    name: str = "r0", samples: int = 1000, seed: int = 0, pose_rate: float = 100.0, **changes: object
) -> Recording:
    """A recording in the emg2pose layout with labels, prompts, repetitions and some invalid pose."""
    rng = np.random.default_rng(seed)
    frames = -(-samples * int(pose_rate) // 2000)
    label_T = np.repeat(rng.integers(-1, 3, samples // 100 + 1), 100)[:samples].astype(np.int16)
    fields: dict[str, object] = {
        "name": name,
        "user": f"u{seed}",
        "session": f"s{seed}",
        "stage": "FingerFreeform",
        "side": "right",
        "device": DEVICE,
        "emg_TC": rng.normal(size=(samples, 16)).astype(np.float32),
        "anchor_SJ": rng.uniform(0.1, 1.0, (frames, 20)).astype(np.float32),
        "anchor_rate": pose_rate,
        "valid_S": rng.random(frames) > 0.2,
        "label_T": label_T,
        "vocabulary": ("rest", "fist", "spread"),
        "prompt_T": np.maximum(label_T, 0).astype(np.int16),
        "repetition_T": (label_T > 0).astype(np.int16),
    }
    return Recording(**(fields | changes))  # type: ignore[arg-type]


def write_emg2pose(folder: Path, count: int = 3, samples: int = 1030) -> list[Recording]:
    """Write r0.hdf5, r1.hdf5, ... of different lengths."""
    recordings = [emg2pose_like(f"r{k}", samples + 100 * k, seed=k) for k in range(count)]
    for recording in recordings:
        write_recording(folder / f"{recording.name}.hdf5", recording, start=1e9, simulated=True)
    return recordings


def write_generic(folder: Path, sidecar: dict[str, object], name: str = "a", **arrays: np.ndarray) -> Path:
    """Write <name>.npz and its sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)
    (folder / f"{name}.json").write_text(json.dumps(sidecar))
    return folder / f"{name}.npz"


def reseal(store: Path) -> None:
    """Make index and small arrays of a store be what was written, after a test changed them on purpose."""
    found = checks.read(store)
    assert found is not None
    checks.write(store, found.blocks)


def unseal(store: Path) -> None:
    """Make a store one of version 3, without checksums."""
    index = json.loads((store / STORE_INDEX).read_text())
    (store / STORE_INDEX).write_text(json.dumps(index | {"version": 3}))
    (store / checks.SUMS).unlink()


def contents(store: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a store."""
    return {path.name: path.read_bytes() for path in store.iterdir()}


def write_endless(folder: Path) -> Path:
    """Write endless.hdf5, in which one byte is damaged: HDF5 adds up lengths of texts until they exceed 64 bits."""
    path = folder / "endless.hdf5"
    write_recording(path, emg2pose_like("endless"), start=1e9, simulated=True)
    data = bytearray(path.read_bytes())
    data[data.index(b"GCOL") + 24] = 0xFF
    path.write_bytes(data)
    return path
