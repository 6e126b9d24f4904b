"""A checkpoint goes to a hub and comes back, by the commands that a user types."""

import json

import numpy as np
import pytest
import torch

import cpep
from cpep.checkpoints.checkpoint import Model, save
from cpep.checkpoints.registry import make_card
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.runtime.hub import FILES
from cpep.share.demo import RESULTS, demo_paths
from cpep.share.push import push
from cpep.types import UserError
from tests.checkpoints.unsealed import unseal
from tests.runtime.fake_hub import FakeHub
from tests.synthetic import write_db1

SHIPPED = demo_paths()[0]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return FakeHub(tmp_path / "cache").install(monkeypatch)


def test_what_was_pushed_comes_back_bit_for_bit(hub, capsys):
    before = sorted(path.name for path in SHIPPED.iterdir())
    told = ["--results", str(SHIPPED.parent / RESULTS), "--private"]
    assert main(["push", str(SHIPPED), "hf://org/name", *told]) == 0
    assert capsys.readouterr().out.startswith("hf://org/name: 3 files, 3.3 MB, at https://hub/org/name/commit/")
    files = hub.repositories["org/name"].commits[-1]
    assert set(FILES) == set(files) - {".gitattributes"} and hub.repositories["org/name"].private
    assert 'cpep.load("hf://org/name")' in files["README.md"].decode()
    mine, theirs = cpep.load(SHIPPED), cpep.load("hf://org/name")
    assert theirs.card == mine.card
    for name, tensor in mine.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name
    assert sorted(path.name for path in SHIPPED.iterdir()) == before


def test_a_dry_run_prints_the_card_and_asks_nobody(monkeypatch, capsys):
    monkeypatch.setattr("cpep.runtime.hub._library", lambda: pytest.fail("the hub was asked"))
    assert main(["push", str(SHIPPED), "hf://org/name", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("---\nlicense: apache-2.0\n") and "# org/name" in printed
    size = (SHIPPED / "model.safetensors").stat().st_size
    assert f"{size:,} bytes" in printed


def test_a_command_takes_an_address(hub, tmp_path, monkeypatch, capsys):
    """A glove's checkpoint, whose data's licence the user must say only where it is unknown."""
    monkeypatch.setattr("cpep.experiments.runs.cores", lambda: 1)
    store = prepare(write_db1(tmp_path / "raw", users=5), tmp_path / "store")
    torch.manual_seed(0)
    (split,) = make_splits(store, unseen=("3",))
    model = Model(make_card("cpep", store, split, preset("tiny"), 0)).eval()
    model.frontend.fit(store, split.users_train)
    save(model, tmp_path / "one")
    assert main(["push", str(tmp_path / "one"), "hf://org/glove"]) == 0
    assert b"trained on non-commercial data: ninapro_db1" in hub.repositories["org/glove"].commits[-1]["README.md"]
    for checkpoint, out in (("hf://org/glove", "a.npz"), (str(tmp_path / "one"), "b.npz")):
        assert main(["embed", checkpoint, str(tmp_path / "store"), str(tmp_path / out)]) == 0
    with np.load(tmp_path / "a.npz") as one, np.load(tmp_path / "b.npz") as other:
        assert np.array_equal(one["embedding"], other["embedding"])

    unseal(tmp_path / "one")
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    config["provenance"]["data"] = "mine"
    (tmp_path / "one" / "config.json").write_text(json.dumps(config))
    assert main(["push", str(tmp_path / "one"), "hf://org/mine"]) == 2
    assert "does not know the licence of mine" in capsys.readouterr().err and "org/mine" not in hub.repositories
    assert main(["push", str(tmp_path / "one"), "hf://org/mine", "--data-licence", "CC-BY-4.0"]) == 0
    assert b"license: cc-by-4.0" in hub.repositories["org/mine"].commits[-1]["README.md"]


@pytest.mark.parametrize("to", ["hf://org/name@v1", "hf://name", "https://huggingface.co/org/name"])
def test_where_to_push_must_be_an_address(hub, to):
    with pytest.raises(UserError, match="hf://organisation/name"):
        push(SHIPPED, to)
    assert not hub.repositories


def test_a_damaged_checkpoint_is_not_pushed(hub, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(UserError, match="damaged"):
        push(tmp_path, "hf://org/name")
    assert not hub.repositories
