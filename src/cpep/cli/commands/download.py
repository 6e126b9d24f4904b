"""Get the real recordings: ``cpep data download``."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpep.cli.commands.options import SeedOption, listed
from cpep.types import UserError

if TYPE_CHECKING:
    from cpep.download.selection import Selection


class Origin(enum.StrEnum):
    """Where recordings come from."""

    nemar = "nemar"
    tar = "tar"


@dataclass(frozen=True)
class _Order:
    """What is to be fetched, and how; the same for both origins."""

    out: Path
    metadata: bool
    mini: bool
    selection: Selection
    dry_run: bool
    index: Path | None
    connections: int
    bytes_per_s: float | None
    url: str


def download(
    dataset: Annotated[str, typer.Argument(help="emg2pose, or the id of a data set of NEMAR: nm000105.")],
    out: Annotated[
        Path | None, typer.Argument(help="Folder for the recordings. A stopped download continues there.")
    ] = None,
    origin: Annotated[
        Origin, typer.Option("--from", help="nemar: EMG-BIDS, 340 GB. tar: HDF5 as first published, 463 GB.")
    ] = Origin.nemar,
    named: Annotated[
        str, typer.Option("--dataset", help="Id of a data set of NEMAR, if the argument is only OUT.")
    ] = "",
    version: Annotated[
        str, typer.Option(help="Version at NEMAR. Default: v1.0.3 of emg2pose, the newest one of others.")
    ] = "",
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Only tables: some hundred small files of nemar, 6 MB of tar.")
    ] = False,
    mini: Annotated[
        bool, typer.Option("--mini", help="Half an hour of one person for a first look (tar: the mini set, 0.65 GB).")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All recordings; 25,253 of emg2pose.")] = False,
    users: Annotated[str, typer.Option(help="Number of people, or their names, separated by commas.")] = "",
    stages: Annotated[str, typer.Option(help="Stages, separated by commas.")] = "",
    split: Annotated[str, typer.Option(help="train, val or test; several are separated by commas.")] = "",
    hours: Annotated[float | None, typer.Option(help="Number of hours, taken from all users in turn.")] = None,
    seed: SeedOption = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print size and time; download only tables.")] = False,
    index: Annotated[
        Path | None, typer.Option(help="File for the manifest, or for the index of the tar. Default: in OUT.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Number of requests at the same time.")] = 8,
    max_mb_s: Annotated[float | None, typer.Option("--max-mb-s", help="Largest rate, MB/s.")] = None,
    url: Annotated[str, typer.Option(help="Address of a mirror of the files.")] = "",
) -> None:
    """Download emg2pose or a part of it (CC-BY-NC-SA-4.0, non-commercial), or another data set of NEMAR.

    Example: `cpep data download emg2pose data/emg2pose --users 20 --hours 10 --dry-run`
    """
    from cpep.download.selection import Selection

    dataset, out = _places(dataset, out, named)
    wanted = Selection(listed(users), listed(stages), listed(split), hours, seed)
    _refuse(metadata + mini + everything + (wanted != Selection(seed=seed)), hours, max_mb_s)
    rate = max_mb_s * 1e6 if max_mb_s else None
    prefix = f"{url.rstrip('/')}/" if url else ""
    order = _Order(out, metadata, mini, wanted, dry_run, index, connections, rate, prefix)
    if origin is Origin.nemar:
        _from_nemar(order, dataset, version)
    elif dataset != "emg2pose" or version:
        raise UserError("--from tar: the tar is emg2pose in its only version; name it so, and leave out --version")
    else:
        _from_tar(order)


def _places(dataset: str, out: Path | None, named: str) -> tuple[str, Path]:
    """Return the data set and the folder, as ``DATASET OUT`` or as ``OUT --dataset DATASET`` gives them.

    Raises:
        UserError: one of them is missing, or there are two data sets.
    """
    if out is None:
        if not named:
            raise UserError(f"say where to put it: cpep data download {dataset} FOLDER")
        return named, Path(dataset)
    if named and dataset not in ("emg2pose", named):
        raise UserError(f"{dataset} and --dataset {named} are two data sets; name one")
    return named or dataset, out


def _refuse(choices: int, hours: float | None, max_mb_s: float | None) -> None:
    """Refuse arguments that make no sense.

    Raises:
        UserError: no choice or several, or a number that is not above 0.
    """
    if choices != 1:
        raise UserError(
            "say what to fetch: --metadata, --mini, --all, or a part by --users, --stages, --split and --hours"
        )
    for option, value in (("--hours", hours), ("--max-mb-s", max_mb_s)):
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"{option} {value:g}: give a number above 0")


def _from_nemar(order: _Order, dataset: str, version: str) -> None:
    from cpep.download import costs, nemar
    from cpep.runtime.files import progress_line

    selection = replace(nemar.MINI, seed=order.selection.seed) if order.mini else order.selection
    plan = nemar.make_plan(
        None if order.metadata else selection,
        order.out,
        dataset=nemar.EMG2POSE if dataset == "emg2pose" else dataset,
        version=version,
        server=nemar.Server.at(order.url) if order.url else None,
        index=order.index,
        bytes_per_s=order.bytes_per_s,
        threads=order.connections,
        note=_note,
        progress=progress_line("tables", "kB", 1e-3),
    )
    if plan.licence:
        typer.echo(plan.licence, err=True)
    if order.metadata:
        typer.echo(f"{order.out}: the tables of {plan.release}: {costs.recordings(plan.rows)}")
        return
    typer.echo(costs.nemar_text(plan, order.connections, order.bytes_per_s))
    if not order.dry_run:
        fetched = plan.fetch(order.connections, progress_line("download", "MB", 1e-6))
        _done(order.out, len(plan.rows), f"{fetched:,} files")


def _from_tar(order: _Order) -> None:
    from cpep.download import costs, manifest
    from cpep.download import fetch as fetching
    from cpep.download import plan as plans
    from cpep.runtime.files import progress_line

    out, prefix = order.out, order.url or plans.PREFIX
    if manifest.marked(out) is not None:
        raise UserError(
            f"{out} holds recordings from NEMAR; choose another folder, or go on there without --from tar"
        )
    if not (out / plans.LICENSE_FILE).exists():
        typer.echo(plans.LICENSE, err=True)
    if order.metadata:
        rows = plans.fetch_metadata(prefix, out, _note)
        typer.echo(f"{out}/metadata.csv: {costs.recordings(rows)}")
        return
    plan = plans.make_plan(
        None if order.mini else order.selection,
        out,
        prefix=prefix,
        index=order.index,
        bytes_per_s=order.bytes_per_s,
        note=_note,
    )
    if order.mini:
        fetching.find_members(plan, order.connections)
    pace = costs.measure(prefix) if order.dry_run else None
    typer.echo(costs.text(plan, pace, order.connections, order.bytes_per_s))
    if order.dry_run:
        return
    plan.check_space()
    fetching.find_members(plan, order.connections, progress_line("index of the tar", "GB", 1e-9))
    result = fetching.fetch(plan, order.connections, progress_line("download", "MB", 1e-6))
    if result.absent:
        _note(f"{len(result.absent)} recordings of metadata.csv are not in the tar, the first {min(result.absent)}")
    _done(out, len(result.files), f"{result.fetched:,} of them")


def _done(out: Path, recordings: int, fetched: str) -> None:
    typer.echo(f"{out}: {recordings:,} recordings, {fetched} fetched now; next: cpep data prepare {out} {out}.store")


def _note(text: str) -> None:
    print(f"cpep: {text}", file=sys.stderr, flush=True)
