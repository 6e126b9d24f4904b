"""Manifests and versions of NEMAR, and other data sets than emg2pose."""

from __future__ import annotations

import json

import pytest

from cpep.cli.main import main
from tests.download.nemar_server import nemar
from tests.download.nemar_set import SET, VICTIM, bdf, entry, here, same, wanted


@pytest.fixture
def server(nemar_server):
    return nemar_server


@pytest.fixture
def cli(nemar_cli):
    return nemar_cli


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
