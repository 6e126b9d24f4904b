"""cpep data download from NEMAR, from a server on this machine."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections import Counter, namedtuple

import pytest

from cpep.cli.main import main
from cpep.data.readers.metadata import parse_metadata
from cpep.download import connections, nemar_fetch
from cpep.download.nemar import Server, make_plan
from cpep.download.plan import TABLE, partial_of
from cpep.download.selection import Selection, choose
from cpep.types import UserError
from tests.download.nemar_server import SIGNATURE, STAGES, VERSION, entry, nemar, small_set, table
from tests.download.range_server import done

OWN = {".nemar.json", ".nemar_manifest.json", "DATA_LICENSE.txt", TABLE}
SET = small_set()
SPLIT_SET = small_set(splits=True)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(connections, "FIRST_PAUSE_S", 1e-4)
    monkeypatch.setattr(connections, "LONGEST_PAUSE_S", 1e-3)
    monkeypatch.setattr(connections, "TICK_S", 0.01)


@pytest.fixture
def server():
    with nemar(dict(SET)) as server:
        server.files[TABLE] = table(SET)
        yield server


@pytest.fixture
def cli(server, capsys):
    """Run ``cpep data download emg2pose``; returns what it prints."""

    def run(out, *argv, status=0, dataset="emg2pose"):
        assert main(["data", "download", dataset, str(out), "--url", server.url, *map(str, argv)]) == status
        said = capsys.readouterr()
        assert "Traceback" not in said.err and SIGNATURE not in said.out + said.err
        return said.out + said.err

    return run


def here(out):
    """Files of a folder that are the data set's, all of which must be whole."""
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - OWN


def bdf(paths):
    return {path for path in paths if path.endswith("_emg.bdf")}


def same(out, content):
    return all((out / path).read_bytes() == content[path] for path in here(out))


def wanted(content, users, stages=STAGES):
    """What a part must hold, found in another way than by the program: no entity of another recording in its name."""
    left = set()
    for path in content:
        if "/" not in path:
            left |= {path} - {".gitattributes"}
        elif path.endswith("_scans.tsv") or (path[:6] in users and path.count("_") < 4):
            left.add(path)
        elif path[:6] in users:
            stem = path.rpartition("_")[0]
            stage = json.loads(content[f"{stem}_emg.json"])["Stage"]
            left |= {path} if stage in stages else set()
    return left


def test_a_part_is_downloaded_whole_and_valid(tmp_path, cli, server):
    out = tmp_path / "real"
    said = cli(out, "--users", "user0,user2", "--stages", STAGES[1])
    assert "CC-BY-NC-SA-4.0" in said and f"{out}: 4 recordings, 20 files fetched now" in said
    assert f"next: cpep data prepare {out} {out}.store" in said
    assert here(out) == wanted(SET, ("sub-00", "sub-02"), STAGES[1]) and same(out, SET)
    assert not [path for path in out.rglob(".*.partial")]
    assert (out / "DATA_LICENSE.txt").read_text().endswith("SPDX-License-Identifier: CC-BY-NC-SA-4.0\n")
    assert "nm000281 v1.0.3 of NEMAR" in (out / "DATA_LICENSE.txt").read_text()
    assert json.loads((out / ".nemar.json").read_text()) == {"dataset": "nm000281", "version": VERSION}
    server.clear()
    again = cli(out, "--users", "user0,user2", "--stages", STAGES[1])
    assert "4 recordings, 0 files fetched now" in again and "CC-BY" not in again
    assert server.log == []


def test_all_and_metadata_and_mini(tmp_path, cli, server):
    hours = sum(30.5 + 10 * run + k for k in range(3) for run in range(1, 7 if k == 1 else 5)) / 3600
    said = cli(tmp_path / "a", "--metadata")
    assert f"the tables of nm000281 v1.0.3: recordings 14, users 3, stages 3, hours {hours:.2f}" in said
    assert here(tmp_path / "a") == set(server.tables)
    assert "14 recordings" in cli(tmp_path / "a", "--all", "--connections", 3)
    assert here(tmp_path / "a") == wanted(SET, ("sub-00", "sub-01", "sub-02")) and same(tmp_path / "a", SET)
    said = cli(tmp_path / "b", "--mini")
    assert len({path[:6] for path in bdf(here(tmp_path / "b"))}) == 1 and "users 1," in said


def test_files_of_one_content_are_asked_for_once(tmp_path, cli, server):
    cli(tmp_path, "--all")
    channels = [path for path in server.paths if path.endswith("_channels.tsv")]
    assert len(channels) == 1 and len(set(server.paths)) == len(server.paths)
    shutil.rmtree(tmp_path / "sub-01")
    server.clear()
    cli(tmp_path, "--all")
    assert not [path for path in server.paths if path.endswith("_channels.tsv")] and same(tmp_path, SET)


def test_a_file_that_was_edited_is_no_copy_of_another(tmp_path, cli, server):
    cli(tmp_path, "--users", "user0")
    edited = sorted(path for path in here(tmp_path) if path.endswith("_channels.tsv"))
    for path in edited:
        (tmp_path / path).write_bytes(SET[path].replace(b"EMG", b"ECG"))
    cli(tmp_path, "--users", "user0,user1")
    assert [path for path in sorted(here(tmp_path)) if (tmp_path / path).read_bytes() != SET[path]] == edited


def test_a_file_in_the_way_of_a_folder_is_a_sentence(tmp_path, cli, server):
    (tmp_path / "sub-01").write_text("mine")
    assert "cannot write" in cli(tmp_path, "--users", "user1", status=2)
    assert (tmp_path / "sub-01").read_text() == "mine"


@pytest.mark.parametrize(("less", "more"), [(("--users", 1), ("--users", 2)), (("--hours", 0.03), ("--hours", 0.1))])
def test_a_choice_grows_and_only_what_is_new_is_fetched(tmp_path, cli, server, less, more):
    cli(tmp_path, *less)
    few = here(tmp_path)
    server.clear()
    cli(tmp_path, *more)
    assert bdf(few) < bdf(here(tmp_path)) < bdf(SET)
    assert not few & set(server.paths) and same(tmp_path, SET)
    cli(tmp_path / "other", *more)
    assert here(tmp_path / "other") == {path for path in here(tmp_path) if not path.startswith("other")}


@pytest.mark.parametrize(
    "selection", [Selection(("2",)), Selection(hours=0.1), Selection(("user1",), hours=0.03, seed=3)]
)
def test_a_seed_chooses_what_it_chooses_of_the_tar(tmp_path, server, selection):
    plan = make_plan(selection, tmp_path, server=Server.at(server.url))
    (tmp_path / "all.csv").write_bytes(table(SET))
    rows = choose(parse_metadata(tmp_path / "all.csv"), selection)
    assert [row.filename for row in plan.rows] == [row.filename for row in rows]


def test_people_may_be_named_as_in_the_folders(tmp_path, cli):
    cli(tmp_path, "--users", "sub-01,user2")
    assert {path[:6] for path in bdf(here(tmp_path))} == {"sub-01", "sub-02"}


def test_splits_of_the_release_or_of_the_table(tmp_path, cli, server):
    cli(tmp_path / "a", "--split", "val,test")
    assert (tmp_path / "a" / TABLE).read_bytes() == table(SET)
    assert {path[:6] for path in bdf(here(tmp_path / "a"))} == {"sub-01", "sub-02"}
    with nemar(dict(SPLIT_SET)) as other:
        plan = make_plan(Selection(splits=("val", "test")), tmp_path / "b", server=Server.at(other.url))
        assert {row.user for row in plan.rows} == {"user1", "user2"} and not (tmp_path / "b" / TABLE).exists()
        assert {row.generalization for row in plan.rows} == {"user", "user_stage"}


def test_the_table_fills_only_what_the_release_does_not_say(tmp_path):
    path = "sub-01/ses-01/sub-01_ses-01_scans.tsv"
    first, *others = SPLIT_SET[path].decode().splitlines()
    content = {
        **SPLIT_SET,
        path: "\n".join([first, others[0].replace("val\tuser", "n/a\tn/a"), *others[1:]]).encode(),
    }
    with nemar(content) as other:
        other.files[TABLE] = table(SET).replace(b",val,user,", b",test,user,")
        plan = make_plan(Selection(("user1",)), tmp_path, server=Server.at(other.url))
    assert sorted(row.split for row in plan.rows) == ["test"] + ["val"] * 5


def test_the_table_of_the_data_set_is_taken_first(tmp_path, cli, server):
    content = {**SET, TABLE: table(SET).replace(b",val,", b",test,")}
    server.content, server.manifest = content, {path: entry(path, body) for path, body in content.items()}
    cli(tmp_path, "--split", "test", "--dry-run")
    assert (tmp_path / TABLE).read_bytes() == content[TABLE] and TABLE not in [path for _, path, _ in server.log]


def test_recordings_that_the_table_does_not_know_are_said(tmp_path, cli, server):
    server.files[TABLE] = b"\n".join(server.files[TABLE].splitlines()[:-1]) + b"\n"
    assert f"1 of 14 recordings are not in {tmp_path / TABLE}, so their split is unknown" in cli(
        tmp_path, "--metadata"
    )


def test_a_dry_run_says_what_it_takes_and_fetches_tables_only(tmp_path, cli, server):
    part = wanted(SET, ("sub-01",))
    size = sum(len(SET[path]) for path in part)
    left = sum(len(SET[path]) for path in part - set(server.tables))
    said = cli(tmp_path, "--users", "user1", "--dry-run", "--connections", 4, "--max-mb-s", 20)
    assert f"nm000281 v1.0.3 from {server.url}\n" in said
    assert "  wanted      recordings 6, users 1, stages 3, hours 0.11\n" in said
    assert f"  bytes       {size / 1e6:.2f} MB in {len(part)} files, 6 of them recordings; " in said
    assert f"{left / 1e6:.2f} MB in {len(part) - len(server.tables)} files are to fetch\n" in said
    assert "  time        0:00 at 10 MB/s; at least 0:02 for 21 requests over 4 connections, 0.3 s each\n" in said
    assert "at 50 MB/s" not in said and "GB free in" in said
    assert here(tmp_path) == set(server.tables)
    assert "at 10 MB/s, 0:00 at 50 MB/s" in cli(tmp_path, "--users", "user1", "--dry-run")


VICTIM = "sub-01/ses-01/emg/sub-01_ses-01_task-emg2pose_run-03_recording-left_emg.bdf"


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
    (line,) = [line for line in said.splitlines() if line.startswith("cpep: ") and "once (43 MB" not in line]
    assert re.search(
        rf"1 of \d+ files of nm000281 v1.0.3 did not come .* the first {server.url}nm.*{VICTIM} \(.*{reason}", line
    )
    assert "the other" in line and "run the same command again to go on from here" in line
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
    starts = [start for host, path, start in server.log if path.startswith("objects/")]
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
    assert "No space left on device; make room, then run the same command again" in cli(tmp_path, "--all", status=2)
    assert not here(tmp_path) or not bdf(here(tmp_path))


@pytest.mark.parametrize("path", ["../evil_emg.bdf", "/tmp/evil_emg.bdf", "sub-01/../../evil.tsv", "C:/evil"])
def test_a_manifest_that_leads_out_of_the_folder_is_refused(tmp_path, cli, server, path):
    server.manifest[path] = entry("a.bdf", b"evil")
    server.content[path] = b"evil"
    assert "would not lie in the folder; nothing is fetched" in cli(tmp_path / "out", "--all", status=2)
    assert not (tmp_path / "out").exists() and not list(tmp_path.iterdir()) and len(server.log) == 1


def test_an_odd_name_is_refused_before_anything_is_fetched(tmp_path, cli, server):
    path = VICTIM.replace("grasp", "g").replace("_emg.bdf", "_my file.tsv")
    server.manifest[path] = entry(path, b"odd")
    assert "cpep fetches no names with such characters" in cli(tmp_path, "--users", "user1", status=2)
    assert not bdf(here(tmp_path)) and "2 recordings" not in cli(tmp_path, "--users", "user0")


def test_a_manifest_of_many_files_comes_from_the_storage(tmp_path, cli, server):
    other = entry("a.json", b"{}")
    server.manifest |= {f"sub-{k:05}/eeg/sub-{k:05}_task-a_eeg.json": other for k in range(30_000)}
    assert "recordings 14, users 3" in cli(tmp_path, "--metadata")
    assert len(json.loads((tmp_path / ".nemar_manifest.json").read_text())["files"]) == 30_000 + len(SET)


def test_where_the_storage_refuses_the_server_lists_the_files(tmp_path, cli, server):
    server.manifest, server.listed = None, True
    assert "6 recordings" in cli(tmp_path, "--users", "user1")
    assert here(tmp_path) == wanted(SET, ("sub-01",)) and same(tmp_path, SET)


def test_no_manifest_is_a_sentence(tmp_path, cli, server):
    server.manifest = None
    said = cli(tmp_path / "a", "--all", status=2)
    assert (
        "NEMAR gives no manifest of nm000281 v1.0.3: " in said
        and "version/v1.0.3.json: the server answers 403" in said
    )
    assert "manifest.json: the server answers 413" in said and "since it has over 30,000 files" in said
    assert "NEMAR gives no manifest of nm000281 v9.9.9" in cli(
        tmp_path / "a", "--all", "--version", "9.9.9", status=2
    )
    assert not (tmp_path / "a").exists()


def test_a_folder_holds_one_version_of_one_data_set(tmp_path, cli, server):
    cli(tmp_path, "--metadata")
    other = "holds nm000281 v1.0.3; fetch nm000281 v1.0.4 into another folder"
    assert other in cli(tmp_path, "--all", "--version", "v1.0.4", status=2)
    assert "fetch nm000105 into another folder" in cli(tmp_path, "--all", status=2, dataset="nm000105")
    assert "go on there without --from tar" in cli(tmp_path, "--all", "--from", "tar", status=2)
    server.version = "v1.0.4"
    assert "v1.0.4: recordings 14" in cli(tmp_path / "new", "--metadata", "--version", "1.0.4")
    assert "v1.0.4: recordings 14" in cli(tmp_path / "new", "--metadata")  # the folder's, not the fixed one
    (tmp_path / "tar").mkdir()
    (tmp_path / "tar" / "metadata.csv").write_text("user\n")
    assert "from the tar; choose another folder, or go on there with --from tar" in cli(
        tmp_path / "tar", "--all", status=2
    )


def test_a_version_that_was_rewritten_is_noticed(tmp_path, cli, server):
    cli(tmp_path, "--metadata")
    server.content[VICTIM] = b"another recording"
    server.manifest[VICTIM] = entry(VICTIM, server.content[VICTIM])
    said = cli(tmp_path, "--users", "user1", status=2)
    assert "has 17 bytes on the server, where the manifest says" in said and "delete the kept manifest" in said
    (tmp_path / ".nemar_manifest.json").unlink()
    cli(tmp_path, "--users", "user1")
    assert (tmp_path / VICTIM).read_bytes() == b"another recording"


def test_a_manifest_is_shared_and_not_asked_again(tmp_path, cli, server):
    shared = tmp_path / "shared" / "manifest.json"
    cli(tmp_path / "a", "--users", "user1", "--index", shared)
    assert not (tmp_path / "a" / ".nemar_manifest.json").exists()
    server.clear()
    cli(tmp_path / "b", "--users", "user1", "--index", shared)
    assert not [path for _, path, _ in server.log if "version" in path] and same(tmp_path / "b", SET)
    assert (
        "is the manifest of nm000281 v1.0.3, not of nm000281 v1.0.4; delete it, or name another with --index"
        in cli(tmp_path / "c", "--all", "--index", shared, "--version", "v1.0.4", status=2)
    )
    assert "cannot read" in cli(tmp_path / "d", "--all", "--index", tmp_path, status=2)
    shared.write_text("{")
    assert f"{shared} is no manifest of NEMAR" in cli(tmp_path / "d", "--all", "--index", shared, status=2)


def gestures(lengths=True):
    """A set of people without scans.tsv, stages, sessions and splits, as nm000105 may be."""
    said = {"Name": "discrete gestures", "License": "CC-BY-NC-4.0"}
    made = {
        "dataset_description.json": json.dumps(said).encode(),
        "participants.tsv": b"participant_id\nsub-00\nsub-01\n",
    }
    for k in range(3):
        name = f"sub-0{k}/emg/sub-0{k}_task-gestures"
        made[f"{name}_emg.edf"] = bytes([k]) * 5000
        made[f"{name}_emg.json"] = json.dumps({"RecordingDuration": 100.0 + k} if lengths else {"k": k}).encode()
        made[f"{name}_events.tsv"] = b"onset\tduration\n%d.0\t0.0\n" % k
    return made


@pytest.fixture
def others(capsys):
    """Run the command on another data set."""

    def run(content, *argv, status=0, version="v2.1.0"):
        with nemar(content, dataset="nm000105", version=version) as server:
            assert main(["data", "download", *map(str, argv), "--url", server.url]) == status
        said = capsys.readouterr()
        return said.out + said.err

    return run


@pytest.mark.parametrize("option", [True, False])
def test_another_data_set_in_its_newest_version(tmp_path, others, option):
    where = (tmp_path, "--dataset", "nm000105") if option else ("nm000105", tmp_path)
    said = others(gestures(), *where, "--users", 2)
    assert "nm000105 v2.1.0 of NEMAR (https://nemar.org), discrete gestures" in said
    assert "gives the licence: CC-BY-NC-4.0" in said and "2 recordings" in said
    assert "wanted      recordings 2, users 2, stages 0, hours unknown" in said
    assert len([path for path in here(tmp_path) if path.endswith(".edf")]) == 2
    assert others(gestures(), "nm000105", tmp_path, "--users", "sub-02,01").count("hours unknown") == 1


def test_another_data_set_by_hours(tmp_path, others):
    said = others(gestures(), "nm000105", tmp_path, "--hours", 0.05)
    assert "recordings 2, users 2, stages 0, hours 0.06" in said
    assert "--hours: nm000105 says of no recording how long it is; leave it out" in others(
        gestures(lengths=False), "nm000105", tmp_path / "b", "--hours", 1, status=2
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("--stages", "Fist"), "--stages: nm000105 says of no recording of which stage it is; leave it out"),
        (("--split", "train"), "--split: nm000105 says of no recording in which split it is; leave it out"),
        (("--users", "nobody"), "--users nobody: nm000105 has none of that name; it has 00, 01, 02"),
        (("--users", "4"), "--users 4: 3 people have such recordings"),
    ],
)
def test_what_another_data_set_does_not_say(tmp_path, others, argv, sentence):
    assert sentence in others(gestures(), "nm000105", tmp_path, *argv, status=2)


def test_a_data_set_without_a_licence_or_without_emg(tmp_path, others):
    content = gestures()
    content["dataset_description.json"] = b'{"Name": "x", "License": "n/a"}'
    assert "It names no licence: ask who published it" in others(content, "nm000105", tmp_path / "a", "--metadata")
    eeg = {"participants.tsv": b"participant_id\n", "sub-00/eeg/sub-00_task-a_eeg.edf": b"x"}
    assert "nm000105 v2.1.0 holds no EMG recordings" in others(eeg, "nm000105", tmp_path / "b", "--all", status=2)
    assert not (tmp_path / "b").exists()
    assert "does not say which version is the newest; give one by --version" in others(
        content, "nm000105", tmp_path / "b", "--all", status=2, version="draft"
    )
    assert "whether nm000106 is there for everybody" in others(content, "nm000106", tmp_path / "b", "--all", status=2)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (2, "long", "the duration is 'long', not a number of seconds"),
        (2, "-1", "the duration is '-1'"),
        (6, "dev", "the split 'dev'; cpep knows train, val, test"),
    ],
)
def test_tables_with_odd_cells_are_refused(tmp_path, column, value, sentence):
    path = "sub-01/ses-01/sub-01_ses-01_scans.tsv"
    lines = [line.split("\t") for line in SPLIT_SET[path].decode().splitlines()]
    lines[2][column] = value
    content = {**SPLIT_SET, path: "\n".join("\t".join(line) for line in lines).encode()}
    with nemar(content) as server, pytest.raises(UserError, match=sentence):
        make_plan(Selection(), tmp_path, server=Server.at(server.url))


def test_lines_about_recordings_that_are_not_there_are_said(tmp_path, cli, server):
    del server.manifest[VICTIM]
    said = cli(tmp_path, "--users", "user1")
    assert f"1 recordings of scans.tsv are not in the manifest of nm000281 v1.0.3, the first {VICTIM}" in said
    assert "5 recordings" in said


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "say what to fetch"),
        (("--mini", "--users", "user1"), "say what to fetch"),
        (("--hours", "-1"), "--hours -1: give a number above 0"),
        (("--all", "--max-mb-s", "0"), "--max-mb-s 0"),
        (("--users", "user9"), "--users user9: emg2pose has none of that name; it has user"),
        (("--stages", "Fist"), "--stages Fist: emg2pose has none of that name; it has FistOpen"),
        (("--split", "dev"), "--split dev: emg2pose has none of that name"),
        (("--all", "--version", "newest"), "--version newest: give one such as v1.0.3"),
        (("--all", "--url", "nowhere"), "nowhere/nm000281/version/v1.0.3.json is no address of a web server"),
        (("--all", "--from", "ftp"), "nemar"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, cli, argv, sentence):
    assert sentence in cli(tmp_path / "a", *argv, status=2)
