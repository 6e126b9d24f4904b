"""What users of huggingface_hub expect: ``from_pretrained``, ``save_pretrained``, ``push_to_hub``."""

import inspect
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelHubMixin

import cpep
from cpep.live.demo import demo_paths
from cpep.types import UserError
from tests.runtime.fake_hub import FakeHub, Repository

SHIPPED = demo_paths()[0]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return FakeHub(tmp_path / "cache").install(monkeypatch)


@pytest.fixture(scope="module")
def model():
    return cpep.load()


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return one.card == other.card and all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_what_is_pushed_comes_back(hub, model):
    where = model.push_to_hub("org/name", private=True, results="**.9**")
    assert where.startswith("https://hub/org/name/commit/") and hub.repositories["org/name"].private
    files = hub.repositories["org/name"].commits[-1]
    assert set(files) == {".gitattributes", "config.json", "model.safetensors", "README.md"}
    card = files["README.md"].decode()
    assert 'cpep.load("hf://org/name")' in card and "## Results\n\n**.9**" in card and "license: apache-2.0" in card
    for address in ("org/name", "hf://org/name"):
        again = cpep.Model.from_pretrained(address)
        assert same(model, again) and not again.training


def test_a_revision_is_what_is_opened(hub, model):
    model.push_to_hub("org/name")
    other = cpep.load()
    with torch.no_grad():
        next(other.net.parameters()).add_(1)
    with pytest.raises(UserError, match=r"already; .* push with --replace, in Python replace=True"):
        other.push_to_hub("org/name")
    other.push_to_hub("org/name", replace=True)
    _, first, last = hub.repositories["org/name"].names
    assert same(cpep.Model.from_pretrained("org/name", revision=first), model)
    assert same(cpep.Model.from_pretrained("org/name", revision=last), other)
    assert same(cpep.load(f"hf://org/name@{first}"), model) and same(
        cpep.load("hf://org/name", revision=first), model
    )


def test_a_folder_comes_before_the_hub(hub, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save_pretrained("org/name")
    assert same(cpep.Model.from_pretrained("org/name"), model) and not hub.fetched


def test_the_licence_is_asked_for_and_nothing_is_pushed_without(hub, model):
    unknown = cpep.load()
    unknown.card = replace(model.card, provenance={**model.card.provenance, "data": "mine"})
    with pytest.raises(UserError, match="does not know the licence of mine"):
        unknown.push_to_hub("org/name")
    assert not hub.repositories
    unknown.push_to_hub("org/name", data_licence="CC-BY-NC-4.0")
    assert b"Not for commercial use" in hub.repositories["org/name"].commits[-1]["README.md"]


def test_another_model_is_neither_opened_nor_replaced(hub, model):
    theirs = {"config.json": b'{"architectures": ["Bert"]}', "pytorch_model.bin": b"pickle"}
    hub.repositories["org/name"] = found = Repository(commits=[theirs])
    with pytest.raises(UserError, match="holds no checkpoint of cpep"):
        cpep.Model.from_pretrained("org/name")
    with pytest.raises(UserError, match="something else; give the name of another repository"):
        model.push_to_hub("org/name", replace=True)
    assert found.commits == [theirs] and hub.fetched == ["config.json", "config.json"]


@pytest.mark.parametrize("name", ["name", "a/b/c", "org/name@v1", "https://huggingface.co/org/name"])
def test_where_to_push_is_an_organisation_and_a_name(hub, model, name):
    with pytest.raises(UserError, match="cannot be pushed to; write hf://organisation/name"):
        model.push_to_hub(name)
    assert not hub.repositories


@pytest.mark.parametrize(
    ("method", "ours"),
    [
        ("from_pretrained", {"name_or_path"}),
        ("save_pretrained", set()),
        ("push_to_hub", {"data_licence", "results", "replace"}),
    ],
)
def test_other_arguments_are_called_as_huggingface_hub_calls_them(method, ours):
    mine, theirs = (set(inspect.signature(getattr(kind, method)).parameters) for kind in (cpep.Model, ModelHubMixin))
    assert mine - theirs == ours
