"""Ctrl-C and SIGTERM, told to real processes: they end within two seconds, and at once where it comes twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cpep.runtime import signals

LISTEN = "import os, time; from cpep.runtime import signals, jobs; signals.listen()\n"
READY = "print('ready', flush=True)\n"
SLEEP = f"{LISTEN}{READY}time.sleep(60)"
ENDLESS = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
COMPUTE = f"{LISTEN}import hashlib\n{READY}{ENDLESS}"
TIDY = f"{LISTEN}import hashlib\ntry:\n    {READY}    time.sleep(9)\nfinally:\n    print('tidy', flush=1); {ENDLESS}"
"""Programs: one that waits, one within a library for many minutes, one that takes long to tidy up."""


def started(code, **more):
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )
    assert process.stdout.readline() == "ready\n"
    return process


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "(zombie)" not in status.read_text()


def ended(process, within_s):
    """Return what a process said until it ended, and the seconds that it took."""
    start = time.monotonic()
    said = process.communicate(timeout=within_s)
    return said, time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_are_the_ctrl_c_of_python(number):
    process = started(SLEEP)
    process.send_signal(number)
    (_, said), _ = ended(process, 20)
    assert said.strip().endswith("KeyboardInterrupt") and process.returncode in (1, -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_library_that_computes_does_not_keep_anybody_waiting(number):
    process = started(COMPUTE)
    time.sleep(0.5)  # it is within the library
    process.send_signal(number)
    (_, said), took_s = ended(process, 20)
    assert said == "cpep: stopped; the same command goes on from here\n" and process.returncode == 1
    assert took_s > 1.5  # Python is given its time


@pytest.mark.parametrize(("command", "said"), [("stream", "stopped"), ("reproduce", signals.STOPPED)])
def test_what_is_live_does_not_say_that_it_goes_on(monkeypatch, command, said):
    monkeypatch.setattr("sys.argv", ["cpep", command])
    assert signals.stopped() == said


def test_a_second_one_ends_at_once():
    process = started(TIDY)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "tidy\n"
    process.send_signal(signal.SIGINT)
    _, took_s = ended(process, 20)
    assert process.returncode in (1, -signal.SIGINT) and took_s < 1.5


def test_a_signal_that_is_ignored_stays_ignored():
    process = started(SLEEP.replace("60", "3"), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    assert ended(process, 30)[0] == ("", "") and process.returncode == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_workers_end_with_sigterm_of_their_parent(tmp_path):
    code = (
        "import functools, multiprocessing, time; from cpep.runtime import pool, signals\n"
        "if __name__ == '__main__':\n"
        "    signals.listen()\n"
        "    call = functools.partial(time.sleep, 60)\n"
        "    try:\n"
        "        with pool.Pool(2, interrupt=True) as some:\n"
        "            for _ in range(2): some.submit(time.sleep, 0)\n"
        "            waiting = [some.submit(call) for _ in range(2)]\n"
        "            print(*(one.pid for one in multiprocessing.active_children()), flush=True)\n"
        "            waiting[0].result()\n"
        "    except KeyboardInterrupt:\n"
        "        print('stopped')\n"
    )
    (tmp_path / "program.py").write_text(code)
    with subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True) as process:
        workers = process.stdout.readline().split()
        assert len(workers) == 2 and all(map(alive, workers))
        process.send_signal(signal.SIGTERM)
        (said, _), _ = ended(process, 40)
    assert said == "stopped\n" and not any(map(alive, workers))


def test_ranks_end_when_their_launcher_is_killed():
    rank = f"{LISTEN}signals.LOOK_S = 0.1; signals.follow_launcher()\nprint(os.getpid(), flush=True); time.sleep(60)"
    with started(f"import subprocess, sys\n{READY}subprocess.run([sys.executable, '-c', {rank!r}])") as launcher:
        pid = launcher.stdout.readline().strip()
        launcher.kill()
        said = launcher.stderr.read()  # the rank holds it until it has ended
    assert "the launcher of the ranks has ended" in said
    while alive(pid):
        time.sleep(0.01)
