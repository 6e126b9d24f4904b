"""The first module of the command: Ctrl-C has its answer from here on, also while all others are imported."""

from __future__ import annotations

import io
import os
import sys

from cpep.runtime import signals


def run() -> None:
    """Entry point of the ``cpep`` script."""
    signals.listen(twice="RANK" not in os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that this terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        from cpep.cli.main import run as run_command

        run_command()
    except KeyboardInterrupt:  # while modules are imported, or when all is done
        print(f"cpep: {signals.stopped()}", file=sys.stderr)
        sys.exit(1)
