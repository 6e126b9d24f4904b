"""Runs what the shims of a page are asked for, each in a process that is forked from this one.

A Python that imports torch and cpep takes 3 s; a fork of one that has them takes 10 ms. Commands are as separate as
in a terminal: each has its own process, environment, folder, Python path and plug-ins, and ``cpep`` is entered by the
function that its script enters. They are told that the
machine has one core, so that none starts workers.

Started by ``python host.py SOCKET`` with the Python that has cpep: that of the tests, or of an installed wheel. It
imports nothing of the repository but the modules beside it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import ssl
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[3]))  # for what tests have to stand in

import parsing
import sizes
import stand_ins


def load() -> None:
    """Import all that commands need."""
    import cpep
    import cpep.cli.main
    from cpep.runtime.registry import load_plugins

    for module in pkgutil.walk_packages(cpep.__path__, "cpep."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:  # of an extra that is not installed
                continue
    load_plugins.cache_clear()  # a module that reads recordings has asked for them; each command reads its own


def serve(path: str) -> None:
    """Take connections until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(8)
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listening.close()
                    _answer(connection)


def _answer(connection: socket.socket) -> None:
    """Run one command and send its status; does not return."""
    head, fds, _, _ = socket.recv_fds(connection, 4, 3)
    asked = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.path[1:1] = [str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(":") if part]
    from cpep.runtime.registry import load_plugins

    status = 1
    try:
        load_plugins()  # those of this command; registries were read before
        status = run(asked["words"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([status & 255]))
        os._exit(0)


def run(words: list[str]) -> int:
    """Run a command as its rule says, and note what was done."""
    rule = sizes.rule(words, os.environ.get("DOC_PAGE", ""), everything="DOC_EVERYTHING" in os.environ)
    note = {"words": words, "how": rule.how, "why": rule.why, "added": list(rule.added)}
    begun_s = sum(os.times()[:4])
    try:
        return parsing.check(words) if rule.how == "parsed" else _done(words, rule)
    finally:
        note["cpu_s"] = round(sum(os.times()[:4]) - begun_s, 2)
        with Path(os.environ["DOC_NOTES"]).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(note) + "\n")


def _done(words: list[str], rule: sizes.Rule) -> int:
    """Run a command with what its rule adds."""
    typed = [*words[: rule.at], *rule.added, *words[rule.at :]]
    if words[0] == "cpep":
        stand_ins.put(typed)
        return _visited(typed) if typed[1] == "serve" else _cpep(typed)
    return _python(typed[1:])


def _cpep(words: list[str]) -> int:
    from cpep.cli.main import run as entered

    sys.argv = words
    entered()
    return 0


def _python(words: list[str]) -> int:
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")
    return 0


def _visited(words: list[str]) -> int:
    """Start the server, fetch its page once, end it by Ctrl-C; the status is that of the server."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writes, 1)
        os.close(writes)
        os.close(reads)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            _cpep(words)
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(1)
    os.close(writes)
    seen = False
    own = ssl.create_default_context()
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE  # the page signs its certificate itself
    cookies = urllib.request.HTTPCookieProcessor()  # the token is in one
    browser = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=own))
    with os.fdopen(reads, encoding="utf-8") as lines:
        for line in lines:
            print(line, end="")
            if address := next((word for word in line.split() if word.startswith(("http://", "https://"))), ""):
                with browser.open(address, timeout=20) as page:
                    seen = page.status == 200 and b"cpep" in page.read()
                os.kill(child, signal.SIGINT)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 0 if seen and status in (0, 1) else status or 1


if __name__ == "__main__":
    os.sched_getaffinity = lambda _: {0}
    load()
    gc.collect()
    gc.freeze()  # what is shared with every fork stays shared
    serve(sys.argv[1])
