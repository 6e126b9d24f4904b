"""Measures the properties that make the simulated cohort hard for the right reasons, against tolerances."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from cpep.runtime.jobs import cores, in_order
from cpep.runtime.pool import stopping
from cpep.simulate import classify
from cpep.simulate.anatomy import PLACES
from cpep.simulate.cohort import by_wearing
from cpep.simulate.conductor import CHANNELS, PITCH, Placement, make_bank, surface_emg
from cpep.simulate.gestures import SEEN, UNSEEN, holds_unseen
from cpep.simulate.measures import Windows, cut_windows, firing_rate, force_slope, join, signal_measures
from cpep.simulate.plan import PLAN, Cohort, Take
from cpep.simulate.record import MIRROR, perform, record, wear
from cpep.simulate.variability import Variability, generator
from cpep.types import FloatArray, Progress, UserError, no_progress

SEEN_LABELS = tuple(range(1, 1 + len(SEEN)))
UNSEEN_LABELS = tuple(range(1 + len(SEEN), 1 + len(SEEN) + len(UNSEEN)))
MUSCLES_TRIED = ("FCR", "FDS3", "FDP2", "ECU")
"""Muscles whose EMG-force relation is measured: superficial and deep ones that everybody has."""


@dataclass(frozen=True)
class Property:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: what came out.
        low: tolerance.
        high: tolerance.
        reference: what the prototype of this simulator measured.
    """

    name: str
    value: float
    low: float
    high: float
    reference: str

    @property
    def ok(self) -> bool:
        """Whether the value lies within the tolerance."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, eq=False)
class _Session:
    """What is measured of one session."""

    held: Windows
    whole: Windows
    signal: list[dict[str, float]]
    physiology: dict[str, float]


def check(
    seed: int = 0,
    *,
    users: int = 24,
    length: float = 1.0,
    workers: int | None = None,
    variability: Variability | None = None,
    progress: Progress = no_progress,
) -> list[Property]:
    """Simulate a cohort in memory, and a smaller one without muscle signal, and measure both.

    Args:
        seed: of the cohorts.
        users: people of the cohort, at least 4; half of them for the one without muscle signal.
        length: of the recordings, 1 is about three minutes of each person and session.
        workers: processes; as many as there are cores if ``None``.
        variability: of the cohort.
        progress: called with sessions done and in all.

    Raises:
        UserError: too few people.
    """
    if users < 4:
        raise UserError(f"{users} users are too few to check the simulator; give at least 4")
    cohort = Cohort(users, seed=seed, variability=variability or Variability())
    silent = Cohort(users // 2, seed=seed, variability=replace(cohort.variability, muscle=0.0))
    jobs = [(cohort, takes) for takes in by_wearing(_takes(cohort, length))]
    count = len(jobs)
    jobs += [(silent, takes) for takes in by_wearing(_takes(silent, length))]
    sessions: list[_Session] = []
    progress(0, len(jobs))
    with closing(in_order(_measure, jobs, workers or cores())) as measured:
        for session in measured:
            sessions.append(session)
            progress(len(sessions), len(jobs))
    with threadpool_limits(1):
        return [
            *_signal(sessions[:count]),
            *_geometry(seed),
            *_gestures(join([s.held for s in sessions[:count]])),
            *_control(join([s.whole for s in sessions[count:]])),
        ]


def _takes(cohort: Cohort, length: float) -> list[Take]:
    """Return the takes of seen and unseen stages, so long that each gesture is repeated about four times."""
    seconds = {stage: 30.0 if holds_unseen(stage) else 45.0 for session in PLAN for stage, _ in session}
    return [replace(take, seconds=seconds[take.stage] * length) for take in cohort.takes() if take.stage in seconds]


def table_text(rows: Sequence[Property]) -> str:
    """Return the table as text, a mark before every value outside its tolerance."""
    width = max(len(row.name) for row in rows)
    lines = [f"  {'property':<{width}}  {'value':>8}  {'tolerance':>17}  prototype"]
    for row in rows:
        span = f"{_number(row.low)} to {_number(row.high)}"
        mark = " " if row.ok else "!"
        lines.append(f"{mark} {row.name:<{width}}  {_number(row.value):>8}  {span:>17}  {row.reference}")
    wrong = sum(not row.ok for row in rows)
    lines.append(f"  {len(rows) - wrong} of {len(rows)} properties are within their tolerance")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _measure(job: tuple[Cohort, list[Take]]) -> _Session:
    """Simulate and measure one session."""
    cohort, takes = job
    first = takes[0]
    session = wear(cohort.seed, first.user, first.session, first.side, cohort.variability)
    held, whole, signal = [], [], []
    for number, take in enumerate(takes):
        if stopping():
            break
        recording = record(session, take.stage, take.repetition, take.seconds, take.name)
        held.append(cut_windows(recording, number))
        whole.append(cut_windows(recording, number, skip_s=0.0))
        signal.append(signal_measures(recording))
    physiology = {}
    if cohort.variability.muscle and first.session.endswith("s0"):
        slopes = [force_slope(session, list(PLACES).index(name)) for name in MUSCLES_TRIED]
        physiology = {
            "rate": firing_rate(session, first.stage, first.seconds),
            "slope": float(np.mean(slopes)),
        }
    return _Session(join(held), join(whole), signal, physiology)


def _signal(sessions: Sequence[_Session]) -> list[Property]:
    """Return the properties of the signal itself, mean over recordings or people."""

    def mean(name: str) -> float:
        return float(np.mean([measured[name] for s in sessions for measured in s.signal]))

    def physiology(name: str) -> float:
        return float(np.mean([s.physiology[name] for s in sessions if s.physiology]))

    return [
        Property("median frequency, active, Hz", mean("median_frequency"), 107, 143, "122"),
        Property("firing rate, Hz", physiology("rate"), 13, 20, "16.6"),
        Property("EMG-force log-log slope, 3-65 % MVC", physiology("slope"), 0.79, 1.15, "0.94"),
        Property("raw correlation, adjacent electrodes", mean("raw_near"), 0.44, 0.64, "0.54"),
        Property("raw correlation, opposite electrodes", mean("raw_far"), -0.08, 0.12, "0.02"),
        Property("log-envelope correlation, adjacent", mean("log_near"), 0.71, 0.91, "0.81"),
        Property("log-envelope correlation, opposite", mean("log_far"), 0.43, 0.73, "0.58"),
        Property("SNR active over rest, best 4 channels, dB", mean("snr"), 9, 15, "12"),
    ]


def _geometry(seed: int) -> list[Property]:
    """Return how channels agree after a turn of the band by one electrode, and with the mirrored band."""
    session = wear(seed, "user_00", "user_00_s0", "right", Variability(noise=0.0))
    placement = replace(session.placement, gain_C=np.ones(CHANNELS), bad=None)
    done = perform(session, "HandClawGraspFlicks", 0, 10.0)

    def emg(placement: Placement) -> FloatArray:
        bank, turn_S = make_bank(session.person, placement), done.trajectory.rotation_S
        rng = generator(seed, "check", "geometry")
        return surface_emg(bank, done.drive, turn_S, 0.0, done.emg_CT.shape[1], rng)[0]

    usual_CT = emg(placement)
    turned_CT = emg(replace(placement, angle=placement.angle + PITCH))
    left_CT = emg(replace(placement, side="left"))
    return [
        Property(
            "rotation by one pitch = channel roll, r",
            _r(turned_CT, np.roll(usual_CT, -1, 0)),
            0.9995,
            1,
            "1.000",
        ),
        Property("left band = mirrored right band, r", _r(left_CT[list(MIRROR)], usual_CT), 0.9995, 1, "1.000"),
    ]


def _r(one_CT: FloatArray, other_CT: FloatArray) -> float:
    """Return the correlation, rounded so that 1 is 1."""
    return round(float(np.corrcoef(one_CT.ravel(), other_CT.ravel())[0, 1]), 9)


def _gestures(held: Windows) -> list[Property]:
    """Return how well gestures are told apart, from held windows of 200 ms."""
    seen = held.select(np.isin(held.label_N, SEEN_LABELS))
    unseen = held.select(np.isin(held.label_N, UNSEEN_LABELS))
    seen_ND, unseen_ND, all_ND = (classify.standardised(part) for part in (seen, unseen, held))
    both = (*SEEN_LABELS, *UNSEEN_LABELS)
    return [
        Property("LDA, 8 seen, within session", classify.within_session(seen), 0.85, 0.98, "0.93"),
        Property("LDA, 8 seen, band put on again", classify.donned_again(seen, seen.x_ND), 0.52, 0.76, "0.64"),
        Property("same, standardised", classify.donned_again(seen, seen_ND), 0.75, 0.93, "0.85"),
        Property("LDA, 8 seen, other people", classify.across_people(seen, seen_ND), 0.62, 0.82, "0.72"),
        Property("LDA, 8 unseen, other people", classify.across_people(unseen, unseen_ND), 0.53, 0.75, "0.63"),
        Property("LDA, all 16, other people", classify.across_people(held, all_ND), 0.40, 0.62, "0.50"),
        Property("LDA of joint angles, all 16", classify.across_people(held, held.pose_NJ), 0.95, 1, "0.98"),
        Property(
            "ridge EMG->pose, nearest pose, 8 unseen",
            classify.zero_shot(held, all_ND, SEEN_LABELS, UNSEEN_LABELS),
            0.30,
            0.60,
            "0.35 (0.46 by this read-out)",
        ),
        Property(
            "same among all 16",
            classify.zero_shot(held, all_ND, SEEN_LABELS, both),
            0.04,
            0.20,
            "0.12 (0.06 by this read-out)",
        ),
    ]


def _control(silent: Windows) -> list[Property]:
    """Return how well artefacts alone tell gestures apart: at chance level. Moves count too: they make most."""
    seen = silent.select(np.isin(silent.label_N, SEEN_LABELS))
    seen_ND, all_ND = classify.standardised(seen), classify.standardised(silent)
    return [
        Property("muscle off, 8 seen, other people", classify.across_people(seen, seen_ND), 0.08, 0.17, "chance"),
        Property("muscle off, all 16, other people", classify.across_people(silent, all_ND), 0.04, 0.09, "chance"),
    ]
