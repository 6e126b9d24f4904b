"""What fine-tuning gives on simulated people whom the shipped model never met (docs/how-to/training.md).

    python benchmarks/pages/finetune.py 5103 5104 5105 5106

Seeds of people. A fine-tuning takes 20 s of one core; there are two seeds and two ways for each person: by poses, and
by labels alone, on the same recordings without their poses. Everything is kept in runs/finetune, so that a second
start goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import cpep
from cpep.data import find_recordings, from_arrays, open_store
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store
from cpep.runtime.files import write_json
from cpep.simulate import simulate_cohort

WAYS = ("poses", "labels")


def person(seed: int, folder: Path) -> Store:
    """Return twelve minutes of one simulated person."""
    place = folder / f"p{seed}.store"
    if not place.exists():
        simulate_cohort(folder / f"p{seed}", users=1, minutes=12, seed=seed, workers=1)
        prepare(folder / f"p{seed}", place, workers=1)
    return open_store(place)


def without_poses(seed: int, folder: Path) -> Store:
    """Return the same recordings without their poses."""
    emg, labels, sessions = [], [], []
    for source in find_recordings(folder / f"p{seed}"):
        for recording in source.parts():
            emg.append(recording.emg_TC.T)
            labels.append(np.array([*recording.vocabulary, ""])[recording.label_T])
            sessions.append(recording.session)
    given = {"rate": 2000, "unit": "noise_sd", "ring": range(16), "highpass_hz": 0}
    return from_arrays(emg, labels, people=f"p{seed}", sessions=sessions, folder=folder / f"p{seed}.bare", **given)


def found(seed: int, way: str, run: int, folder: Path, sets: list[str]) -> dict[str, dict[str, float]]:
    """Return what was told before and after one fine-tuning."""
    out = folder / "_".join([way, str(seed), str(run), *sets])
    if not (out / "finetune.json").exists():
        store = person(seed, folder) if way == "poses" else without_poses(seed, folder)
        cpep.finetune("shipped", store, out, sets=sets, seed=run)
    return json.loads((out / "finetune.json").read_text())


def row(values: list[float]) -> str:
    """Return mean and SD over people."""
    return f"{np.mean(values):.2f} ({np.std(values, ddof=1) if len(values) > 1 else 0:.2f})"


def main() -> None:
    """Fine-tune and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--ways", nargs="+", default=WAYS)
    parser.add_argument("--folder", type=Path, default=Path("runs/finetune"))
    parser.add_argument("--set", dest="sets", action="append", default=[])
    asked = parser.parse_args()
    every = {}
    for way in asked.ways:
        for seed in asked.people:
            runs = [found(seed, way, run, asked.folder, asked.sets) for run in asked.seeds]
            every[f"{way} {seed}"] = runs
            for one in runs:
                print(way, seed, json.dumps(one), flush=True)
        mine = [runs for name, runs in every.items() if name.startswith(way)]
        for what in ("probe", "pose"):
            if mine[0][0]["before"][what] is None:
                continue
            before = [runs[0]["before"][what] for runs in mine]
            after = [float(np.mean([one["after"][what] for one in runs])) for runs in mine]
            gain = [b - a for a, b in zip(before, after, strict=True)]
            seeds = [abs(runs[0]["after"][what] - runs[-1]["after"][what]) for runs in mine]
            kept = sum(one["kept"] == "after" for runs in mine for one in runs)
            print(f"{way}, {what}: before {row(before)}, after {row(after)}, gain {row(gain)}, between seeds "
                  f"{np.mean(seeds):.2f}; kept {kept} of {sum(map(len, mine))}", flush=True)  # fmt: skip
    write_json(asked.folder / "found.json", every)


if __name__ == "__main__":
    main()
