import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import cpep
from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.embed import embed_anchor, embed_emg
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.live.demo import demo_paths
from cpep.types import UserError
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    return prepare(write_db1(folder / "raw", users=5), folder / "store")


@pytest.fixture(scope="module")
def model(store):
    torch.manual_seed(0)
    (split,) = make_splits(store, unseen=("3",))
    made = Model(make_card("cpep", store, split, preset("tiny"), 0)).eval()
    made.frontend.fit(store, split.users_train)
    return made


def test_a_checkpoint_comes_back_whole(model, tmp_path):
    save(model, tmp_path / "one")
    again = cpep.load(tmp_path / "one")
    assert again.card == model.card
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["config.json", "model.safetensors"]


def test_the_public_functions_equal_the_evaluation(model, store):
    """``encode_emg`` on raw windows with the recording's calibration is what evaluation computes from the store."""
    windows = list_windows(store, 2.0, 0.25).select(np.arange(6))
    emg = torch.from_numpy(np.stack([store.emg_TC[s : s + 200].T for s in windows.start_N]))
    entry = store.entries[0]
    standard = model.calibrate(store.emg_TC[entry.start : entry.start + entry.frames].T)
    found = model.encode_emg(emg, standard)
    assert found.shape == (6, 16)
    assert torch.allclose(found, torch.from_numpy(embed_emg(model, store, windows).x_ND), atol=1e-5)
    assert torch.allclose(found.norm(dim=1), torch.ones(6), atol=1e-5)


def test_wrong_input_is_a_sentence(model):
    with pytest.raises(UserError, match=r"takes \(windows, 10, 200\)"):
        model.encode_emg(torch.zeros(2, 8, 200))
    with pytest.raises(UserError, match=r"takes \(10, samples\)"):
        model.calibrate(np.zeros((8, 2000), np.float32))
    with pytest.raises(UserError, match="shorter than one window of 200"):
        model.calibrate(np.zeros((10, 199), np.float32))
    with pytest.raises(UserError, match="the recording is not finite"):
        model.calibrate(np.full((10, 2000), np.inf, np.float32))
    with pytest.raises(UserError, match="not finite"):
        model.encode_emg(torch.full((2, 10, 200), float("nan")))
    with pytest.raises(UserError, match=r"takes \(windows, 22, 200\)"):
        model.encode_pose(torch.zeros(2, 22, 100))


@pytest.mark.parametrize("damage", ["missing", "truncated", "newer", "no json", "no object", "no field", "odd field"])
def test_a_damaged_checkpoint_is_a_sentence(model, tmp_path, damage):
    folder = tmp_path / "one"
    save(model, folder)
    if damage == "missing":
        folder = tmp_path / "two"
    elif damage == "truncated":
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    elif damage == "newer":
        plain = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**plain, "format": 99}))
    elif damage == "no object":
        (folder / "config.json").write_text("[]")
    elif damage in ("no field", "odd field"):
        plain = json.loads((folder / "config.json").read_text())
        plain.pop("device") if damage == "no field" else plain.update(odd=1)
        (folder / "config.json").write_text(json.dumps(plain))
    else:
        (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match=str(folder)):
        load(folder)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("config", "preset"), r"config\.preset"),
        (("provenance", "data"), r"provenance\.data"),
        (("device", "emg_unit"), r"device\.emg_unit"),
        (("vocabulary", 1), r"vocabulary\.1"),
        (("split", "users_test", 0), r"split\.users_test\.0"),
    ],
)
def test_a_checkpoint_that_asks_for_the_environment_is_refused(model, tmp_path, monkeypatch, path, field):
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    save(model, tmp_path / "one")
    plain = json.loads((tmp_path / "one" / "config.json").read_text())
    inner = plain
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = "a${oc.env:CPEP_SECRET}"
    (tmp_path / "one" / "config.json").write_text(json.dumps(plain).replace("$", "\\u0024"))  # as JSON may write it
    with pytest.raises(UserError, match=rf"config\.json: {field} holds '\$\{{oc\.env:CPEP_SECRET\}}'") as caught:
        load(tmp_path / "one")
    assert "hunter2" not in str(caught.value)


def test_another_device_is_refused_by_name(model, store):
    other = replace(store, device=replace(store.device, channels=8))
    with pytest.raises(UserError, match=r"channels 10.* has 8"):
        model.card.refuse_other(other)


@pytest.mark.parametrize(
    ("field", "unit", "said"),
    [
        ("emg_unit", "count", "trained with EMG in V; here has EMG in count; convert to V .* trained in count"),
        ("anchor_unit", "ratio", "trained with glove of 22 sensors in count; here has values of 22 columns in ratio"),
    ],
)
def test_another_unit_is_refused_where_both_are_known(model, store, field, unit, said):
    def of(unit):
        return replace(store, device=replace(store.device, **{field: unit}))

    with pytest.raises(UserError, match=said):
        model.card.refuse_other(of(unit), Path("here"))
    with pytest.raises(UserError, match=f"in {unit}"):
        embed_emg(model, of(unit), list_windows(store, 2.0, 0.25))
    with pytest.raises(UserError, match=f"in {unit}"):
        embed_anchor(model, of(unit), list_windows(store, 2.0, 0.25))
    model.card.refuse_other(store)
    model.card.refuse_other(of(""))  # a device that does not say it
    replace(model.card, device=of("").device).refuse_other(of(unit))  # nor a checkpoint of one


def test_the_checkpoints_of_a_run_are_named_where_the_run_is_given(tmp_path):
    (tmp_path / "fold0" / "seed0" / "cpep" / "checkpoint").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is not a checkpoint: .*such as \S*/fold0/seed0/cpep/checkpoint"):
        load(tmp_path)


def test_a_folder_that_is_no_checkpoint_is_not_replaced(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="is no checkpoint"):
        save(model, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_without_a_path_the_shipped_model_is_opened():
    model, shipped = cpep.load(), cpep.load(demo_paths()[0])
    assert isinstance(model, cpep.Model) and not model.training and model.card == shipped.card
    assert model.card.device.channels == 16 and model.card.device.emg_rate == 2000
