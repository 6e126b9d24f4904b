"""What pre-training on 10, 100 and 1,000 simulated people is worth on DB1.

    python benchmarks/pages/simulated_people.py make data/ninapro_db1 runs/simulated
    python benchmarks/pages/simulated_people.py table runs/simulated

``make`` trains all and continues where it was stopped: about an hour of a core. ``table`` prints what is there, and
draws docs/pictures/simulated_people.svg.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib import pyplot

from cpep.report.results import read_results
from cpep.report.table import number, signed

COUNTS = (10, 100, 1000)
UNSEEN = "3,6,9,12"
PEOPLE = ("--test-users", "sim_0000", "--val-users", "sim_0001,sim_0002")
DRAWS = 10_000
COLUMNS = {
    "probe, seen": ("linear_probe", "seen"),
    "probe, unseen": ("linear_probe", "unseen"),
    "one repetition": ("few_shot_rep", "all"),
    "zero-shot, seen": ("zero_shot", "seen"),
    "zero-shot, unseen": ("zero_shot", "unseen"),
    "among all, unseen": ("zero_shot_all", "unseen"),
}
PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "simulated_people.svg"


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


def people_of(run: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Return the balanced accuracy of each person in each column."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in read_results(run)["rows"]:
        if row["model"] == "cpep" and "per_user" in row:
            found[row["protocol"], row["gestures"]] |= row["per_user"]
    return found


def changes(out: Path) -> dict[str, list[tuple[int, float, float, float, float]]]:
    """Return, by column: people, accuracy, its change from no simulated people, and the change's 95 % interval."""
    runs = {
        count: people_of(out / str(count)) for count in (0, *COUNTS) if (out / str(count) / "results.json").exists()
    }
    found: dict[str, list[tuple[int, float, float, float, float]]] = {}
    for title, column in COLUMNS.items():
        bare, found[title] = runs[0][column], []
        for count, columns in runs.items():
            people = sorted(bare)
            value_N = np.array([columns[column][person] for person in people])
            change_N = value_N - np.array([bare[person] for person in people])
            drawn_D = np.random.default_rng(0).choice(change_N, (DRAWS, len(people))).mean(axis=1)
            low, high = (float(edge) for edge in np.quantile(drawn_D, (0.025, 0.975)))
            found[title].append((count, float(value_N.mean()), float(change_N.mean()), low, high))
    return found


def table(out: Path) -> None:
    """Print the table in Markdown, and draw the changes."""
    found = changes(out)
    print("| simulated people | " + " | ".join(found) + " |\n|" + "---|" * (len(found) + 1))
    for place, (count, *_) in enumerate(next(iter(found.values()))):
        cells = []
        for one in found.values():
            _, value, change, low, high = one[place]
            said = f"; {signed(change, 3)} ({signed(low, 2)} to {signed(high, 2)})" if count else ""
            cells.append(f"{number(value, 3)}{said}")
        print(f"| {count:,} | " + " | ".join(cells) + " |")
    draw(found)


def draw(found: dict[str, list[tuple[int, float, float, float, float]]]) -> None:
    """Draw the change in each column against the number of simulated people."""
    pyplot.rcParams.update(
        {"svg.hashsalt": "cpep", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}
    )
    figure, panels = pyplot.subplots(1, len(found), figsize=(11, 2.6), sharey=True, layout="constrained")
    for panel, (title, points) in zip(panels, found.items(), strict=True):
        count_N, _, change_N, low_N, high_N = np.array(points[1:]).T
        panel.axhline(0, color="#999", linestyle="--", linewidth=1)
        panel.errorbar(count_N, change_N, [change_N - low_N, high_N - change_N], fmt="o-", color="#1e6fb3", capsize=3)
        panel.set(xscale="log", title=title, xticks=COUNTS, xticklabels=[f"{count:,}" for count in COUNTS])
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("change of accuracy")
    figure.supxlabel("simulated people in pre-training", fontsize=9)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    make(Path(sys.argv[2]), Path(sys.argv[3])) if sys.argv[1] == "make" else table(Path(sys.argv[2]))
