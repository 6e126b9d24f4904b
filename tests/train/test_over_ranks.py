"""Two ranks compute what one process does: losses, gradients, trained weights, embeddings; and they stop as one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import one_table
from safetensors.torch import load_file

from cpep.models.dropout import Dropout
from cpep.runtime.files import read_json
from cpep.train.pretrain import pretrain
from tests.train.over_ranks import CONTRASTED, OBJECTIVES, objectives, stages, table, task_of, weights

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def ranked(store, tmp_path_factory):
    """Both ranks' results, what they wrote to stderr, and their folder."""
    folder = tmp_path_factory.mktemp("ranks")
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    env |= {"LOCAL_WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "tests.train.over_ranks", str(store.path), str(folder)]
    both = [
        subprocess.Popen(call, cwd=ROOT, env={**env, "RANK": r, "LOCAL_RANK": r}, stderr=subprocess.PIPE, text=True)
        for r in "01"
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 2], "\n".join(said)
    return [load_file(folder / f"rank{r}.safetensors") for r in "01"], "".join(said), folder


@pytest.fixture(scope="module")
def single(store, tmp_path_factory):
    """The same in this process."""
    return objectives() | stages(store.path, tmp_path_factory.mktemp("single"))


def apart(one, other):
    """Return the largest difference over the largest value."""
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-3))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_and_gradients_are_those_of_one_process(ranked, single, name):
    for found in ranked[0]:
        assert len(found[name]) > 1000 and apart(found[name][0], single[name][0]) < 1e-5
        assert apart(found[name][1:], single[name][1:]) < 1e-5


def test_what_ranks_contrast_under_autocast_is_what_one_process_does_in_fp32(ranked, single):
    for found in ranked[0]:
        assert apart(found[CONTRASTED][0], single[CONTRASTED][0]) < 1e-6
        assert apart(found[CONTRASTED][1:], single[CONTRASTED][1:]) < 1e-6


def test_a_loss_of_gathered_rows_without_their_gradient_looks_right_and_is_not(ranked, single):
    right = single["paper"]
    for found in ranked[0]:
        detached, once = found["detached"], found["counted once"]
        assert apart(detached[0], right[0]) < 1e-5 and apart(once[0], right[0]) < 1e-5
        assert len(detached) == 2  # the loss, and a gradient of the temperature alone
        assert len(once) == len(right) and apart(once[1:], right[1:]) > 0.1


def test_trained_weights_and_embeddings_are_those_of_one_process(ranked, single):
    names = [name for name in single if name not in (*OBJECTIVES, CONTRASTED)]
    assert {name.split("/")[0] for name in names} >= {"emg_mae", "pose_mae", "cpep", "supervised", "embedding"}
    for name in names:
        for found in ranked[0]:
            assert found[name].shape == single[name].shape and apart(found[name], single[name]) < 3e-5, name


def test_the_paper_presets_whole_pipeline_ends_with_the_figures_of_one_process(ranked, store, tmp_path):
    table(store.path, tmp_path)
    places = [folder / "table" for folder in (tmp_path, ranked[2])]
    names, count = one_table.unequal(*(read_json(place / "results.json") for place in places))
    assert not names and count > 200
    assert one_table.losses_apart(*places) < one_table.LOSSES_APART


def test_a_run_that_ranks_began_goes_on_in_one_process(ranked, store, single, monkeypatch):
    folder, begun = ranked[2], []
    own = task_of(store.path, folder / "interrupted")
    assert (own.folder / "state.safetensors").exists() and not (own.folder / "checkpoint").exists()
    made = weights(pretrain(own, "emg", lambda done, total: begun.append(done)))
    assert begun[0] == 3 * 15
    assert all(apart(tensor, single[f"emg_mae/{name}"]) < 1e-5 for name, tensor in made.items())


def test_ranks_draw_masks_and_dropout_as_one_and_dropout_of_others_each_for_itself(ranked):
    torch.manual_seed(0)
    (one, other), masks, dropout = ranked[0], torch.rand(8, 20), Dropout(0.3)(torch.ones(8, 7, 3))
    assert torch.equal(torch.cat([one["masks"], other["masks"]]), masks)
    assert torch.equal(torch.cat([one["dropout"], other["dropout"]]), dropout)
    assert not torch.equal(one["others"], other["others"])


def test_a_mistake_is_told_once(ranked):
    (line,) = [line for line in ranked[1].splitlines() if line.startswith("cpep: ")]
    assert "absent" in line and "Traceback" not in ranked[1]
