"""Files of NEMAR: resumed, checked, refused, stopped."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections import Counter, namedtuple

import pytest

from cpep.download import nemar_fetch
from cpep.download.plan import partial_of
from tests.download.nemar_set import SET, VICTIM, bdf, here, same, wanted
from tests.download.range_server import done


@pytest.fixture
def server(nemar_server):
    return nemar_server


@pytest.fixture
def cli(nemar_cli):
    return nemar_cli


def spoil(path, answer, times=10**6):
    """A trick for the first so many requests of one file."""
    left = [times]

    def play(handler, asked):
        if not asked.endswith(path) or "v1.0.3" not in handler.path or left[0] <= 0:
            return False
        left[0] -= 1
        return done(answer(handler))

    return play


WRONG = {
    "404": lambda h: h.answer(404),
    "403": lambda h: h.answer(403),
    "502": lambda h: h.answer(502),
    "checksum": lambda h: h.whole(bytes(len(SET[VICTIM]))),
    "longer": lambda h: h.whole(SET[VICTIM] + b"x"),
    "shorter": lambda h: h.whole(SET[VICTIM][:-1]),
}


@pytest.mark.parametrize(
    ("kind", "reason", "asked"),
    [
        ("404", "the server answers 404", 1),
        ("403", "the server answers 403", 1),
        ("502", "the server answers 502", 7),
        ("checksum", "its sha256 checksum is [0-9a-f]{64}", 2),
        ("longer", "has 177,001 bytes on the server, where the manifest says 177,000", 2),
        ("shorter", "has 176,999 bytes on the server", 2),
    ],
)
def test_one_bad_file_is_named_after_all_others_came(tmp_path, cli, server, kind, reason, asked):
    server.play = spoil(VICTIM, WRONG[kind])
    said = cli(tmp_path, "--users", "user1", "--connections", 2, status=2)
    (line,) = [
        line for line in said.splitlines() if line.startswith("cpep: ") and "fetching the manifest" not in line
    ]
    assert re.search(
        rf"1 of \d+ files of nm000281 v1.0.3 did not come .* the first {server.url}nm.*{VICTIM} \(.*{reason}", line
    )
    assert "all others are there" in line and "run the same command again to go on from here" in line
    assert server.paths.count(VICTIM) == asked
    assert here(tmp_path) == wanted(SET, ("sub-01",)) - {VICTIM} and same(tmp_path, SET)
    server.play = None
    assert "6 recordings, 1 files fetched now" in cli(tmp_path, "--users", "user1")
    assert same(tmp_path, SET)


@pytest.mark.parametrize("kind", ["checksum", "longer", "shorter", "502"])
def test_a_file_that_is_wrong_once_is_fetched_once_more(tmp_path, cli, server, kind):
    server.play = spoil(VICTIM, WRONG[kind], 1)
    cli(tmp_path, "--users", "user1")
    assert here(tmp_path) == wanted(SET, ("sub-01",)) and same(tmp_path, SET)
    assert server.paths.count(VICTIM) == 2


@pytest.mark.parametrize("path", ["participants.tsv", "sub-02/ses-01/sub-02_ses-01_scans.tsv"])
def test_small_files_are_checked_too(tmp_path, cli, server, path):
    server.play = spoil(path, lambda h: h.whole(SET[path].replace(b"u", b"U")))
    assert f"{path} (its git checksum is" in cli(tmp_path, "--users", "user1", status=2)
    assert not (tmp_path / path).exists()


def test_so_many_bad_files_are_no_accident(tmp_path, cli, server, monkeypatch):
    monkeypatch.setattr(nemar_fetch, "MOST_BAD", 5)
    cli(tmp_path, "--metadata")
    server.clear()
    server.play = lambda h, path: done(h.answer(403))
    said = cli(tmp_path, "--all", "--connections", 1, status=2)
    assert (
        re.search(r"5 of \d+ files of nm000281 v1.0.3 did not come", said)
        and "too many, so nothing more was asked for" in said
    )
    assert len(server.log) == 5


def test_a_cut_download_asks_for_the_missing_bytes_only(tmp_path, cli, server):
    cli(tmp_path, "--users", "user1", "--dry-run")
    cut = {}

    def hang_up(handler, path):
        if not path.startswith("objects/"):
            return False
        body = SET[path.removeprefix("objects/")]
        cut[path] = True
        handler.object(body, 0, cut=100_000) if handler.headers["Range"] is None else handler.reset()
        return True

    server.play = hang_up
    assert "7 times on end; run the same command again" in cli(tmp_path, "--users", "user1", status=2)
    kept = {path: path.stat().st_size for path in tmp_path.rglob(".*.partial") if path.stat().st_size}
    assert kept and set(kept.values()) == {100_000} and not bdf(here(tmp_path) - {str(p) for p in kept})
    server.play = None
    server.clear()
    cli(tmp_path, "--users", "user1")
    asked = {(path, start) for host, path, start in server.log if path.startswith("objects/")}  # retries count once
    starts = [start for _, start in asked]
    assert starts.count(100_000) == len(kept) and len(starts) == 6
    assert here(tmp_path) == wanted(SET, ("sub-01",)) and same(tmp_path, SET)


@pytest.mark.parametrize(
    "kept", [b"x" * 5000, b"x" * 10**6, SET[VICTIM], b""], ids=["other", "more", "whole", "none"]
)
def test_a_part_that_is_none_of_the_file_is_fetched_again(tmp_path, cli, server, kept):
    partial = partial_of(tmp_path / VICTIM)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(kept)
    cli(tmp_path, "--users", "user1")
    assert here(tmp_path) == wanted(SET, ("sub-01",)) and same(tmp_path, SET)
    assert server.paths.count(VICTIM) == {5000: 2, len(SET[VICTIM]): 0}.get(len(kept), 1)


def test_ctrl_c_keeps_what_is_there(tmp_path, cli, server, monkeypatch):
    hang = threading.Event()
    server.play = lambda h, path: path.startswith("objects/") and done(hang.wait(20))

    class Interrupted:
        def __init__(self, title, unit, scale=1.0):
            self.title = title

        def __call__(self, count, total):
            if self.title == "download" and len(list(tmp_path.rglob(".*bdf.partial"))) == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr("cpep.runtime.files.progress_line", Interrupted)
    began = time.monotonic()
    said = cli(tmp_path, "--users", "user1", "--connections", 4, status=1)
    assert "stopped; the same command goes on from here" in said and time.monotonic() - began < 10
    hang.set()
    monkeypatch.undo()
    server.play = None
    assert "6 recordings" in cli(tmp_path, "--users", "user1")
    assert here(tmp_path) == wanted(SET, ("sub-01",)) and same(tmp_path, SET)


def test_a_long_list_of_passing_failures_ends_well(tmp_path, cli, server):
    seen = Counter()

    def bad(handler, path):
        seen[path] += 1
        if seen[path] == 1:
            handler.answer(429, Retry_After="1")
        elif seen[path] == 2:
            handler.reset()
        elif seen[path] == 3 and path.startswith("objects/"):
            handler.object(SET[path.removeprefix("objects/")], 0, cut=50_000)
        else:
            return False
        return True

    server.play = bad
    assert "6 recordings" in cli(tmp_path, "--users", "user1")
    assert same(tmp_path, SET)


def test_two_downloads_do_not_write_one_file(tmp_path, cli):
    fcntl = pytest.importorskip("fcntl")
    partial = partial_of(tmp_path / VICTIM)
    partial.parent.mkdir(parents=True)
    with partial.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"another download is writing {partial}" in cli(tmp_path, "--users", "user1", status=2)
    cli(tmp_path, "--users", "user1")


def test_what_is_there_in_another_size_is_refused(tmp_path, cli):
    cli(tmp_path, "--users", "user1")
    (tmp_path / VICTIM).write_bytes(b"mine")
    assert f"{VICTIM} has 4 bytes and the manifest says 177,000; move it" in cli(tmp_path, "--all", status=2)
    assert (tmp_path / VICTIM).read_bytes() == b"mine"


def test_the_disk_is_looked_at_first(tmp_path, cli, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 100_000))
    assert "GB are to come and 0.00 GB are free; make room" in cli(tmp_path, "--all", status=2)
    assert not [path for path in server.paths if path.endswith(".bdf")]


def test_a_disk_that_fills_is_a_sentence(tmp_path, cli, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nemar_fetch.os, "fsync", full)
    assert "No space left on device; make room and run the same command again" in cli(tmp_path, "--all", status=2)
    assert not here(tmp_path) or not bdf(here(tmp_path))
