"""From embeddings of 50,000 labelled windows to the page, on one core.

Of two rows, cpep and the EMG encoder before its alignment: linear probe with the choice of its strength, few-shot,
and of cpep zero-shot among the set and among all, each with its bootstrap of 1,000 draws; comparisons and report.
"""

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from benchmarks.measure import Figure
from cpep.config.presets import preset
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.experiments.evaluators import Evaluation
from cpep.experiments.protocol import Protocol
from cpep.experiments.results import Fold, details_of, results_of, save_row
from cpep.report.html import write_report
from cpep.types import EmbeddingSet, FloatArray

USERS, GESTURES, REPETITIONS, HOPS, WIDTH, LIMIT_S = 40, 12, 8, 13, 128, 60
NAMES = ("rest", *(f"gesture_{number}" for number in range(1, GESTURES + 1)))
SPLIT = Split(
    seen=tuple(range(1, 9)),
    unseen=tuple(range(9, 13)),
    users_train=tuple(f"user_{n:02d}" for n in range(24)),
    users_val=tuple(f"user_{n:02d}" for n in range(24, 30)),
    users_test=tuple(f"user_{n:02d}" for n in range(30, USERS)),
    guard_s=0.0,
)


def embeddings(seed: int, people: float, windows: float) -> EmbeddingSet:
    """Make vectors of gestures that people make each in their own way, and that windows scatter about."""
    rng = np.random.default_rng(seed)
    shape = (USERS, GESTURES, REPETITIONS, HOPS)
    user, gesture, repetition, hop = (index.ravel() for index in np.indices(shape))

    def normal(*size: int) -> FloatArray:
        return rng.standard_normal((*size, WIDTH), dtype=np.float32)

    mean_KD = 0.3 * np.random.default_rng(0).standard_normal((GESTURES, WIDTH), dtype=np.float32)
    own_UKD, made_UKRD = people * normal(USERS, GESTURES), people * normal(USERS, GESTURES, REPETITIONS)
    x_ND = mean_KD[gesture] + own_UKD[user, gesture] + made_UKRD[user, gesture, repetition]
    name_N = np.array([f"user_{n:02d}" for n in range(USERS)])[user]
    time_N = (repetition * GESTURES + gesture) * 10.0 + hop * 0.25
    return EmbeddingSet(x_ND + windows * normal(len(user)), gesture + 1, name_N, name_N, time_N)


def protocol() -> Protocol:
    """Make a protocol that knows all but the recordings, which are embedded already."""
    made = Protocol.__new__(Protocol)
    made.split, made.config, made.seed, made.hop_s = SPLIT, preset("small").evaluate, 0, 0.25
    made.gestures, made.options = {"seen": SPLIT.seen, "unseen": SPLIT.unseen}, SPLIT.seen + SPLIT.unseen
    return made


def publish(folder: Path) -> dict[str, float]:
    """Do all of it, and return how long each part took, s."""
    asked, emg, mae, pose = protocol(), embeddings(1, 0.6, 1.5), embeddings(2, 0.8, 2.0), embeddings(3, 0.2, 0.4)
    spent, begun = {}, time.perf_counter()

    def note(part: str) -> None:
        nonlocal begun
        now = time.perf_counter()
        spent[part], begun = now - begun, now

    probed = asked.probe("cpep", emg)
    note("probe")
    shown = asked.few_shot("cpep", emg)
    note("few-shot")
    voted = asked.zero_shot("cpep", emg, pose)
    note("zero-shot")
    rival = asked.labelled("emg_mae", mae)
    note("probe and few-shot of another row")
    for model, outcomes in (("cpep", [*probed, *shown, *voted]), ("emg_mae", rival)):
        save_row(folder, "", model, Evaluation(outcomes), NAMES, "recording", [], {})
    fold = Fold.read(folder, 0, 0, ("cpep", "emg_mae"))
    note("rows on disk")
    run: dict[str, Any] = {"command": "", "preset": "small", "recipe": "best", "git": "", "version": ""}
    run |= {"machine": "", "seconds": 0.0, "started": ""}
    store = cast(Store, SimpleNamespace(name="benchmark", vocabulary=NAMES))
    results = results_of(run, store, [SPLIT], [len(emg)], [fold])
    write_report(results, details_of([fold]), folder / "report.html")
    note("comparisons and report")
    return spent


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        spent = publish(Path(folder))
    print("  " + ", ".join(f"{part} {took:.2f} s" for part, took in spent.items()))
    value = sum(spent.values())
    windows = USERS * GESTURES * REPETITIONS * HOPS
    return [
        Figure(f"probe, bootstrap and report of {windows:,} windows, s", value, LIMIT_S, LIMIT_S / value, 1.0, 0.5)
    ]
