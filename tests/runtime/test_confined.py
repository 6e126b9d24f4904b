"""The process in which files from elsewhere are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpep.runtime import confined
from cpep.runtime.confined import CPU_S, MEMORY, MEMORY_PER_BYTE, Bounds, bounds_of, call, end_all
from cpep.runtime.encoded import Array, decode, encode
from cpep.types import UserError

CALLS = "tests.runtime.confined_calls"
AMPLE = Bounds(20.0, 60.0, 2**30)

needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="other systems bound the time that passes alone")


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    yield
    end_all()


def ask(name: str, *arguments: Any, bounds: Bounds = AMPLE, kinds: tuple[type, ...] = ()) -> Any:
    return call(f"{CALLS}:{name}", *arguments, what="a.hdf5", bounds=bounds, kinds=kinds)


@dataclass(frozen=True, eq=False)
class Told:
    name: str
    emg_TC: Array
    more: tuple[float, ...] = ()


@dataclass(frozen=True)
class Other:
    name: str


def test_values_come_back_as_they_were() -> None:
    text = np.array(["fist", "point"])
    told = ask("same", Told("r0", np.ones((4, 2), np.float32), (np.nan, -np.inf)), kinds=(Told,))
    assert isinstance(told, Told) and told.emg_TC.dtype == np.float32
    told.emg_TC[0] += 1  # it is no view of bytes that cannot be changed
    np.testing.assert_array_equal(told.emg_TC, [[2, 2], [1, 1], [1, 1], [1, 1]])
    assert np.isnan(told.more[0]) and told.more[1] == -np.inf
    plain = {"a": [1, 2.5, None, True], ("b", 1): Path("x/y"), "bytes": b"\x00\xff", "odd": "\udcff\n", "c": 2**70}
    assert ask("same", plain) == plain
    np.testing.assert_array_equal(ask("same", text), text)
    for empty in (np.zeros((0, 3), np.int16), np.ones((), np.float32)):
        found = ask("same", empty)
        assert found.shape == empty.shape and found.dtype == empty.dtype and found.sum() == empty.sum()
    rows = ask("column_major", 5)
    assert rows.flags.f_contiguous and rows.tolist() == np.arange(15.0).reshape(5, 3).tolist()


def test_an_answer_makes_no_class_that_was_not_named() -> None:
    node, _ = encode(Other("r0"))
    with pytest.raises(ValueError, match="Other"):
        decode(node, [Told], lambda array: None, 100)
    for hostile in (
        ["class", "Told", {"__class__": 1}],
        ["array", "|O8", [1], False],
        ["array", "<f8", [2**40], False],
        ["array", "<f8", [-1], False],
        ["array", "<f8", "12", False],
        ["eval", "1"],
        ["path", 1],
        [],
    ):
        with pytest.raises(ValueError):
            decode(hostile, [Told], lambda array: None, 2**20)
    for unknown in (np.array([{}], object), object(), {1, 2}, 1j):
        with pytest.raises(TypeError, match="no plain value"):
            encode(unknown)


def test_one_process_serves_all_calls_and_ends_with_this_one() -> None:
    first = ask("process")
    assert first == ask("process") != os.getpid()
    code = (
        f"from cpep.runtime.confined import *; print(call('{CALLS}:process', what='a', bounds=Bounds(9, 60, 2**30)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "" and gone(int(done.stdout))
    kills = f"{code}; import os; os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-uc", kills], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL and gone(int(killed.stdout))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_has_its_own() -> None:
    asks = f"call('{CALLS}:process', what='', bounds=Bounds(9, 60, 2**30))"
    code = (
        f"import os; from cpep.runtime.confined import *; first = {asks}; forked = os.fork(); second = {asks}\n"
        "if forked: os.waitpid(forked, 0)\nprint(first, second, 'here' if forked else 'forked', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (_, own, _), (first, again, _) = (line.split() for line in sorted(done.stdout.splitlines(), key=len)[::-1])
    assert done.stderr == "" and first == again != own and gone(int(first)) and gone(int(own))


def test_a_call_within_a_call_needs_no_other_process() -> None:
    here, called = ask("asks_itself")
    assert here == called == ask("process")


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":  # nobody waits for it in a container
            return True
        time.sleep(0.05)
    return False


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        f"print('begins')\nfrom cpep.runtime.confined import *\n"
        f"print(call('{CALLS}:same', 5, what='a', bounds=Bounds(9, 60, 2**30)))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, script], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("begins\n5\n", "")


def test_what_is_raised_warned_of_and_printed_comes_through(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"^a\.csv: no column; add one$") as found:
        ask("refuses")
    assert type(found.value) is UserError
    with pytest.raises(RuntimeError, match=r"^a\.hdf5: ZeroDivisionError: by nothing") as failed:
        ask("fails")
    assert "in fails" in failed.value.__notes__[0]
    with pytest.warns(DeprecationWarning, match="^old$"):
        assert ask("warns") == 1
    assert capsys.readouterr() == ("", "told\n")
    with pytest.warns(UserWarning, match=r"^the variable a\\x1b\[2J stands twice$"):
        assert ask("quotes") == 1
    assert capsys.readouterr() == ("", "one\\x1b]0;title\\x07\ntwo\n"), "a file moves no cursor"


def test_it_works_in_the_folder_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("here")
    monkeypatch.chdir(tmp_path)
    assert ask("here") == str(Path.cwd())


def test_it_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    end_all()
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HDF5_PLUGIN_PATH", "CPEP_MINE"):
        monkeypatch.setenv(name, "shibboleth")
    assert {name for name, value in ask("surroundings").items() if "shibboleth" in value} == {"CPEP_MINE"}


@needs_limits
def test_what_computes_for_ever_is_ended() -> None:
    before = ask("process")
    with pytest.raises(UserError, match=r"^a\.hdf5 was not read within 0\.3 s of computing; it is damaged, or"):
        ask("computes_for_ever", bounds=Bounds(0.3, 60, 2**30))
    assert ask("process") != before and gone(before)


@needs_limits
def test_time_of_imports_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text("import json, time\nwhile time.process_time() < 1.0:\n    pass\n")
    bounds = Bounds(0.3, 60, 2**30)
    assert ask("imports_slowly", tmp_path, bounds=bounds) == "slow_library"
    with pytest.raises(UserError, match=r"within 0\.3 s of computing"):
        ask("imports_then_computes", tmp_path, bounds=bounds)


@pytest.mark.parametrize("name", ["waits_for_ever", "waits_in_c"])
def test_what_waits_for_ever_is_ended(name: str) -> None:
    ask("process")
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"^a\.hdf5 was not read within 1 s: the disk is slow, the machine is"):
        ask(name, bounds=Bounds(60, 1.0, 2**30))
    assert time.monotonic() - begin < 5


@needs_limits
def test_memory_is_bounded_and_given_back() -> None:
    bounds = Bounds(20, 60, 100 * 2**20)
    with pytest.raises(UserError, match=r"^a\.hdf5 takes over 0\.1 GB of memory to be read; it is damaged"):
        ask("takes_memory", 200, bounds=bounds)
    for _ in range(3):
        assert ask("takes_memory", 60, bounds=bounds) == 60 * 2**20


@needs_limits
def test_no_file_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"OSError: .*too large"):
        ask("writes", tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == b""


@needs_limits
def test_a_crash_is_a_sentence_and_hurts_no_other_file() -> None:
    with pytest.raises(UserError, match=r"^a\.hdf5 crashes the library that reads it \(SIGSEGV\); fetch it again"):
        ask("crashes")
    ask("crashes_next")
    before = ask("process")
    assert ask("same", 3) == 3 and ask("process") != before


def test_a_process_that_ended_meanwhile_is_replaced() -> None:
    before = ask("process")
    os.kill(before, signal.SIGKILL)
    assert gone(before)
    assert ask("same", 3) == 3


def test_ctrl_c_ends_a_call_at_once() -> None:
    process = ask("process")
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask("waits_for_ever")
    assert time.monotonic() - begin < 2 and gone(process)
    assert ask("same", 1) == 1


def test_a_thread_that_waits_is_told_to_end() -> None:
    said: list[str] = []

    def waits() -> None:
        try:
            ask("waits_for_ever")
        except UserError as error:
            said.append(str(error))

    thread = threading.Thread(target=waits)
    thread.start()
    while not confined._running:
        time.sleep(0.01)
    end_all()
    thread.join(5)
    assert said == ["a.hdf5 was not read to its end, as cpep ends"]


def test_threads_have_a_process_each() -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(ask("takes_memory", 20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [20 * 2**20] * 3


def test_bounds_grow_with_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    assert bounds_of([path, tmp_path / "missing"]) == Bounds(CPU_S, 300 + 30 * CPU_S, MEMORY)
    path.write_bytes(bytes(2**20))
    assert bounds_of([path, path]) == Bounds(CPU_S + 2, 360 + 30 * CPU_S, MEMORY + MEMORY_PER_BYTE * 2**21)
