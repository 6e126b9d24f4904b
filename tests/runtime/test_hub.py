"""Addresses, what is fetched, what may be overwritten, and a sentence for everything that the hub may say."""

import errno
import json
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from cpep.checkpoints.checkpoint import load
from cpep.runtime.hub import Address, address_of, fetch, local, upload
from cpep.types import UserError
from tests.runtime.fake_hub import FakeHub, Repository, answer

OURS = json.dumps({"format": 5, "kind": "cpep", "provenance": {}}).encode()
ATTRIBUTES = {".gitattributes": b""}
CHECKPOINT = {**ATTRIBUTES, "config.json": OURS, "model.safetensors": b"weights", "README.md": b"card"}
OTHER = {**ATTRIBUTES, "config.json": b'{"architectures": ["Bert"]}', "model.safetensors": b"theirs"}
HERE = Address("org/name")
NEW = {"config.json": OURS, "model.safetensors": b"new", "README.md": b"new card"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return FakeHub(tmp_path / "cache").install(monkeypatch)


def test_a_path_is_no_address_and_stays_as_it_is(tmp_path):
    assert address_of(tmp_path) is None and local(tmp_path) == tmp_path
    assert local("runs/hf/checkpoint") == Path("runs/hf/checkpoint")


@pytest.mark.parametrize("written", [str, Path])
def test_a_path_that_lost_a_slash_is_still_an_address(written):
    assert address_of(written("hf://org/na-me_1.0")) == Address("org/na-me_1.0")
    assert address_of(written("hf://org/name@refs/pr/1")) == Address("org/name", "refs/pr/1")


@pytest.mark.parametrize("text", ["hf://name", "hf://", "hf://a/b/c", "hf://org/name@", "hf:///name", "hf://o/ n"])
def test_what_is_no_address_is_a_sentence(text):
    with pytest.raises(UserError, match="write hf://organisation/name"):
        address_of(text)


def test_a_checkpoint_is_fetched_and_nothing_else(hub):
    pickles = {"pytorch_model.bin": b"pickle", "x.pkl": b"pickle"}
    hub.repositories["org/name"] = Repository(commits=[{**CHECKPOINT, **pickles}])
    folder = fetch(HERE)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert not pickles.keys() & set(hub.fetched)


def test_a_revision_is_what_is_fetched(hub):
    hub.repositories["org/name"] = found = Repository(commits=[CHECKPOINT, {**CHECKPOINT, **NEW}])
    first, last = found.names
    assert (fetch(Address("org/name", first)) / "model.safetensors").read_bytes() == b"weights"
    assert (fetch(HERE) / "model.safetensors").read_bytes() == b"new" and fetch(HERE).name == last
    with pytest.raises(UserError, match=r"hf://org/name@v9: the repository has no such branch"):
        fetch(Address("org/name", "v9"))


def test_a_revision_may_stand_beside_the_address(hub, tmp_path):
    hub.repositories["org/name"] = found = Repository(commits=[CHECKPOINT, {**CHECKPOINT, **NEW}])
    first, last = found.names
    assert local("hf://org/name", first).name == first and local(f"hf://org/name@{first}", first).name == first
    for path in (tmp_path, f"hf://org/name@{last}"):
        with pytest.raises(UserError, match=f"with revision {first}: a revision belongs to hf://"):
            local(path, first)


def test_a_checkpoint_that_asks_for_the_environment_is_fetched_and_refused_as_what_it_is(hub, monkeypatch):
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    asking = json.dumps({"format": 5, "kind": "cpep", "provenance": {"data": "${oc.env:CPEP_SECRET}"}}).encode()
    hub.repositories["org/name"] = Repository(commits=[{**CHECKPOINT, "config.json": asking}])
    with pytest.raises(UserError, match=r"config\.json: provenance\.data holds '\$\{oc") as caught:
        load("hf://org/name")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("config", [OTHER["config.json"], b"no json", b"[1]"])
def test_weights_of_another_model_are_not_fetched(hub, config):
    hub.repositories["org/name"] = Repository(commits=[{**CHECKPOINT, "config.json": config}])
    with pytest.raises(UserError, match="holds no checkpoint of cpep"):
        fetch(HERE)
    assert hub.fetched == ["config.json"]


def test_a_repository_without_config_is_no_checkpoint(hub):
    hub.repositories["org/name"] = Repository(commits=[{"model.safetensors": b"x"}])
    with pytest.raises(UserError, match=r"no checkpoint of cpep: it has no config\.json"):
        fetch(HERE)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (answer(errors.RepositoryNotFoundError, 404), "no repository hf://org/name, or it is private.*hf auth login"),
        (answer(errors.GatedRepoError, 403), "gated.*hf auth login"),
        (answer(errors.RevisionNotFoundError, 404), "no such branch, tag or commit"),
        (answer(errors.HfHubHTTPError, 401), "refuses you hf://org/name.*hf auth login"),
        (answer(errors.HfHubHTTPError, 403), "token that may write"),
        (answer(errors.HfHubHTTPError, 503, "\n\n503 busy\nmore"), r"answered 503 \(503 busy\); try again later"),
        (errors.LocalEntryNotFoundError("none"), "not in the cache.*cannot be reached.*HF_HUB_OFFLINE"),
        (errors.HFValidationError("Cannot have --"), "no name that the hub allows: Cannot have --"),
        (errors.HTTPError("connection refused"), "connection refused; look at network"),
        (errors.OfflineModeIsEnabled("offline"), "offline; look at network"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; look at network and disk"),
    ],
)  # fmt: skip
def test_what_the_hub_says_is_one_sentence(hub, error, said):
    hub.fails = error
    with pytest.raises(UserError, match=said) as told:
        fetch(HERE)
    assert "\n" not in str(told.value)


def test_the_name_is_checked_by_the_library_itself():
    """No fake here: the name is refused before any request."""
    with pytest.raises(UserError, match="no name that the hub allows: Cannot have -- or"):
        fetch(Address("org/na--me"))


def test_the_cache_is_enough_without_network(tmp_path, monkeypatch):
    """The library itself, told to be offline, on a cache as it lays one out."""
    commit = "0123456789" * 4
    top = tmp_path / "models--org--name"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text(commit)
    (top / "snapshots" / commit).mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (top / "snapshots" / commit / name).write_bytes(CHECKPOINT[name])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert fetch(HERE) == top / "snapshots" / commit
    assert fetch(Address("org/name", commit)) == top / "snapshots" / commit
    with pytest.raises(UserError, match="hf://org/other is not in the cache of this machine"):
        fetch(Address("org/other"))


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[hub\]"'):
        fetch(HERE)


@pytest.mark.parametrize("private", [False, True])
def test_a_push_makes_the_repository(hub, private):
    where = upload(HERE, NEW, private=private, replace=False)
    found = hub.repositories["org/name"]
    assert found.private is private and found.commits[-1] == {**ATTRIBUTES, **NEW}
    assert where == f"https://hub/org/name/commit/{found.names[-1]}"


def test_an_empty_repository_is_filled(hub):
    hub.repositories["org/name"] = Repository()
    upload(HERE, NEW, private=False, replace=False)
    assert hub.repositories["org/name"].commits[-1] == {**ATTRIBUTES, **NEW}


@pytest.mark.parametrize(
    ("there", "what"), [(CHECKPOINT, "a checkpoint"), ({**ATTRIBUTES, "README.md": b"mine"}, "a model card")]
)
def test_what_is_there_is_replaced_only_when_told_and_kept_in_the_history(hub, there, what):
    hub.repositories["org/name"] = found = Repository(commits=[there])
    with pytest.raises(UserError, match=f"holds {what} already; .*--replace"):
        upload(HERE, NEW, private=False, replace=False)
    assert found.commits == [there]
    upload(HERE, NEW, private=False, replace=True)
    assert found.commits == [there, {**there, **NEW}]


@pytest.mark.parametrize("there", [OTHER, {"model.gguf": b"theirs"}, {**OTHER, "README.md": b""}])
def test_another_model_is_never_replaced(hub, there):
    hub.repositories["org/name"] = found = Repository(commits=[there])
    with pytest.raises(UserError, match="something else; give the name of another repository"):
        upload(HERE, NEW, private=False, replace=True)
    assert found.commits == [there]


def test_a_public_repository_does_not_become_private(hub):
    hub.repositories["org/name"] = found = Repository()
    with pytest.raises(UserError, match="is public, which --private does not change"):
        upload(HERE, NEW, private=True, replace=True)
    assert len(found.commits) == 1


def test_a_commit_in_between_is_not_written_over(hub, monkeypatch):
    hub.repositories["org/name"] = found = Repository(commits=[CHECKPOINT])
    made = huggingface_hub.CommitOperationAdd

    def meanwhile(**arguments):
        found.commits = [CHECKPOINT, {**CHECKPOINT, "README.md": b"somebody else's"}]
        return made(**arguments)

    monkeypatch.setattr(huggingface_hub, "CommitOperationAdd", meanwhile)
    with pytest.raises(UserError, match="changed or made by somebody else meanwhile"):
        upload(HERE, NEW, private=False, replace=True)
    assert len(found.commits) == 2


def test_who_may_not_write_is_told_to_log_in(hub, monkeypatch):
    def refuse(*_, **__):
        raise answer(errors.HfHubHTTPError, 403)

    monkeypatch.setattr(hub, "create_repo", refuse)
    with pytest.raises(UserError, match="refuses you hf://org/name; log in with `hf auth login`"):
        upload(HERE, NEW, private=False, replace=False)
