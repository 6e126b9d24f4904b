"""What pre-training on 10, 100 and 1,000 simulated people is worth on DB1.

    python benchmarks/pages/simulated_people.py make data/ninapro_db1 runs/simulated
    python benchmarks/pages/simulated_people.py table runs/simulated

``make`` trains all and continues where it was stopped: about an hour of a core. ``table`` prints what is there.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from cpep.report.kinds import read_results

COUNTS = (10, 100, 1000)
UNSEEN = "3,6,9,12"
PEOPLE = ("--test-users", "sim_0000", "--val-users", "sim_0001,sim_0002")
DRAWS = 10_000


def cpep(*words: str | Path) -> None:
    """Run a command of cpep."""
    subprocess.run([sys.executable, "-m", "cpep", *map(str, words)], check=True)


def make(data: Path, out: Path) -> None:
    """Train and evaluate with each number of simulated people; each in the same number of steps."""
    reproduce = ("reproduce", "--data", data, "--folds", "4", "--unseen", UNSEEN, "--models", "cpep")
    cpep(*reproduce, "--out", out / "0")
    for count in COUNTS:
        store, stages = out / f"{count}.store", out / f"{count}.stages"
        cpep("simulate", store, "--device", "ninapro_db1", "--users", str(count + 3), "--minutes", "2")
        for side in ("emg", "pose"):
            cpep("pretrain", side, store, stages / side, "--unseen", UNSEEN, *PEOPLE)
        made = {side: stages / side / "checkpoint" for side in ("emg", "pose")}
        cpep("align", store, stages / "cpep", "--emg", made["emg"], "--pose", made["pose"])
        start = f"emg_mae.start={stages / 'cpep' / 'checkpoint'}"
        cpep(*reproduce, "--out", out / str(count), "--set", start)


def people_of(run: Path) -> dict[str, dict[str, float]]:
    """Return the balanced accuracy of each person in each column."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in read_results(run)["rows"]:
        if row["model"] == "cpep" and "per_user" in row:
            found[f"{row['protocol']} {row['gestures']}"] |= row["per_user"]
    return found


def table(out: Path) -> None:
    """Print mean and SD over people, and the difference from no simulated people with its bootstrap over people."""
    runs = {
        count: people_of(out / str(count)) for count in (0, *COUNTS) if (out / str(count) / "results.json").exists()
    }
    for column, bare in runs[0].items():
        print(column)
        for count, columns in runs.items():
            people = sorted(set(bare) & set(columns[column]))
            value_N = np.array([columns[column][person] for person in people])
            change_N = value_N - np.array([bare[person] for person in people])
            drawn_D = np.random.default_rng(0).choice(change_N, (DRAWS, len(people))).mean(axis=1)
            low, high = np.quantile(drawn_D, (0.025, 0.975))
            print(
                f"  {count:5d} people  {value_N.mean():.3f} +- {value_N.std(ddof=1):.3f}  "
                f"change {change_N.mean():+.3f} ({low:+.3f} to {high:+.3f})  n {len(people)}"
            )


if __name__ == "__main__":
    make(Path(sys.argv[2]), Path(sys.argv[3])) if sys.argv[1] == "make" else table(Path(sys.argv[2]))
