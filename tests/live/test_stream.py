from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from cpep.checkpoints.embed import embed_emg
from cpep.data.windows import list_windows
from cpep.live.signals import Chunk
from cpep.live.stream import EmgStream, Ring, on_one_core
from cpep.types import UserError


def streamed(stream, emg_TC, sizes):
    """Push in chunks of the given sizes, again and again."""
    found, at, turn = [], 0, 0
    while at < len(emg_TC):
        size = sizes[turn % len(sizes)]
        found += [(step.sample, step.x_D.copy()) for step in stream.push(emg_TC[at : at + size])]
        at, turn = at + size, turn + 1
    return found


def offline(model, store, index, hop_s=0.05):
    """Every window of one recording, as an evaluation embeds it: by the sample where it ends."""
    windows = list_windows(store, model.card.window_s, hop_s)
    windows = windows.select(windows.entry_N == index)
    end_N = (windows.start_N - store.entries[index].start + windows.frames) * store.ratio
    return dict(zip(end_N.tolist(), embed_emg(model, store, windows).x_ND, strict=True))


ENERGIES = ("emg.bin_ms=50", "emg.rates=true", "emg.token_ms=100")
RAW = ("emg.tokens=patch", "emg.token_ms=20")
CONV = ("emg.tokens=conv", "emg.bin_ms=50", "emg.token_ms=100")


@pytest.mark.parametrize("kind", [ENERGIES, RAW, CONV, (*ENERGIES, "data.normalisation=none"), ("emg.bin_ms=10",)])
@pytest.mark.parametrize("sizes", [(1,), (40,), (37, 1, 2000, 3, 501), (100_000,)])
def test_any_chunking_gives_the_embeddings_of_an_evaluation(untrained, live_store, longest, kind, sizes):
    model, (index, emg_TC) = untrained(*kind), longest
    wanted = offline(model, live_store, index)
    found = dict(streamed(EmgStream(model), emg_TC, sizes))
    assert found.keys() == wanted.keys()
    assert len(found) > 50
    for sample, x_D in found.items():
        np.testing.assert_allclose(x_D, wanted[sample], atol=1e-5)


def test_a_model_with_queries_streams_each_query(untrained, live_store, longest):
    model, (index, emg_TC) = untrained(*ENERGIES, "align.queries=3"), longest
    wanted = offline(model, live_store, index)
    for sample, x_QD in streamed(EmgStream(model), emg_TC[:6000], (333,)):
        np.testing.assert_allclose(x_QD, wanted[sample], atol=1e-5)


def test_a_calibrated_stream_gives_what_encode_emg_gives(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES, "data.normalisation=recording"), longest
    standard = model.calibrate(emg_TC.T)
    for sample, x_D in streamed(EmgStream(model, standard=standard), emg_TC[:5000], (64,)):
        window_1CT = torch.from_numpy(emg_TC[sample - 2000 : sample].T[None].copy())
        np.testing.assert_allclose(x_D, model.encode_emg(window_1CT, standard)[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("given", [torch.from_numpy, lambda x: x.astype(np.float64), lambda x: x.tolist()])
def test_a_stream_takes_all_kinds_of_numbers_alike(untrained, longest, given):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    (wanted, *_), (found, *_) = (EmgStream(model).push(x) for x in (emg_TC[:2000], given(emg_TC[:2000])))
    np.testing.assert_array_equal(found.x_D, wanted.x_D)
    with pytest.raises(UserError, match="a chunk holds rows of different lengths"):
        EmgStream(model).push([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_no_window_reaches_over_a_gap_and_the_clock_goes_on(untrained, longest, kind):
    model, (_, emg_TC) = untrained(*kind), longest
    stream = EmgStream(model)
    before = [step.sample for step in stream.push(emg_TC[:5030])]
    stream.lose(777)
    after = [step.sample for step in stream.push(emg_TC[5807:9500])]
    assert before == list(range(2000, 5001, 100))
    assert after == list(range(5900 + 2000, 9501, 100))  # the first whole bin after the gap begins at 5900
    assert stream.sample == 9500


def test_after_a_gap_the_windows_are_right_and_the_past_is_remembered(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    gap, plain = EmgStream(model), EmgStream(model)
    gap.push(emg_TC[:5000])
    gap.lose(1000)
    found = {step.sample: step.x_D.copy() for step in gap.push(emg_TC[6000:10_000])}
    # without the lost second, a stream has the same rows in the same order
    joined = np.concatenate([emg_TC[:5000], emg_TC[6000:10_000]])
    wanted = {step.sample + 1000: step.x_D.copy() for step in plain.push(joined) if step.sample >= 7000}
    assert found.keys() == wanted.keys()
    for sample, x_D in found.items():
        np.testing.assert_allclose(x_D, wanted[sample], atol=1e-6)


def test_values_that_are_not_finite_are_lost_samples(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    spoilt_TC = emg_TC[:9000].copy()
    spoilt_TC[4000:4010, 3] = np.nan
    lost, declared = EmgStream(model), EmgStream(model)
    found = [(step.sample, step.x_D.copy()) for step in lost.push(spoilt_TC)]
    wanted = [(step.sample, step.x_D.copy()) for step in declared.push(emg_TC[:4000])]
    declared.lose(10)
    wanted += [(step.sample, step.x_D.copy()) for step in declared.push(emg_TC[4010:9000])]
    assert [sample for sample, _ in found] == [sample for sample, _ in wanted]
    assert all(np.array_equal(x, y) for (_, x), (_, y) in zip(found, wanted, strict=True))


def test_a_call_whose_result_is_thrown_away_loses_nothing(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    careless, careful = EmgStream(model), EmgStream(model)
    careless.push(emg_TC[:4000])
    careful_steps = [step for part in (emg_TC[:4000], emg_TC[4000:5000]) for step in careful.push(part)]
    steps = careless.push(emg_TC[4000:5000])
    assert [step.sample for step in steps] == list(range(4100, 5001, 100))
    for step, wanted in zip(steps, careful_steps[-10:], strict=True):
        assert step.sample == wanted.sample and np.array_equal(step.x_D, wanted.x_D)


def test_a_chunk_is_what_was_lost_and_then_its_samples(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    whole, apart = EmgStream(model), EmgStream(model)
    found = whole.take(Chunk(emg_TC[:2500], lost=300))
    apart.lose(300)
    assert [step.sample for step in found] == [step.sample for step in apart.push(emg_TC[:2500])] != []
    assert whole.take(Chunk(emg_TC[:0], lost=7)) == [] and whole.sample == 2807


def test_streams_have_one_core_also_of_numpy():
    on_one_core()
    assert torch.get_num_threads() == 1
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} <= {1}


def test_the_hop_is_whole_bins(untrained):
    model = untrained(*ENERGIES)
    assert EmgStream(model, 0.06).hop_s == 0.05
    assert EmgStream(model, 0.1).hop_s == 0.1
    assert EmgStream(model, 0.001).hop_s == 0.05


def test_the_steady_state_allocates_nothing_that_stays(untrained, longest):
    model, (_, emg_TC) = untrained(*ENERGIES), longest
    stream = EmgStream(model)
    list(stream.push(emg_TC[:6000]))
    for _ in stream.push(emg_TC[:1000]):
        pass
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            stream.push(emg_TC[:100])
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000  # bytes, of two hundred embeddings
    assert peak - before < 100_000


def test_users_mistakes_are_sentences(untrained):
    with pytest.raises(UserError, match="calibrate"):
        EmgStream(untrained(*ENERGIES, "data.normalisation=recording"))
    with pytest.raises(UserError, match=r"takes \(samples, 16\)"):
        list(EmgStream(untrained(*ENERGIES)).push(np.zeros((5, 8), np.float32)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), max_size=20))
def test_a_ring_holds_the_last_rows(sizes):
    ring, all_rows = Ring(7, 2), [np.zeros((7, 2))]
    for turn, size in enumerate(sizes):
        rows = np.arange(size * 2).reshape(size, 2) + 100 * turn
        ring.extend(rows)
        all_rows.append(rows)
    np.testing.assert_array_equal(ring.last(), np.concatenate(all_rows)[-7:])
    assert ring.rows == sum(sizes)
