"""Recordings: simulate them, look at them, prepare them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.download import download
from cpep.cli.commands.options import SeedOption
from cpep.types import UserError, shown_lines

data_app = typer.Typer(
    help="Look at recordings and prepare them for training.\n\nExample: `cpep data inspect data/ninapro_db1`",
)
data_app.command("download")(download)


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; not with --check.")] = Path("runs/cohort"),
    users: Annotated[int, typer.Option(help="People in the cohort.")] = 24,
    minutes: Annotated[float, typer.Option(help="Minutes of recordings of each person.")] = 6.0,
    seed: SeedOption = 0,
    rest: Annotated[float, typer.Option(help="Length of the rests between gestures; 1 is the usual length.")] = 1.0,
    check: Annotated[bool, typer.Option("--check", help="Print the table of properties instead.")] = False,
    device: Annotated[
        str, typer.Option(help="Write a prepared store of people with the device of a data set: ninapro_db1.")
    ] = "",
) -> None:
    """Simulate a cohort in the emg2pose layout, or check the simulator.

    With --device, the people wear another device than the wristband of emg2pose, and what is written is a prepared
    store.

    Example: `cpep simulate runs/cohort --users 24 --seed 0`
    """
    from cpep import simulate as simulator
    from cpep.runtime.files import progress_line
    from cpep.runtime.jobs import cores
    from cpep.simulate.properties import table_text

    if check:
        table = simulator.check(seed=seed, progress=progress_line("check", "sessions"))
        typer.echo(table_text(table))
        if not all(row.ok for row in table):
            raise UserError("a property of the simulator is outside its tolerance (marked above)")
        return
    if device:
        from cpep.simulate.device_cohort import simulate_device

        store = simulate_device(device, out, users, minutes, seed, rest, progress_line("simulate", "people"))
        typer.echo(
            f"{out}: {len(store.users)} simulated users of {device}, {store.seconds / 3600:.2f} h, seed {seed}"
        )
        return
    simulator.simulate_cohort(
        out,
        users=users,
        minutes=minutes,
        seed=seed,
        variability=simulator.Variability(rest=rest),
        workers=cores(),
        progress=progress_line("simulate", "s of recording"),
    )
    typer.echo(f"{out}: {users} simulated users, {minutes:g} minutes each, seed {seed}")


@data_app.command("inspect")
def inspect(
    path: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    html: Annotated[Path | None, typer.Option("--html", help="Page with pictures to write.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Draw every session, and not only the worst ones.")
    ] = False,
) -> None:
    """Say what a folder of recordings contains, what is unusable and what is unusual.

    It ends with exit code 1 where no recording can be read.

    Example: `cpep data inspect data/ninapro_db1 --html quality.html`
    """
    from cpep.data.inspect import inspect_folder
    from cpep.report.quality import write_quality
    from cpep.runtime.files import progress_line
    from cpep.runtime.jobs import cores

    if everything and html is None:
        raise UserError("--all says what the page of --html shows; name the page: --html quality.html")
    inspection = inspect_folder(path, workers=cores(), progress=progress_line("inspect", "files"))
    typer.echo(shown_lines(inspection.text()))
    if html:
        drawn = progress_line("draw", "sessions")
        write_quality(inspection, html, workers=cores(), progress=drawn, everything=everything)
        typer.echo(f"\n{html}: the same with pictures")
    if not inspection.recordings:
        raise typer.Exit(1)


@data_app.command("describe")
def describe(
    files: Annotated[list[Path], typer.Argument(help="Tables, .npz or .mat of one kind, or their folder.")],
    preset: Annotated[
        str,
        typer.Option(
            help="Program that wrote them: openbci, delsys, mindrove, myo, brainflow:BOARD. Default: recognised."
        ),
    ] = "",
    unit: Annotated[str | None, typer.Option(help="Unit of the EMG: V, mV, uV or count.")] = None,
    rate: Annotated[float | None, typer.Option(metavar="HZ", help="EMG samples a second.", min=1)] = None,
    user: Annotated[
        str | None,
        typer.Option(
            help="Name of the person; or a pattern for names of files whose group is the person, such as '(.+)_day'."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing sidecar.")] = False,
) -> None:
    """Look at tables or arrays, guess what they contain, and write the sidecar that cpep needs to read them.

    One file gets NAME.json beside it, several get cpep.json. What cannot be known is left empty there, to be filled
    in; --unit, --rate and --user fill it in at once.

    Example: `cpep data describe S1.csv`
    """
    from cpep.data.describe import describe as describe_files
    from cpep.data.describe import known

    found = describe_files(files, preset, force=force, told=known(unit, rate, user))
    typer.echo(shown_lines(found.text))  # it quotes labels that nobody has checked yet


@data_app.command("prepare")
def prepare(
    path: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="Prepared store to write.")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be read.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Prepare only the I-th of N shards; torchrun gives each process its own."),
    ] = None,
    highpass: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="High-pass of raw EMG instead of that of the recordings; 0 for none.", min=0),
    ] = None,
    notch: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Removes hum of the mains, 50 or 60, with its harmonics; 0 for none.", min=0),
    ] = None,
) -> None:
    """Write a prepared store: memory-mapped arrays with an index. A command that was stopped continues.

    Raw EMG is high-passed at 20 Hz, unless the recordings say that this was done before, or --highpass asks for
    something else. Checkpoints that are trained on the store filter live EMG in the same way.

    Several machines that share a disk prepare shards side by side (--shard 1/8, 2/8, ...); the same command without
    --shard then joins them.

    Example: `cpep data prepare runs/cohort runs/cohort.store`
    """
    from cpep.data.store.prepare import names_and_tables
    from cpep.data.store.prepare import prepare as prepare_store
    from cpep.data.store.shards import shard_of
    from cpep.runtime.files import progress_line
    from cpep.runtime.jobs import cores
    from cpep.signal.conditioning import Asked

    mine = shard_of(shard, os.environ)
    processes = max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    progress = progress_line("prepare", "files")
    asked = Asked(highpass, notch)
    store = prepare_store(path, out, workers=processes, shard=mine, skip_bad=skip_bad, asked=asked, progress=progress)
    part = store.path != out.resolve()
    typer.echo(
        f"{store.path if part else out}: {len(store.entries)} recordings of {len(store.users)} users, "
        f"{store.seconds / 3600:.2f} h, "
        f"{store.device.channels} channels at {store.device.emg_rate:g} Hz, frames at {store.frame_rate:g} Hz"
    )
    typer.echo(f"  EMG {store.device.conditioning}")
    if store.bare:
        typer.echo(f"  {len(store.bare)} of {len(store.entries)} recordings have no pose, nor another anchor")
    for repair in store.repairs:
        typer.echo(f"  repaired: {repair}")
    for name, note in names_and_tables(path, store):
        typer.echo(shown_lines(f"  {name}: {note}"))
    if mine and part:
        typer.echo(f"that is shard {mine.index} of {mine.count}; when all are done: cpep data prepare {path} {out}")


@data_app.command("export")
def export(
    data: Annotated[Path, typer.Argument(help="Prepared store, or folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    bids: Annotated[bool, typer.Option("--bids", help="As EMG-BIDS: BDF files of 24 bits with sidecars.")] = False,
) -> None:
    """Write recordings in a format that other programs read. A command that was stopped continues.

    Example: `cpep data export --bids runs/cohort runs/cohort.bids`
    """
    from cpep.data.bids.export import export_bids
    from cpep.runtime.files import progress_line

    if not bids:
        raise UserError("say what to write: --bids is what there is")
    typer.echo(export_bids(data, out, progress=progress_line("export", "recordings")))


@data_app.command("verify")
def verify(
    path: Annotated[Path, typer.Argument(help="Store, checkpoint, book, enrolment, or a folder that holds some.")],
) -> None:
    """Compare every byte of a store, a checkpoint or a book with the checksums that were written with it.

    It lists what is damaged, and ends with exit code 2 where something is.

    Example: `cpep data verify runs/cohort.store`
    """
    from cpep.experiments.verify import verify as compare
    from cpep.runtime.files import progress_line

    found = compare(path, progress_line("verify", "MB", 1e-6))
    for line in (*found.damaged, *found.bare):
        typer.echo(line)
    if found.damaged:
        places = f"{len(found.damaged)} place{'s' * (len(found.damaged) > 1)}"
        raise UserError(f"{path} is damaged in {places}; copy it again from where it is sound, or make it again")
    sound, all_ = len(found.sound), len(found.sound) + len(found.bare)
    typer.echo(f"{path}: {sound} of {all_} have checksums, and all are sound")
