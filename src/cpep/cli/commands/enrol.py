"""Enrolment in the terminal: ``cpep enrol``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpep.cli.commands.options import SourceOption
from cpep.types import UserError

if TYPE_CHECKING:
    from cpep.cli.enrol_screen import Screen
    from cpep.cli.keys import Keys
    from cpep.live.enrol.enroller import Enroller
    from cpep.live.enrol.enrolment import Enrolment
    from cpep.live.enrol.guide import Plan
    from cpep.live.signals import Chunk, Source


def enrol(
    out: Annotated[Path, typer.Argument(help="File of the enrolment. If it exists, the enrolment continues.")],
    source: SourceOption = "sim",
    gestures: Annotated[
        str, typer.Option(help="Names of your choice, separated by commas; rest is always added.")
    ] = "",
    repetitions: Annotated[int, typer.Option(help="Times that each gesture is made.")] = 3,
    hold: Annotated[float, typer.Option(help="Seconds to hold it each time.")] = 3.0,
    ready: Annotated[float, typer.Option(help="Seconds of the countdown before each time.")] = 2.0,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="The band was put on again: make all gestures again; earlier ones are kept too."
        ),
    ] = False,
    recognise: Annotated[
        bool, typer.Option("--recognise", help="Recognise afterwards: print each gesture when it begins.")
    ] = False,
    speed: Annotated[
        float, typer.Option(help="Speed of replay and sim, 1 is real time; 0 is as fast as possible.")
    ] = 1.0,
    seconds: Annotated[
        float, typer.Option(min=0, help="Seconds to recognise with --recognise; 0: to the end of the stream.")
    ] = 0.0,
) -> None:
    """Make each of your gestures some times, so that cpep recognises them; needs no checkpoint.

    Example: `cpep enrol me.enrol --source lsl:wristband --gestures rest,fist,spread,point`
    """
    from cpep.live.enrol.enroller import Enroller, Hand
    from cpep.live.enrol.enrolment import Enrolment
    from cpep.live.sources.fit import origin
    from cpep.live.sources.registry import open_source
    from cpep.runtime.locks import hold_file

    with hold_file(out):
        before = Enrolment.load(out) if out.exists() else None
        plan = _planned(gestures, repetitions, hold, ready, before)
        opened = open_source(source, speed)
        hand = maker if isinstance(maker := origin(opened), Hand) else None
        opened = before.fitted(opened) if before else opened
        with closing(opened):
            enroller = Enroller(out, opened.device, plan, before, again=again, hand=hand)
            if enroller.now.phase == "done":
                raise UserError(f"{out} has all of that already; --again makes it again, --gestures names others")
            _lead(opened, enroller, recognise, seconds)
    if not enroller.enrolled:
        typer.echo("rest and one gesture are needed to recognise; the same command goes on from here", err=True)
    elif not recognise:
        typer.echo(f"now: {shlex.join(['cpep', 'stream', '--source', source, '--enrolment', str(out)])}", err=True)


def _lead(source: Source, enroller: Enroller, recognise: bool, seconds: float) -> None:
    """Lead through an enrolment, say what it is worth, and go on to recognise where that is asked for.

    Raises:
        UserError: the source has ended before.
    """
    from cpep.cli.commands.live import listen
    from cpep.cli.enrol_screen import Screen, advice_table
    from cpep.cli.keys import Keys
    from cpep.live.enrol.stream import FeatureStream
    from cpep.live.sources.fit import told

    chunks = source.chunks()
    with Keys() as keys:
        ended = _run(chunks, enroller, Screen(told(source), keys.there), keys)
    typer.echo(advice_table(enroller.advice))
    if enroller.enrolled and enroller.enrolled.alone:
        typer.echo(
            "the band is in another position: gestures that were made again use their new takes alone", err=True
        )
    enrolment = enroller.enrolment
    made = ", ".join(enrolment.names) or "nothing"
    typer.echo(f"{enroller.path} holds {len(enrolment.takes)} takes of {made}", err=True)
    if ended:
        raise UserError(f"{source.name} has ended before all was made; the same command goes on from here")
    if recognise and enroller.enrolled:
        listen(source, FeatureStream(source.device), enroller.enrolled, seconds, chunks)


def _planned(gestures: str, repetitions: int, hold: float, ready: float, before: Enrolment | None) -> Plan:
    """Return the plan: the gestures that are named, or those of the file, or the suggested ones."""
    from cpep.live.enrol.gestures import SUGGESTED, refuse_other_case
    from cpep.live.enrol.guide import Plan

    named = tuple(name.strip() for name in gestures.split(",")) if gestures else ()
    refuse_other_case(named, (*before.planned, *before.names) if before else ())
    return Plan(named or ((before.planned or before.names) if before else ()) or SUGGESTED, repetitions, hold, ready)


def _run(chunks: Iterator[Chunk], enroller: Enroller, screen: Screen, keys: Keys) -> bool:
    """Lead through the enrolment; tell whether the source ended before."""
    from contextlib import nullcontext

    with screen.live or nullcontext():
        for chunk in chunks:
            enroller.hear(chunk)
            for key in keys.pressed():
                if key == "q":
                    return False
                _act(enroller, key)
            screen.show(enroller)
            if enroller.now.phase == "done":
                return False
    return True


def _act(enroller: Enroller, key: str) -> None:
    paused = enroller.now.phase == "paused"
    acts = {"r": enroller.redo, "s": enroller.skip, "p": enroller.resume if paused else enroller.pause}
    try:
        acts.get(key, lambda: None)()
    except UserError as error:
        enroller.say(str(error))
