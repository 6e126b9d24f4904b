"""Fine-tuning on a new person: what it keeps, what it carries over, what it never reads, and what it refuses."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import cpep
import cpep.experiments.finetune as module
from cpep.checkpoints.checkpoint import book_beside, load, save
from cpep.checkpoints.embed import embed_emg
from cpep.checkpoints.met import met_people
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.data.arrays import from_arrays
from cpep.data.splits import Split
from cpep.data.store.divide import division_of
from cpep.data.store.prepare import prepare
from cpep.data.store.store import open_store
from cpep.data.windows import list_windows
from cpep.experiments.finetune import Told, accuracy, by_pose, cross_entropy, finetune, own_of, settings_of
from cpep.experiments.newcomers import split_for
from cpep.experiments.own import SETTINGS
from cpep.live.book.book import GestureBook
from cpep.runtime.files import read_json
from cpep.train.finetune import Headed, LabelFurther
from cpep.train.task import Task, build_model
from cpep.types import EmbeddingSet, UserError
from tests.data.samples import unseal
from tests.experiments.test_own import NAMES, POSE, SIDECAR, write

FAST = tuple(
    f"finetune.optim.{field}" for field in ("steps=16", "batch=256", "checks=2", "lr=5e-3")
)  # a validation reads 2048 windows


def stored(folder, gestures=4, rounds=4, sidecar=SIDECAR | POSE, user="bob"):
    raw = write(folder / "raw", gestures, rounds, sidecar | {"user": user})
    return prepare(raw, folder / "store", workers=1)


def untrained(store, kind="cpep"):
    """Return a model as before its training, which claims to have seen two gestures of one and not a third."""
    config = preset("tiny", SETTINGS, "best")
    split = Split(("ann",), ("eve",), ("joe", "bob"), (1, 2), (3,), 0.5)
    task = Task(store, replace(split, users_train=store.users, users_test=("joe",)), config, 0, store.path)
    model = build_model(task, kind)
    model.card = replace(model.card, split=json.loads(json.dumps(vars(split))))
    model.card.provenance["data"] = "home"
    return model.eval()


def weights(model, part):
    return {name: value.clone() for name, value in model.net.state_dict().items() if name.startswith(part)}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("bob"))


@pytest.fixture(scope="module")
def model(store):
    return untrained(store)


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    monkeypatch.setattr("cpep.experiments.runs.cores", lambda: 1)


def test_an_aligned_model_stays_aligned_and_knows_whom_it_has_met(store, model, tmp_path):
    said, out = [], tmp_path / "out"
    before = weights(model, "")
    tuned = cpep.finetune(model, store, out, sets=FAST, say=said.append)
    assert same(before, weights(model, "")) and "finetuned" not in model.card.provenance
    assert same(weights(model, "anchor."), weights(tuned, "anchor."))
    assert not same(weights(model, "emg."), weights(tuned, "emg."))
    found = read_json(out / "finetune.json")
    assert found["kept"] == "after" and found["after"]["pose"] > found["before"]["pose"] + 0.2
    assert any(f"of {found['before']['windows']} windows of test repetitions of 4 gestures" in one for one in said)

    names = tuple(tuned.card.vocabulary[label] for label in tuned.card.held_out().seen)
    assert set(names) == set(NAMES[1:5]) and tuned.card.held_out().unseen == ()
    (noted,) = tuned.card.provenance["finetuned"]
    assert noted["data"] == store.name and noted["people"] == ["bob"] and noted["by"] == "poses"
    assert met_people(tuned, store) == {"bob"} and not met_people(model, store)
    with pytest.raises(UserError, match="user bob took part in the training"):
        split_for(tuned, store, ("bob",))

    written, book = load(out), GestureBook.load(book_beside(out), load(out))
    assert same(weights(tuned, ""), weights(written, "")) and written.card == tuned.card
    assert set(book.names) == {"rest", *NAMES[1:5]} and not book.notes

    stamp = (out / "trained" / "stage.json").stat().st_mtime_ns
    again = cpep.finetune(model, store, out, sets=FAST, say=said.append)
    assert same(weights(tuned, ""), weights(again, "")) and stamp == (out / "trained/stage.json").stat().st_mtime_ns
    with pytest.raises(UserError, match="another run"):
        cpep.finetune(model, store, out, sets=FAST, seed=1, say=said.append)


def test_a_stopped_run_ends_as_one_that_was_not(store, model, tmp_path, monkeypatch):
    whole = finetune(model, store, sets=FAST, say=lambda _: None)

    def stops(done, total):
        if done >= total / 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "training_line", lambda _: (stops, lambda _: None))
        with pytest.raises(KeyboardInterrupt):
            finetune(model, store, tmp_path / "out", sets=FAST, say=lambda _: None)
    assert not (tmp_path / "out" / "checkpoint").exists() and (tmp_path / "out/trained/state.safetensors").exists()
    assert same(weights(whole, ""), weights(finetune(model, store, tmp_path / "out", sets=FAST), ""))


def test_a_model_that_is_not_better_on_validation_repetitions_stays_as_it_was(store, model, tmp_path, monkeypatch):
    answers = iter([Told(9, 4, 0.2, 0.2, 0.5), Told(9, 4, 0.9, 0.9, 0.5)])  # far better on test repetitions
    monkeypatch.setattr(module, "told", lambda *_: next(answers))
    said = []
    kept = finetune(model, store, tmp_path / "out", sets=FAST, say=said.append)
    assert same(weights(model, ""), weights(kept, "")) and kept.card == model.card
    assert any("stays as it was" in one for one in said)
    assert load(tmp_path / "out").card.provenance == model.card.provenance


def test_no_test_repetition_is_in_a_weight_or_in_the_choice(store, model, tmp_path):
    config = settings_of(model, FAST)
    division = division_of(store, config.data.guard_s)
    other = stored(tmp_path)
    emg_TC, pose_MJ = (np.load(other.path / name, mmap_mode="r+") for name in ("emg.npy", "anchor.npy"))
    changed = 0
    for span in (span for span in division.spans if span.part == "test"):
        emg_TC[span.start * store.ratio : span.stop * store.ratio] = 7.0
        pose_MJ[span.start : span.stop] = 7.0
        changed += span.stop - span.start
    assert changed > 100
    emg_TC.flush(), pose_MJ.flush()
    unseal(other.path)
    one, two = (finetune(model, some, sets=FAST, say=lambda _: None) for some in (store, open_store(other.path)))
    assert same(weights(one, ""), weights(two, ""))


@pytest.mark.parametrize("kind", ["cpep", "emg_mae"])
def test_without_a_pose_labels_are_enough(kind, store, tmp_path):
    bare, said = stored(tmp_path, sidecar=SIDECAR), []
    before = untrained(store if kind == "cpep" else bare, kind)
    tuned = finetune(before, bare, tmp_path / "out", sets=FAST, say=said.append)
    assert "trained by labels" in said[0] and tuned.card.kind == kind
    found = read_json(tmp_path / "out" / "finetune.json")
    assert found["after"]["pose"] is None
    stage = load(tmp_path / "out" / "trained" / "checkpoint")
    assert not same(weights(before, ""), weights(stage, ""))
    assert same(weights(before, "anchor."), weights(stage, "anchor."))


def test_the_loss_of_labels_is_the_cross_entropy_and_reaches_the_encoder_alone(store, model, tmp_path):
    config = settings_of(model, FAST)
    own, stage = own_of(store, tmp_path, config), LabelFurther("finetune", "cpep")
    task, tuned = Task(own.divided, own.live, config, 0, tmp_path), copy.deepcopy(model).unfreeze()
    lesson = stage.lesson(task, tuned, {})
    lesson.trained.net.eval()
    held = stage.windows(task, "val")
    x_ND, losses = embed_emg(tuned, own.divided, held).x_ND, []
    for row, label in zip(
        lesson.trained.net.head(torch.from_numpy(x_ND)).detach().numpy(), held.label_N, strict=True
    ):
        losses.append(np.log(np.exp(row).sum()) - row[own.live.seen.index(label)])
    with torch.no_grad():
        assert lesson.validate() == pytest.approx(np.mean(losses), rel=1e-4)
    lesson.loss_at(0).backward()
    moved = {
        name.split(".")[0] for name, one in tuned.net.named_parameters() if one.grad is not None and one.grad.any()
    }
    assert moved == {"emg", "projection"}


def test_windows_are_divided_in_their_order(store):
    rng = np.random.default_rng(0)
    label_N = np.repeat(NAMES[1:4], 12)
    pattern = {name: rng.uniform(1, 9, (8, 1)) for name in NAMES}
    emg = np.stack([pattern[name] * (1 + 0.1 * rng.random((8, 100))) for name in label_N])
    windows = from_arrays(emg, label_N, rate=100, kind="envelope", unit="count", people="zoe")
    tuned = finetune(untrained(windows, "emg_mae"), windows, sets=FAST, say=lambda _: None)
    assert tuned.card.kind == "emg_mae"


def test_the_head_starts_as_the_logistic_regression_of_scikit_learn(store, model, tmp_path):
    config = settings_of(model, FAST)
    own = own_of(store, tmp_path, config)
    windows = list_windows(own.divided, 1.0, 0.5)
    for labels in ((1, 2), (1, 3, 4)):
        task = Task(own.divided, replace(own.live, seen=(1, 2, 3, 4)), config, 0, tmp_path)
        some = windows.select(np.isin(windows.label_N, labels))
        head = Headed(model, 4)
        head.start(model, task, some)
        x_ND = embed_emg(model, own.divided, some).x_ND
        z_ND = (x_ND - x_ND.mean(0, dtype=np.float64)) / (x_ND.std(0, dtype=np.float64) + 1e-6)
        wanted = LogisticRegression(C=100 / len(some), class_weight="balanced", tol=1e-3, max_iter=5000)
        log_NK = wanted.fit(z_ND, some.label_N).predict_log_proba(z_ND)
        logits_NK = head.head(torch.from_numpy(x_ND)).detach().numpy()[:, [label - 1 for label in labels]]
        np.testing.assert_allclose(logits_NK - np.logaddexp.reduce(logits_NK, axis=1)[:, None], log_NK, atol=2e-3)


def test_shares_by_pose_and_their_scores_by_hand():
    def vectors(rows, labels):
        names = np.array(["x"] * len(rows))
        return EmbeddingSet(np.array(rows, np.float32), np.array(labels), names, names, np.zeros(len(rows)), names)

    pose = vectors([[3, 0], [1, 0], [0, 1], [0, 9]], [1, 1, 3, 3])
    emg = vectors([[1, 0.5], [0.5, 1], [1, 0.2], [0.1, 1]], [1, 1, 1, 3])
    right, losses = {1: [], 3: []}, []
    for row, label in zip(emg.x_ND, emg.label_N, strict=True):
        power = {1: np.exp(row[0] / 0.1), 3: np.exp(row[1] / 0.1)}
        right[label].append(max(power, key=power.get) == label)
        losses.append(-np.log(power[label] / sum(power.values())))
    log_NK, labels = by_pose(emg, pose), np.array([1, 3])
    assert accuracy(emg, log_NK, labels) == pytest.approx(np.mean([np.mean(each) for each in right.values()]))
    assert cross_entropy(emg, log_NK, labels) == pytest.approx(np.mean(losses), rel=1e-5)
    other = vectors([[9, 9], *emg.x_ND], [2, *emg.label_N])  # 2 has no pose: wrong, and in no cross-entropy
    assert cross_entropy(other, by_pose(other, pose), labels) == pytest.approx(np.mean(losses), rel=1e-5)
    assert accuracy(other, by_pose(other, pose), labels) == pytest.approx(
        np.mean([np.mean(each) for each in ([0], *right.values())])
    )


NO_LABEL = {key: value for key, value in (SIDECAR | POSE).items() if key != "label"}


@pytest.mark.parametrize(
    ("gestures", "rounds", "sidecar", "sentence"),
    [
        (3, 3, NO_LABEL, "no labels of gestures"),
        (1, 4, SIDECAR | POSE, "one gesture alone, fist"),
        (4, 2, SIDECAR | POSE, "at least three times each"),
        (4, 3, SIDECAR | POSE | {"rate": 200}, "trained with emg_rate 100"),
        (4, 3, SIDECAR | POSE | {"unit": "mV"}, "trained with EMG in count"),
    ],
)
def test_mistakes_are_refused_with_a_sentence(gestures, rounds, sidecar, sentence, model, tmp_path):
    with pytest.raises(UserError, match=sentence):
        finetune(model, stored(tmp_path, gestures, rounds, sidecar), tmp_path / "out", say=lambda _: None)
    assert not (tmp_path / "out" / "trained").exists()


def test_settings_and_kinds_that_cannot_be_are_refused(store, model):
    with pytest.raises(UserError, match="a trained model stays as it is"):
        finetune(model, store, sets=("emg.width=8",))
    with pytest.raises(UserError, match="did you mean finetune"):
        finetune(model, store, sets=("finetune.steps=8",))
    with pytest.raises(UserError, match="a pose_mae checkpoint cannot be fine-tuned"):
        finetune(untrained(store, "pose_mae"), store)


def test_the_command(store, model, tmp_path, capsys):
    save(model, tmp_path / "given" / "checkpoint")
    book = GestureBook(model)
    book.add("mine", np.random.default_rng(0).normal(0, 40, (150, 6)))
    book.save(tmp_path / "given" / "gestures.book")
    sets = [part for one in FAST for part in ("--set", one)]
    assert main(["finetune", str(tmp_path / "given"), str(store.path), str(tmp_path / "out"), *sets]) == 0
    said = capsys.readouterr().out
    assert "windows of test repetitions" in said and "before:" in said and "cpep serve" in said
    assert "mine" in GestureBook.load(book_beside(tmp_path / "out"), load(tmp_path / "out")).names
