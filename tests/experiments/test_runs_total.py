"""A damaged run resumes, or names the file; and its store is the one that it began with."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cpep.config.presets import preset
from cpep.data.splits import Split
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store, open_store
from cpep.experiments.fold import Fold, evaluated, mend, save_row
from cpep.experiments.fold_jobs import FoldTask
from cpep.experiments.pipeline import folds_of, reproduce
from cpep.experiments.runs import Request, begin_with, claim, read_run, worked_seconds
from cpep.train.log import HEAD, read_log
from cpep.train.note import read_note, write_note
from cpep.types import UserError
from tests.experiments.test_results import CURVE, found
from tests.mutated import TEXTS, bytes_mutated, files_mutated
from tests.synthetic import write_db1
from tests.train.test_loop import Toy

COST = {"parameters": 3, "steps": 2, "gflop": 0.1, "share": 0.5, "stopped": "steps"}
MODEL = "cpep"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    curve = {**CURVE, "stage": "emg_mae", "points": [[1, 0.5, 0.25]], "kept_step": 1}
    save_row(tmp_path, "key", MODEL, found([1, 2]), ("rest", "fist", "point"), "recording", [curve], COST)
    return tmp_path


def mended(folder: Path) -> list[str]:
    """Mend the rows of a folder; what is left can be read, and what was said is one sentence each."""
    said: list[str] = []
    mend([folder], said.append)
    if evaluated(folder, MODEL, "key"):
        Fold.read(folder, 0, 0, [MODEL])
    assert not any("\n" in one for one in said)
    return said


@pytest.mark.parametrize("damage", [b"", b"PK", b"PK\x05\x06" + bytes(18)], ids=["empty", "cut", "empty archive"])
def test_a_damaged_npz_is_evaluated_again_and_said(rows: Path, damage: bytes) -> None:
    """An empty one was taken for Ctrl-C, for ever."""
    (rows / "rows" / "cpep.npz").write_bytes(damage)
    with pytest.raises(UserError, match=r"cpep\.npz is damaged: .* it is evaluated again"):
        evaluated(rows, MODEL, "key")
    (said,) = mended(rows)
    assert "cpep.npz is damaged" in said and "removed" in said
    assert not evaluated(rows, MODEL, "key") and not list((rows / "rows").iterdir())


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_every_damage_of_a_row_is_noticed(rows: Path, ending: str) -> None:
    path, rng = rows / "rows" / f"cpep{ending}", random.Random(0)
    kept = {one: one.read_bytes() for one in (rows / "rows").iterdir()}
    sound = kept[path]
    assert mended(rows) == []
    for change in [*(text.encode() for text in TEXTS), *(bytes_mutated(sound, rng) for _ in range(60))]:
        for one, data in kept.items():
            one.write_bytes(data)
        path.write_bytes(change)
        same = ending == ".json" and change.strip() == sound.strip()
        assert same or change == sound or len(mended(rows)) == 1, change[:200]


def test_rows_of_older_versions_are_read_or_refused(rows: Path) -> None:
    """They have no checksums: what they say is checked all the same."""
    path = rows / "rows" / "cpep.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("sum", "arrays")}
    path.write_text(json.dumps(older))
    assert mended(rows) == [] and evaluated(rows, MODEL, "key")
    packed = path.with_suffix(".npz").read_bytes()
    for data in files_mutated(json.dumps(older).encode(), 90):
        path.write_bytes(data)
        path.with_suffix(".npz").write_bytes(packed)
        mended(rows)
    rng = random.Random(0)
    for _ in range(30):
        path.write_text(json.dumps(older))
        path.with_suffix(".npz").write_bytes(bytes_mutated(packed, rng))
        mended(rows)


def test_predictions_that_do_not_fit_their_row_are_refused(rows: Path) -> None:
    path = rows / "rows" / "cpep.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("sum", "arrays")}
    path.write_text(json.dumps(older))
    np.savez(path.with_suffix(".npz"), **{"0/label": [1, 2, 3], "0/predicted": [1, 2], "0/user": ["7", "8"]})
    with pytest.raises(UserError, match=r"cpep\.npz is damaged: 0/label, predicted and user do not fit"):
        Fold.read(rows, 0, 0, [MODEL])


def test_a_damaged_state_is_named_or_goes_on_identically(tmp_path: Path) -> None:
    path, rng = tmp_path / "state.safetensors", random.Random(0)
    with pytest.raises(KeyboardInterrupt):
        Toy(die_at=13).fit(path)
    sound = path.read_bytes()
    for change in [b"", *(text.encode() for text in TEXTS), *(bytes_mutated(sound, rng) for _ in range(25))]:
        path.write_bytes(change)
        if change != sound:
            with pytest.raises(UserError, match=r"state\.safetensors (is damaged|belongs to a run|: )"):
                Toy().fit(path)
    path.write_bytes(sound)
    again, whole = Toy(), Toy()
    again.fit(path)
    whole.fit(tmp_path / "whole")
    assert all(
        torch.equal(one, other)
        for one, other in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True)
    )


def older_state(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a state as earlier versions did: without checksum, with the lowest loss."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        note = {name: value for name, value in file.metadata().items() if name != "sum"}
    history = json.loads(note["history"]) | {"lowest": float("inf")}
    change(history)
    save_file(tensors, path, {**note, "history": json.dumps(history)})


def test_states_of_older_versions_go_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Toy(die_at=3).fit(tmp_path / "state")  # before the first check: the lowest loss is infinite
    older_state(tmp_path / "state", lambda history: None)
    whole = Toy()
    expected = whole.fit(tmp_path / "whole")
    assert Toy().fit(tmp_path / "state") == expected


@pytest.mark.parametrize(
    ("field", "value"), [("step", -1), ("step", "²"), ("points", [[99, 1, 1]]), ("running", [None]), ("flat_at", 19)]
)
def test_a_history_that_cannot_be_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        Toy(die_at=13).fit(tmp_path / "state")
    older_state(tmp_path / "state", lambda history: history.__setitem__(field, value))
    with pytest.raises(UserError, match="delete it, and the same command trains this stage from its beginning"):
        Toy().fit(tmp_path / "state")


def test_a_state_of_other_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Toy(die_at=13).fit(tmp_path / "state")
    other = Toy()
    other.model = torch.nn.Sequential(torch.nn.Linear(5, 9), torch.nn.Linear(9, 1))
    with pytest.raises(UserError, match=r"is damaged: its tensors model/\.\.\. are not those of this stage"):
        other.fit(tmp_path / "state")


def test_a_note_of_a_stage_is_read_or_named(tmp_path: Path) -> None:
    points = [[1, 0.5, 0.25]]
    note = {"key": "k", "points": points, "steps": 1, "kept_step": 1, "validation": 0.25}
    write_note(tmp_path, note | {"parameters": 3, "gflop": 0.1, "stopped": "steps", "data": "db1"})
    path = tmp_path / "stage.json"
    sound = path.read_bytes()
    older = json.dumps({name: value for name, value in json.loads(sound).items() if name != "sum"}).encode()
    assert read_note(tmp_path).steps == 1
    for data in [*files_mutated(sound, 60), *files_mutated(older, 150)]:
        path.write_bytes(data)
        try:
            read_note(tmp_path)
        except UserError as error:
            assert "stage.json" in str(error) and ("trains this stage again" in str(error) or "${" in str(error))


def test_a_log_is_read_whatever_is_in_it(tmp_path: Path) -> None:
    path, rng = tmp_path / "log.csv", random.Random(0)
    sound = (HEAD + "3,0.4,16.5652,2.69043,0.001,1\n6,0.9,8.66,2.6e-05,0.0001,0\n").encode()
    path.write_bytes(sound)
    assert [row.step for row in read_log(path)] == [3, 6]
    changes = [
        b"\xff\xfe\x00",
        b'"' * 200_000,
        b"3,nan,1,1,1,1\n",
        b"9" * 5000 + b",1,1,1,1,1\n",
        "²,1,1,1,1,1".encode(),
    ]
    for change in [*changes, *(bytes_mutated(sound, rng) for _ in range(60))]:
        path.write_bytes(change)
        assert all(np.isfinite([row.step, row.seconds, row.validation_loss]).all() for row in read_log(path))


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    return Request(tmp_path / "data", tmp_path / "out", preset("tiny"))


def test_a_damaged_run_json_is_named_and_may_be_deleted(request_of: Request) -> None:
    claim(request_of)
    path = request_of.out / "run.json"
    sound, refused = path.read_bytes(), 0
    assert worked_seconds(request_of.out, 2.0) == 2.0 and worked_seconds(request_of.out, 1.5) == 3.5
    (request_of.out / "fold0" / "seed0").mkdir(parents=True)
    for data in files_mutated(sound, 60):
        path.write_bytes(data)
        try:
            claim(request_of)
            worked_seconds(request_of.out, 1.0)
        except UserError as error:
            refused += 1
            assert "run.json" in str(error) and "delete it, and the command" in str(error)
    assert refused > 60
    path.unlink()
    claim(request_of)  # goes on with what is there
    assert read_run(request_of.out).asked["folds"] == 0


def test_a_run_json_of_older_versions_is_read(request_of: Request) -> None:
    claim(request_of)
    asked = json.loads((request_of.out / "run.json").read_text())["asked"]
    (request_of.out / "run.json").write_text(json.dumps({"asked": asked, "seconds": 12.5}))
    claim(request_of)
    assert read_run(request_of.out).seconds == 12.5 and read_run(request_of.out).store == ""


def test_what_differs_from_the_run_of_the_folder_is_named(request_of: Request) -> None:
    """It said "its config differ", whichever of some hundred settings it was."""
    claim(request_of)
    (request_of.out / "fold0" / "seed0").mkdir(parents=True)
    other = preset("tiny", ["data.window_s=1", "align.optim.steps=7", "threads=3"])
    with pytest.raises(UserError, match=r"\(it differs in folds, data\.window_s, align\.optim\.steps\); choose"):
        claim(replace(request_of, folds=3, config=other))
    with pytest.raises(UserError, match=r"\(it differs in preset, .* and \d+ more\); choose"):
        claim(replace(request_of, config=preset("paper")))


def fake_store(path: Path, fingerprint: str) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(path=path, fingerprint=fingerprint)


def test_a_run_goes_on_with_its_own_store_alone(request_of: Request, tmp_path: Path) -> None:
    claim(request_of)
    begin_with(request_of.out, fake_store(tmp_path / "data", "one"))
    begin_with(request_of.out, fake_store(tmp_path / "data", "two"))  # nothing was made of the first
    assert read_run(request_of.out).store == "two"
    (request_of.out / "fold0" / "seed0").mkdir(parents=True)
    begin_with(request_of.out, fake_store(tmp_path / "data", "two"))
    claim(request_of)
    with pytest.raises(UserError, match=r"another store than the one that the run in .* began with"):
        begin_with(request_of.out, fake_store(tmp_path / "data", "three"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, Path]:
    """A run of one row without a network, and its store."""
    folder = tmp_path_factory.mktemp("runs")
    store = prepare(write_db1(folder / "raw", users=4, repetitions=2), folder / "store")
    config = preset("tiny", ["threads=1"])
    request = Request(store.path, folder / "out", config, models=("features",), unseen=("3", "6"))
    reproduce(request, lambda _: None)
    return request, store.path


def test_a_run_with_an_empty_npz_makes_it_again_and_says_so(finished: tuple[Request, Path], tmp_path: Path) -> None:
    request, _ = finished
    request = replace(request, out=shutil.copytree(request.out, tmp_path / "out"))
    before = json.loads((request.out / "results.json").read_text())
    packed = request.out / "fold0" / "seed0" / "rows" / "features.npz"
    packed.write_bytes(b"")
    (request.out / "fold0" / "seed²").mkdir()  # a folder of somebody else
    said: list[str] = []
    after = reproduce(request, said.append)
    assert any("features.npz is damaged" in one for one in said)
    assert after["rows"] == before["rows"] and packed.stat().st_size


def test_a_store_that_is_replaced_in_mid_run_is_refused(finished: tuple[Request, Path], tmp_path: Path) -> None:
    request, path = finished
    store = shutil.copytree(path, tmp_path / "store")
    opened = open_store(store)
    split = Split(("1",), ("2",), ("3",), (1,), (2,), 1.0)
    task = FoldTask(store, opened.fingerprint, split, request.config, 0, 0, tmp_path / "out")
    assert isinstance(task.opened(), Store)
    shutil.rmtree(store)
    prepare(write_db1(tmp_path / "raw", users=1), store)
    for use in (task.opened, lambda: task.costs(request.config)):
        with pytest.raises(UserError, match="another store than the one that this run began with"):
            use()


def test_the_folds_of_a_run_are_read_whatever_else_is_there(finished: tuple[Request, Path], tmp_path: Path) -> None:
    request, path = finished
    for name in ("seed", "seedx", "seed²", "seed-1", "seed" + "9" * 50):
        (request.out / "fold0" / name).mkdir(exist_ok=True)
    assert folds_of(request, [], open_store(path)) == []


ASKS = "${oc.env:HF_TOKEN}"


@pytest.mark.parametrize("name", ["run.json", "stage.json", "rows/cpep.json", "state.safetensors"])
def test_nothing_is_put_in_from_the_environment(
    rows: Path, name: str, monkeypatch: pytest.MonkeyPatch, request_of: Request
) -> None:
    """Whatever file of a run asks for it: it is refused where it is read, before anything is made of it."""
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    if name == "state.safetensors":
        with pytest.raises(KeyboardInterrupt):
            Toy(die_at=13).fit(rows / name)
        older_state(rows / name, lambda history: history.__setitem__("step", ASKS))
        use: Callable[[], object] = lambda: Toy().fit(rows / name)  # noqa: E731
    elif name == "run.json":
        claim(request_of)
        path = request_of.out / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"store": ASKS}))
        use = lambda: read_run(request_of.out)  # noqa: E731
    elif name == "stage.json":
        write_note(rows, {"key": ASKS})
        use = lambda: read_note(rows)  # noqa: E731
    else:
        plain = json.loads((rows / name).read_text())
        plain["rows"][0]["normalisation"] = ASKS
        (rows / name).write_text(json.dumps({key: value for key, value in plain.items() if key != "sum"}))
        use = lambda: Fold.read(rows, 0, 0, [MODEL])  # noqa: E731
    with pytest.raises(UserError, match=r"holds '\$\{oc\.env:HF_TOKEN\}'; cpep puts in nothing") as refused:
        use()
    assert "hunter2" not in str(refused.value)


def test_names_that_a_terminal_obeys_are_refused(request_of: Request) -> None:
    with pytest.raises(UserError, match=r"holds a sign that a terminal obeys"):
        claim(replace(request_of, out=request_of.out / "a\x1b[2Jb"))
