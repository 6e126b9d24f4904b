"""cpep data download, from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path

import pytest

from cpep.cli.main import main
from cpep.data.store.store import open_store
from cpep.download import http as remote
from cpep.download import plan as download
from cpep.download import tar_index as tarindex
from cpep.download.plan import TABLE, TAR
from cpep.runtime.files import read_json
from cpep.types import UserError
from tests.download.mirror import STAGES, same, visible
from tests.download.range_server import done, times


def test_a_part_is_downloaded_and_prepared(tmp_path, cli, server, recordings, capsys):
    out = tmp_path / "real"
    said = cli(out, "--users", "u0,u2", "--stages", STAGES[1])
    assert "CC-BY-NC-SA-4.0" in said and "4 recordings, 4 of them fetched now" in said
    assert f"next: cpep data prepare {out} {out}.store" in said
    assert visible(out) == ["r11.hdf5", "r6.hdf5", "r8.hdf5", "r9.hdf5"] and same(out, recordings)
    assert "CC-BY-NC-SA-4.0" in (out / "DATA_LICENSE.txt").read_text()
    assert (out / "metadata.csv").read_bytes() == server.files[TABLE]
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == [".sums.jsonl"]
    assert main(["data", "inspect", str(out)]) == 0
    assert "8 recordings it lists, not here" in capsys.readouterr().out
    assert main(["data", "prepare", str(out), f"{out}.store"]) == 0
    store = open_store(Path(f"{out}.store"))
    assert store.users == ("u0", "u2") and {entry.split for entry in store.entries} == {"train", "test"}

    server.clear()
    again = cli(out, "--users", "u0,u2", "--stages", STAGES[1])
    assert "4 recordings, 0 of them fetched now" in again and "CC-BY" not in again
    assert [stop - start for _, start, stop in server.log] == [1]  # the size of the tar


def test_all_and_metadata_and_mini(tmp_path, cli, recordings, server):
    assert "recordings 12, users 3, stages 2, hours 0.00" in cli(tmp_path / "a", "--metadata")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["DATA_LICENSE.txt", "metadata.csv"]
    assert {name for name, _, _ in server.log} == {TABLE}
    assert "12 recordings, 12 of them" in cli(tmp_path / "a", "--all", "--connections", 2)
    assert len(visible(tmp_path / "a")) == 12 and same(tmp_path / "a", recordings)
    assert "2 recordings, 2 of them" in cli(tmp_path / "b", "--mini")
    assert visible(tmp_path / "b") == ["r0.hdf5", "r3.hdf5"] and same(tmp_path / "b", recordings)
    assert main(["data", "prepare", str(tmp_path / "b"), str(tmp_path / "b.store")]) == 0


def test_a_dry_run_estimates_and_fetches_nothing(tmp_path, cli, server, recordings):
    out = tmp_path / "a"
    said = cli(out, "--users", "u1", "--dry-run", "--connections", 4, "--max-mb-s", 0.001)
    bytes_ = sum(path.stat().st_size for path in recordings.glob("r*.hdf5") if int(path.stem[1:]) % 3 == 1)
    guess = len(server.files[TAR]) / 12 * 4
    assert f"emg2pose from {server.url}{TAR}" in said
    assert "  wanted      recordings 4, users 1, stages 2, hours 0.00" in said
    assert f"  bytes       about {guess / 1e6:.1f}"[:-1] in said
    assert "up to 12 requests of 2 kB, 0:00 over 4 connections; once, it is kept in" in said
    assert "GB free in" in said
    assert "4 at best as many times that, at most 0.001 MB/s" in said
    assert sorted(path.name for path in out.iterdir()) == ["DATA_LICENSE.txt", "metadata.csv"]
    assert server.asked(TAR) == [(0, 1)]

    cli(out, "--users", "u1", "--stages", STAGES[0])
    said = cli(out, "--users", "u1", "--dry-run")
    left = sum((recordings / name).stat().st_size for name in ("r7.hdf5", "r10.hdf5"))
    assert "recordings 4, users 1," in said and "of which" in said
    cli(tmp_path / "full", "--all")
    said = cli(out, "--users", "u1", "--dry-run", "--index", tmp_path / "full" / f"{TAR}.index.json")
    assert f"  bytes       {bytes_ / 1e6:.2f} MB in 4 files, of which {left / 1e6:.2f} MB are to fetch" in said
    assert "nothing to ask" in said


def test_the_metadata_is_not_left_where_it_is_none(tmp_path, cli, server):
    server.files[TABLE] = b"<html>Log in to the network</html>"
    assert "is not the metadata of emg2pose: it lacks the column(s)" in cli(tmp_path / "a", "--metadata", status=2)
    assert not (tmp_path / "a" / "metadata.csv").exists()


@pytest.mark.parametrize("right", [True, False])
def test_the_official_metadata_is_compared_with_its_md5(tmp_path, server, monkeypatch, right):
    known = hashlib.md5(server.files[TABLE]).hexdigest()
    monkeypatch.setattr(download, "PREFIX", server.url)
    monkeypatch.setattr(download, "TABLE_MD5", known if right else "c3f4")
    notes = []
    download.fetch_metadata(server.url, tmp_path / "a", notes.append)
    assert notes == [] if right else f"has md5 {known}, not c3f4" in notes[0]


def test_an_index_is_shared_and_no_header_is_asked_again(tmp_path, cli, server):
    shared = tmp_path / "shared" / "index.json"
    cli(tmp_path / "a", "--users", "u1", "--index", shared)
    assert not list((tmp_path / "a").glob("*.index.json"))
    complete = read_json(shared)
    server.clear()
    cli(tmp_path / "b", "--users", "u1", "--index", shared)
    sizes = {stop - start for start, stop in server.asked(TAR)}
    assert tarindex.HEADER_READ not in sizes and len(server.asked(TAR)) == 1 + 4
    assert read_json(shared) == complete
    server.files[TAR] += bytes(1024)
    assert "is the index of another tar" in cli(tmp_path / "c", "--users", "u1", "--index", shared, status=2)


@pytest.mark.parametrize(
    ("trick", "sentence"),
    [
        (lambda h, a, b: done(h.answer(404)), "404 Not Found"),
        (lambda h, a, b: done(h.answer(403)), "403 Forbidden"),
        (lambda h, a, b: done(h.part(0, len(h.file), status=200)), "whole files only"),
        (lambda h, a, b: done(h.answer(503)), "answers 503 .*run the same command again to go on from here"),
        (lambda h, a, b: done(h.part(a, b, length=b - a + 1)), "the server sends .* bytes as"),
    ],
)
@pytest.mark.parametrize("where", [TABLE, TAR])
def test_a_server_that_will_not_is_a_sentence(tmp_path, cli, server, trick, sentence, where):
    server.trick = lambda h, a, b: trick(h, a, b) if h.path.endswith(where) else False
    said = cli(tmp_path / "a", "--users", "u1", status=2)
    (line,) = [line for line in said.splitlines() if line.startswith("cpep:")]
    assert f"{server.url}{where}" in line
    assert re.search(sentence, line)
    assert visible(tmp_path / "a") == []


def test_a_member_that_is_no_recording_is_named_and_the_others_are_fetched(tmp_path, cli, server, recordings):
    content = bytearray(server.files[TAR])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        at = tar.getmember("emg2pose_data/r4.hdf5").offset_data
    content[at : at + 8] = b"garbage!"
    server.files[TAR] = bytes(content)
    said = cli(tmp_path, "--users", "u1", status=2)
    assert "1 of 4 files are no recordings of emg2pose, the first r4.hdf5 (it is not an HDF5 file" in said
    assert visible(tmp_path) == ["r1.hdf5", "r10.hdf5", "r7.hdf5"]
    assert [path.name for path in tmp_path.glob(".*")] == [".sums.jsonl"]


def test_what_is_there_in_another_size_is_refused(tmp_path, cli):
    cli(tmp_path, "--users", "u1", "--stages", STAGES[0])
    (tmp_path / "r7.hdf5").write_bytes(b"mine")
    assert "r7.hdf5 has 4 bytes and the tar's" in cli(tmp_path, "--all", status=2)
    assert (tmp_path / "r7.hdf5").read_bytes() == b"mine" and len(visible(tmp_path)) == 3


def test_recordings_that_the_tar_does_not_have_are_said(tmp_path, cli, server):
    server.files[TABLE] += b"u1,s,FingerFreeform,left,,False,False,train,,1,2,../gone\n"
    said = cli(tmp_path / "a", "--users", "u1")
    assert "1 recordings of metadata.csv are not in the tar, the first gone.hdf5" in said
    assert "4 recordings, 4 of them" in said
    assert read_json(tmp_path / "a" / f"{TAR}.index.json")["end"] > 0


def test_the_disk_is_looked_at_first(tmp_path, cli, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 100_000))
    said = cli(tmp_path / "a", "--all", status=2)
    assert "GB are to come and 0.00 GB are free; make room" in said
    assert server.asked(TAR) == [(0, 1)]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "say what to fetch"),
        (("--users", ","), "say what to fetch"),
        (("--mini", "--users", "u1"), "say what to fetch"),
        (("--hours", "-1"), "--hours -1: give a number above 0"),
        (("--all", "--max-mb-s", "0"), "--max-mb-s 0"),
        (("--users", "u9"), "--users u9: emg2pose has none of that name; it has u"),
        (("--all", "--connections", "0"), "greater than or equal to 1"),
        (("--all", "--url", "nowhere"), "nowhere/emg2pose_metadata.csv is no address"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, cli, argv, sentence):
    assert sentence in cli(tmp_path / "a", *argv, status=2)


def test_other_data_and_other_folders(tmp_path, cli, capsys):
    for argv, sentence in (
        (("ninapro", str(tmp_path), "--metadata"), "ninapro: cpep can download emg2pose, and EMG data sets of NEMAR"),
        (("nm000105", str(tmp_path), "--metadata", "--from", "tar"), "the tar is emg2pose in its only version"),
        (("emg2pose", str(tmp_path), "--all", "--from", "tar", "--version", "v1.0.0"), "leave out --version"),
        (("emg2pose", "--metadata"), "say where to put it: cpep data download emg2pose FOLDER"),
        (("nm000104", str(tmp_path), "--all", "--dataset", "nm000105"), "are two data sets; name one"),
    ):
        assert main(["data", "download", *argv]) == 2
        assert sentence in capsys.readouterr().err
    (tmp_path / "store.json").write_text("{}")
    assert "is a prepared store" in cli(tmp_path, "--metadata", status=2)
    assert "or no folder" in cli(tmp_path / "store.json", "--metadata", status=2)


def test_tricks_are_played_a_number_of_times(server):
    """The server's own helper, on which the tests above stand."""
    server.trick = times(1, lambda h, a, b: done(h.answer(404)))
    with remote.Remote(server.url + TAR) as one:
        with pytest.raises(UserError):
            one.read(0, 1)
        assert one.read(0, 1) == server.files[TAR][:1]
