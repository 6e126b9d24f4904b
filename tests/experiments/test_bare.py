"""Recordings of EMG alone, and stores in which some recordings have no pose: what is made, left out and said."""

import json

import numpy as np
import pytest

from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.config.rows import BARE, DEFAULT, ROWS
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import windows_of
from cpep.experiments.rows import needs_anchor, rows_for
from cpep.train.align import align
from cpep.train.pretrain import pretrain
from cpep.train.task import PAIRED, Task, paired
from cpep.types import UserError

NAMES = ("rest", "fist", "point", "spread", "pinch")
SIDECAR = {
    "emg": {"field": "emg"},
    "rate": 100,
    "kind": "envelope",
    "unit": "count",
    "label": {"field": "label", "names": dict(zip("01234", NAMES, strict=True))},
    "user": {"pattern": "^(.)"},
}
POSE = {"pose": {"field": "pose", "unit": "count"}}
TINY = [
    "--preset",
    "tiny",
    "--set",
    "data.hop_s=0.5",
    "--set",
    "evaluate.bootstrap=5",
    "--set",
    "baselines.optim.steps=2",
]


def write(folder, posed="", users="abcdef", seed=0):
    """Write a recording a person, in which EMG follows the gesture; people of ``posed`` have a pose, too."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.repeat([0, g], [150, 300]) for _ in range(2) for g in range(1, len(NAMES))])
    target, mixing = rng.normal(0, 40, (len(NAMES), 6)), np.abs(rng.normal(size=(6, 4)))
    for user in users:
        pose = target[label] + rng.normal(0, 2, (len(label), 6))
        emg = np.abs(pose) @ (mixing * rng.lognormal(0, 0.1, 4)) + rng.random((len(label), 4))
        np.savez(folder / f"{user}.npz", emg=emg, label=label, pose=pose)
        (folder / f"{user}.json").write_text(json.dumps(SIDECAR | (POSE if user in posed else {})))
    return folder


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Six people without a pose."""
    folder = tmp_path_factory.mktemp("bare")
    return prepare(write(folder / "raw"), folder / "store")


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """Six people, of whom the first has no pose."""
    folder = tmp_path_factory.mktemp("some")
    return prepare(write(folder / "raw", posed="bcdef"), folder / "store")


def test_the_table_of_emg_alone_has_every_row_that_needs_no_pose(bare, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", "--data", str(bare.path), "--out", str(out), *TINY]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no recording has a pose: encoders of EMG are trained" in said
    assert (
        "rows left out, as they need a pose: cpep/best, cpep, cpep/adapted, ridge, pose, cpep/shuffled_pairs" in said
    )
    assert "The recordings have no pose, so that there is no zero-shot." in said.replace("zero- shot", "zero-shot")
    results = json.loads((out / "results.json").read_text())
    assert results["data"]["pose"] is False
    assert {row["model"] for row in results["rows"]} == set(BARE)
    protocols = {row["protocol"] for row in results["rows"]}
    assert protocols == {"linear_probe", *(f"few_shot_{shots}" for shots in (1, 2, 5, "rep"))}
    tested = next(row for row in results["rows"] if row["protocol"] == "linear_probe" and row["model"] == "features")
    assert tested["n_windows"] > 20 and tested["balanced_accuracy"] > 0.9  # windows are not left out for a pose
    assert {row["one"] for row in results["comparisons"]} == {"emg_mae"}
    page = (out / "report.html").read_text()
    assert "emg_mae minus" in page and "Zero-shot</dt>" not in page and "Targets of cpep" not in page


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            ["reproduce", "--models", "cpep,features"],
            "which the row cpep needs; `cpep reproduce --models features/best,emg_mae",
        ),
        (["reproduce", "--models", "cpep,ridge"], "which the rows cpep, ridge need"),
        (["reproduce", "--models", "objectives"], "which all rows asked for need"),
        (["ablate"], "which the row cpep needs"),
        (["reproduce", "--models", "pose_t", "--dry-run"], "which the row pose_t needs"),
    ],
)
def test_a_row_that_needs_a_pose_is_refused_with_those_that_do_not(bare, tmp_path, capsys, command, says):
    assert main([*command, "--data", str(bare.path), "--out", str(tmp_path / "out"), *TINY]) == 2
    sentence = capsys.readouterr().err
    assert says in sentence and "has no pose" in sentence and sentence.strip().count("\n") == 0


def test_the_rows_that_need_no_pose_are_those_of_emg_alone(bare, some):
    config = preset("tiny")
    without = {name for name in ROWS.names() if not needs_anchor(name, config)}
    assert {*BARE, "features/lda"} == without & {*BARE, *DEFAULT, "features/lda", "cca", "vemg2pose", "pose_t"}
    assert rows_for(["default"], some, config) == (DEFAULT, ())
    assert rows_for(["features", "default"], bare, config)[0] == ("features", *(n for n in BARE if n != "features"))
    with pytest.raises(UserError, match="no model emg_mea"):
        rows_for(["emg_mea"], bare, config)


def test_stages_evaluation_book_and_embeddings_of_emg_alone(bare, tmp_path, capsys):
    store, mae, causal = str(bare.path), tmp_path / "mae", ("--set", "data.normalisation=causal")
    assert main(["pretrain", "pose", store, str(tmp_path / "pose"), *TINY[:2]]) == 2
    assert "which the stage pose_mae needs; `cpep pretrain emg` needs none" in capsys.readouterr().err
    assert main(["pretrain", "emg", store, str(mae), *TINY[:2], "--unseen", "fist,point", *causal]) == 0
    checkpoint = str(mae / "checkpoint")
    assert main(["evaluate", checkpoint, store, str(tmp_path / "evaluation"), *TINY[2:6]]) == 0
    models = {row["model"] for row in json.loads((tmp_path / "evaluation/results.json").read_text())["rows"]}
    assert models == {"emg_mae", "emg_mae/adapted", "features", "features/lda", "features/adapted", "features/best"}
    assert main(["embed", checkpoint, store, str(tmp_path / "all.npz")]) == 0
    capsys.readouterr()
    assert main(["book", checkpoint, store, str(tmp_path / "my.book")]) == 0
    assert "known by EMG of training people, as there is no pose" in capsys.readouterr().out
    assert main(["book", checkpoint, store, str(tmp_path / "other.book"), "--gestures", "fist,spread"]) == 2
    assert "fist was left out of the training of this checkpoint" in capsys.readouterr().err


def test_recordings_without_a_pose_among_others_pretrain_alone(some, tmp_path, capsys):
    argv = ["--data", str(some.path), "--preset", "tiny", "--test-users", "e,f", "--val-users", "c,d"]
    assert main(["reproduce", *argv, "--dry-run"]) == 0
    assert (
        "1 of 6 recordings have no pose: they pre-train the EMG encoder, and take no part" in capsys.readouterr().out
    )
    (split,) = make_splits(some, test_users=("e", "f"), val_users=("c", "d"))
    task = Task(some, split, preset("tiny"), 0, tmp_path)
    assert set(task.windows("train", anchored=False).users(some)) == {"a", "b"}
    assert [set(paired(task, role).users(some)) for role in PAIRED] == [{"b"}, {"c", "d"}]
    evaluated = split.evaluated(some, windows_of(some, task.config.data), "train", split.seen)
    assert set(evaluated.users(some)) == {"b"}


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """Six people with a pose, p to u, and an aligned checkpoint of four of them."""
    top = tmp_path_factory.mktemp("aligned")
    store = prepare(write(top / "posed", posed="pqrstu", users="pqrstu", seed=1), top / "store")
    config = preset("tiny", ["data.hop_s=0.5", "evaluate.bootstrap=5", "data.normalisation=causal"])
    (split,) = make_splits(store, test_users=("p", "q"), val_users=("r", "s"), unseen=("point", "pinch"))
    emg, pose = (pretrain(Task(store, split, config, 0, top / name), name) for name in ("emg", "pose"))
    return store, emg, align(Task(store, split, config, 0, top / "cpep"), emg, pose)


def evaluated(checkpoint, store, out, *options):
    """Return the models and the protocols of the table of a checkpoint on a store."""
    assert main(["evaluate", str(checkpoint), str(store.path), str(out), *options]) == 0
    rows = json.loads((out / "results.json").read_text())["rows"]
    return {row["model"] for row in rows}, {row["protocol"] for row in rows}


def test_an_aligned_checkpoint_is_evaluated_on_recordings_without_a_pose(bare, aligned, tmp_path, capsys):
    _, _, checkpoint = aligned
    models, protocols = evaluated(checkpoint, bare, tmp_path / "out")
    said = capsys.readouterr().out
    assert "gestures that it never saw (unseen): point, pinch" in said and "no recording has a pose" in said
    assert models == {"cpep", "cpep/adapted", "features", "features/lda", "features/adapted", "features/best"}
    assert protocols == {"linear_probe", *(f"few_shot_{shots}" for shots in (1, 2, 5, "rep"))}
    assert (tmp_path / "out/report.html").exists()


def test_a_checkpoint_of_emg_alone_is_evaluated_on_recordings_with_a_pose(aligned, tmp_path):
    store, emg, _ = aligned
    models, protocols = evaluated(emg, store, tmp_path / "out")
    assert {"emg_mae", "features", "ridge"} <= models and "cpep" not in models
    assert "zero_shot" in " ".join(protocols)  # of ridge, which predicts poses
