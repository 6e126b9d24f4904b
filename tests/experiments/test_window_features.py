"""Features in blocks, and kept, against all windows at once, computed anew."""

import numpy as np
import pytest
import torch

from cpep.checkpoints.embed import in_batches
from cpep.config.presets import preset
from cpep.data.normalise import Normaliser, power_rows, typical
from cpep.data.splits import nested
from cpep.data.windows import SampleReader, windows_of
from cpep.evaluate.features import classical_features
from cpep.experiments import fold_jobs, protocol, window_features
from cpep.experiments.fold_jobs import FoldTask, jobs_of
from cpep.experiments.window_features import Known, in_blocks
from cpep.train.task import Task, build_model


def at_once(data, windows, kind):
    """Return features of all windows in one call, without anything that is kept."""
    store, power = data.store, power_rows(data.store)
    read = SampleReader(store, windows.frames, Normaliser(power, kind, typical(power, data.split.users_train)))
    return classical_features(read(windows).numpy(), store.device.emg_rate, store.device.emg_kind)


@pytest.mark.parametrize("kind", ["recording", "causal", "none"])
def test_features_in_blocks_are_those_of_all_windows_at_once(split_data, monkeypatch, kind):
    monkeypatch.setattr(window_features, "VALUES_AT_ONCE", 5 * 200 * 10)  # five windows
    monkeypatch.setattr(window_features, "_known", {})
    windows = split_data.every.select(np.arange(0, 70))
    assert np.array_equal(split_data._classical(kind)(windows), at_once(split_data, windows, kind))


def test_recentred_covariances_in_blocks_are_those_at_once(split_data, monkeypatch):
    whole = split_data.recentred_of(split_data.windows, "recording").x_ND
    monkeypatch.setattr(protocol, "COVARIANCES_AT_ONCE", 7)
    assert np.allclose(split_data.recentred_of(split_data.windows, "recording").x_ND, whole, rtol=0, atol=1e-9)


def test_blocks_and_batches_stack_what_they_are_given(split_data):
    windows = split_data.every.select(np.arange(23))
    for size in (1, 7, 22, 23, 50):
        assert np.array_equal(in_blocks(windows, lambda some: some.start_N[:, None], size)[:, 0], windows.start_N)
        found = in_batches(windows, lambda some: torch.from_numpy(some.start_N), size=size)
        assert np.array_equal(found, windows.start_N)
    with pytest.raises(ValueError, match="no windows"):
        in_batches(windows.select(np.arange(0)), lambda some: torch.zeros(len(some)))


def test_each_window_is_computed_once_and_found_in_any_order(split_data):
    rng, known, computed = np.random.default_rng(0), Known(), []

    def compute(windows):
        computed.extend(windows.start_N.tolist())
        return np.stack([windows.start_N, windows.entry_N], axis=1).astype(np.float32)

    for _ in range(20):
        windows = split_data.every.select(rng.permutation(len(split_data.every))[: rng.integers(1, 40)])
        found = known.of(windows, compute)
        assert np.array_equal(found, np.stack([windows.start_N, windows.entry_N], axis=1))
    assert len(computed) == len(set(computed)) > 40


def test_splits_share_features_only_where_levels_are_the_same(split_data, monkeypatch):
    computed = []

    def counted(emg_NTC, rate, kind):
        computed.append(len(emg_NTC))
        return classical_features(emg_NTC, rate, kind)

    monkeypatch.setattr(window_features.features, "classical_features", counted)
    monkeypatch.setattr(window_features, "_known", {})
    some = split_data.every.select(np.arange(10))
    fewer = split_data.split.users_train[1:]
    frames = some.frames
    for kind, times in (("recording", 1), ("none", 2)):
        computed.clear()
        for users in (split_data.split.users_train, fewer):
            window_features.classical(split_data.store, frames, kind, users)(some)
        assert sum(computed) == 10 * times


def test_a_model_embeds_each_window_once_as_it_embeds_all(split_data, tmp_path, monkeypatch):
    task = Task(split_data.store, split_data.split, preset("tiny"), 0, tmp_path)
    model, embedded, counted = build_model(task, "cpep").eval(), window_features.embed_emg, []

    def embed(model, store, windows, progress):
        counted.extend(windows.start_N.tolist())
        return embedded(model, store, windows, progress)

    monkeypatch.setattr(window_features, "embed_emg", embed)
    every = windows_of(split_data.store, task.config.data)
    for some in (np.arange(0, 40, 2), np.arange(30)[::-1], np.arange(40)):
        windows = every.select(some)
        found = window_features.embedded(model, split_data.store, windows)
        wanted = embedded(model, split_data.store, windows)
        assert np.allclose(found.x_ND, wanted.x_ND, rtol=0, atol=1e-6)
        assert np.array_equal(found.label_N, wanted.label_N) and np.array_equal(found.time_N, wanted.time_N)
    assert len(counted) == len(set(counted)) == 40


def test_rows_of_one_checkpoint_are_one_job_and_those_that_bring_no_stage_come_last(split_data, tmp_path):
    store, config = split_data.store, preset("tiny")
    split = split_data.split
    task = FoldTask(store.path, store.fingerprint, split, config, 0, 0, tmp_path)
    names = ("cpep/best", "ridge", "cpep", "cpep/avg_pool", "features", "pose", "cpep/window_1s")
    jobs = {job.name: job for job in jobs_of([task], names) if "evaluation" in job.name}
    assert [name.partition(" evaluation of ")[2] for name in jobs] == [
        "cpep/best, cpep, pose",
        "cpep/avg_pool",
        "cpep/window_1s",
        "ridge, features",
    ]
    first = next(iter(jobs.values()))
    assert set(first.needs) == {f"fold 0 seed 0 {stage}" for stage in ("cpep", "cpep_choice")[: len(first.needs)]}
    assert len(first.needs) == (2 if nested(split) else 1)


def test_rows_that_are_evaluated_are_left_as_they_are(split_data, tmp_path, monkeypatch):
    store = split_data.store
    task = FoldTask(store.path, store.fingerprint, split_data.split, preset("tiny"), 0, 0, tmp_path)
    made = []
    monkeypatch.setattr(fold_jobs, "evaluate", lambda data, subject: made.append(subject.name))
    monkeypatch.setattr(fold_jobs, "save_row", lambda *given: None)
    monkeypatch.setattr(fold_jobs, "is_evaluated", lambda task, row, store: row.name == "features")
    fold_jobs.evaluate_rows(task, tuple(task.row(name) for name in ("features", "ridge", "features/lda")))
    assert made == ["ridge", "features/lda"]


def test_processes_share_features_by_a_file_that_is_made_again_where_it_is_damaged(split_data, tmp_path, monkeypatch):
    monkeypatch.setattr(window_features, "_known", {})
    some, computed = split_data.every.select(np.arange(8)), []
    made = classical_features

    def counted(emg_NTC, rate, kind):
        computed.append(len(emg_NTC))
        return made(emg_NTC, rate, kind)

    monkeypatch.setattr(window_features.features, "classical_features", counted)

    def once(damage=b""):
        """Return the features of another process, and how many windows it computed."""
        window_features._known.clear()
        computed.clear()
        for path in tmp_path.iterdir() if damage else ():
            path.write_bytes(path.read_bytes()[:-300] + damage + path.read_bytes()[-300 + len(damage) :])
        with window_features.shared_in(tmp_path, split_data.store):
            found = split_data._classical("recording")(some)
        return found, sum(computed)

    (first, count), (second, again), (third, after) = once(), once(), once(b"x")
    assert (count, again, after, once()[1]) == (8, 0, 8, 0)
    assert np.array_equal(first, second) and np.array_equal(first, third)
    monkeypatch.setattr(window_features, "_version", lambda: "other code")
    assert once()[1] == 8
