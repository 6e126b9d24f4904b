"""A stream of raw EMG is conditioned as the store was on which the checkpoint was trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_emg
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.live.session import Session
from cpep.live.signals import Chunk
from cpep.live.sources.fit import fitted
from cpep.live.sources.registry import open_source
from cpep.live.sources.replay import emg_of_person
from cpep.live.store_stream import embed_streamed
from cpep.live.stream import EmgStream
from cpep.signal.conditioning import Conditioning
from cpep.types import UserError
from tests.live.test_stream import ENERGIES, RAW, offline, streamed
from tests.raw_people import CHANNELS, RATE, write_raw_people


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """People with offsets, drift, jumps and hum."""
    path = tmp_path_factory.mktemp("conditioned") / "raw"
    return write_raw_people(path, offset=1e5, jumps=1e5, hum_hz=50, notch=50, rounds=1)


@pytest.fixture(scope="module")
def store(folder):
    return prepare(folder, folder.with_name("store"))


@pytest.fixture(scope="module")
def build(store):
    """Return a function from settings to a model of random weights with a fitted front end."""

    def model_of(*settings):
        torch.manual_seed(0)
        split = make_splits(store)[0]
        config = preset("tiny", ["data.window_s=1", "data.normalisation=causal", *settings])
        model = Model(make_card("cpep", store, split, config, 0)).eval()
        model.emg_frontend.fit(store, split.users_train)
        return model

    return model_of


@pytest.fixture(scope="module")
def raw(folder):
    """The first recording as its file has it."""
    return find_recordings(folder)[0].parts()[0].emg_TC


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
@pytest.mark.parametrize("sizes", [(1,), (5,), (37, 1, 700, 3, 501), (100_000,)])
def test_a_raw_stream_in_any_chunks_gives_the_embeddings_of_the_store(build, store, raw, kind, sizes):
    model = build(*kind)
    assert model.card.device.conditioning == Conditioning(20, 50) and np.abs(raw).max() > 2e4
    wanted, found = offline(model, store, 0), dict(streamed(EmgStream(model), raw, sizes))
    assert wanted.keys() >= found.keys() and len(found) > 100
    for sample, x_D in found.items():
        np.testing.assert_allclose(x_D, wanted[sample], atol=1e-5)


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_a_store_that_is_streamed_is_not_filtered_again(build, store, kind):
    model = build(*kind)
    windows = list_windows(store, 1.0, 0.2)
    windows = windows.select(windows.entry_N == 0)
    np.testing.assert_allclose(
        embed_streamed(model, store, windows, 0.2), embed_emg(model, store, windows).x_ND, atol=1e-5
    )


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_a_stream_without_conditioning_gives_other_embeddings(build, store, raw, kind):
    """The oracle of the tests above."""
    model = build(*kind)
    wanted, found = offline(model, store, 0), dict(streamed(EmgStream(model, conditioned=True), raw, (500,)))
    assert max(np.abs(x_D - wanted[sample]).max() for sample, x_D in found.items()) > 0.1


def test_after_a_loss_the_filter_begins_anew(build, raw):
    model = build(*ENERGIES)
    stream, fresh = EmgStream(model), EmgStream(model)
    stream.push(raw[:1003])
    stream.lose(10)
    stream.push(raw[1013:1500])
    fresh.push(raw[1013:1500])
    np.testing.assert_array_equal(stream.latest_TC, fresh.latest_TC)
    spoilt_TC = raw[:400].copy()
    spoilt_TC[100:110, 1] = np.nan
    stream.push(spoilt_TC)
    assert np.isfinite(stream.latest_TC[110:]).all() and len(stream.latest_TC) == 400


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_windows_of_a_conditioned_recording_are_those_of_the_stream(build, raw, kind):
    model = build(*kind, "data.normalisation=recording")
    clean_TC = model.condition(raw)
    standard = model.calibrate(clean_TC.T)
    found = streamed(EmgStream(model, standard=standard), raw, (64,))
    for sample, x_D in found[::20]:
        window_1CT = torch.from_numpy(clean_TC[sample - RATE : sample].T[None].copy())
        np.testing.assert_allclose(x_D, model.encode_emg(window_1CT, standard)[0].numpy(), atol=1e-5)


def test_the_recording_of_a_calibration_is_conditioned(build, folder, raw):
    model = build(*ENERGIES, "data.normalisation=recording")
    emg_TC = emg_of_person(folder / "S1.npz", model.card.device)
    np.testing.assert_array_equal(emg_TC, model.condition(raw))
    model.calibrate(emg_TC.T)


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_a_replay_in_another_unit_of_volts_is_converted(build, tmp_path, kind):
    model, folder = build(*kind), write_raw_people(tmp_path, users=1, rounds=1)
    millivolts = model.in_unit("mV")
    parts = {}
    for one in (model, millivolts):
        source = fitted(open_source(f"replay:{folder / 'S1.npz'}", 0), one.card.device)
        parts[one] = np.concatenate([chunk.emg_TC for chunk in source.chunks()])
    assert parts[millivolts].dtype == np.float32
    np.testing.assert_allclose(parts[millivolts], parts[model] / 1000, rtol=1e-6)
    found, wanted = ([step.x_D for step in EmgStream(one).push(parts[one])] for one in (millivolts, model))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


class Silent:
    """A source without a sample."""

    name, device = "silent", Device(CHANNELS, float(RATE), "raw", "")

    def chunks(self):
        return iter(())

    def close(self):
        pass


def test_what_is_drawn_is_conditioned_and_what_is_judged_is_not(raw):
    session = Session(Silent())
    for at in range(0, 2500, 25):
        session.hear(Chunk(raw[at : at + 25]))
    assert np.abs(session.view().emg_TC[-250:]).max() < 1500 < np.abs(session._shown._judged.last()).max()


def test_a_replay_that_was_filtered_before_is_not_filtered_again(build, tmp_path):
    folder = write_raw_people(tmp_path, users=1, rounds=1, highpass=0)
    with pytest.raises(UserError, match=r"S1\.npz says that its EMG was filtered before.*; give EMG"):
        fitted(open_source(f"replay:{folder / 'S1.npz'}", 0), build(*ENERGIES).card.device)
