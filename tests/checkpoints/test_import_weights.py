"""Weights that others trained become checkpoints, or one sentence says why not."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import cpep
from cpep.checkpoints.import_weights import describe, names_text, untrained, weights_of
from cpep.cli.main import main
from cpep.data.readers.emg2pose import DEVICE, MetadataRow, write_metadata, write_recording
from cpep.data.readers.registry import data_set
from cpep.data.recording import Recording
from cpep.data.store.prepare import prepare
from cpep.experiments.newcomers import split_for
from cpep.types import UNKNOWN, UserError

DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "baselines.md"


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


@cache
def trained(kind, window_s=2.0):
    """A model with weights as training might leave them; nobody changes it."""
    torch.manual_seed(3)
    return untrained(kind, window_s)


def as_theirs(model):
    """Its weights under other names, with one tensor that is no weight, and the map to ours."""
    ours = weights_of(model)
    names = {f"module.w{number}": own for number, own in enumerate(ours)}
    tensors = {their: ours[own].clone() for their, own in names.items()}
    return {**tensors, "module.steps": torch.tensor(5)}, {**names, "module.steps": None}


@pytest.fixture
def given(tmp_path):
    """Write tensors, and a map of names, for the command to read."""

    def write(tensors, names=None, file="theirs.safetensors", metadata=None):
        save_file(tensors, tmp_path / file, metadata)
        argv = ["baselines", "import", str(tmp_path / file), str(tmp_path / "out"), "--model", "vemg2pose"]
        if names is not None:
            (tmp_path / "map.json").write_text(json.dumps(names))
            argv += ["--names", str(tmp_path / "map.json")]
        return argv

    return write


def sentence(capsys, argv):
    """Run a command that must fail, and return what it says."""
    assert main(argv) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("cpep: ") and "Traceback" not in said and "\n" not in said
    return said


@pytest.mark.parametrize("kind", ["vemg2pose", "emg2pose"])
def test_an_imported_model_predicts_what_the_other_one_did(kind, given, tmp_path, capsys):
    model = trained(kind)
    argv = [*given(*as_theirs(model))[:-3], kind, "--names", str(tmp_path / "map.json")]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert f"{kind} with {model.parameter_count:,} parameters, windows of 2 s" in said and said.count("\n") == 1
    again = cpep.load(tmp_path / "out")
    emg = torch.randn(1, 16, 4000)
    assert torch.equal(again.predict_pose(emg), model.net(emg.transpose(1, 2)).transpose(1, 2))
    assert torch.equal(again.net.mean_J, torch.zeros(20))
    card = again.card
    assert (card.kind, card.device, card.frame_rate, card.window_s) == (kind, DEVICE, 100.0, 2.0)
    assert card.vocabulary == () and card.split == {}
    assert card.provenance["file"] == "theirs.safetensors" and card.provenance["data"] == "emg2pose (imported)"
    with pytest.raises(UserError, match="does not say on whom it was trained"):
        card.held_out()


@pytest.mark.parametrize("prefix", ["", "a.b."])
def test_our_names_need_no_map_and_a_common_prefix_falls_away(prefix, given, tmp_path):
    ours = weights_of(trained("vemg2pose", 1.0))
    argv = given({prefix + name: tensor.clone() for name, tensor in ours.items()})
    assert main([*argv, "--window-s", "1"]) == 0
    again = cpep.load(tmp_path / "out")
    assert all(torch.equal(tensor, ours[name]) for name, tensor in weights_of(again).items())
    assert again.predict_pose(torch.zeros(1, 16, 2000)).shape == (1, 20, len(again.net.times_S))


@pytest.mark.parametrize("file", ["x.ckpt", "x.pt", "x.PTH", "x.bin", "x.pkl"])
def test_a_pickled_file_is_refused_by_its_ending(file, given, tmp_path, capsys):
    argv = given({"a": torch.zeros(1)})
    (tmp_path / file).write_bytes(b"what it holds does not matter")
    argv[2] = str(tmp_path / file)
    said = sentence(capsys, argv)
    assert "unpickling runs code" in said and f"torch.load('{tmp_path / file}', weights_only=True" in said
    assert f"'{tmp_path / 'x.safetensors'}'" in said


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_file_is_refused_by_its_content_and_the_advice_helps(zipped, given, tmp_path, capsys):
    tensors, names = as_theirs(trained("vemg2pose"))
    argv = given(tensors, names)
    torch.save({"state_dict": tensors}, tmp_path / "x.weights", _use_new_zipfile_serialization=zipped)
    argv[2] = str(tmp_path / "x.weights")
    said = sentence(capsys, argv)
    assert "unpickling runs code" in said and not (tmp_path / "out").exists()
    code = re.search(r'`python -c "(.*)"`', said)
    exec(code[1], {})
    assert main([*argv[:2], str(tmp_path / "x.safetensors"), *argv[3:]]) == 0


def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(given, tmp_path):
    ours = {name: tensor.clone() for name, tensor in weights_of(trained("vemg2pose")).items()}
    given(ours, metadata={"pad": ""})
    length = int.from_bytes((tmp_path / "theirs.safetensors").read_bytes()[:8], "little")
    argv = given(ours, metadata={"pad": "x" * ((0x80 - length) % 256)})
    assert (tmp_path / "theirs.safetensors").read_bytes()[:1] == b"\x80"
    assert main(argv) == 0


def test_tensors_that_do_not_fit_are_named(given, capsys):
    tensors, names = as_theirs(trained("vemg2pose"))
    by_own = {own: their for their, own in names.items()}
    del names["module.steps"]
    for own in ("decoder.cells.1.bias_hh", "encoder.out.weight"):
        their = by_own[own]
        del tensors[their], names[their]
    tensors[by_own["decoder.head.bias"]] = torch.zeros(20)
    tensors |= {f"extra{number}": torch.zeros(2, 3) for number in range(4)}
    said = sentence(capsys, given(tensors, names))
    assert "5 unknown (" in said and "extra0 2x3" in said and ", ...)" in said
    assert "2 missing (encoder.out.weight 64x256, decoder.cells.1.bias_hh 2048)" in said
    assert "1 of another shape (decoder.head.bias is 20 where ours is 40)" in said
    assert "`cpep baselines names vemg2pose`" in said and "--names MAP.json" in said


def test_the_other_model_does_not_fit(given, capsys):
    argv = given({name: tensor.clone() for name, tensor in weights_of(trained("emg2pose")).items()})
    said = sentence(capsys, argv)
    assert "8 unknown (decoder.hidden.0" in said and "8 missing (decoder.cells.0.weight_ih 2048x84" in said


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["module.w0"], "is no name map"),
        ({"module.w0": 3}, "expected a text or null, got an integer; it is no name map"),
        ({"module.w0": "${HOME}"}, "holds '${HOME}'"),
        ({"encoder.out.bias": "module.w0"}, "1 not in (encoder.out.bias) "),
        ({"module.w0": "encoder.out.bias", "module.w1": "encoder.out.bias"}, "leaves two tensors of "),
    ],
)
def test_a_faulty_map_is_a_sentence(names, says, given, capsys):
    tensors, _ = as_theirs(trained("vemg2pose"))
    said = sentence(capsys, given(tensors, names))
    assert "map.json" in said and says in said


def test_a_damaged_file_is_a_sentence(given, tmp_path, capsys):
    tensors, names = as_theirs(trained("vemg2pose"))
    tensors["module.w1"][0] = float("nan")
    argv = given(tensors, names)
    assert "is damaged: 1 not finite (encoder.stem.0.conv.bias)" in sentence(capsys, argv)
    whole = Path(argv[2]).read_bytes()
    Path(argv[2]).write_bytes(whole[: len(whole) // 2])
    assert "no whole safetensors file" in sentence(capsys, argv)
    Path(argv[2]).unlink()
    assert "cannot read " in sentence(capsys, argv)
    assert not (tmp_path / "out").exists()


def test_other_mistakes_are_sentences(given, tmp_path, capsys):
    argv = given(*as_theirs(trained("vemg2pose")))
    assert "no published model 'neuropose'" in sentence(capsys, ["baselines", "names", "neuropose"])
    assert "there are vemg2pose and emg2pose" in sentence(capsys, [*argv, "--model", "pose_t"])
    assert "--window-s nan" in sentence(capsys, [*argv, "--window-s", "nan"])
    assert "too short for emg2pose" in sentence(capsys, [*argv, "--window-s", "0.5"])
    (tmp_path / "out").mkdir()
    assert f"{tmp_path / 'out'} exists" in sentence(capsys, argv)


@pytest.mark.parametrize("kind", ["vemg2pose", "emg2pose"])
def test_the_names_are_listed_and_documented(kind, capsys):
    ours = weights_of(trained(kind))
    assert main(["baselines", "names", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ours)
    assert len({describe(name) for name in ours}) == len(ours)
    assert "256x16x11" in names_text(kind)
    layers = re.findall(r"^\| `((?:en|de)coder[^`]+)`", DOCS.read_text(), re.MULTILINE)
    patterns = [re.escape(layer).replace("S", r"\d").replace("B", r"\d") for layer in layers]
    for name in ours:
        assert any(re.fullmatch(pattern, name.rpartition(".")[0]) for pattern in patterns), name


PEOPLE = ("ann", "bob", "cai", "dee")


def recording(user, number, stage):
    """Noise while the fingers wave, 2.5 s."""
    rng = np.random.default_rng([number, *user.encode()])
    return Recording(
        name=f"{user}_{stage}",
        user=user,
        session="one",
        stage=stage,
        side="right",
        device=DEVICE,
        emg_TC=rng.normal(0, 1 + number, (5000, 16)).astype(np.float32),
        anchor_SJ=(np.sin(np.linspace(0, 9, 250))[:, None] * 0.1 * rng.normal(number, 1, 20)).astype(np.float32),
        anchor_rate=100.0,
        valid_S=np.ones(250, bool),
        label_T=np.full(5000, UNKNOWN, np.int16),
        vocabulary=("rest",),
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Four people in emg2pose's own layout, where a label is a stage."""
    folder = tmp_path_factory.mktemp("cohort")
    for user in PEOPLE:
        for number, stage in enumerate((*data_set("emg2pose").seen, *data_set("emg2pose").unseen)):
            one = recording(user, number, stage)
            write_recording(folder / f"{one.name}.hdf5", one, start=1e9, simulated=False)
    return folder


def store_of(cohort, out, splits):
    """Prepare the cohort with these splits of its people in metadata.csv."""
    rows = [
        MetadataRow(user, "one", path.stem, "right", split=split, filename=path.stem)
        for user, split in zip(PEOPLE, splits, strict=True)
        for path in sorted(cohort.glob(f"{user}_*.hdf5"))
    ]
    write_metadata(cohort, rows)
    return prepare(cohort, out)


def test_an_imported_model_is_evaluated_on_the_test_people_of_the_metadata(cohort, given, tmp_path, capsys):
    assert main([*given(*as_theirs(trained("vemg2pose", 1.0))), "--window-s", "1"]) == 0
    store = store_of(cohort, tmp_path / "store", ("train", "train", "val", "test"))
    argv = ["evaluate", str(tmp_path / "out"), str(store.path), str(tmp_path / "evaluation")]
    few = ["--set", "data.hop_s=1", "--set", "evaluate.bootstrap=20"]
    assert main([*argv, *few]) == 0
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert results["data"]["folds"][0]["users_test"] == ["dee"]
    assert results["data"]["folds"][0]["users_val"] == ["cai"]
    found = {(row["protocol"], row["gestures"]) for row in results["rows"] if row["model"] == "vemg2pose"}
    protocols = ("linear_probe", "zero_shot", "zero_shot_all", "pose_error")
    assert found == {(protocol, gestures) for protocol in protocols for gestures in ("seen", "unseen")}
    assert "angular error" in capsys.readouterr().out


def test_nobody_is_tested_whom_an_imported_model_may_have_met(cohort, given, tmp_path):
    assert main(given(*as_theirs(trained("vemg2pose")))) == 0
    model = cpep.load(tmp_path / "out")
    undivided = store_of(cohort, tmp_path / "undivided", [""] * 4)
    with pytest.raises(UserError, match=r"does not say on whom .* name people whom it has not met: --test-users"):
        split_for(model, undivided, ())
    assert split_for(model, undivided, ("ann",)).users_test == ("ann",)
    divided = store_of(cohort, tmp_path / "divided", ("train", "train", "val", "test"))
    assert split_for(model, divided, ()).users_test == ("dee",)
    assert split_for(model, divided, ("dee",)).users_test == ("dee",)
    with pytest.raises(UserError, match="has user ann for training or validation"):
        split_for(model, divided, ("ann", "dee"))
    halved = store_of(cohort, tmp_path / "halved", ("train", "train", "test", "test"))
    with pytest.raises(UserError, match="no train, val and test people"):
        split_for(model, halved, ())
