"""A made-up evaluation that looks like a real one: what the report is tested and looked at with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cpep.config.rows import ROWS, role_of
from cpep.evaluate.metrics import score
from cpep.evaluate.protocols.base import PROTOCOLS
from cpep.report.names import BENCHMARK, GESTURES, main_first, under_trained

SEEN = (
    "index_flexion",
    "index_extension",
    "middle_extension",
    "ring_flexion",
    "little_flexion",
    "little_extension",
)
SEEN += ("thumb_abduction", "thumb_flexion")
UNSEEN = ("middle_flexion", "ring_extension", "thumb_adduction", "thumb_extension")
SKILL = {
    "cpep": 0.45,
    "emg_mae": 0.35,
    "features": 0.42,
    "ridge": 0.3,
    "pose": 0.9,
    "cpep/shuffled_pairs": 0.0,
}
EVERYTHING = {
    "cpep": 0.47,
    "embridge": 0.49,
    **{name: 0.3 + 0.013 * (len(name) % 9) for name in ROWS.names() if name not in ("cpep", "embridge")},
    **{"pose": 0.9, "cpep/shuffled_pairs": 0.0},
}
"""Every model and ablation, in the order of the table."""
PROBE_ALONE = ("emg_mae", "features", "supervised")
ZERO_SHOT_ALONE = ("ridge", "cca", "cpep/gallery_10pct", "cpep/gallery_1pct", "cpep/k_1", "cpep/k_50")
UNTRAINED = ("features", "pose", *ZERO_SHOT_ALONE)
REGRESSORS = (*BENCHMARK, "pose_t")


def evaluation(
    folds: int = 4,
    users: int = 16,
    seeds: int = 1,
    windows: int = 40,
    seen: tuple[str, ...] = SEEN,
    unseen: tuple[str, ...] = UNSEEN,
    models: dict[str, float] = SKILL,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return results and details of ``folds`` folds over ``users`` people."""
    rng = np.random.default_rng(0)
    people = np.array([f"{u}" for u in range(1, users + 1)])
    names = seen + unseen
    sets = {"seen": tuple(range(len(seen))), "unseen": tuple(range(len(seen), len(names)))}
    sets = {name: own for name, own in sets.items() if own}
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {
        "confusion": [],
        "losses": [],
        "maps": [_map(rng, kind, [names[k] for k in own]) for kind, own in sets.items()],
        "notes": ["Poses are glove counts."],
    }
    for fold in range(folds):
        tested = people[fold :: max(folds, 4)]
        for seed in range(seeds):
            for model, skill in models.items():
                for protocol in ("linear_probe", "zero_shot", "zero_shot_all"):
                    if model in (ZERO_SHOT_ALONE if protocol == "linear_probe" else PROBE_ALONE):
                        continue
                    for gestures, own in sets.items():
                        classes = tuple(range(len(names))) if protocol == "zero_shot_all" else own
                        row, matrix = _row(rng, tested, own, classes, skill, windows)
                        where = {"model": model, "protocol": protocol, "gestures": gestures}
                        rows.append({**where, "fold": fold, "seed": seed, "normalisation": "recording", **row})
                        item = {
                            "row": len(rows) - 1,
                            "classes": [names[k] for k in classes],
                            "matrix": matrix,
                        }
                        details["confusion"].append(item)
                    if protocol == "zero_shot_all" and len(sets) == 2:
                        _together(rows[-2:], len(seen), len(unseen))
            details["losses"] += [_losses(rng, stage, fold, seed) for stage in ("emg_mae", "pose_mae", "cpep")]
    details["seen_unseen"] = [
        {"model": model, "protocol": "zero_shot_all", **_curve(skill)}
        for model, skill in models.items()
        if model not in PROBE_ALONE and len(sets) == 2
    ]
    details["config"] = {"preset": "small", "data": {"window_s": 2.0, "hop_s": 0.25}, "align": {"lr": 3e-4}}
    results = {
        "schema": 1,
        "run": {
            "command": "cpep reproduce --data ../shared/data/ninapro_db1 --out runs/db1 --folds 4 --seeds 0",
            "preset": "small",
            "recipe": "paper",
            "git": "abc1234",
            "version": "0.1.0",
            "machine": "2 x AMD EPYC, torch 2.13.0+cpu",
            "seconds": 1412.0,
            "started": "2026-11-22T20:00:00Z",
        },
        "data": {
            "name": "ninapro_db1",
            "gestures_seen": list(seen),
            "gestures_unseen": list(unseen),
            "folds": [_fold(people, fold, max(folds, 4)) for fold in range(folds)],
        },
        "rows": rows,
    }
    return results, details


def everything(
    folds: int = 4, users: int = 24, seeds: int = 1, windows: int = 10, glove: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return results and details of every model and ablation: pose errors, comparisons and cost of training too."""
    results, details = evaluation(folds, users, seeds, windows, models=EVERYTHING)
    rng = np.random.default_rng(1)
    runs = [(fold, seed) for fold in range(folds) for seed in range(seeds)]
    results["rows"] += [
        _error(rng, model, gestures, *run, glove) for run in runs for model in REGRESSORS for gestures in GESTURES
    ]
    results["training"] = [
        _training(rng, model, *run) for run in runs for model in EVERYTHING if model not in UNTRAINED
    ]
    results["comparisons"] = _comparisons(results, rng)
    stages = ("cpep-9f8e7d", "cpep/shuffled_pairs", "emg_mae-1a2b3c", "supervised", "embridge", *REGRESSORS)
    details["losses"] += [_losses(rng, stage, *run) for run in runs for stage in stages]
    return results, details


def _error(rng: np.random.Generator, model: str, gestures: str, fold: int, seed: int, glove: bool) -> dict[str, Any]:
    worse = 1.2 if gestures == "unseen" else 1.0
    share = (0.7 + 0.04 * REGRESSORS.index(model) + 0.02 * rng.normal()) * worse
    mean = {"pose_nrmse": 1.04} if glove else {"angular_error_deg": 19.4 * worse, "landmark_mm": 26.3 * worse}
    own = {metric: round(share * value, 4) for metric, value in mean.items()}
    where = {"model": model, "protocol": "pose_error", "gestures": gestures, "fold": fold, "seed": seed}
    per_user = {str(user): next(iter(own.values())) for user in (1, 2)}
    rest = {"normalisation": "recording", "n_users": 2, "n_windows": 900, "per_user": per_user}
    return {**where, **rest, **own, "mean_pose": mean}


def _training(rng: np.random.Generator, model: str, fold: int, seed: int) -> dict[str, Any]:
    stopped = "steps" if model.startswith("cpep") else "flat"
    if model in ("vemg2pose", "emg2pose"):
        stopped = "compute" if fold % 2 or model == "vemg2pose" else "flat"
    share = 1.0 if model == "cpep" else 0.99 if stopped == "compute" else float(rng.uniform(0.2, 0.9))
    cost = {"parameters": 5_980_328 if model in BENCHMARK else 412_000, "steps": 900, "gflop": 12000 * share}
    return {"model": model, "fold": fold, "seed": seed, **cost, "share": share, "stopped": stopped}


def _comparisons(results: dict[str, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Differences of the rows' means with made-up intervals."""
    means: dict[tuple[str, str, str], list[float]] = {}
    for row in results["rows"]:
        if "balanced_accuracy" in row:
            means.setdefault((row["model"], row["protocol"], row["gestures"]), []).append(row["balanced_accuracy"])
    found, marked = [], under_trained(results["training"])
    for other in main_first(model for model, _, _ in means):
        for protocol in PROTOCOLS.names() if other != "cpep" and not role_of(other) else ():
            for gestures in GESTURES:
                if (other, protocol, gestures) in means:
                    ours, theirs = (np.mean(means[model, protocol, gestures]) for model in ("cpep", other))
                    low, high = (float(ours - theirs + side * rng.uniform(0.02, 0.08)) for side in (-1, 1))
                    what = {"one": "cpep", "other": other, "protocol": protocol, "gestures": gestures}
                    numbers = {"difference": float(ours - theirs), "ci95": [low, high], "holds": low > 0 or high < 0}
                    found.append({**what, **numbers, "people": 24, "seeds": [0], "under_trained": other in marked})
    return found


def _fold(people: np.ndarray, fold: int, folds: int) -> dict[str, Any]:
    tested = people[fold::folds].tolist()
    others = [user for user in people.tolist() if user not in tested]
    return {"users_train": others[2:], "users_val": others[:2], "users_test": tested, "windows_train": 12345}


def _row(
    rng: np.random.Generator,
    people: np.ndarray,
    own: tuple[int, ...],
    classes: tuple[int, ...],
    skill: float,
    windows: int,
) -> tuple[dict[str, Any], list[list[int]]]:
    user = np.repeat(people, windows * len(own))
    label = np.tile(np.repeat(own, windows), len(people))
    knows = rng.random(len(user)) < np.repeat(
        (skill + 0.12 * rng.normal(size=len(people))) * (skill > 0), windows * len(own)
    )
    near = np.clip(label + rng.choice((-1, 1), size=len(user)), min(classes), max(classes))
    guess = np.where(rng.random(len(user)) < 0.4 * (skill > 0), near, rng.choice(classes, size=len(user)))
    found = score(label, np.where(knows, label, guess), user, classes, draws=50)
    row = {
        "balanced_accuracy": found.balanced_accuracy,
        "ci95": list(found.ci95),
        "chance": found.chance,
        "macro_f1": found.macro_f1,
        "n_users": found.n_users,
        "n_windows": found.n_windows,
        "per_user": found.per_user,
    }
    return row, found.confusion_KK.tolist()


def _together(pair: Sequence[dict[str, Any]], seen: int, unseen: int) -> None:
    """Add figures of seen and unseen gestures together to both rows."""
    of_user = {user: [row["per_user"][user] for row in pair] for user in pair[0]["per_user"]}
    a, b = np.mean(list(of_user.values()), axis=0)
    both: dict[str, Any] = {"calibration": 0.0}
    chance = {"harmonic_mean": 1 / (seen + unseen), "ausuc": 0.5 / seen / unseen}
    values = {"harmonic_mean": _harmonic(a, b), "ausuc": a * b}
    per_user = {"harmonic_mean": {user: _harmonic(*own) for user, own in of_user.items()}}
    per_user["ausuc"] = {user: x * y for user, (x, y) in of_user.items()}
    for name, value in values.items():
        both |= {name: value, f"{name}_chance": chance[name], f"{name}_per_user": per_user[name]}
        both[f"{name}_ci95"] = [0.9 * value, min(1.0, 1.1 * value)]
    for row in pair:
        row |= both


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def _curve(skill: float) -> dict[str, Any]:
    """A quarter of a superellipse."""
    points = [
        [round(0.9 * np.cos(turn) ** (1.2 - skill), 4), round(0.8 * np.sin(turn) ** (1.2 - skill), 4)]
        for turn in np.linspace(0, np.pi / 2, 41)
    ]
    return {"points": points, "at": points[8]}


def _losses(rng: np.random.Generator, stage: str, fold: int, seed: int) -> dict[str, Any]:
    top, floor = (5.5, 3.4) if stage == "cpep" else (1.0, 0.42)
    points = []
    for step in range(50, 2001, 50):
        train = floor + (top - floor) * np.exp(-step / 400) + 0.02 * top * rng.normal()
        value = floor * 1.1 + (top - floor) * np.exp(-step / 350) + (0.0002 * step if stage == "cpep" else 0)
        points.append([step, float(train), float(value) if step % 100 == 0 else None])
    return {"stage": stage, "fold": fold, "seed": seed, "points": points, "kept_step": 2000}


def _map(rng: np.random.Generator, gestures: str, names: Sequence[str]) -> dict[str, Any]:
    points: dict[str, list[list[Any]]] = {"emg": [], "pose": []}
    for number, name in enumerate(names):
        turn = number * 6.28 / len(names)
        middle = 0.8 * np.array([np.cos(turn), np.sin(turn)]) * (1 + 0.3 * (number % 2))
        for kind, share in (("pose", 1.0), ("emg", 0.4)):
            places = share * middle + 0.1 * rng.normal(size=(30, 2))
            points[kind] += [[round(float(x), 4), round(float(y), 4), name] for x, y in places]
    counts = {"windows": 900, "poses": len(points["pose"]), "people": 4, "pose_people": 10}
    return {
        "gestures": gestures,
        **points,
        "shown": 0.7312,
        "gap": 0.41,
        "apart": 1.2,
        **counts,
        "fold": 0,
        "seed": 0,
    }
