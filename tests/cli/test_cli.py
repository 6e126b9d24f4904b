"""Every command on tiny data, as a user types it, and the sentences that mistakes get."""

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from cpep.cli.commands.options import listed, seeds_of
from cpep.cli.main import main
from cpep.config.presets import small
from cpep.config.rows import DEFAULT
from cpep.experiments.runs import Request, claim
from cpep.report.table import number
from cpep.train import loop
from cpep.types import UserError
from tests.synthetic import write_db1

TINY = ["--preset", "tiny"]
UNSEEN = ["--unseen", "3,6,9,12"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_db1(tmp_path_factory.mktemp("cli") / "db1", users=8, repetitions=2)


@pytest.fixture(scope="module")
def run(raw, tmp_path_factory):
    """One reproduce on one core, in this process."""
    out = tmp_path_factory.mktemp("run") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpep.experiments.pipeline.cores", lambda: 1)
        assert main(["reproduce", "--data", str(raw), "--out", str(out), *TINY, *UNSEEN]) == 0
    return out


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


def sentence(capsys, *argv):
    """Run a command that must fail, and return what it says."""
    assert main([str(part) for part in argv]) == 2
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("given", [("--set", "align.optim.lr=${oc.env:CPEP_SECRET}"), ("--out=${CPEP_SECRET}/out",)])
def test_nothing_is_put_in_on_a_command_line(raw, tmp_path, monkeypatch, capsys, given):
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    monkeypatch.chdir(tmp_path)
    said = sentence(capsys, "reproduce", "--data", raw, "--out", "out", *given)
    assert said.startswith("cpep: the command line holds ") and "CPEP_SECRET" in said and "hunter2" not in said
    assert not any(tmp_path.iterdir())


def test_a_run_that_could_not_be_read_again_is_refused_at_once(tmp_path):
    with pytest.raises(UserError, match=r"data holds '\$\{x\}'"):
        claim(Request(tmp_path / "${x}", tmp_path / "out", small()))
    assert not (tmp_path / "out").exists()


def test_reproduce_writes_every_row_of_the_contract(run):
    results = json.loads((run / "results.json").read_text())
    assert results["schema"] == 1
    assert set(results) == {"schema", "run", "data", "rows", "training", "summary", "comparisons"}
    assert {"command", "preset", "recipe", "git", "version", "machine", "seconds", "started"} == set(results["run"])
    assert results["data"]["gestures_unseen"] == [
        "middle_flexion", "ring_extension", "thumb_adduction", "thumb_extension",
    ]  # fmt: skip
    (fold,) = results["data"]["folds"]
    assert not set(fold["users_train"]) & set(fold["users_test"]) and fold["windows_train"] > 0
    found = {(row["model"], row["protocol"], row["gestures"]) for row in results["rows"]}
    zero = {(p, g) for p in ("zero_shot", "zero_shot_all") for g in ("seen", "unseen")}
    probe = {("linear_probe", g) for g in ("seen", "unseen")}
    shots = {(f"few_shot_{shown}", "all") for shown in (1, 2, 5, "rep")}
    wanted = {
        "cpep/best": zero | probe | shots, "features/best": zero | probe | shots,
        "cpep": zero | probe | shots, "cpep/adapted": zero | probe | shots, "emg_mae": probe | shots,
        "features": probe | shots, "features/adapted": probe | shots, "ridge": zero,
        "pose": zero | probe, "cpep/shuffled_pairs": zero | probe | shots,
    }  # fmt: skip
    assert found == {(model, *pair) for model, pairs in wanted.items() for pair in pairs}
    for row in results["rows"]:
        assert row["ci95"][0] <= row["balanced_accuracy"] <= row["ci95"][1] + 1e-9
        assert row["normalisation"] == "recording" and row["fold"] == 0 and row["seed"] == 0
        assert set(row["per_user"]) == set(fold["users_test"])
        classes = {"seen": 8, "unseen": 4, "all": 12}[row["gestures"]] if row["protocol"] != "zero_shot_all" else 12
        assert row["chance"] == pytest.approx(1 / classes, abs=1e-4)


def test_the_pose_is_the_ceiling_and_learns_from_the_synthetic_hands(run):
    rows = json.loads((run / "results.json").read_text())["rows"]
    score = {(r["model"], r["protocol"], r["gestures"]): r["balanced_accuracy"] for r in rows}
    assert score["pose", "linear_probe", "seen"] > 0.9
    assert score["ridge", "zero_shot", "seen"] > 0.5


def test_the_report_stands_alone(run):
    page = (run / "report.html").read_text()
    assert "cpep" in page and "<svg" in page
    assert "Few-shot, 1 repetition" in page and ".../adapted" in page
    for outside in ("http://", "https://", "src=", "@import"):
        assert outside not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_second_start_reuses_what_is_there(run, raw, monkeypatch):
    monkeypatch.setattr("cpep.train.loop.train_step", lambda *args: pytest.fail("trained again"))
    before = json.loads((run / "results.json").read_text())["rows"]
    assert main(["reproduce", "--data", str(raw), "--out", str(run), *TINY, *UNSEEN]) == 0
    assert json.loads((run / "results.json").read_text())["rows"] == before


def test_more_rows_of_a_run_use_the_stages_that_are_there(run, raw, tmp_path, capsys, monkeypatch):
    """Ablations, baselines and a control in the folder of a finished run: what rows share is not trained again."""
    out = tmp_path / "out"
    shutil.copytree(run, out)
    started, step = [], loop.fit
    monkeypatch.setattr(
        "cpep.train.running.fit",
        lambda net, *args, **kwargs: (started.append(type(net).__name__), step(net, *args, **kwargs))[1],
    )
    rows = "cca,pose_t,cpep/avg_pool,cpep/k_1,cpep/random_init_emg,cpep/cascle"
    assert main(["ablate", "--data", str(raw), "--out", str(out), *TINY, *UNSEEN, "--models", rows]) == 0
    assert started == ["PoseT", "Objective", "Objective", "Objective"]
    results = json.loads((out / "results.json").read_text())
    assert {row["model"] for row in results["rows"]} == {*DEFAULT, *rows.split(",")}  # those of before too
    errors = [row for row in results["rows"] if row["protocol"] == "pose_error"]
    assert [(row["model"], row["gestures"]) for row in errors] == [("pose_t", "seen"), ("pose_t", "unseen")]
    assert all(row["pose_nrmse"] > 0 and row["mean_pose"]["pose_nrmse"] > 0 for row in errors)
    cost = {item["model"]: item for item in results["training"]}
    assert set(cost) == {*DEFAULT, *rows.split(",")} - {
        *("cca", "features", "features/adapted", "features/best", "ridge")
    }
    assert cost["cpep"]["share"] == 1 and cost["cpep/k_1"] == {**cost["cpep"], "model": "cpep/k_1"}
    assert cost["cpep/random_init_emg"]["share"] < 1
    said = capsys.readouterr().out
    assert "normalised RMSE" in said and "cpep/avg_pool" in said
    page = (out / "report.html").read_text()
    assert "Ablations" in page and "avg_" in page and "not comparable" in page
    assert main(["table", str(out), "--markdown"]) == 0
    said = capsys.readouterr().out
    summary = {(row["model"], row["protocol"], row["gestures"]): row for row in results["summary"]}
    value = summary["cpep/avg_pool", "linear_probe", "seen"]["balanced_accuracy"]
    (line,) = [line for line in said.splitlines() if line.startswith("| cpep/avg_pool | ") and "paper .761" in line]
    assert line.split("|")[2].strip().startswith(number(value)) and "### Training" in said
    assert "no results.json" in sentence(capsys, "table", raw)


def test_rows_that_another_version_evaluated_are_left_out_of_the_table(run, raw, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(run, out)
    monkeypatch.setattr("cpep.experiments.fold_jobs.EVALUATION", 0)
    assert main(["reproduce", "--data", str(raw), "--out", str(out), *TINY, *UNSEEN, "--models", "features"]) == 0
    assert {row["model"] for row in json.loads((out / "results.json").read_text())["rows"]} == {"features"}


def test_another_run_in_the_same_folder_is_refused(run, raw, capsys):
    said = sentence(capsys, "reproduce", "--data", raw, "--out", run, *TINY, "--unseen", "1")
    assert "another run" in said and "unseen" in said


def test_a_refused_start_may_be_asked_again_in_other_words(run, tmp_path, capsys):
    store, out = run / "store", tmp_path / "again"
    assert "no user '99'" in sentence(
        capsys, "reproduce", "--data", store, "--out", out, *TINY, *UNSEEN, "--test-users", "99"
    )
    said = sentence(capsys, "reproduce", "--data", store, "--out", out, *TINY, "--unseen", "3")
    assert "one alone has nothing to be told from" in said


def test_a_folder_of_something_else_is_not_touched(raw, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "holds no run" in sentence(capsys, "reproduce", "--data", raw, "--out", tmp_path, *TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_rows_that_cannot_adapt_are_left_out_with_a_sentence(raw, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cpep.experiments.pipeline.idle", lambda *_: [])
    rows = ["--models", "features,features/adapted"]
    assert main(["reproduce", "--data", str(raw), "--out", str(tmp_path / "out"), *TINY, *UNSEEN, *rows]) == 0
    assert "left out: features/adapted; every window of training people has a gesture" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {row["model"] for row in results["rows"]} == {"features"}
    alone = ["reproduce", "--data", raw, "--out", tmp_path / "alone", *TINY, *UNSEEN, "--models", "cpep/adapted"]
    assert "leaves no row to make" in sentence(capsys, *alone)


def test_the_stages_one_by_one_then_evaluate_and_embed(raw, tmp_path, capsys):
    store, at = tmp_path / "store", tmp_path.joinpath
    assert main(["data", "prepare", str(raw), str(store)]) == 0
    for modality in ("emg", "pose"):
        assert main(["pretrain", modality, str(store), str(at(modality)), *TINY, *UNSEEN]) == 0
        said = capsys.readouterr().out
        assert said.index("training: 4 of 4 recordings") < said.index("checkpoint: ")
    encoders = ["--emg", str(at("emg", "checkpoint")), "--pose", str(at("pose", "checkpoint"))]
    assert main(["align", str(store), str(at("cpep")), *encoders, *TINY]) == 0
    checkpoint = str(at("cpep", "checkpoint"))
    assert main(["evaluate", checkpoint, str(store), str(at("evaluation"))]) == 0
    assert "linear probe" in capsys.readouterr().out
    rows = json.loads(at("evaluation", "results.json").read_text())["rows"]
    assert {row["model"] for row in rows} == {
        *(
            "cpep",
            "cpep/adapted",
            "features",
            "features/lda",
            "features/adapted",
            "features/best",
            "ridge",
            "cca",
            "pose",
        ),
    }
    assert main(["embed", checkpoint, str(store), str(at("e.npz"))]) == 0
    with np.load(at("e.npz"), allow_pickle=False) as file:
        assert file["embedding"].shape == (len(file["label"]), 16)
        assert set(file["vocabulary"][file["label"]]) > {"index_flexion"}
    trained = json.loads(at("cpep", "checkpoint", "config.json").read_text())["split"]["users_train"][0]
    said = sentence(capsys, "evaluate", checkpoint, store, at("other"), "--set", "data.window_s=1")
    assert "only evaluate.*, data.hop_s and threads" in said
    assert "takes one that reads EMG" in sentence(capsys, "evaluate", at("pose") / "checkpoint", store, at("other"))
    said = sentence(capsys, "evaluate", checkpoint, store, at("other"), "--test-users", trained)
    assert f"user {trained} took part in the training" in said
    assert "exists" in sentence(capsys, "embed", checkpoint, store, at("e.npz"))
    assert main(["simulate", str(at("cohort")), "--users", "1", "--minutes", "0.2"]) == 0
    said = sentence(capsys, "embed", checkpoint, at("cohort"), at("other.npz"))
    assert said.endswith(f"trained with channels 10; {at('cohort')} has 16") and not at("other.npz").exists()


def test_a_reader_that_has_seen_enough_is_no_error(raw):
    code = "from cpep.cli.main import run; run()"
    argv = [sys.executable, "-c", code, "data", "inspect", str(raw)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in said and "Error" not in said


def test_inspect_says_what_is_there_and_what_is_wrong(raw, tmp_path, capsys):
    shutil.copytree(raw, tmp_path / "some")
    (tmp_path / "some" / "S3_A1_E1.mat").write_bytes(b"MATLAB 5.0")
    assert main(["data", "inspect", str(tmp_path / "some")]) == 0
    said = capsys.readouterr().out
    assert "thumb_extension" in said and "S3_A1_E1" in said


def test_inspect_writes_a_page_and_says_where_nothing_is_readable(raw, tmp_path, capsys):
    (tmp_path / "one").mkdir()
    shutil.copy(raw / "S3_A1_E1.mat", tmp_path / "one")
    page = tmp_path / "quality.html"
    assert main(["data", "inspect", str(tmp_path / "one"), "--html", str(page)]) == 0
    assert f"{page}: the same with pictures" in capsys.readouterr().out and "<svg" in page.read_text()
    (tmp_path / "one" / "S3_A1_E1.mat").write_bytes(b"MATLAB 5.0")
    assert main(["data", "inspect", str(tmp_path / "one")]) == 1
    assert "Unusable" in capsys.readouterr().out
    assert "name the page" in sentence(capsys, "data", "inspect", raw, "--all")


def test_simulate_and_reproduce_from_the_emg2pose_layout(tmp_path, capsys):
    cohort = tmp_path / "cohort"
    assert main(["simulate", str(cohort), "--users", "5", "--minutes", "1", "--seed", "3"]) == 0
    out = tmp_path / "out"
    sets = ["--set", "data.window_s=0.5", "--set", "emg.token_ms=100", "--set", "pose.token_ms=100"]
    assert main(["reproduce", "--data", str(cohort), "--out", str(out), *TINY, *sets, "--models", "cpep,ridge"]) == 0
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert {row["model"] for row in rows} == {"cpep", "ridge"}
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out
    before = json.loads((out / "results.json").read_text())["rows"]
    assert main(["simulate", str(cohort), "--users", "5", "--minutes", "1", "--seed", "3"]) == 0
    assert main(["reproduce", "--data", str(cohort), "--out", str(out), *TINY, *sets, "--models", "cpep,ridge"]) == 0
    assert json.loads((out / "results.json").read_text())["rows"] == before


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--unseen", "thumb_up"], "did you mean thumb_"),
        (["--test-users", "99"], "no user '99'"),
        (["--test-users", "1", "--val-users", "1"], "user 1 is both"),
        (["--set", "align.lrr=1"], "did you mean align.optim.lr"),
        (["--models", "cpepp"], "no model cpepp; did you mean cpep?"),
        (["--set", "emg_mae.mask=0.01"], "cpep/best: mask 0.01 of 8 tokens hides 0"),
        (["--set", "data.window_s=0.5", "--models", "vemg2pose"], "vemg2pose: "),
        (["--preset", "huge"], "there are tiny, small, paper"),
        (["--recipe", "bset"], "no recipe 'bset'; there are best, paper"),
        (["--seeds", "a"], "--seeds a"),
        (["--seeds", "²"], "--seeds ²"),
        (["--seeds", "4294967296"], "up to 4294967295"),
        (["--folds", "9"], "recordings of 8 people"),
        (["--folds", "1"], "give 2 or more, or 0"),
        (["--folds", "-1"], "give 2 or more, or 0"),
        (["--folds", "2", "--test-users", "1"], "give one of them"),
    ],
)
def test_a_mistake_is_one_sentence(raw, tmp_path, capsys, argv, says):
    base = {"--data": str(raw), "--out": str(tmp_path / "out"), "--preset": "tiny"}
    base |= dict(zip(argv[::2], argv[1::2], strict=True))
    assert says in sentence(capsys, "reproduce", *[part for pair in base.items() for part in pair])


def test_an_embedding_needs_a_distance_of_its_windows(tmp_path, capsys):
    assert "--hop-s nan" in sentence(capsys, "embed", tmp_path, tmp_path, tmp_path / "e.npz", "--hop-s", "nan")


def test_damaged_recordings_are_named(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "cohort"), "--users", "1", "--minutes", "0.2"]) == 0
    victim = sorted((tmp_path / "cohort").glob("*.hdf5"))[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    assert victim.name in sentence(capsys, "data", "prepare", tmp_path / "cohort", tmp_path / "store")
    victim.write_bytes(whole)
    with h5py.File(victim, "a") as file:
        rows = file["emg2pose/timeseries"][:]
        rows["emg"][100, 3] = np.nan
        file["emg2pose/timeseries"][:] = rows
    said = sentence(capsys, "data", "prepare", tmp_path / "cohort", tmp_path / "store")
    assert victim.stem in said and "not finite" in said and "channel 3" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["reproduse"], "Did you mean 'reproduce'? (see `cpep --help`)"),
        (["data", "prepare"], "Missing argument 'path' (see `cpep data prepare --help`)"),
        (["simulate", "--users", "few"], "'--users'"),
        (["simulate", "--seed", "-1"], "'--seed'"),
    ],
)
def test_a_typo_in_a_command_is_one_sentence(capsys, argv, says):
    said = sentence(capsys, *argv)
    assert said.startswith("cpep: ") and says in said and "\n" not in said


@pytest.mark.parametrize("group", [[], ["data"], ["pretrain"]])
def test_a_group_alone_shows_its_help_with_an_example(capsys, group):
    assert main(group) == 2
    said = capsys.readouterr()
    assert "Example: cpep " in said.out and said.err == ""


def test_what_is_listed_twice_counts_once():
    assert listed("cpep, ridge,cpep") == ("cpep", "ridge") and seeds_of("0,1,00") == (0, 1)
    for text in ("²", "9" * 5000, "-1", "4294967296", ""):
        with pytest.raises(UserError, match="write whole numbers up to"):
            seeds_of(text)


def test_an_unforeseen_error_of_the_disk_is_a_sentence(capsys, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "S1_A1_E1.mat")

    monkeypatch.setattr("cpep.data.inspect.inspect_folder", refuse)
    assert sentence(capsys, "data", "inspect", "x") == "cpep: S1_A1_E1.mat: Permission denied"


def test_ctrl_c_is_a_sentence(raw, tmp_path, capsys, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("cpep.train.loop.train_step", interrupted)
    assert main(["reproduce", "--data", str(raw), "--out", str(tmp_path / "out"), *TINY, *UNSEEN]) == 1
    assert "goes on from here" in capsys.readouterr().err
    assert (tmp_path / "out" / "fold0" / "seed0" / "emg_mae" / "state.safetensors").exists()


def test_another_seed_joins_a_run(run, raw, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(run, out)
    asked = ["reproduce", "--data", str(raw), "--out", str(out), *TINY, *UNSEEN, "--models", "ridge"]
    assert main([*asked, "--seeds", "0,1"]) == 0
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert {(row["model"], row["seed"]) for row in rows} == {("ridge", 1), *((name, 0) for name in DEFAULT)}


def test_help_waits_for_nothing_heavy():
    code = "import sys; from cpep.cli.main import main; main(['--help']); print(*sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    help_text, _, modules = shown.rstrip().rpartition("\n")
    assert not {"numpy", "torch", "scipy", "h5py", "rich"} & set(modules.split())
    assert "Example: cpep reproduce" in help_text and "..." not in help_text.replace("[ARGS]...", "")
