"""Print the table of docs/results/generalisation.md and draw its figure, from the runs that are given.

    .venv/bin/python benchmarks/pages/generalisation.py runs/set1 runs/set2 runs/set3
    .venv/bin/python benchmarks/pages/generalisation.py table runs/causal1 ... less runs/set1 ...

    .venv/bin/python benchmarks/pages/generalisation.py seeds runs/seeds

The second and third form draw no figure. One prints the table of the first runs, and each row less that of the other
ones; the other one the mean and SD over the seeds of a run, and what sets the first row apart, mean over seeds.

A person's figure is the mean over runs, one of each set of unseen gestures, with seed 0; the table has the mean over
people and its 95 % interval (bootstrap over people). H is the harmonic mean of the accuracies on seen and on unseen
gestures among all, both means over people, of each run; then the mean over runs. Differences of rows are paired: the
same people are drawn for both. Other seeds of a run are in its own report.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cpep.report.table import number, signed
from cpep.types import FloatArray, IntArray

PANELS = (
    ("linear probe, seen", "linear_probe", "seen", 0.125),
    ("linear probe, unseen", "linear_probe", "unseen", 0.25),
    ("one repetition shown, all 12", "few_shot_rep", "all", 1 / 12),
    ("zero-shot, seen", "zero_shot", "seen", 0.125),
    ("zero-shot, unseen", "zero_shot", "unseen", 0.25),
    ("zero-shot among all 12, unseen", "zero_shot_all", "unseen", 1 / 12),
)
STEPS = (
    (("features", "features"), ("features/adapted", "adapted"), ("features/best", "best")),
    (("cpep", "cpep"), ("cpep/adapted", "adapted"), ("cpep/best", "best")),
)
ROWS = (
    "cpep/best",
    "features/best",
    "cpep",
    "cpep/adapted",
    "features",
    "features/lda",
    "features/adapted",
    "ridge",
    "cpep/best_shuffled",
)
DRAWS = 10_000
WIDTH, HEIGHT, LEFT, TOP, STEP = 400, 268, 42, 34, 62
STYLE = """
svg { background: #fff; font: 11px system-ui, sans-serif; fill: #333 }
.grid { stroke: #ddd } .chance { stroke: #999; stroke-dasharray: 3 3 }
.person { fill: none; stroke-width: 1; opacity: .35 } .mean { fill: none; stroke-width: 3 }
.s0 { stroke: #b3541e } .s1 { stroke: #1e6fb3 }
.dot0 { fill: #b3541e } .dot1 { fill: #1e6fb3 } .title { font-weight: 600; font-size: 12px }
.faint { fill: #888 } .value { font-weight: 600; stroke: #fff; stroke-width: 3; paint-order: stroke }
.end { text-anchor: end } .middle { text-anchor: middle }
"""


def by_person(
    runs: list[dict[str, Any]], model: str, protocol: str, gestures: str, seed: int = 0
) -> dict[str, float]:
    """Return every person's balanced accuracy with a seed, mean over runs."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for row in run["rows"]:
            if (row["model"], row["protocol"], row["gestures"], row["seed"]) == (model, protocol, gestures, seed):
                for user, value in row["per_user"].items():
                    found.setdefault(user, []).append(value)
    return {user: sum(values) / len(values) for user, values in found.items() if len(values) == len(runs)}


def panel(runs: list[dict[str, Any]], title: str, protocol: str, gestures: str, chance: float) -> list[str]:
    """Draw one read-out: a thin line a person, a thick one for the mean, its values in figures."""
    bottom = HEIGHT - 44

    def y_of(value: float) -> float:
        return bottom - (bottom - TOP) * value

    parts = [f'<text class="title" x="{LEFT}" y="18">{title}: balanced accuracy</text>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y_of(tick):.1f}" y2="{y_of(tick):.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y_of(tick) + 4:.1f}">{tick:g}</text>')
    y = y_of(chance)
    parts.append(f'<line class="chance" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(f'<text class="faint end" x="{WIDTH - 8}" y="{y - 4:.1f}">chance</text>')
    x = LEFT + 24
    for index, steps in enumerate(STEPS):
        shown = [(label, by_person(runs, model, protocol, gestures)) for model, label in steps]
        shown = [(label, values) for label, values in shown if values]
        if not shown:
            continue
        if len(shown) == 1:
            shown = [(f"{steps[0][1]} {shown[0][0]}", shown[0][1])]
        xs = [x + STEP * place for place in range(len(shown))]
        for user in sorted(set.intersection(*(set(values) for _, values in shown))):
            points = " ".join(f"{at},{y_of(values[user]):.1f}" for at, (_, values) in zip(xs, shown, strict=True))
            parts.append(f'<polyline class="person s{index}" points="{points}"/>')
        centres = [sum(values.values()) / len(values) for _, values in shown]
        points = " ".join(f"{at},{y_of(mean):.1f}" for at, mean in zip(xs, centres, strict=True))
        parts.append(f'<polyline class="mean s{index}" points="{points}"/>')
        for at, mean, (label, _) in zip(xs, centres, shown, strict=True):
            text = number(mean, 2)
            parts.append(f'<circle class="dot{index}" cx="{at}" cy="{y_of(mean):.1f}" r="3.5"/>')
            parts.append(f'<text class="value middle" x="{at}" y="{y_of(mean) - 8:.1f}">{text}</text>')
            for line, word in enumerate(label.split(" ", 1)):
                parts.append(f'<text class="middle" x="{at}" y="{bottom + 16 + 12 * line}">{word}</text>')
        x = xs[-1] + STEP
    return parts


def drawn(count: int) -> IntArray:
    """Return the people of each draw of a bootstrap, (draws, people)."""
    return np.random.default_rng(0).integers(0, count, (DRAWS, count))


def means(runs: list[dict[str, Any]], model: str, protocol: str, gestures: str, seed: int = 0) -> FloatArray:
    """Return the mean over people, and those of all draws, (1 + draws,); empty where the row has no answer."""
    values = [value for _, value in sorted(by_person(runs, model, protocol, gestures, seed).items())]
    if not values:
        return np.zeros(0)
    return np.concatenate([[np.mean(values)], np.array(values)[drawn(len(values))].mean(axis=1)])


def harmonic_means(runs: list[dict[str, Any]], model: str, seed: int = 0) -> FloatArray:
    """Return the mean over runs of H, and those of all draws, (1 + draws,); empty where the row has no answer."""
    pairs = [[means([run], model, "zero_shot_all", kind, seed) for kind in ("seen", "unseen")] for run in runs]
    if not all(len(one) for pair in pairs for one in pair):
        return np.zeros(0)
    return np.mean([2 * seen * unseen / (seen + unseen) for seen, unseen in pairs], axis=0)


def columns(runs: list[dict[str, Any]], model: str, seed: int = 0) -> list[FloatArray]:
    """Return the values of a row of the table, each with those of all draws."""
    panels = [means(runs, model, protocol, gestures, seed) for _, protocol, gestures, _ in PANELS]
    return [*panels, harmonic_means(runs, model, seed)]


def cell(values: FloatArray, differs: bool = False) -> str:
    """Return a value and its interval; nothing for an empty one."""
    if not len(values):
        return ""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    write = signed if differs else number
    texts = [write(float(value), digits) for value, digits in ((values[0], 3), (low, 2), (high, 2))]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def table(runs: list[dict[str, Any]]) -> str:
    """Return the means over people and their intervals as Markdown, then what sets the first row apart."""
    head = [*(title for title, *_ in PANELS), "H among all 12"]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    lines.append("| chance | " + " | ".join(number(chance) for *_, chance in PANELS) + f" | {number(1 / 12)} |")
    found = {model: columns(runs, model) for model in ROWS}
    found = {model: values for model, values in found.items() if any(len(one) for one in values)}
    lines += [f"| {model} | " + " | ".join(map(cell, values)) + " |" for model, values in found.items()]
    first = next(iter(found))
    for model, values in list(found.items())[1:]:
        apart = [a - b if len(a) and len(b) else np.zeros(0) for a, b in zip(found[first], values, strict=True)]
        lines.append(f"| {first} less {model} | " + " | ".join(cell(one, differs=True) for one in apart) + " |")
    return "\n".join(lines)


def read(folders: list[str]) -> list[dict[str, Any]]:
    """Return the results of runs."""
    return [json.loads((Path(folder) / "results.json").read_text(encoding="utf-8")) for folder in folders]


def compared(folders: list[str]) -> None:
    """Print the table of some runs, and by how much they differ from the runs after the word less."""
    place = folders.index("less") if "less" in folders else len(folders)
    runs, others = read(folders[:place]), read(folders[place + 1 :])
    print(table(runs))
    for model in ROWS if others else ():
        pairs = zip(columns(runs, model), columns(others, model), strict=True)
        apart = [a - b if len(a) and len(b) else np.zeros(0) for a, b in pairs]
        if any(len(one) for one in apart):
            print(f"| {model} less the other runs | " + " | ".join(cell(one, differs=True) for one in apart) + " |")


def over_seeds(folder: str) -> None:
    """Print mean and SD over the seeds of a run, and by how much the first row is ahead, mean over seeds."""
    runs = read([folder])
    found: dict[str, list[FloatArray]] = {}
    for model in ROWS:
        seeds = sorted({row["seed"] for row in runs[0]["rows"] if row["model"] == model})
        by_column = list(zip(*(columns(runs, model, seed) for seed in seeds), strict=True))
        found |= {model: [np.mean(some, axis=0) for some in by_column]} if seeds else {}
        cells = [spread([float(one[0]) for one in some if len(one)]) for some in by_column]
        if seeds:
            print(f"| {model} | " + " | ".join(cells) + " |")
    first = next(iter(found))
    for model, values in list(found.items())[1:]:
        apart = [a - b if len(a) and len(b) else np.zeros(0) for a, b in zip(found[first], values, strict=True)]
        print(f"| {first} less {model} | " + " | ".join(cell(one, differs=True) for one in apart) + " |")


def spread(values: list[float]) -> str:
    """Return mean and SD over seeds; nothing without values."""
    if len(values) < 2:
        return number(values[0]) if values else ""
    return f"{number(float(np.mean(values)))} ± {number(float(np.std(values, ddof=1)))}"


def main(folders: list[str]) -> None:
    """Read the runs and write the figure."""
    if folders[:1] == ["seeds"]:
        over_seeds(folders[1])
        return
    if folders[:1] == ["table"]:
        compared(folders[1:])
        return
    runs = read(folders)
    size = f'width="{3 * WIDTH}" height="{2 * HEIGHT}" viewBox="0 0 {3 * WIDTH} {2 * HEIGHT}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>"]
    lines.append("<title>Balanced accuracy of every person, step by step</title>")
    lines.append(f'<rect width="{3 * WIDTH}" height="{2 * HEIGHT}" fill="#fff"/>')
    for index, (title, protocol, gestures, chance) in enumerate(PANELS):
        place = f"translate({index % 3 * WIDTH} {index // 3 * HEIGHT})"
        lines += [f'<g transform="{place}">', *panel(runs, title, protocol, gestures, chance), "</g>"]
    out = Path(__file__).parents[2] / "docs" / "pictures" / "generalisation.svg"
    out.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
    people = len(by_person(runs, "cpep", "linear_probe", "seen"))
    for name, some in (("all", runs), *zip(folders, ([run] for run in runs), strict=True)):
        print(f"\n{name}\n\n{table(some)}")
    print(f"{out}: {len(runs)} runs, {people} people")


if __name__ == "__main__":
    main(sys.argv[1:])
