"""Record simulated people, train on each recording, add *gun* by its pose, and see in a later session if it is told.

python benchmarks/pages/training.py 21 22 23 24 --out runs/training

A number is the seed of a person. Everything is kept in the folder: a stopped run goes on, and numbers of people that
are done are read. The recording has seven rounds of eight gestures and six minutes of free movement; *gun* is not in
it. The later session has ten times *gun* among forty other gestures; the band was put on anew.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly

from cpep.checkpoints.checkpoint import Model, book_beside, load
from cpep.config.presets import preset
from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store
from cpep.experiments.fold_jobs import jobs_of
from cpep.experiments.live import replayed
from cpep.experiments.own import SETTINGS, divided, put_live, tasks_of
from cpep.experiments.own_pose import begin_with_shipped
from cpep.hand.joints import JOINTS
from cpep.live.book.book import GestureBook
from cpep.runtime.files import atomic_path, read_json, write_json
from cpep.runtime.jobs import run_all
from cpep.simulate.gestures import GESTURES, VOCABULARY
from cpep.simulate.kinematics import Trajectory, make_sequence, make_trajectory
from cpep.simulate.record import Session, enact, measure, wear
from cpep.simulate.sensor import MOCAP_RATE, capture_pose
from cpep.simulate.variability import Variability, generator

OWN = ("fist", "spread", "pinch_index", "point", "three", "thumb_up", "peace", "ok")
NEW = "gun"
BAND, CHANNELS, RATE, FRAME_RATE = 16, 8, 500, 100
"""Electrodes of the simulator, those of them that are kept, samples a second, and poses a second."""
ROUNDS, TOGETHER, FREE, FREE_S = 7, 4, 6, 60.0
"""Rounds of the gestures, rounds in a file, files of free movement, and their length."""
STAGES = ("FingerFreeform", "OneHandedFreeStyle", "unconstrained")
POSES = {"shipped": "shipped encoder of poses", "own": "trained on the recording"}
SIDECAR = {
    "emg": {"field": "emg"},
    "rate": RATE,
    "kind": "raw",
    "unit": "noise_sd",
    "ring": list(range(CHANNELS)),
    "pose": {"field": "pose", "rate": FRAME_RATE, "unit": "rad", "names": list(JOINTS)},
    "user": "me",
}
LABELS = {
    "label": {"field": "label", "names": {str(n): name for n, name in enumerate(VOCABULARY) if name != "free"}},
    "prompt": "prompt",
}


@dataclass(frozen=True)
class Found:
    """What one person's model makes of the later session: gestures and events counted, windows as a share."""

    person: int
    poses: str
    new: int
    new_made: int
    false_new: int
    others: int
    others_made: int
    windows: float

    def line(self) -> str:
        """Return the row of the table."""
        cells = (
            f"person {self.person}, {POSES[self.poses]}",
            f"{self.new} of {self.new_made}",
            str(self.false_new),
            f"{self.others} of {self.others_made}",
            f"{self.windows:.2f}",
        )
        return f"| {' | '.join(cells)} |"


Move = Callable[[np.random.Generator], Trajectory]


def record(path: Path, session: Session, stage: str, number: int, move: Move, labels: bool) -> None:
    """Write what a movement gives on a band of 8 electrodes at 500 Hz, with its pose at 100 Hz."""
    done = enact(session, stage, number, move)
    emg_TC = resample_poly(measure(session, stage, number, done), 1, SAMPLE_RATE // RATE, axis=0)
    emg_TC = emg_TC[:, :: BAND // CHANNELS].astype(np.float32)
    frames = len(done.trajectory.pose_SJ)
    key = (session.person.user, session.name, session.placement.side, stage, number)
    captured_SJ, valid_S = capture_pose(
        done.trajectory.pose_SJ, frames / FRAME_RATE, generator(session.person.seed, "mocap", *key)
    )
    now_S, at_S = np.arange(frames) / FRAME_RATE, np.arange(len(captured_SJ)) / MOCAP_RATE
    pose_SJ = np.stack([np.interp(now_S, at_S, one_S) for one_S in captured_SJ.T], axis=1).astype(np.float32)
    pose_SJ[np.interp(now_S, at_S, valid_S.astype(float)) <= 0.999] = np.nan
    arrays = {"emg": emg_TC, "pose": pose_SJ}
    if labels:
        of_S = {"label": done.trajectory.label_S, "prompt": done.trajectory.prompt_S}
        arrays |= {name: np.repeat(one_S, RATE // FRAME_RATE).astype(np.int16) for name, one_S in of_S.items()}
    np.savez(path, **arrays)
    write_json(path.with_suffix(".json"), SIDECAR | {"session": session.name} | (LABELS if labels else {}))


def record_person(seed: int, now: Path, later: Path) -> None:
    """Write the recording of a person, and a later session of the same person with *gun*."""
    rng = np.random.default_rng(seed)
    rounds = [[str(name) for name in rng.permutation(OWN)] for _ in range(ROUNDS)]
    asked = [str(name) for _ in range(5) for name in rng.permutation((*OWN, NEW, NEW))]
    session = wear(seed, "me", "me_s0", "right", Variability(rest=3.0))
    now.mkdir(parents=True)
    for number, first in enumerate(range(0, ROUNDS, TOGETHER)):
        names = list(chain(*rounds[first : first + TOGETHER]))
        record(now / f"gestures{number}.npz", session, "own", number, partial(sequence, session, names), labels=True)
    for number in range(FREE):
        stage = STAGES[number % len(STAGES)]
        move = partial(make_trajectory, session.person, stage, FREE_S)
        record(now / f"free{number}.npz", session, stage, number, move, labels=False)
    session = wear(seed, "me", "me_s9", "right", Variability(rest=3.0))
    later.mkdir(parents=True)
    record(later / "gestures.npz", session, "own", 99, partial(sequence, session, asked), labels=True)


def sequence(session: Session, names: Sequence[str], rng: np.random.Generator) -> Trajectory:
    """Return gestures one after another."""
    return make_sequence(session.person, [(name, GESTURES[name]) for name in names], rng)


def trained(recordings: Path, out: Path, poses: str) -> tuple[Model, GestureBook]:
    """Train the model that `cpep train` puts live, with one encoder of poses, and return it with its book."""
    config = preset("small", SETTINGS, "best")
    out.mkdir(parents=True, exist_ok=True)
    own = divided(prepare(recordings, out / "store"), out, config)
    task = tasks_of(own, config, out)[0]
    if poses == "shipped" and not begin_with_shipped(task):
        raise SystemExit("the shipped encoder does not read these poses")
    run_all(jobs_of([task], own.rows[:1], scored=False), workers=1, threads=1)
    put_live(own, task, out, print)
    model = load(out)
    return model, GestureBook.load(book_beside(out), model)


def measured(person: int, poses: str, model: Model, book: GestureBook, later: Store) -> Found:
    """Add *gun* by its pose alone, replay the later session, and count."""
    book.add(NEW, GESTURES[NEW].pose_J[: len(JOINTS)].astype(np.float32))
    runs = replayed(model, lambda user: book, later, range(len(later.entries)))
    made = [
        (one.name == NEW, bool(event >= 0))
        for run in runs
        for one, event in zip(run.matched.made, run.matched.event_M, strict=True)
    ]
    wrong = [
        one for run in runs for one, right in zip(run.matched.told, run.matched.right_N, strict=True) if not right
    ]
    named = np.concatenate([run.named_N[run.made_N == NEW] for run in runs])
    return Found(
        person,
        poses,
        new=sum(new and told for new, told in made),
        new_made=sum(new for new, _ in made),
        false_new=sum(one.name == NEW for one in wrong),
        others=sum(told and not new for new, told in made),
        others_made=sum(not new for new, _ in made),
        windows=float((named == NEW).mean()),
    )


def found(person: int, poses: str, out: Path) -> Found:
    """Return what one person's model makes of the later session; what is on disk is not made again."""
    place, folder = out / f"{person}-{poses}.json", out / str(person)
    if place.exists():
        return Found(**read_json(place))
    now, later = folder / "recording", folder / "later"
    if not later.exists():
        with atomic_path(folder) as temporary:
            record_person(person, temporary / now.name, temporary / later.name)
    began, cpu = time.monotonic(), time.process_time()
    model, book = trained(now, folder / poses, poses)
    print(
        f"person {person}, {poses}: trained in {time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s "
        f"of one core, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    one = measured(person, poses, model, book, prepare(later, folder / "later.store"))
    write_json(place, asdict(one))
    print(one.line(), flush=True)
    return one


def summary(some: Sequence[Found]) -> str:
    """Return mean and spread over people as a row of the table."""
    columns = [
        [one.new / one.new_made for one in some],
        [one.false_new for one in some],
        [one.others / one.others_made for one in some],
        [one.windows for one in some],
    ]
    words = f"mean of {len(some)} people (SD), {POSES[some[0].poses]}"
    return f"| {words} | " + " | ".join(f"{np.mean(one):.2f} ({np.std(one):.2f})" for one in columns) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--poses", choices=POSES, nargs="+", default=list(POSES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    all_of_them = {poses: [found(person, poses, asked.out) for person in asked.people] for poses in asked.poses}
    print(f"| | *{NEW}* told | false *{NEW}* | others told | windows of *{NEW}* |\n|---|---|---|---|---|")
    for some in zip(*all_of_them.values(), strict=True):
        print("\n".join(one.line() for one in some))
    for some in all_of_them.values():
        print(summary(some))


if __name__ == "__main__":
    main()
