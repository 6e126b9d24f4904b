"""Servers of the page in processes of their own, which start at once: what is slow to import is imported once."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["cpep.web.build", "cpep.web.server", "cpep.web.studio", "tests.web.fake"])


def _work(send, environment, run, arguments):
    os.environ.update(environment)  # as it is now, not as it was when the first server started
    os.dup2(send.fileno(), 1)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    run(*arguments)


class Server:
    """A server of its own process; ``address`` is what it printed.

    Args:
        run: serves until the process ends; a function of a module.
        arguments: for it.
    """

    def __init__(self, run, *arguments):
        receive, send = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_work, args=(send, dict(os.environ), run, arguments))
        self.process.start()
        send.close()
        said = b""
        with receive:
            while b"\n" not in said:
                part = os.read(receive.fileno(), 1000)
                assert part, "the server ended before it said where it is"
                said += part
        self.address = re.search(r"https?://\S+", said.decode())[0].replace("0.0.0.0", "127.0.0.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # as at a cut of the power
        self.process.join(20)
