"""Recording in the terminal: ``cpep record``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpep.cli.commands.options import SourceOption
from cpep.types import UserError

if TYPE_CHECKING:
    from cpep.live.poses.source import PoseSource
    from cpep.live.record.about import About, PoseColumns
    from cpep.live.record.protocol import Protocol
    from cpep.live.record.taking import Taking
    from cpep.live.signals import Source


def record(
    folder: Annotated[
        Path, typer.Argument(help="EMG-BIDS data set that the recording is added to, or a new folder.")
    ],
    source: SourceOption = "",
    pose: Annotated[
        str,
        typer.Option(help="Source of the pose: lsl:NAME, camera, or follow (the drawn hand). Default: no pose."),
    ] = "",
    protocol: Annotated[
        str, typer.Option(help="What you are asked to do: free, gestures, follow, or a file of your own (.toml).")
    ] = "free",
    person: Annotated[str, typer.Option(help="Who wears the band.")] = "",
    session: Annotated[
        str, typer.Option(help="Name of the session; give a new one after the band was put on again.")
    ] = "",
    arm: Annotated[str, typer.Option(help="right or left.")] = "",
    notes: Annotated[str, typer.Option(help="Anything worth knowing.")] = "",
    seconds: Annotated[float, typer.Option(min=0, help="Stop after these seconds; 0: to the end.")] = 0.0,
    recover: Annotated[
        bool, typer.Option("--recover", help="Only add what a crash or a power cut left; record nothing.")
    ] = False,
) -> None:
    """Record EMG, prompts and pose on one clock into an EMG-BIDS data set; a crash loses a second at most.

    Example: `cpep record my_recordings --source lsl:band --protocol gestures`
    """
    from cpep.data.bids.grow import refuse_foreign
    from cpep.live.record.protocol import read_protocol

    refuse_foreign(folder)
    _recover(folder, all_of_it=recover)
    if recover:
        return
    if not source:
        raise UserError(
            f"cpep record {shlex.quote(str(folder))}: name the source of the EMG, such as --source lsl:band or "
            "--source sim"
        )
    asked = read_protocol(protocol)
    about = _about(folder, person, session, arm, notes)
    _record(folder, about, source, asked, pose, seconds or float("inf"))


def _recover(folder: Path, *, all_of_it: bool) -> None:
    """Add what was left in a folder by a kill, and tell; a recording that cannot be added ends ``--recover`` only."""
    from cpep.live.record.finish import recover, unfinished

    left = unfinished(folder)
    if left:
        what = "A recording was" if len(left) == 1 else f"{len(left)} recordings were"
        typer.echo(f"{what} cut off before; what was recorded is added now", err=True)
    done, failed = recover(folder)
    for one in done:
        typer.echo(one.sentence)
    if all_of_it and not left:
        typer.echo(f"{folder}: nothing was left to add")
    if all_of_it and failed:
        raise UserError("; ".join(failed))
    for sentence in failed:
        typer.echo(f"cpep: {sentence}", err=True)


def _about(folder: Path, person: str, session: str, arm: str, notes: str) -> About:
    """Return who is recorded; on a terminal ask for what was not given, with the last answers as the usual ones."""
    from cpep.live.record.about import LAST, About
    from cpep.runtime.files import read_json, write_json

    given = {"person": person, "session": session, "arm": arm, "notes": notes}
    last = read_json(folder / LAST) if (folder / LAST).is_file() else {}
    missing = [key for key in ("person", "session", "arm") if not given[key]]
    if missing and not sys.stdin.isatty():
        raise UserError(
            f"cpep record {shlex.quote(str(folder))}: give --{missing[0]}; who is recorded, which wearing "
            "of the band (session) and which arm must be known, and nobody can be asked here"
        )
    for key in (*missing, *(("notes",) if missing and not notes else ())):
        usual = str(last.get(key, "")) if key != "notes" else ""
        question = {"arm": "arm (right or left)", "session": "session (a new one when the band is put on anew)"}
        given[key] = typer.prompt(question.get(key, key), default=usual, show_default=bool(usual), err=True).strip()
    about = About(**given)
    write_json(folder / LAST, given)
    return about


def _record(folder: Path, about: About, text: str, protocol: Protocol, pose: str, seconds: float) -> None:
    from cpep.live.record.finish import finish
    from cpep.live.record.recorder import Recorder
    from cpep.live.record.taking import Taking, follower
    from cpep.live.sources.registry import open_source

    source = open_source(text)
    try:
        poses, columns = _poses(pose, protocol, about.arm)
        recorder = Recorder(folder, about, source.device, source=text, protocol=protocol.name, pose=columns)
    except BaseException:
        source.close()
        raise
    taking = Taking(recorder, protocol, poses, follower(source))
    failed: UserError | None = None
    try:
        _lead(source, taking, seconds)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    except UserError as error:
        failed = error
    finally:
        source.close()
        taking.close()
    typer.echo("adding the recording to the data set, and reading it back", err=True)
    typer.echo(finish(recorder.folder).sentence)
    if failed:
        raise failed


def _poses(text: str, protocol: Protocol, side: str) -> tuple[PoseSource | None, PoseColumns | None]:
    """Return where the pose comes from, and its columns; the drawn hand has no source."""
    from cpep.live.poses.source import open_pose
    from cpep.live.record.about import FOLLOW, PoseColumns
    from cpep.live.record.taking import DRAWN

    if text in ("", FOLLOW):
        if text and not protocol.follows:
            raise UserError(f"--pose follow: protocol {protocol.name} has no step in which a drawn hand is followed")
        return None, DRAWN if protocol.follows else None
    source = open_pose(text, side)
    return source, PoseColumns(source.anchor_names, source.unit, source=text)


def _lead(source: Source, taking: Taking, seconds: float) -> None:
    """Lead through the recording until it is over, the source ends, or ``q`` is pressed."""
    from contextlib import nullcontext

    from cpep.cli.keys import Keys
    from cpep.cli.record_screen import Screen
    from cpep.live.sources.fit import told

    with Keys() as keys:
        screen = Screen(told(source), keys.there)

        def heard() -> None:
            screen.show(taking)
            pressed = keys.pressed()
            if "r" in pressed:
                taking.redo()
            if "q" in pressed:
                source.close()

        with screen.live or nullcontext():
            taking.run(source.chunks(), seconds, heard)
