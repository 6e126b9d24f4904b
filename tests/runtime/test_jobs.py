"""Jobs in processes: what Ctrl-C, a mistake and the death of the parent do to the others."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from cpep.runtime.jobs import Job, in_order, run_all
from cpep.runtime.pool import stopping
from cpep.types import UserError

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals to processes")

SCRIPT = """
import ctypes, os, signal, sys, time
from functools import partial
from pathlib import Path
from cpep.runtime.jobs import Job, run_all
from cpep.types import UserError

def slow(out, name):
    (out / f"{name}.began").touch()
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        (out / f"{name}.saved").touch()
        raise

def stubborn(out, name):
    try:
        slow(out, name)
    except KeyboardInterrupt:
        time.sleep(30)

def deaf(out, name):
    (out / f"{name}.pid").write_text(str(os.getpid()))
    (out / f"{name}.began").touch()
    ctypes.PyDLL(None).sleep(30)  # it holds the interpreter: no thread of this process runs meanwhile

def wrong(out, name):
    while not (out / "b.began").exists():
        time.sleep(0.02)
    raise UserError("this one is wrong")

if __name__ == "__mp_main__":
    time.sleep(float(sys.argv[2]))  # a worker that imports for a while
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell job inherits it ignored
    out, first = Path(sys.argv[1]), {"slow": slow, "wrong": wrong, "stubborn": stubborn, "deaf": deaf}[sys.argv[3]]
    calls = [first, slow, slow, slow]
    (out / "parent.began").touch()
    try:
        run_all([Job(name, partial(call, out, name)) for name, call in zip("abcd", calls)], 2, 1)
    except (KeyboardInterrupt, UserError) as error:
        print(type(error).__name__, error)
"""


def start(folder: Path, imports_s: float, first: str) -> subprocess.Popen[str]:
    (folder / "run.py").write_text(SCRIPT)
    argv = [sys.executable, str(folder / "run.py"), str(folder), str(imports_s), first]
    return subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(*paths: Path) -> None:
    deadline = time.monotonic() + 30
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline, f"{[path.name for path in paths]} never came"
        time.sleep(0.02)


@posix
def test_ctrl_c_while_workers_still_import_leaves_no_traceback_and_starts_no_job(tmp_path: Path) -> None:
    process = start(tmp_path, 1.0, "slow")
    wait_for(tmp_path / "parent.began")
    time.sleep(0.6)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert said.split() == ["KeyboardInterrupt"]
    assert not [path.name for path in tmp_path.glob("?.began")]


@posix
def test_ctrl_c_to_the_parent_alone_lets_running_jobs_save_and_begins_no_other(tmp_path: Path) -> None:
    process = start(tmp_path, 0.0, "slow")
    wait_for(tmp_path / "a.began", tmp_path / "b.began")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert said.split() == ["KeyboardInterrupt"]
    assert {path.name for path in tmp_path.glob("?.*")} == {"a.began", "b.began", "a.saved", "b.saved"}


@posix
class Slow:
    """An argument that a worker takes a minute to unpickle, as one whose modules are large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return begin_slowly, (self.folder,)


def begin_slowly(folder: Path) -> None:
    (folder / "begun").touch()
    time.sleep(60)


def interrupt_when(file: Path) -> None:
    wait_for(file)
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_a_worker_that_imports_what_its_call_needs(tmp_path: Path) -> None:
    threading.Thread(target=interrupt_when, args=(tmp_path / "begun",), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all([Job(name, partial(repr, Slow(tmp_path))) for name in "ab"], workers=2, threads=1)
    assert time.monotonic() - began < 30


def test_ctrl_c_does_not_wait_for_calls_that_have_nothing_to_save(tmp_path: Path) -> None:
    threading.Thread(target=interrupt_when, args=(tmp_path / "begun",), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(in_order(begin_slowly, [tmp_path] * 2, workers=2))
    assert time.monotonic() - began < 30


def test_a_second_ctrl_c_ends_workers_that_are_slow_to_save(tmp_path: Path) -> None:
    process = start(tmp_path, 0.0, "stubborn")
    wait_for(tmp_path / "a.began", tmp_path / "b.began")
    os.killpg(process.pid, signal.SIGINT)
    wait_for(tmp_path / "a.saved", tmp_path / "b.saved")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=10)
    assert said.split() == ["KeyboardInterrupt"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread of the worker has to run")
def test_a_worker_ends_with_its_parent_whatever_it_computes(tmp_path: Path) -> None:
    process = start(tmp_path, 0.0, "deaf")
    wait_for(tmp_path / "a.began")
    worker = int((tmp_path / "a.pid").read_text())
    process.kill()
    process.communicate(timeout=20)  # until no worker holds the pipe of the output
    assert not runs(worker)


def runs(pid: int) -> bool:
    """Tell whether there is a process that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@posix
def test_a_mistake_in_one_job_ends_the_others(tmp_path: Path) -> None:
    process = start(tmp_path, 0.0, "wrong")
    said, _ = process.communicate(timeout=20)
    assert said.strip() == "UserError this one is wrong"
    assert (tmp_path / "b.saved").exists()


@posix
def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    process = start(tmp_path, 0.0, "slow")
    wait_for(tmp_path / "a.began", tmp_path / "b.began")
    process.kill()
    process.communicate(timeout=20)  # ends when nobody holds the pipe any more


def leave(folder: Path, name: str, seconds: float) -> None:
    """Note when a job began."""
    (folder / name).write_text(str(time.monotonic()))
    time.sleep(seconds)


def meet(folder: Path, name: str, other: str) -> None:
    """Begin, and end once another job began too, however long its process takes to start."""
    leave(folder, name, 0.0)
    while not (folder / other).exists():
        time.sleep(0.01)


def test_of_the_jobs_that_can_run_the_first_does(tmp_path: Path) -> None:
    jobs = [
        Job("one", partial(meet, tmp_path, "one", "two")),
        Job("two", partial(meet, tmp_path, "two", "one")),
        Job("after", partial(leave, tmp_path, "after", 0.0), ("one", "two")),
        *(Job(f"later {k}", partial(leave, tmp_path, f"later {k}", 0.3)) for k in range(4)),
    ]
    run_all(jobs, 2, 1)
    began = sorted((path.name for path in tmp_path.iterdir()), key=lambda name: float((tmp_path / name).read_text()))
    assert set(began[:2]) == {"one", "two"} and began.index("after") <= 3  # not behind all four


def unpicklable() -> object:
    return lambda: None


def test_what_a_job_returns_stays_where_it_ran() -> None:
    run_all([Job(name, partial(unpicklable)) for name in "ab"], 2, 1)


def test_results_come_in_order_whatever_the_workers() -> None:
    items = [float(n**2) for n in range(9, 0, -1)]  # more than wait for two workers at once
    assert list(in_order(math.sqrt, items, 1)) == list(in_order(math.sqrt, items, 2)) == list(range(9, 0, -1))
    assert not stopping()


def test_a_killed_worker_is_a_sentence() -> None:
    with pytest.raises(UserError, match="a worker process ended before its work was done"):
        list(in_order(os._exit, [1, 1], 2))
    with pytest.raises(UserError, match="a worker process ended before its work was done"):
        run_all([Job(name, partial(os._exit, 1)) for name in "ab"], 2, 1)


def test_errors_of_a_call_come_through() -> None:
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(in_order(math.sqrt, [1.0, -1.0], 2))


def wait_to_stop(folder: Path, number: int) -> int:
    """Return at once for number 0, else wait until nobody waits for the result."""
    deadline = time.monotonic() + 30
    while number and not stopping():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (folder / str(number)).touch()
    return number


def test_a_long_call_learns_that_nobody_waits_for_it(tmp_path: Path) -> None:
    results = in_order(partial(wait_to_stop, tmp_path), [0, 1, 2, 3, 4, 5, 6, 7], 2)
    assert next(results) == 0
    results.close()
    assert (tmp_path / "0").exists() and not (tmp_path / "7").exists()  # what had not begun never does


def begin_in_worker(folder: Path) -> None:
    (folder / f"begun.{os.getpid()}").touch()


def begun_here(folder: Path, number: int) -> bool:
    return (folder / f"begun.{os.getpid()}").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_begins_before_its_first_item(tmp_path: Path, workers: int) -> None:
    begin = partial(begin_in_worker, tmp_path)
    assert all(in_order(partial(begun_here, tmp_path), range(4), workers, begin))


def test_a_script_that_its_workers_begin_again_gets_a_sentence(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("from cpep.runtime.jobs import in_order\nprint(list(in_order(abs, [1, 2], 2)))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stdout
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"{script} starts processes") and first.endswith('a line if __name__ == "__main__":')
