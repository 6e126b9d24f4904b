"""Print the tables of docs/results/cold.md and draw its figure: a person's accuracy by minute, adapted from the past.

    .venv/bin/python benchmarks/pages/cold.py people runs/cold --seeds 200-207
    .venv/bin/python benchmarks/pages/cold.py draw runs/cold --runs runs/db1_3,6,9,12 runs/causal

``people`` simulates people whom nobody was trained on and embeds their streams with the shipped checkpoint, one file
a person. ``draw`` runs the recogniser over them. Of two runs of `cpep reproduce`, the first with the normalisation
``recording`` and the second with ``causal``, it reads the answers that they wrote for every window.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cpep.checkpoints.checkpoint import load
from cpep.config.presets import from_dict
from cpep.data.frontend import standardised
from cpep.data.splits import make_splits
from cpep.data.store.store import open_store
from cpep.data.windows import windows_of
from cpep.evaluate.metrics import balanced_accuracy
from cpep.experiments.fold import Fold
from cpep.experiments.runs import read_run
from cpep.live.book.adapted import AdaptedBook
from cpep.live.book.book import GestureBook
from cpep.live.demo import demo_paths
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, StreamStep
from cpep.live.stream import EmgStream, on_one_core
from cpep.report.table import number, signed
from cpep.simulate.live import live_takes, live_wearing

MINUTES = (1, 3, 10)
KINDS = ("without adaptation", "from the past", "whole recording")
COLOURS = ("#888", "#1e6fb3", "#b3541e")
WIDTH, HEIGHT, LEFT, TOP = 520, 300, 42, 34
STYLE = """
svg { background: #fff; font: 11px system-ui, sans-serif; fill: #333 }
.grid { stroke: #ddd } .mean { fill: none; stroke-width: 3 } .band { opacity: .15; stroke: none }
.title { font-weight: 600; font-size: 12px } .end { text-anchor: end } .middle { text-anchor: middle }
"""

Answers = dict[str, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]
"""Of each person: end (N,) of each window in minutes, what it is, and the answers by kind of adaptation."""


class Collected(EmgStream):
    """A stream that keeps its standardised windows, to embed them together: that takes a fifth as long."""

    def _embed(self) -> StreamStep:
        self._signal[0] = standardised(torch.from_numpy(self._ring.last()), self._scale.now())
        return StreamStep(self.sample, self.sample / self.rate, self._signal[0].numpy().copy(), self._energy())


def simulate(out: Path, seeds: range, minutes: float) -> None:
    """Write the embeddings of simulated people, one file each; those that are there stay."""
    on_one_core()
    model = load(demo_paths()[0])
    window = round(model.card.window_s * 100)
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = out / f"p{seed}.npz"
        if path.exists():
            continue
        stream, columns, before = Collected(model), [], 0
        for take in live_takes(live_wearing(seed)):
            for step in stream.take(Chunk(take.emg_TC)):
                frame = (step.sample - before) // take.samples_per_label
                label_S = take.label_S[max(frame - window, 0) : frame]
                whole = len(label_S) == window and (label_S == label_S[0]).all()
                columns.append((step.x_D, step.energy, step.time_s, label_S[0] if whole else -1))
            before += len(take.emg_TC)
            if stream.sample > minutes * 60 * stream.rate:
                break
        signal, energy, time, label = (np.array(column) for column in zip(*columns, strict=True))
        with torch.inference_mode():
            parts = [model.embed_signal(part) for part in torch.from_numpy(signal).split(512)]
        np.savez(path, x=torch.cat(parts).numpy(), e=energy, t=time, l=label, names=np.array(take.names))
        print(path, flush=True)


def lived(folder: Path, every: int = 5) -> Answers:
    """Return the answers of the shipped book for simulated people, from the past and after the whole recording."""
    model = load(demo_paths()[0])
    book = GestureBook.load(demo_paths()[1], model)
    gestures = np.array(book.names)
    own = np.flatnonzero(gestures != "rest")
    answers: Answers = {}
    for path in sorted(folder.glob("p*.npz")):
        data = np.load(path)
        judge = AdaptedBook(book)
        recogniser, rows, kept = Recogniser(judge), [], []
        names = np.array([*data["names"], "", "", ""])[data["l"]]
        for n, (x_D, energy, time_s) in enumerate(zip(data["x"], data["e"], data["t"], strict=True)):
            state = recogniser.step(StreamStep(n, float(time_s), x_D, float(energy)))
            if names[n] in gestures[own] and n % every == 0:
                rows.append((time_s / 60, names[n], book.judge(x_D)[0][own].argmax(), state.alone_E[own].argmax()))
                kept.append(x_D)
        whole = [judge.judge(x_D)[0][own].argmax() for x_D in kept]
        time_N, name_N, alone_N, past_N = (np.array(column) for column in zip(*rows, strict=True))
        found = (gestures[own][np.array(one, int)] for one in (alone_N, past_N, whole))
        answers[path.stem] = time_N.astype(float), name_N, dict(zip(KINDS, found, strict=True))
    return answers


def written(whole: Path, causal: Path, row: str, protocol: str, gestures: str) -> Answers:
    """Return the answers of two runs for the windows of test people; times are those of windows' ends."""
    answers: Answers = {}
    kinds = (whole, row, "without, whole recording"), (whole, f"{row}/adapted", KINDS[2])
    kinds += (causal, row, KINDS[0]), (causal, f"{row}/adapted", KINDS[1])
    for folder, name, kind in kinds:
        asked = read_run(folder).asked
        store, config = open_store(folder / "store"), from_dict(asked["config"])
        windows = windows_of(store, config.data)
        unseen, guard_s = tuple(asked["unseen"]), config.data.guard_s
        for index, split in enumerate(make_splits(store, folds=asked["folds"], unseen=unseen, guard_s=guard_s)):
            if not (folder / f"fold{index}" / "seed0" / "rows" / f"{name.replace('/', '--')}.npz").exists():
                continue
            fold = Fold.read(folder / f"fold{index}" / "seed0", index, 0, [name])
            asks = [(one["protocol"], one["gestures"]) for one in fold.rows]
            place = asks.index((protocol, gestures))
            label_N, predicted_N, user_N = (fold.arrays[f"{place}/{what}"] for what in ("label", "predicted", "user"))
            tested = split.evaluated(store, windows, "test", split.seen + split.unseen)
            tested = tested.select(np.isin(tested.label_N, np.unique(label_N)))
            assert (tested.label_N == label_N).all() and (tested.users(store) == user_N).all(), f"{folder} {name}"
            start_E = np.array([entry.start for entry in store.entries])
            end_N = (tested.start_N - start_E[tested.entry_N]) / store.frame_rate + config.data.window_s
            for user in np.unique(user_N):
                mine = user_N == user
                made = answers.setdefault(str(user), (end_N[mine] / 60, label_N[mine], {}))
                made[2][kind] = predicted_N[mine]
    return {user: made for user, made in answers.items() if len(made[2]) == len(kinds)}


def scored(answers: Answers, first: float, last: float) -> dict[str, np.ndarray]:
    """Return the balanced accuracy of each person who has windows that end in these minutes, by kind."""
    found: dict[str, list[float]] = {}
    for time_N, name_N, by_kind in answers.values():
        mine = (time_N > first) & (time_N <= last)
        if mine.any():
            code_N = np.unique(name_N, return_inverse=True)[1]
            for kind, answer_N in by_kind.items():
                code = np.where(answer_N == name_N, code_N, -1)
                found.setdefault(kind, []).append(balanced_accuracy(code_N[mine], code[mine]))
    return {kind: np.array(values) for kind, values in found.items()}


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean over people, by bootstrap."""
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def cell(values: np.ndarray, write: Callable[[float, int], str] = number) -> str:
    """Return the mean over people with its interval."""
    low, high = interval(values)
    return f"{write(float(values.mean()), 3)} ({write(low, 2)} to {write(high, 2)})"


def table(answers: Answers, spans: list[tuple[str, float, float]]) -> str:
    """Return the accuracy in spans of minutes, and what the past lacks to the whole recording, as Markdown."""
    kinds = list(next(iter(answers.values()))[2])
    lines = ["| | " + " | ".join(kinds) + " | whole less past |", "|---" * (len(kinds) + 2) + "|"]
    for title, first, last in spans:
        found = scored(answers, first, last)
        if found:
            gap = found[KINDS[2]] - found[KINDS[1]]
            lines.append(
                f"| {title} | " + " | ".join(cell(found[kind]) for kind in kinds) + f" | {cell(gap, signed)} |"
            )
    return "\n".join(lines)


def spans_of(last: int) -> list[tuple[str, float, float]]:
    """Return single minutes, then cumulative ones."""
    some = [minute for minute in (*MINUTES, 2, 4) if minute <= last]
    single = [(f"minute {minute}", minute - 1.0, float(minute)) for minute in sorted(some)]
    whole = [(f"minutes 1 to {minute}", 0.0, float(minute)) for minute in sorted(some) if minute > 1]
    return [*single, *whole]


def panel(answers: Answers, title: str, minutes: int) -> list[str]:
    """Draw the accuracy of every minute: the mean over people with its interval."""
    bottom, width = HEIGHT - 44, WIDTH - LEFT - 12

    def at(minute: float, value: float) -> str:
        return f"{LEFT + width * (minute - 1) / max(minutes - 1, 1):.1f},{bottom - (bottom - TOP) * value:.1f}"

    parts = [f'<text class="title" x="{LEFT}" y="18">{title}</text>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = bottom - (bottom - TOP) * tick
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>')
    found = {minute: scored(answers, minute - 1, minute) for minute in range(1, minutes + 1)}
    found = {minute: by_kind for minute, by_kind in found.items() if by_kind}
    for minute in found:
        x = at(minute, 0).partition(",")[0]
        parts.append(f'<text class="middle" x="{x}" y="{bottom + 16}">{minute}</text>')
    for place, (kind, colour) in enumerate(zip(KINDS, COLOURS, strict=True)):
        bounds = {minute: interval(by_kind[kind]) for minute, by_kind in found.items()}
        around = [at(minute, low) for minute, (low, _) in bounds.items()]
        around += [at(minute, high) for minute, (_, high) in reversed(bounds.items())]
        parts.append(f'<polygon class="band" fill="{colour}" points="{" ".join(around)}"/>')
        means = " ".join(at(minute, by_kind[kind].mean()) for minute, by_kind in found.items())
        parts.append(f'<polyline class="mean" stroke="{colour}" points="{means}"/>')
        x = LEFT + 8 + 130 * place
        parts.append(f'<text x="{x}" y="{bottom - 8}" style="fill:{colour}">{kind}</text>')
    parts.append(f'<text class="middle" x="{LEFT + width / 2}" y="{bottom + 34}">minute of the recording</text>')
    return parts


def draw(folder: Path, runs: list[Path]) -> None:
    """Print the tables and write the figure."""
    live, panels = lived(folder), []
    print(f"\nlive, {len(live)} simulated people\n\n{table(live, spans_of(10))}")
    panels.append(panel(live, "Shipped book, live: balanced accuracy of 8 gestures", 10))
    if runs:
        for row, protocol, gestures in (
            ("features", "linear_probe", "seen"),
            ("features", "linear_probe", "unseen"),
            ("cpep", "linear_probe", "seen"),
            ("cpep", "linear_probe", "unseen"),
            ("cpep", "zero_shot", "seen"),
            ("cpep", "zero_shot", "unseen"),
        ):
            answers = written(runs[0], runs[1], row, protocol, gestures)
            if answers:
                spans = [*spans_of(4), ("whole recording", 0.0, 1e9)]
                print(f"\n{row}, {protocol}, {gestures}: {len(answers)} people\n\n{table(answers, spans)}")
                if gestures == "seen" and protocol == "linear_probe":
                    panels.append(panel(answers, f"NinaPro DB1, {row}, {protocol}, {gestures}", 4))
    size = f'width="{len(panels) * WIDTH}" height="{HEIGHT}" viewBox="0 0 {len(panels) * WIDTH} {HEIGHT}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>"]
    lines.append("<title>Accuracy of people whom nobody was trained on, by minute</title>")
    lines.append(f'<rect width="{len(panels) * WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    for index, parts in enumerate(panels):
        lines += [f'<g transform="translate({index * WIDTH} 0)">', *parts, "</g>"]
    out = Path(__file__).parents[2] / "docs" / "pictures" / "cold.svg"
    out.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
    print(f"\n{out}: {json.dumps([title for title in KINDS])}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("people", "draw"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", default="200-207")
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--runs", type=Path, nargs=2, default=())
    asked = parser.parse_args()
    if asked.what == "people":
        first, last = map(int, asked.seeds.split("-"))
        simulate(asked.folder, range(first, last + 1), asked.minutes)
    else:
        draw(asked.folder, list(asked.runs))


if __name__ == "__main__":
    main()
