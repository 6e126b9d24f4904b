import json
import random
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xxhash
from safetensors.torch import load_file, save_file

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
from tests.checkpoints.unsealed import unseal
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


def saved_with(model, folder, path, value):
    """Save a model with another value in its config.json, without checksums; return that text."""
    save(model, folder)
    unseal(folder)
    plain = json.loads((folder / "config.json").read_text())
    inner = plain
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(plain))
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("config", "preset"), r"config\.preset"),
        (("provenance", "data"), r"provenance\.data"),
        (("device", "emg_unit"), r"device\.emg_unit"),
        (("vocabulary", 1), r"vocabulary\[1\]"),
        (("split", "users_test", 0), r"split\.users_test\[0\]"),
    ],
)
def test_a_checkpoint_that_asks_for_the_environment_is_refused(model, tmp_path, monkeypatch, path, field):
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    text = saved_with(model, tmp_path / "one", path, "a${oc.env:CPEP_SECRET}")
    (tmp_path / "one" / "config.json").write_text(text.replace("$", "\\u0024"))  # as JSON may write it
    with pytest.raises(UserError, match=rf"config\.json: {field} holds '\$\{{oc\.env:CPEP_SECRET\}}'") as caught:
        load(tmp_path / "one")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("kind",), "no such kind", "no kind of model"),
        (("kind",), "emg_mae", "not of this model"),
        (("kind",), "pose_t", r"regressor: the field \w+ is missing"),
        (("encoders", "emg", "heads"), 0, r"encoders\.emg: heads: expected an integer >= 1"),
        (("encoders", "emg", "heads"), 3, "3 heads do not divide width 16"),
        (("encoders", "emg", "width"), -16, r"encoders\.emg: width: expected an integer >= 1"),
        (("encoders", "emg", "width"), 10**9, "a larger model than"),
        (("encoders", "emg", "width"), 64, "of another shape"),
        (("encoders", "emg", "depth"), 10**9, r"depth: expected an integer <= 1000"),
        (("encoders", "emg", "depth"), 2, "not there"),
        (("encoders", "emg", "width"), [16], "width: expected an integer, got a list"),
        (("encoders", "emg", "odd"), 1, "odd is missing, or belongs to another encoder"),
        (("encoders", "leg"), {}, "the field leg is not known"),
        (("encoders", "emg"), {}, r"encoders\.emg: the field columns is missing"),
        (("encoders", "emg", "steps"), 10**9, "a larger model than"),
        (("frontend", "channels"), 10**9, r"frontend\.channels is 1000000000, and the device"),
        (("frontend", "bin_samples"), 10**6, "bins of 1000000 samples"),
        (("frontend", "normalisation"), "odd", "frontend: normalisation: invalid enum value 'odd'"),
        (("window_s",), 1e9, "window_s: expected a number <= 3600"),
        (("window_s",), 1e-9, "as no window has"),
        (("frame_rate",), 1e200, "as no window has"),
        (("device", "channels"), 10**9, "a device has 1 to 10,000 channels"),
        (("device", "emg_rate"), 1e300, "at up to 200,000 Hz"),
        (("device", "ring"), [1, 1], "ring .* does not fit"),
        (("vocabulary",), "rest", "vocabulary: expected a list, got a text"),
        (("split", "seen"), [10**9], "split has the gesture 1000000000"),
        (("split", "users_test"), [1], r"split: users_test\[0\]: expected a text, got an integer"),
        (("config", "emg", "tokens"), "odd", "no encoder 'odd'"),
        (("config", "align", "temperature"), 0, r"config\.align\.temperature is 0\.0; it must be above 0"),
        (("config", "align", "queries"), 10**9, "a larger model than"),
        (("config", "evaluate", "bootstrap"), 10**12, "bootstrap is 1000000000000; it must be"),
        (("provenance", "finetuned"), [{"data": 1}], r"provenance: finetuned\[0\]\.data: expected a text"),
        (("anchor_range",), [[0, 1]], "anchor_range has 1 columns"),
        (("anchor_range",), [[0]], r"anchor_range\[0\]: expected a list of length"),
    ],
)
def test_settings_that_no_model_has_are_a_sentence_and_nothing_large_is_made(model, tmp_path, path, value, said):
    saved_with(model, tmp_path / "one", path, value)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=said) as caught:
        load(tmp_path / "one")
    assert str(tmp_path / "one") in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("net.emg.cls", None, r"'net\.emg\.cls' is not there"),
        ("net.odd", torch.zeros(3), r"'net\.odd' is not of this model"),
        ("net.emg.cls", torch.zeros(17), "of another shape"),
        ("net.emg.cls", torch.zeros(4, 4), "of another shape"),
        ("net.emg.cls", torch.zeros(16, dtype=torch.float64), "of another kind of number"),
        ("net.emg.cls", torch.zeros(16, dtype=torch.int8), "of another kind of number"),
        ("net.emg.cls", torch.full((16,), float("nan")), "not finite"),
        ("frontend.level_C", torch.full((10,), float("inf")), "not finite"),
    ],
)
def test_weights_that_are_not_those_of_the_card_are_a_sentence(model, tmp_path, name, value, said):
    save(model, tmp_path / "one")
    unseal(tmp_path / "one")
    weights = load_file(tmp_path / "one" / "model.safetensors")
    weights.pop(name) if value is None else weights.update({name: value})
    save_file(weights, tmp_path / "one" / "model.safetensors")
    with pytest.raises(UserError, match=said):
        load(tmp_path / "one")


def test_damaged_bytes_of_a_checkpoint_are_a_sentence_or_read(model, tmp_path):
    draw = random.Random(20)
    save(model, tmp_path / "one")
    for name, times in (("config.json", 60), ("model.safetensors", 30)):
        whole, refused = (tmp_path / "one" / name).read_bytes(), 0
        for _ in range(times):
            data = bytearray(whole)
            for _ in range(3):
                data[min(draw.randrange(len(data)), draw.randrange(len(data)))] ^= 1 << draw.randrange(8)
            (tmp_path / "one" / name).write_bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])
            try:
                load(tmp_path / "one")
            except UserError:
                refused += 1
        assert refused > times / 2
        (tmp_path / "one" / name).write_bytes(whole)


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


def test_a_checkpoint_carries_the_checksums_of_its_files(model, tmp_path):
    save(model, tmp_path / "one")
    plain = json.loads((tmp_path / "one" / "config.json").read_text())
    assert plain["format"] == 7
    assert plain["weights"] == xxhash.xxh3_64((tmp_path / "one" / "model.safetensors").read_bytes()).hexdigest()
    rest = {name: value for name, value in plain.items() if name != "sum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert plain["sum"] == xxhash.xxh3_64(text.encode()).hexdigest()
    (tmp_path / "one" / "config.json").write_text(json.dumps(plain, sort_keys=True))
    assert load(tmp_path / "one").card == model.card, "the order of its entries is nothing"
    for changed in ({"window_s": 3.0}, {"format": 6}, {"sum": "0" * 16}, {"weights": "0" * 16}):
        (tmp_path / "one" / "config.json").write_text(json.dumps(plain | changed))
        with pytest.raises(UserError, match=r"config\.json is damaged: its content does not fit its checksum"):
            load(tmp_path / "one")
    (tmp_path / "one" / "config.json").write_text(json.dumps(rest))
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        load(tmp_path / "one")


def test_a_flip_of_one_bit_of_the_weights_is_noticed(model, tmp_path):
    save(model, tmp_path / "one")
    path = tmp_path / "one" / "model.safetensors"
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    for at in (*rng.integers(len(sound), size=20), len(sound) - 1):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(UserError, match=r"model\.safetensors"):
            load(tmp_path / "one")


def test_a_checkpoint_of_format_6_loads(model, tmp_path):
    save(model, tmp_path / "one")
    unseal(tmp_path / "one")
    assert load(tmp_path / "one").card == model.card
