"""Recordings of a remote tar: resumed, checked, bounded, stopped."""

from __future__ import annotations

import shutil
import threading
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from cpep.download import connections
from cpep.download import fetch as fetching
from cpep.download import tar_index as tarindex
from cpep.download.fetch import fetch, find_members
from cpep.download.plan import TAR, make_plan, partial_of
from cpep.download.selection import Selection
from cpep.runtime.confined import Stopped
from cpep.types import UserError
from tests.download.mirror import part, same, visible
from tests.download.range_server import done


def test_a_file_whose_check_was_stopped_stays(tmp_path, server, recordings, monkeypatch):
    def stopped(path):
        raise Stopped(f"{path} was not read to its end, as cpep ends")

    monkeypatch.setattr("cpep.download.fetch.check_emg2pose", stopped)
    plan = make_plan(Selection(("u1",)), tmp_path, prefix=server.url)
    find_members(plan)
    with pytest.raises(UserError, match="as cpep ends"):
        fetch(plan, 1)
    sizes = {name: plan.index.members()[name].size for name in plan.names}
    assert any(partial_of(tmp_path / name).exists() for name in sizes)
    assert all(path.stat().st_size == sizes[name] for name in sizes if (path := partial_of(tmp_path / name)).exists())


def test_a_cut_download_asks_for_the_missing_bytes_only(tmp_path, server, recordings):
    plan = make_plan(Selection(("u1",)), tmp_path, prefix=server.url)
    find_members(plan)
    sizes = {name: plan.index.members()[name].size for name in plan.names}
    budget = [sum(sizes.values()) // 2]

    def stingy(handler, start, stop):
        with handler.server.lock:
            give = min(stop - start, budget[0])
            budget[0] -= give
        if give == stop - start:
            return False
        handler.part(start, stop, cut=give)
        return True

    server.trick = stingy
    server.clear()
    with pytest.raises(UserError, match=r"ended .* bytes early, 7 times on end; run the same command again"):
        fetch(plan, 3)
    first = server.sent
    kept = {name: path.stat().st_size for name in sizes if (path := partial_of(tmp_path / name)).exists()}
    whole = visible(tmp_path)
    assert kept and same(tmp_path, recordings)
    assert first == sum(kept.values()) + sum(sizes[name] for name in whole)
    server.trick = None
    server.clear()
    result = part(server, tmp_path)
    assert result.fetched == 4 - len(whole)
    assert server.sent - 1 == sum(sizes.values()) - first
    assert visible(tmp_path) == sorted(sizes) and same(tmp_path, recordings)


def test_nothing_but_whole_files_is_ever_visible(tmp_path, server, recordings):
    """Look at the folder all the time that a slow server sends."""
    seen, stop = [], threading.Event()

    def slow(handler, start, stop_):
        if stop_ - start <= tarindex.HEADER_READ:
            return False
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{stop_ - 1}/{len(handler.file)}")
        handler.send_header("Content-Length", str(stop_ - start))
        handler.end_headers()
        for at in range(start, stop_, 10_000):
            handler.send(handler.file[at : min(at + 10_000, stop_)])
            time.sleep(0.005)
        return True

    def look():
        while not stop.is_set():
            seen.extend(path for path in tmp_path.glob("*.hdf5") if not path.name.startswith("."))
            assert all(path.read_bytes() == (recordings / path.name).read_bytes() for path in set(seen))
            hidden.update(path.name for path in tmp_path.glob(".*.partial"))
            time.sleep(0.002)

    hidden: set[str] = set()
    server.trick = slow
    watcher = threading.Thread(target=look)
    watcher.start()
    part(server, tmp_path)
    stop.set()
    watcher.join()
    assert seen and hidden and same(tmp_path, recordings)


def test_a_long_list_of_passing_failures_ends_well(tmp_path, server, recordings):
    turn = iter(range(10**6))

    def bad(handler, start, stop):
        k = next(turn)
        if k % 4 == 0:
            handler.answer(503, Retry_After="1")
        elif k % 4 == 1:
            handler.part(start, stop, cut=(stop - start) // 2)
        elif k % 4 == 2:
            handler.reset()
        return k % 4 < 3

    server.trick = bad
    assert part(server, tmp_path).fetched == 4
    assert same(tmp_path, recordings)


@pytest.mark.parametrize("kept", ["other bytes", "too many", "more than the file"])
def test_a_part_that_is_none_of_the_file_is_fetched_again(tmp_path, server, recordings, kept):
    whole = (recordings / "r1.hdf5").read_bytes()
    partial_of(tmp_path / "r1.hdf5").write_bytes(
        {"other bytes": b"x" * 5000, "too many": b"x" * 10**6, "more than the file": whole + b"x"}[kept]
    )
    part(server, tmp_path)
    assert "r1.hdf5" in visible(tmp_path) and same(tmp_path, recordings)


def test_the_disk_is_looked_at_again_once_the_sizes_are_known(tmp_path, server, monkeypatch):
    plan = make_plan(Selection(("u1",)), tmp_path, prefix=server.url)
    find_members(plan)
    server.clear()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, plan.left() - 1))
    with pytest.raises(UserError, match="are free; make room"):
        fetch(plan)
    assert server.log == []


def test_a_disk_that_fills_is_a_sentence(tmp_path, server, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "os", SimpleNamespace(fsync=full))  # of the recordings alone
    with pytest.raises(UserError, match=r"partial: No space left on device; make room, then run the same command"):
        part(server, tmp_path)
    assert visible(tmp_path) == []


def test_two_downloads_do_not_write_one_file(tmp_path, server):
    fcntl = pytest.importorskip("fcntl")
    with partial_of(tmp_path / "r1.hdf5").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"another download is writing .*r1.hdf5.partial"):
            part(server, tmp_path)
    assert "r1.hdf5" not in visible(tmp_path)
    part(server, tmp_path)


def test_ctrl_c_keeps_what_is_there(tmp_path, cli, server, monkeypatch, recordings):
    hang = threading.Event()
    server.trick = lambda h, a, b: h.path.endswith(TAR) and b - a > 10_000 and done(hang.wait(20))

    class Interrupted:
        def __init__(self, title, unit, scale=1.0):
            self.title = title

        def __call__(self, count, total):
            if self.title == "download" and len(list(tmp_path.glob(".*.partial"))) == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr("cpep.runtime.files.progress_line", Interrupted)
    began = time.monotonic()
    assert "stopped; the same command goes on from here" in cli(tmp_path, "--users", "u1", status=1)
    assert time.monotonic() - began < 10
    hang.set()
    monkeypatch.undo()
    server.trick = None
    assert "4 recordings, 4 of them" in cli(tmp_path, "--users", "u1")
    assert same(tmp_path, recordings)


def test_the_rate_is_bounded_for_all_connections(tmp_path, server):
    plan = make_plan(Selection(("u1",)), tmp_path, prefix=server.url)
    find_members(plan)
    limited = make_plan(Selection(("u1",)), tmp_path, prefix=server.url, bytes_per_s=1e6)
    began = time.monotonic()
    fetch(limited, 4)
    # every file ends with a block of which the next one's time is not waited for
    assert time.monotonic() - began > (sum(limited.sizes().values()) - 4 * connections.BLOCK) / 1e6
