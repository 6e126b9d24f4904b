"""Enrol real people with a few repetitions, stream the rest of their recordings, and score what is told.

python benchmarks/pages/enrolment.py myo data/myo_coteallard --libemg venv-libemg/bin/python

Sets: myo, flexemg, db1. With --people dev it scores the people on whom everything was chosen (myo PreTraining_*,
every third of db1); without it the others. --libemg names a Python that has LibEMG, which gets the same windows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.metrics import roc_auc_score

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import window_samples
from cpep.evaluate.events import Event, Made, f1_table, false_per_minute, match, rejected, reliability
from cpep.evaluate.metrics import balanced_accuracy
from cpep.live.enrol.enrolled import Enrolled
from cpep.live.enrol.enrolment import Enrolment, Take
from cpep.live.enrol.examples import held, loudness_of_rest, part_of
from cpep.live.enrol.stream import FeatureStream
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk
from cpep.signal.conditioning import conditioned
from cpep.types import FloatArray, IntArray

TAKE_S, LEAD_S = 3.3, 0.5
THIRDS = 3
"""Gestures k, k + 3, k + 6 ... are left out of an enrolment to see whether they are rejected; for k = 0, 1, 2."""
NONE = "none"


@dataclass(frozen=True, eq=False)
class Person:
    """A recording: samples with what is made, the repetition that each belongs to, and where a part of it begins."""

    name: str
    device: Device
    emg_TC: FloatArray
    label_T: IntArray
    repetition_T: IntArray
    part_T: IntArray
    reaction_s: float


def myo(folder: Path, dev: bool) -> Iterator[Person]:
    """Seven gestures, rest among them, four times five seconds each; PreTraining_Female7 is a copy of another."""
    device = Device(channels=8, emg_rate=200.0, emg_kind="raw", emg_unit="count")
    for path in sorted(folder.glob("PreTraining_*" if dev else "Evaluation_*")):
        if path.stem != "PreTraining_Female7":
            with np.load(path) as z:
                emg_TC, label_T, cycle_T = (
                    z["emg"].astype(np.float32),
                    z["gesture"].astype(int),
                    z["cycle"].astype(int),
                )
            yield Person(path.stem, device, emg_TC, label_T, cycle_T, np.zeros(len(label_T), int), 0.0)


def flexemg(folder: Path, dev: bool) -> Iterator[Person]:
    """Three people, on whom much was seen: six trials of four gestures between rests; labels are cues."""
    device = Device(channels=16, emg_rate=1000.0, emg_kind="raw", emg_unit="mV", ring=tuple(range(16)))
    for user in (1, 2, 3):
        emg, label = [], []
        for part in ("Train", "Test"):
            with np.load(folder / f"sub{user}_Session1{part}.npz") as z:
                emg += [*(np.cumsum(z["emg_raw_delta_u16"], axis=1, dtype=np.uint16) * z["lsb_mV"])]
                label += [*z["label"].astype(int)]
        trial_T = np.repeat(np.arange(len(emg)), [len(one) for one in emg])
        emg_TC = np.concatenate(emg).astype(np.float32)
        yield Person(f"sub{user}", device, emg_TC, np.concatenate(label), trial_T, trial_T, 1.0)


def db1(folder: Path, dev: bool) -> Iterator[Person]:
    """Twelve movements of fingers, ten times each, one after the other; a rest belongs to what follows it."""
    device = Device(channels=10, emg_rate=100.0, emg_kind="envelope", emg_unit="")
    paths = sorted(folder.glob("S*_A1_E1.mat"), key=lambda path: int(path.stem.split("_")[0][1:]))
    for path in (p for n, p in enumerate(paths) if (n % 3 == 0) == dev):
        z = loadmat(path)
        label_T, repetition_T = (z[name].ravel().astype(int) for name in ("restimulus", "rerepetition"))
        repetition_T = repetition_T - 1
        for t in range(len(label_T) - 2, -1, -1):  # from the end
            if label_T[t] == 0:
                repetition_T[t] = repetition_T[t + 1]
        yield Person(path.stem, device, z["emg"].astype(np.float32), label_T, repetition_T, repetition_T, 0.0)


SETS: dict[str, tuple[Callable[[Path, bool], Iterator[Person]], tuple[int, ...]]] = {
    "myo": (myo, (1, 2, 3)),
    "flexemg": (flexemg, (1, 2, 4)),
    "db1": (db1, (1, 2, 4)),
}


def name_of(label: int) -> str:
    """Return the name of a label."""
    return f"g{label:02d}" if label else "rest"


def runs_of(person: Person) -> list[tuple[int, int, int, int]]:
    """Return first and last sample, label and repetition of each run of one label in one part."""
    changes = np.diff(person.label_T) | np.diff(person.repetition_T) | np.diff(person.part_T)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(person.label_T)]
    return [(a, b, int(person.label_T[a]), int(person.repetition_T[a])) for a, b in itertools.pairwise(edges)]


class Streamed:
    """The steps of a person's recording, with what each window shows."""

    def __init__(self, person: Person) -> None:
        device, hop = person.device, round(0.05 * person.device.emg_rate)
        stream = FeatureStream(device)
        self.person, self.hop = person, hop
        self.steps = stream.take(Chunk(person.emg_TC))
        self.end_N = np.array([step.sample for step in self.steps])
        first_N = self.end_N - window_samples(device)
        run_T = np.zeros(len(person.label_T), int)
        self.runs = runs_of(person)
        for number, (start, stop, _, _) in enumerate(self.runs):
            run_T[start:stop] = number
        run_N = run_T[self.end_N - 1]
        start_N = np.array([self.runs[number][0] for number in run_N])
        settled_N = first_N >= start_N + round(person.reaction_s * device.emg_rate)
        self.pure_N = (run_T[first_N] == run_N) & settled_N
        self.repetition_N = person.repetition_T[self.end_N - 1]
        self.name_N = np.array([name_of(self.runs[number][2]) for number in run_N])

    def enrolment(self, repetitions: int, without: set[str]) -> tuple[Enrolment, IntArray, list[str]]:
        """Return an enrolment with the first repetitions, and the steps that it consists of with their names."""
        person, rate = self.person, self.person.device.emg_rate
        takes, begins = [], []
        for start, stop, label, repetition in self.runs:
            if repetition >= repetitions or name_of(label) in without:
                continue
            first = -(-(start + round(person.reaction_s * rate)) // self.hop) * self.hop
            lead = min(round(LEAD_S * rate) // self.hop * self.hop, first)
            last = min(first + round(TAKE_S * rate), stop)
            if last - first < 2 * window_samples(person.device):
                continue
            number = 1 + sum(take.name == name_of(label) for take in takes)
            emg_TC = person.emg_TC[first - lead : last]
            takes.append(Take(name_of(label), number, 1, "2026-01-01T00:00:00Z", emg_TC, lead))
            begins.append(first - lead)
        enrolment = Enrolment(person.device, tuple(takes))
        parts = [part_of(take, enrolment.device) for take in takes]
        loud, ends, names = loudness_of_rest(parts), [], []
        for part, begin in zip(parts, begins, strict=True):
            mine = part.end_N[held(part, loud, enrolment.device)] + begin
            ends += mine.tolist()
            names += [part.take.name] * len(mine)
        return enrolment, np.searchsorted(self.end_N, ends), names

    def windows(self) -> FloatArray:
        """Return conditioned EMG of the window of every step, (N, T, C)."""
        clean_TC = conditioned(self.person.emg_TC, self.person.device.conditioning, self.person.device.emg_rate)
        samples = window_samples(self.person.device)
        return np.stack([clean_TC[end - samples : end] for end in self.end_N.tolist()])


@dataclass(frozen=True, eq=False)
class Answer:
    """What a system says of the asked steps: shares of names and of none, what it names after smoothing, events."""

    names: list[str]
    share_NE: FloatArray
    smooth_N: np.ndarray
    none_N: FloatArray
    events: list[Event]


def ask(known: Enrolled, streamed: Streamed, asked: IntArray) -> Answer:
    """Stream the asked steps through a recogniser."""
    recogniser = Recogniser(known)
    states = [recogniser.step(streamed.steps[n]) for n in asked.tolist()]
    share_NE = np.stack([state.alone_E for state in states])
    smooth_N = np.array(known.names)[np.stack([state.share_E for state in states]).argmax(axis=1)]
    events = [state.event for state in states if state.event is not None]
    return Answer(list(known.names), share_NE, smooth_N, share_NE[:, -1], events)


def ask_libemg(out: dict[str, np.ndarray], key: str, streamed: Streamed, asked: IntArray, names: list[str]) -> Answer:
    """Read what LibEMG said; an event is where its vote turns to another gesture."""
    share_NE, told_N = out[f"{key}/share"], out[f"{key}/told"]
    events, last = [], "rest"
    for n, told in zip(asked.tolist(), told_N.tolist(), strict=True):
        name = names[int(told)] if told >= 0 else NONE
        if name not in (last, "rest", NONE):
            events.append(Event(streamed.steps[n].time_s, name, 1.0))
        last = name
    rejecting_NE = np.column_stack([share_NE, np.zeros(len(share_NE))])
    voted_N = np.array([*names, NONE])[out[f"{key}/voted"].astype(int)]
    return Answer(names, rejecting_NE, voted_N, 1 - share_NE.max(axis=1), events)


def score(answer: Answer, streamed: Streamed, asked: IntArray, without: set[str]) -> dict[str, float]:
    """Return the scores of one run."""
    pure_N, name_N = streamed.pure_N[asked], streamed.name_N[asked]
    outside_N = np.isin(name_N, list(without))
    rate = streamed.person.device.emg_rate
    spans = [
        (a / rate, b / rate, name_of(label))
        for a, b, label, k in streamed.runs
        if k >= streamed.repetition_N[asked[0]]
    ]
    made = [Made(*span) for span in spans if span[2] != "rest"]
    matched = match(made, answer.events, [span[:2] for span in spans if span[2] == "rest"])
    if without:
        gesture_N = pure_N & (name_N != "rest")
        auc = roc_auc_score(outside_N[gesture_N], answer.none_N[gesture_N])
        return {"auc": float(auc), "quiet": rejected([matched], answer.names)}
    best_N = np.array(answer.names)[answer.share_NE[:, : len(answer.names)].argmax(axis=1)]
    top_N = np.array([*answer.names, NONE])[answer.share_NE.argmax(axis=1)]
    last_N = pure_N & (streamed.repetition_N[asked] == streamed.repetition_N.max())
    counts = f1_table(matched, [name for name in answer.names if name != "rest"]).sum(axis=1)
    return {
        "windows": balanced_accuracy(name_N[pure_N], best_N[pure_N]),
        "smoothed": balanced_accuracy(name_N[pure_N], answer.smooth_N[pure_N]),
        "last": balanced_accuracy(name_N[last_N], best_N[last_N]),
        "f1": 2 * counts[0] / (counts[1] + counts[2]),
        "false/min": false_per_minute([matched]),
        "ece": reliability(answer.share_NE[pure_N].max(axis=1), (top_N == name_N)[pure_N]).ece,
    }


@dataclass(frozen=True, eq=False)
class Job:
    """One enrolment of one person, and the steps that are asked after it."""

    streamed: Streamed
    repetitions: int
    without: set[str]
    asked: IntArray
    enrolment: Enrolment
    shown: IntArray
    names: list[str]


def jobs_of(person: Person, repetitions: tuple[int, ...]) -> Iterator[Job]:
    """Yield the enrolments of a person: with all gestures, and without each third of them."""
    streamed = Streamed(person)
    gestures = sorted({name for name in streamed.name_N.tolist() if name != "rest"})
    for k in repetitions:
        asked = np.flatnonzero(streamed.repetition_N >= k)
        for without in [set(), *(set(gestures[third::THIRDS]) for third in range(THIRDS))]:
            yield Job(streamed, k, without, asked, *streamed.enrolment(k, without))


def asked_of_libemg(jobs: list[Job], python: str) -> dict[str, np.ndarray]:
    """Return what LibEMG says in each job."""
    people = list(dict.fromkeys(job.streamed for job in jobs))
    arrays = {f"emg.{n}": streamed.windows() for n, streamed in enumerate(people)}
    runs = [
        {
            "person": people.index(job.streamed),
            "shown": job.shown.tolist(),
            "label": [sorted(set(job.names)).index(name) for name in job.names],
            "asked": job.asked.tolist(),
        }
        for job in jobs
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, runs=json.dumps(runs), **arrays)
        script = Path(__file__).with_name("enrolment_libemg.py")
        subprocess.run([python, str(script), str(source), str(target)], check=True, stdout=subprocess.DEVNULL)
        with np.load(target) as file:
            return dict(file)


Row = dict[tuple[int, str], dict[str, float]]


def scored(jobs: list[Job], peer: dict[str, np.ndarray]) -> list[Row]:
    """Return the scores of each system for each number of repetitions, person by person."""
    found: dict[str, dict] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for n, job in enumerate(jobs):
        answers = {
            system: ask(Enrolled(job.enrolment, adapts=adapts), job.streamed, job.asked)
            for system, adapts in (("cpep, adapted", True), ("cpep", False))
        }
        if peer:
            answers["LibEMG"] = ask_libemg(peer, str(n), job.streamed, job.asked, sorted(set(job.names)))
        for system, answer in answers.items():
            for what, value in score(answer, job.streamed, job.asked, job.without).items():
                found[job.streamed.person.name][job.repetitions, system][what].append(value)
    return [
        {key: {what: float(np.mean(values)) for what, values in row.items()} for key, row in person.items()}
        for person in found.values()
    ]


def main() -> None:
    """Print the table of one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", choices=("dev", "test"), default="test")
    parser.add_argument("--libemg", default="", help="Python with LibEMG")
    parser.add_argument("--most", type=int, default=1000, help="people at most")
    asked = parser.parse_args()
    load, repetitions = SETS[asked.set]
    people = itertools.islice(load(asked.data, asked.people == "dev"), asked.most)
    jobs = [job for person in people for job in jobs_of(person, repetitions)]
    rows = scored(jobs, asked_of_libemg(jobs, asked.libemg) if asked.libemg else {})
    columns = ("windows", "smoothed", "last", "f1", "false/min", "ece", "auc", "quiet")
    print(f"{asked.set}: {len(rows)} people; mean over people (SD)\n")
    print("| repetitions | system | " + " | ".join(columns) + " |\n|" + "---|" * (2 + len(columns)))
    for k, system in rows[0]:
        cells = []
        for column in columns:
            values = np.array([row[k, system].get(column, np.nan) for row in rows])
            known = values[~np.isnan(values)]
            cells.append(f"{known.mean():.3f} ({known.std():.3f})" if len(known) else "")
        print(f"| {k} | {system} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
