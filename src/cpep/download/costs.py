"""What a download takes, as a table to read before it begins."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cpep.data.readers.metadata import MetadataRow, plain_stage
from cpep.download.http import Remote
from cpep.download.nemar import NemarPlan
from cpep.download.plan import TABLE, Plan, free_bytes
from cpep.download.selection import seconds_of
from cpep.download.subset import RECORDING
from cpep.runtime.files import clock

RATES = (10e6, 50e6)
"""Bytes per second for which the time of a download from NEMAR is said."""

ANSWER_S = 0.3
"""Time that NEMAR takes to answer, by those who run it 0.2 to 0.6 s."""

SAMPLE = 4 << 20
"""Bytes of the metadata that are read to measure how fast the server is."""


@dataclass(frozen=True)
class Pace:
    """How fast a server is over one connection.

    Attributes:
        bytes_per_s: of a long answer.
        request_s: time of a short one.
    """

    bytes_per_s: float
    request_s: float


def measure(prefix: str) -> Pace:
    """Read a part of the metadata, and throw it away, to see how fast the server is."""
    with Remote(prefix + TABLE) as remote:
        stop = min(SAMPLE, remote.size)
        began = time.perf_counter()
        remote.read(0, 1)
        short = time.perf_counter() - began
        remote.read(0, stop)
        return Pace(stop / max(time.perf_counter() - began - short, 1e-6), short)


def recordings(rows: Sequence[MetadataRow]) -> str:
    """Sum up recordings in words."""
    users, stages = {row.user for row in rows}, {plain_stage(row.stage) for row in rows} - {""}
    hours = sum(map(seconds_of, rows)) / 3600
    length = f"{hours:.2f}" if hours else "unknown"
    return f"recordings {len(rows):,}, users {len(users)}, stages {len(stages)}, hours {length}"


def text(plan: Plan, pace: Pace | None = None, threads: int = 8, bytes_per_s: float | None = None) -> str:
    """Return the plan as lines: recordings, bytes, index, disk, and time where the pace is known."""
    sizes, left = plan.sizes(), plan.left()
    known = plan.index.members()
    about = "" if all(name in known for name in sizes) else "about "
    total = f"{about}{_size(sum(sizes.values()))} in {len(sizes):,} files"
    lines = [
        f"  wanted      {recordings([plan.rows[name] for name in sizes if name in plan.rows])}",
        f"  bytes       {total}, of which {_size(left)} are to fetch",
        f"  index       {_index(plan, pace, threads)}",
        f"  disk        {_size(free_bytes(plan.out))} free in {plan.out}",
    ]
    if pace is not None:
        lines.append(f"  time        {_time(left, pace, threads, bytes_per_s)}")
    return "\n".join([f"emg2pose from {plan.tar.url}", *lines])


def nemar_text(plan: NemarPlan, threads: int = 8, bytes_per_s: float | None = None) -> str:
    """Return the plan of a download from NEMAR as lines: recordings, bytes, disk and time."""
    left = plan.left()
    signals = sum(RECORDING.fullmatch(entry.path) is not None for entry in plan.files)
    lines = [
        f"  wanted      {recordings(plan.rows)}",
        f"  bytes       {_size(sum(entry.size for entry in plan.files))} in {len(plan.files):,} files, "
        f"{signals:,} of them recordings; {_size(sum(left.values()))} in {len(left):,} files are to fetch",
        f"  disk        {_size(free_bytes(plan.out))} free in {plan.out}",
        f"  time        {_nemar_time(plan, threads, bytes_per_s)}",
    ]
    return "\n".join([f"{plan.release} from {plan.release.prefix}", *lines])


def _nemar_time(plan: NemarPlan, threads: int, bytes_per_s: float | None) -> str:
    """Say how long bytes and answers take; files of one content are asked for once."""
    left = plan.left()
    need, asked = sum(left.values()), len({entry.checksum for entry in left})
    rates = [rate for rate in RATES if bytes_per_s is None or rate <= bytes_per_s] or [bytes_per_s or 0.0]
    times = ", ".join(f"{clock(need / rate)} at {rate / 1e6:g} MB/s" for rate in rates)
    return (
        f"{times}; at least {clock(asked * ANSWER_S / threads)} for {asked:,} requests over {threads} connections, "
        f"{ANSWER_S:g} s each"
    )


def _index(plan: Plan, pace: Pace | None, threads: int) -> str:
    """Say how many requests it still takes to know the places of the files."""
    if plan.walked:
        return f"in {plan.index_path}, nothing to ask"
    requests = max(plan.members - len(plan.index.headers), 1)
    seconds = f", {clock(requests * pace.request_s / threads)} over {threads} connections" if pace else ""
    return f"up to {requests:,} requests of 2 kB{seconds}; once, it is kept in {plan.index_path}"


def _time(left: float, pace: Pace, threads: int, bytes_per_s: float | None) -> str:
    """Say how long the bytes take, between the best and the worst that more connections can bring."""
    bounds: Iterable[float] = (pace.bytes_per_s * threads, pace.bytes_per_s)
    best, worst = (left / min(rate, bytes_per_s or rate) for rate in bounds)
    span = clock(best) if clock(best) == clock(worst) else f"{clock(best)} to {clock(worst)}"
    limit = f", at most {bytes_per_s / 1e6:g} MB/s" if bytes_per_s else ""
    return (
        f"{span}: one connection brings {pace.bytes_per_s / 1e6:,.1f} MB/s now, {threads} at best as many times that"
        f"{limit}"
    )


def _size(count: float) -> str:
    """Format bytes.

    >>> _size(0), _size(5_674_462), _size(462_824_048_640)
    ('0.00 MB', '5.67 MB', '462.82 GB')
    """
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.2f} MB"
