import pytest

from cpep.config.presets import preset, small
from cpep.config.rows import CONTROL, DEFAULT, ROWS, Row, classical, groups
from cpep.config.serialise import as_dict
from cpep.experiments.rows import names_of, row_of
from cpep.train.stage import STAGES
from cpep.types import UserError

ALL, ABLATIONS, OBJECTIVES = (groups()[name] for name in ("all", "ablations", "objectives"))
BASELINES = ("supervised", "vemg2pose", "emg2pose", "neuropose", "sensing_dynamics", "pose_t")

COST = {"emg_mae": 30.0, "pose_mae": 7.0, "cpep": 60.0}


def row(name, config=None):
    config = config or small()
    return row_of(name, config, lambda _: COST)


def folders(name, config=None):
    """Return the folders of all stages of a row."""
    config = config or small()
    return [stage.folder(config) for stage in row(name, config).chain()]


def decides(name, config):
    """Return the settings that decide what a stage computes."""
    return STAGES.get(name).settings(config)


def changed(one, other, prefix=""):
    """Return the paths of the settings in which two runs differ."""
    found = set()
    for name in one.keys() | other.keys():  # one that was added later is left out at its default
        value = one.get(name)
        if isinstance(value, dict):
            found |= changed(value, other[name], f"{prefix}{name}.")
        elif value != other.get(name):
            found.add(prefix + name)
    return found


def test_the_names_are_those_of_the_contract():
    assert (
        *("cpep", "cpep/adapted", "emg_mae", "features", "features/adapted", "ridge", "pose"),
        "cpep/shuffled_pairs",
    ) == DEFAULT
    wanted = "cpep embridge emg_mae pose features ridge cca"
    wanted += " supervised vemg2pose emg2pose neuropose sensing_dynamics pose_t"
    wanted += " cpep/adapted features/adapted"
    assert set(ALL) == set(wanted.split())
    named = (
        "frozen_emg random_init_emg random_init_pose no_mae_equal_compute avg_pool both_trained no_projection "
        "mlp_projection patch_x4 window_0.5s mask_0.25 fixed_tau raw_patches no_augmentation pairs_10pct lag_55ms"
    )
    assert {f"cpep/{name}" for name in named.split()} <= set(ABLATIONS) and CONTROL not in ABLATIONS


def test_every_row_is_of_a_stage_that_there_is():
    assert {row.stage for row in ROWS} - {""} <= set(STAGES.names())


def test_folders_keep_their_names_when_settings_are_added():
    """Finished stages of older runs are found again; the hashes are those of commit 238da30."""
    assert folders("cpep/avg_pool") == ["emg_mae", "pose_mae", "cpep-98844f"]
    assert folders("cpep/window_1s")[0] == "emg_mae-a1878e"


def test_groups_stand_for_their_rows_and_every_row_comes_once():
    assert names_of(["ridge", "all", "ridge"])[:3] == ("ridge", "cpep", "embridge")
    assert names_of(["all", "ablations"]) == (*ALL, *ABLATIONS)


def test_a_mistyped_row_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="no model cpep/avg_poll; did you mean cpep/avg_pool"):
        names_of(["cpep/avg_poll"])


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("size", ["tiny", "small", "paper"])
def test_an_ablation_changes_something_and_only_what_it_says(name, size):
    config = preset(size, recipe="best")
    if name == "cpep/raw_patches" and size == "paper":
        pytest.skip("the paper's preset has raw patches")
    found = changed(as_dict(config), as_dict(row(name, config).config))
    groups = {
        "cpep/mask_0.25": {"emg_mae.mask", "pose_mae.mask"},
        "cpep/mask_0.75": {"emg_mae.mask", "pose_mae.mask"},
        "cpep/no_mae_equal_compute": {"align.start_emg", "align.optim.steps"},
        "cpep/fixed_tau_0.1": {"align.learn_temperature", "align.temperature"},
        "cpep/no_augmentation": {f"augment.{n}" for n in ("gain", "common_gain", "noise", "rotate_deg", "drop")},
    }
    assert found == groups.get(name, found) and 1 <= len(found) <= 5
    assert name in groups or len(found) == 1


def test_equal_compute_spends_what_the_emg_autoencoder_would_have_cost():
    assert row("cpep/no_mae_equal_compute").config.align.optim.steps == small().align.optim.steps * 3 // 2


def test_rows_share_every_stage_on_which_their_settings_agree():
    assert folders("cpep") == ["emg_mae", "pose_mae", "cpep"]
    assert folders("pose") == folders("cpep/k_1") == folders("cpep/gallery_10pct") == folders("cpep")
    for name in ("avg_pool", "fixed_tau", "pairs_10pct", "lag_55ms", "both_trained", "shuffled_pairs"):
        emg, pose, own = folders(f"cpep/{name}")
        assert (emg, pose) == ("emg_mae", "pose_mae") and own.startswith("cpep-")
    assert folders("cpep/random_init_emg")[0] == "pose_mae" and len(folders("cpep/random_init_emg")) == 2
    emg, pose, own = folders("cpep/bin_x4")
    assert emg.startswith("emg_mae-") and pose == "pose_mae" and own.startswith("cpep-")
    emg, pose, own = folders("cpep/window_1s")
    assert emg.startswith("emg_mae-") and pose.startswith("pose_mae-")


def test_what_differs_before_the_alignment_makes_another_alignment():
    own = {name: folders(name, preset("small", recipe="best"))[-1] for name in ("cpep", *ABLATIONS)}
    evaluated_alike = {"cpep/k_1", "cpep/k_50", "cpep/gallery_10pct", "cpep/gallery_1pct", "cpep/lda"}
    for name in evaluated_alike:
        assert own.pop(name) == "cpep"
    assert len(set(own.values())) == len(own)


def test_other_objectives_change_one_thing_of_the_papers_under_either_recipe():
    published = as_dict(small())
    for name in ("embridge", *OBJECTIVES):
        of_best = as_dict(row(name, preset("small", recipe="best")).config)
        assert {**of_best, "recipe": "paper"} == as_dict(row(name).config) != published


def test_settings_of_the_run_are_the_usual_ones_of_its_stages():
    config = preset("small", ["align.optim.lr=0.01", "emg.width=64"])
    assert folders("cpep", config) == ["emg_mae", "pose_mae", "cpep"]


@pytest.mark.parametrize(
    "setting, kinds",
    [
        ("augment.noise=0.5", {"emg_mae", "cpep", *BASELINES}),
        ("emg.depth=1", {"emg_mae", "cpep", *BASELINES}),
        ("pose.depth=1", {"pose_mae", "cpep", *BASELINES}),
        ("align.temperature=0.5", {"cpep", *BASELINES}),
        ("baselines.fingertip=0.5", {*BASELINES}),
        ("data.pose_lag_ms=5", {"cpep", *BASELINES}),
        ("data.normalisation=none", {"emg_mae", "cpep", *BASELINES}),
        ("data.window_s=1", {"emg_mae", "pose_mae", "cpep", *BASELINES}),
        ("data.anchor_view=both", {"pose_mae", "cpep", *BASELINES}),
        ("evaluate.neighbours=3", set()),
    ],
)
def test_a_setting_decides_the_stages_that_read_it(setting, kinds):
    other = preset("small", [setting])
    stages = ("emg_mae", "pose_mae", "cpep", *BASELINES)
    assert {kind for kind in stages if decides(kind, small()) != decides(kind, other)} == kinds


def test_a_baseline_hangs_on_all_that_sets_its_compute():
    longer = preset("small", ["align.optim.steps=900"])
    for kind in BASELINES:
        assert decides(kind, small()) != decides(kind, longer)
    assert decides("emg_mae", small()) == decides("emg_mae", longer)


def test_classical_rows_train_nothing():
    assert [name for name in classical() if row(name).last is None] == [
        *("features", "ridge", "cca", "ridge/muscles", "ridge/joints_and_muscles", "features/lda", "features/adapted")
    ]


def test_a_row_that_does_not_go_with_the_settings_is_a_sentence(monkeypatch):
    wrong = Row("cpep/mask_0.25", "", ("emg_mae.mask=1.5",))
    monkeypatch.setattr(ROWS, "get", lambda name: wrong)
    with pytest.raises(UserError, match=r"cpep/mask_0\.25 cannot be derived from these settings: --set emg_mae"):
        row("cpep/mask_0.25")
