"""From embeddings of 50,000 labelled windows to the page, on one core.

Of two rows, cpep and the EMG encoder before its alignment: linear probe with the choice of its strength, few-shot,
and of cpep zero-shot among the set and among all, each with its bootstrap of 1,000 samples; comparisons and report.
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
from cpep.evaluate.protocols.base import Given
from cpep.evaluate.protocols.base import run as run_protocols
from cpep.experiments.evaluators import Evaluation
from cpep.experiments.fold import Fold, save_row
from cpep.experiments.results import details_of, results_of
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
    """Return vectors: a mean for each gesture, shifted by person and repetition, with noise in every window."""
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
    return EmbeddingSet(x_ND + windows * normal(len(user)), gesture + 1, name_N, name_N, time_N, name_N)


def given(**embeddings: EmbeddingSet) -> Given:
    """Return what protocols are given of a row."""
    return Given(SPLIT, preset("small").evaluate, 0, 0.25, embeddings)


def publish(folder: Path) -> dict[str, float]:
    """Do all of it, and return how long each part took, s."""
    emg, mae, pose = embeddings(1, 0.6, 1.5), embeddings(2, 0.8, 2.0), embeddings(3, 0.2, 0.4)
    spent, begun = {}, time.perf_counter()

    def note(part: str) -> None:
        nonlocal begun
        now = time.perf_counter()
        spent[part], begun = now - begun, now

    probed = run_protocols(given(vectors=emg))
    note("probe")
    shown = run_protocols(given(emg=emg))
    note("few-shot")
    voted = run_protocols(given(query=emg, gallery=pose))
    note("zero-shot")
    other = run_protocols(given(vectors=mae, emg=mae))
    note("probe and few-shot of another row")
    for model, outcomes in (("cpep", [*probed, *shown, *voted]), ("emg_mae", other)):
        save_row(folder, "", model, Evaluation(outcomes), NAMES, "recording", [], {})
    fold = Fold.read(folder, 0, 0, ("cpep", "emg_mae"))
    note("rows on disk")
    run: dict[str, Any] = {"command": "", "preset": "small", "recipe": "best", "git": "", "version": ""}
    run |= {"machine": "", "seconds": 0.0, "started": ""}
    store = cast(Store, SimpleNamespace(name="benchmark", vocabulary=NAMES, anchor_MJ=()))
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
