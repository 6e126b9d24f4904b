"""From embeddings of 50,000 labelled windows to the page, on one core.

Of two rows, cpep and the EMG encoder before its alignment: linear probe with the choice of its strength, few-shot,
and of cpep zero-shot among the set and among all, each with its bootstrap of 1,000 samples; comparisons and report.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

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

GESTURES, WIDTH, LIMIT_S = 12, 128, 60
TAKE = "_s0-IndividualFingerPointingSnap-FirstOfAll-0_right"
"""What follows a person's name in the name of a recording; emg2pose's are as long."""
NAMES = ("rest", *(f"gesture_{number}" for number in range(1, GESTURES + 1)))


@dataclass(frozen=True)
class Size:
    """How many people there are, how often each makes each gesture, and how many windows that gives."""

    users: int = 40
    repetitions: int = 8
    hops: int = 13

    @property
    def windows(self) -> int:
        return self.users * GESTURES * self.repetitions * self.hops

    @property
    def names(self) -> list[str]:
        return [f"user_{n:03d}" for n in range(self.users)]

    @property
    def split(self) -> Split:
        """Of 40 people 24 train, 6 validate and 10 are tested."""
        train, validate = self.users * 24 // 40, self.users * 30 // 40
        return Split(
            seen=tuple(range(1, 9)),
            unseen=tuple(range(9, 13)),
            users_train=tuple(self.names[:train]),
            users_val=tuple(self.names[train:validate]),
            users_test=tuple(self.names[validate:]),
            guard_s=0.0,
        )


def embeddings(size: Size, seed: int, people: float, windows: float) -> EmbeddingSet:
    """Return vectors: a mean for each gesture, shifted by person and repetition, with noise in every window."""
    rng = np.random.default_rng(seed)
    shape = (size.users, GESTURES, size.repetitions, size.hops)
    user, gesture, repetition, hop = (index.ravel() for index in np.indices(shape))

    def normal(*lengths: int) -> FloatArray:
        return rng.standard_normal((*lengths, WIDTH), dtype=np.float32)

    x = normal(*shape)
    x *= windows
    x += 0.3 * np.random.default_rng(0).standard_normal((GESTURES, 1, 1, WIDTH), dtype=np.float32)
    x += people * normal(*shape[:2], 1, 1)
    x += people * normal(*shape[:3], 1)
    name_N = np.array(size.names)[user]
    recording_N, session_N = (np.array([f"{name}{rest}" for name in size.names])[user] for rest in (TAKE, "_s0"))
    time_N = (repetition * GESTURES + gesture) * (0.25 * size.hops + 7) + hop * 0.25
    return EmbeddingSet(x.reshape(-1, WIDTH), (gesture + 1).astype(np.int16), name_N, recording_N, time_N, session_N)


def publish(folder: Path, size: Size) -> dict[str, float]:
    """Do all of it, and return how long each part took, s of one core.

    Args:
        folder: where rows and the report go.
        size: of the data.
    """
    split, settings = size.split, preset("small").evaluate

    def given(**embeddings: EmbeddingSet) -> Given:
        return Given(split, settings, 0, 0.25, embeddings)

    emg = embeddings(size, 1, 0.6, 1.5)
    mae, pose = (emg.with_x(embeddings(size, *how).x_ND) for how in ((2, 0.8, 2.0), (3, 0.2, 0.4)))
    spent, begun = {}, time.process_time()

    def note(part: str) -> None:
        nonlocal begun
        now = time.process_time()
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
    results = results_of(run, store, [split], [len(emg)], [fold])
    write_report(results, details_of([fold]), folder / "report.html")
    note("comparisons and report")
    return spent


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    size = Size()
    with tempfile.TemporaryDirectory() as folder:
        spent = publish(Path(folder), size)
    print("  " + told(spent))
    value = sum(spent.values())
    name = f"probe, bootstrap and report of {size.windows:,} windows, s"
    return [Figure(name, value, LIMIT_S, LIMIT_S / value, 1.0, 0.5)]


def told(spent: dict[str, float]) -> str:
    """Return how long parts took, in words."""
    return ", ".join(f"{part} {took:.2f} s" for part, took in spent.items())
