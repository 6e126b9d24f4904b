"""Get the real recordings: ``cpep data download``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import SeedOption, listed
from cpep.types import UserError


def download(
    dataset: Annotated[str, typer.Argument(help="emg2pose.")],
    out: Annotated[Path, typer.Argument(help="Folder for the recordings; a stopped download goes on there.")],
    metadata: Annotated[bool, typer.Option("--metadata", help="Only metadata.csv, 6 MB.")] = False,
    mini: Annotated[bool, typer.Option("--mini", help="The mini set: one user, 0.65 GB.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All 25,253 recordings, 463 GB.")] = False,
    users: Annotated[str, typer.Option(help="How many people, or their names with commas.")] = "",
    stages: Annotated[str, typer.Option(help="Stages, separated by commas.")] = "",
    split: Annotated[str, typer.Option(help="train, val or test, or several with commas.")] = "",
    hours: Annotated[float | None, typer.Option(help="So many hours, from all users in turn.")] = None,
    seed: SeedOption = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes; fetch metadata.csv only.")] = False,
    index: Annotated[
        Path | None, typer.Option(help="Index of the tar, to read and extend; in OUT unless given.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Requests at a time.")] = 8,
    max_mb_s: Annotated[float | None, typer.Option("--max-mb-s", help="MB/s, at most.")] = None,
    url: Annotated[str, typer.Option(help="Another place of the files: a mirror.")] = "",
) -> None:
    """Fetch emg2pose, or any part of it (CC-BY-NC-SA-4.0, non-commercial).

    Example: `cpep data download emg2pose data/emg2pose --users 20 --hours 10 --dry-run`
    """
    from cpep.download import costs
    from cpep.download import fetch as fetching
    from cpep.download import plan as plans
    from cpep.download.selection import Selection
    from cpep.runtime.files import progress_line

    wanted = Selection(listed(users), listed(stages), listed(split), hours, seed)
    _refuse(dataset, metadata + mini + everything + (wanted != Selection(seed=seed)), hours, max_mb_s)
    prefix = f"{url.rstrip('/')}/" if url else plans.PREFIX
    rate = max_mb_s * 1e6 if max_mb_s else None
    if not (out / plans.LICENSE_FILE).exists():
        typer.echo(plans.LICENSE, err=True)
    if metadata:
        rows = plans.fetch_metadata(prefix, out, _note)
        typer.echo(f"{out}/metadata.csv: {costs.recordings(rows)}")
        return
    plan = plans.make_plan(None if mini else wanted, out, prefix=prefix, index=index, bytes_per_s=rate, note=_note)
    if mini:
        fetching.find_members(plan, connections)
    pace = costs.measure(prefix) if dry_run else None
    typer.echo(costs.text(plan, pace, connections, rate))
    if dry_run:
        return
    plan.check_space()
    fetching.find_members(plan, connections, progress_line("index of the tar", "GB", 1e-9))
    result = fetching.fetch(plan, connections, progress_line("download", "MB", 1e-6))
    if result.absent:
        _note(f"{len(result.absent)} recordings of metadata.csv are not in the tar, the first {min(result.absent)}")
    typer.echo(
        f"{out}: {len(result.files):,} recordings, {result.fetched:,} of them fetched now; "
        f"next: cpep data prepare {out} {out}.store"
    )


def _refuse(dataset: str, choices: int, hours: float | None, max_mb_s: float | None) -> None:
    """Refuse arguments that make no sense.

    Raises:
        UserError: another data set, no choice or several, or a number that is not above 0.
    """
    if dataset != "emg2pose":
        raise UserError(f"{dataset}: cpep can download emg2pose; others are fetched by hand")
    if choices != 1:
        raise UserError(
            "say what to fetch: --metadata, --mini, --all, or a part by --users, --stages, --split and --hours"
        )
    for option, value in (("--hours", hours), ("--max-mb-s", max_mb_s)):
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"{option} {value:g}: give a number above 0")


def _note(text: str) -> None:
    print(f"cpep: {text}", file=sys.stderr, flush=True)
