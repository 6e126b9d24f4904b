"""cpep data download from NEMAR: what is chosen, and what comes with it."""

from __future__ import annotations

import json
import shutil

import pytest

from cpep.data.readers.metadata import parse_metadata
from cpep.download.nemar import Server, make_plan
from cpep.download.plan import TABLE
from cpep.download.selection import Selection, choose
from cpep.types import UserError
from tests.download.nemar_server import VERSION, nemar
from tests.download.nemar_set import SET, SPLIT_SET, STAGES, VICTIM, bdf, entry, here, same, table, wanted


@pytest.fixture
def server(nemar_server):
    return nemar_server


@pytest.fixture
def cli(nemar_cli):
    return nemar_cli


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
