"""What a dry run says: counts against hand-made ones, and a command that writes nothing."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from cpep.cli.main import main
from cpep.config.presets import paper, preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import windows_of
from cpep.experiments import pace
from cpep.experiments.dry_run import GPUS, LOADER, USED, beside_paper, dry_run
from cpep.experiments.estimate import basis_of, bytes_a_second, costs_of
from cpep.experiments.rows import row_of
from cpep.experiments.runs import Request
from cpep.models.encoders.patches import PatchEncoder
from cpep.train.flops import saved_bytes, step_kernels
from tests.synthetic import write_db1

TINY = preset("tiny")
UNSEEN = ("3", "6", "9", "12")


def request(config=TINY, **more):
    return Request(**{"data": None, "out": None, "config": config, "models": ("cpep",), **more})


@pytest.fixture(autouse=True)
def _not_timed(monkeypatch):
    monkeypatch.setattr("cpep.experiments.estimate.seconds_of_step", lambda *_: 0.5)


@pytest.fixture(scope="module")
def published():
    """The stages of ``cpep`` at the paper's preset, of emg2pose without a recording."""
    asked = request(paper())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpep.experiments.estimate.seconds_of_step", lambda *_: 0.5)  # a step of it takes long
        return {cost.name: cost for cost in costs_of(asked, basis_of(asked, None))}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimate")
    return prepare(write_db1(folder / "raw", users=8), folder / "store")


def test_two_layers_keep_their_input_and_what_the_activation_reads_and_gives():
    net = nn.Sequential(nn.Linear(30, 50), nn.Sigmoid(), nn.Linear(50, 7), nn.GELU())
    # the input; the sigmoid's output, which the second layer reads too, once; the GELU's input
    assert saved_bytes(lambda n: net(torch.zeros(n, 30)).sum()) == 4 * (30 + 50 + 7)


def test_half_precision_keeps_half_and_dropout_its_mask():
    net = nn.Sequential(nn.Linear(32, 64), nn.Dropout(0.5)).train()
    with torch.autocast("cpu", torch.bfloat16):
        kept = saved_bytes(lambda n: net(torch.zeros(n, 32)).sum())
    assert kept == 2 * 32 + 2 * 64  # the input as it is multiplied; what is dropped, on a CPU as wide as the values


def test_weights_are_no_activations():
    net = nn.Linear(500, 1, bias=False)
    assert saved_bytes(lambda n: net(torch.zeros(n, 500)).sum()) == 4 * 500


def test_views_are_no_operators():
    other = torch.ones(4, 3)

    def kernels(total_of):
        weight = torch.ones(3, 4, requires_grad=True)  # without a gradient, to which another would be added
        return step_kernels(lambda n: total_of(weight))

    few = kernels(lambda weight: (weight * other.view(3, 4)).sum())
    assert kernels(lambda weight: (weight * other[None].view(12).view(3, 4)).sum()) == few
    assert kernels(lambda weight: (weight * other.view(3, 4) * 3).sum()) == few + 2  # one forward and one backward


def test_parameters_are_those_of_the_networks(published):
    width, patch = 256, 40 * 16
    block = 12 * width**2 + 4 * width  # qkv, out, up, down; two norms
    encoder = (patch + 1) * width + 100 * width + width + 4 * block + 2 * width
    decoder = width + 100 * width + block + 2 * width + (width + 1) * patch
    assert published["emg_mae"].trained == encoder + decoder
    assert published["cpep"].trained == encoder + (width + 1) * width + 1  # the projection, the temperature
    encoder = PatchEncoder(columns=20, steps=200, token_steps=5, width=256, depth=4, heads=8, dropout=0.0)
    frozen = published["cpep"].weights - published["cpep"].trained
    assert frozen == sum(p.numel() for p in encoder.parameters())


def test_the_operations_of_the_alignment_are_those_of_a_transformer(published):
    tokens, width = 101, 256

    def block(read):  # qkv of all tokens; out, up, down, scores and mixture of those that are read
        return (3 * tokens + 9 * read) * width**2 + 2 * read * tokens * width

    multiplied = 3 * block(tokens) + block(1) + 100 * 40 * 16 * width + width**2
    # twice as many operations, three times: forward, and backward to the input and to the weights
    assert published["cpep"].flop == pytest.approx(256 * 2 * 3 * multiplied, rel=0.02)


def test_the_paper_preset_is_a_hundred_passes_however_much_windows_overlap(published):
    assert published["cpep"].tokens == 101 and published["pose_mae"].tokens == 41
    for cost in published.values():
        assert cost.batch == 256 and cost.passes == pytest.approx(100, rel=1e-3)
    one, other = (request(preset("tiny", [f"data.hop_s={hop}"])) for hop in (0.25, 2.0))
    (some, *_), (few, *_) = (costs_of(asked, basis_of(asked, None)) for asked in (one, other))
    assert some.passes == pytest.approx(few.passes) and some.windows == 8 * few.windows


def test_memory_is_what_the_text_says_it_is(published):
    cost = published["cpep"]
    assert cost.cached_bytes == 4 * 256 * cost.windows and published["emg_mae"].cached_bytes == 0
    static = 8 * cost.weights + 14 * cost.trained
    assert cost.memory(2) - static == pytest.approx((cost.memory(1) - static) / 2)
    assert cost.memory(1) > static + cost.cached_bytes + 256 * cost.window_bytes


def test_hours_and_reading_follow_from_operations_and_windows(published):
    cost = published["emg_mae"]
    assert cost.hours(4, 1e12) == pytest.approx(cost.steps * cost.flop / 4e12 / 3600)
    assert cost.signal_bytes == 4000 * 16 * 4
    seconds = 3600 * cost.hours(1, 1e12)
    assert cost.reading(1e12) * seconds == pytest.approx(cost.read)


def test_a_prepared_store_gives_its_own_windows_and_bytes(store):
    asked = request(data=store.path, unseen=UNSEEN, seeds=(0, 1), folds=4, models=("cpep", "cpep/avg_pool", "pose_t"))
    basis = basis_of(asked, store.path)
    costs = {cost.name: cost for cost in costs_of(asked, basis)}
    assert list(costs) == ["emg_mae", "pose_mae", "cpep", "cpep of cpep/avg_pool", "pose_t"]
    assert all(cost.times == 8 for cost in costs.values())
    split = make_splits(store, folds=4, unseen=UNSEEN)[0]
    windows = split.allowed(store, windows_of(store, TINY.data), "train")
    assert costs["emg_mae"].windows == len(windows)
    assert costs["cpep"].windows == (windows.valid_N & (windows.label_N != 0)).sum()
    assert costs["pose_t"].steps == 4  # those of the preset: CPEP's operations would pay for more
    assert bytes_a_second(store) * store.seconds == pytest.approx(basis.disk, rel=0.05)


def test_a_baseline_makes_the_steps_that_are_paid_for():
    asked = request(preset("tiny", ["baselines.optim.steps=100000"]), models=("pose_t",))
    (cost,) = costs_of(asked, basis_of(asked, None))
    stages = costs_of(request(), basis_of(asked, None))
    assert cost.steps == int(sum(one.steps * one.flop for one in stages) / cost.flop)


def test_the_text_says_what_was_counted():
    asked = request(preset("tiny", ["align.optim.steps=176400"]))
    text, cost = dry_run(asked, None, 2), costs_of(asked, basis_of(asked, None))[-1]
    sizes = f"{cost.trained:,} +{cost.tokens} +16 +176,400 +{cost.passes:.3g} "
    assert re.search(rf"^cpep +1 +{sizes}", text, re.MULTILINE)
    rate = USED * GPUS[0].peak
    hours, reading = cost.hours(2, rate), cost.read / LOADER / 2 / 3600
    shown = rf"{hours:.2g} .* {reading:.2g} +\S+ +{cost.reading(rate) / 1e9:,.0f} "
    assert re.search(rf"^cpep +{shown}", text, re.MULTILINE)
    assert "183 GB of disk" in text


def test_the_hours_of_this_machine_are_steps_times_their_seconds(monkeypatch):
    asked = request(preset("tiny", ["threads=2"]))
    monkeypatch.setattr(pace, "cores", lambda: 5)
    text = pace.here_text([("a", 4, 3000, 0.5), ("b", 4, 500, 0.2)], asked.config)
    assert re.search(r"^a +500 +3,000 +4 +1.7 h$", text, re.MULTILINE)
    assert (
        re.search(r"^total +53 min$", text, re.MULTILINE)
        and "threads=2; total: the stages of a fold one after another, 2 at a time" in text
    )
    text = pace.here_text([("a", 1, 3000, 1.0), ("b", 1, 3000, 1.0)], asked.config)  # b starts from a
    assert re.search(r"^total +1.7 h$", text, re.MULTILINE)


def test_a_step_that_takes_long_is_measured_on_fewer_windows(store, monkeypatch):
    sizes, clock = [], iter(range(10**6))
    row = row_of("emg_mae", TINY)
    run = row.chain()[0]
    trained = run.stage.trained
    monkeypatch.setattr(pace.time, "perf_counter", lambda: float(next(clock)))  # every step takes a second

    def counted(*given):
        found = trained(*given)
        return replace(found, total_of=lambda count: (sizes.append(count), found.total_of(count))[1])

    monkeypatch.setattr(type(run.stage), "trained", lambda self, *given: counted(*given))
    split = make_splits(store, unseen=UNSEEN)[0]
    assert pace.seconds_of_step(run, store, split, 64) == 64 / 16  # 16 windows take two seconds, by eight windows
    assert sizes == [8, 8, *[16] * (1 + pace.STEPS)]


def test_the_paper_preset_is_set_beside_what_the_paper_says(published):
    flop = sum(cost.steps * cost.flop for cost in published.values())
    said = beside_paper(list(published.values()))
    assert f"{flop:.2g} operations" in said and f"{100 * flop / (4 * 4.5 * 3600 * 125e12):.2g} % of its 125" in said
    assert "not compatible" not in said
    assert "not compatible" in beside_paper([replace(published["cpep"], steps=10**8)])


def test_a_dry_run_reads_one_recording_of_a_folder_and_writes_nothing(tmp_path, monkeypatch, capsys):
    raw = write_db1(tmp_path / "raw", users=2)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    asked = ["--data", str(raw), "--preset", "tiny", "--models", "cpep", "--dry-run"]
    assert main(["ablate", *asked]) == 0 and sorted(tmp_path.rglob("*")) == before
    said = capsys.readouterr().out
    assert "2 recordings, not prepared" in said and re.search(r"^cpep +1 .* - ", said, re.MULTILINE)
    assert main(["reproduce", "--models", "ridge", "--dry-run"]) == 0
    assert "train no network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--dry-run", "--gpus", "0"], "--gpus 0: give a number from 1 on"),
        (["--gpus", "2"], "--gpus 2: give a number from 1 on, with --dry-run"),
        (["--out", "x"], "--data RECORDINGS is missing"),
        (["--data", "x"], "--out FOLDER is missing"),
        (["--dry-run", "--data", "nowhere"], "nowhere does not exist"),
        (["--dry-run", "--set", "emg_mae.mask=0.001"], "mask 0.001 of 100 tokens hides 0"),
    ],
)
def test_a_mistake_is_one_sentence(argv, says, capsys):
    assert main(["reproduce", "--preset", "paper", "--models", "cpep", *argv]) == 2
    assert says in capsys.readouterr().err
