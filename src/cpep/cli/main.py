"""The ``cpep`` command: parse, call, print.

Heavy modules are imported inside the commands (``cpep.cli.commands``), so that ``cpep --help`` is quick: less than
twice the import of typer (``benchmarks/startup.py``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cpep.cli.commands import (
    baselines,
    books,
    doctor,
    enrol,
    export,
    figures,
    live,
    push,
    record,
    recordings,
    serve,
    sources,
    stages,
    submit,
    tables,
    train,
)
from cpep.cli.commands.options import TOGETHER
from cpep.cli.out import Command
from cpep.runtime import distributed, signals
from cpep.runtime.jobs import wait_asleep
from cpep.types import UserError, refuse_interpolation
from cpep.version import version_text

INTERRUPTED = 130  # what typer returns after Ctrl-C where it does not raise
USAGE_ERROR: Any = typer.BadParameter.__base__  # typer exports no common class of a mistyped command
COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "train": train.train,
    "finetune": train.finetune,
    "reproduce": tables.reproduce,
    "ablate": tables.ablate,
    "table": tables.table,
    "figures": figures.figures,
    "simulate": recordings.simulate,
    "data": recordings.data_app,
    "pretrain": stages.pretrain_app,
    "align": stages.align,
    "evaluate": tables.evaluate,
    "embed": tables.embed,
    "serve": serve.serve,
    "enrol": enrol.enrol,
    "stream": live.stream,
    "sources": sources.sources,
    "record": record.record,
    "book": books.book,
    "evaluate-live": books.evaluate_live,
    "export": export.export,
    "push": push.push,
    "baselines": baselines.baselines_app,
    "submit": submit.submit,
    "doctor": doctor.doctor,
}
"""Commands, and groups of commands, in the order of the help."""


class Group(TyperGroup):
    """A group that shows its help where no command is named: whole sentences, without the marks of Markdown."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a command line."""
        if not args:
            print(self.get_help(ctx))
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command."""
        command = super().get_command(ctx, cmd_name)
        if command and command.help:
            command.help = command.help.replace("`", "")
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in commands if one])


class InOrder(Group):
    """A group that lists its commands in their order; typer puts groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names."""
        return list(COMMANDS)


app = typer.Typer(
    name="cpep",
    cls=InOrder,
    help="Contrastive Pose-EMG Pre-training: recognise hand gestures from surface EMG.\n\n"
    "Example: cpep reproduce --data data/ninapro_db1 --out runs/db1",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 110},  # of terminals that are as wide
    rich_markup_mode=None,  # rich takes longer to import than all else
)
for _name, _command in COMMANDS.items():
    if isinstance(_command, typer.Typer):
        for _one in _command.registered_commands:
            _one.cls = Command
        app.add_typer(_command, name=_name, cls=Group)
    else:
        app.command(_name, cls=Command)(_command)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions of cpep, torch and Python.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options of all commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 after Ctrl-C, or 2 after one sentence on what is wrong.

    Over ranks, the first one that fails prints the sentence.
    """
    status = _run(argv)
    if status == 0:
        distributed.leave()
    return status


def _meet(command: str) -> None:
    """Join the other ranks, where there are some.

    Raises:
        UserError: the command runs in a single process only.
    """
    if command == "data":  # which divides its files by itself
        return
    distributed.join()
    if command in COMMANDS and command not in TOGETHER:
        raise UserError(f"cpep {command} runs in one process; start it without torchrun")


def _run(argv: Sequence[str] | None) -> int:
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        if distributed.asked():
            _meet(next(iter(given), ""))
        for argument in given:  # commands and paths are noted in files, which are refused with it
            refuse_interpolation(argument, "the command line")
        status = app(args=None if argv is None else given, prog_name="cpep", standalone_mode=False)
    except UserError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except USAGE_ERROR as error:
        return _complain(_usage(error))
    except BrokenPipeError:  # `cpep ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
    if status == INTERRUPTED:
        _complain(signals.stopped())
        return 1
    return status or 0


def _usage(error: Any) -> str:
    """Say in one sentence what is wrong with a command line, and where to look."""
    command = error.ctx.command_path if error.ctx else "cpep"
    return f"{error.format_message().rstrip('.')} (see `{command} --help`)"


def _complain(sentence: str) -> int:
    """Print a sentence, over the progress line where there is one, and return the exit status."""
    if not distributed.complains():
        return 2
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}cpep: {sentence}", file=sys.stderr, flush=True)
    return 2


def run() -> None:
    """Run the command of this process's command line, and end the process."""
    wait_asleep()
    sys.exit(main())
