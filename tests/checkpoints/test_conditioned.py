"""A checkpoint knows what was filtered out of its EMG, and goes from one unit of volts to another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.embed import embed_emg
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data.recording import Device
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.store.store import device_from_json
from cpep.data.windows import list_windows
from cpep.signal.conditioning import Asked, Conditioning, conditioned
from cpep.types import UserError
from tests.raw_people import CHANNELS, RATE, write_raw_people

ENERGIES, RAW = ("emg.bin_ms=50", "emg.rates=true", "emg.token_ms=100"), ("emg.tokens=patch", "emg.token_ms=20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_raw_people(tmp_path_factory.mktemp("people") / "raw", rounds=1)


@pytest.fixture(scope="module")
def store(folder):
    return prepare(folder, folder.with_name("store"))


def model_of(store, *settings):
    torch.manual_seed(0)
    split = make_splits(store)[0]
    model = Model(make_card("cpep", store, split, preset("tiny", ["data.window_s=1", *settings]), 0)).eval()
    model.emg_frontend.fit(store, split.users_train)
    return model


def in_volts(store, tmp_path):
    """The same store as an older cpep made it: in V."""
    path = tmp_path / "volts"
    path.mkdir()
    device = dataclasses.replace(store.device, emg_unit="V")
    return dataclasses.replace(
        store, path=path, device=device, emg_TC=store.emg_TC * np.float32(1e-6), power_KC=store.power_KC * 1e-12
    )


@pytest.mark.parametrize("normalisation", ["recording", "causal", "none"])
@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_a_checkpoint_embeds_a_store_in_another_unit_of_volts(store, tmp_path, kind, normalisation):
    model, volts = model_of(store, *kind, f"data.normalisation={normalisation}"), in_volts(store, tmp_path)
    windows = list_windows(store, 1.0, 0.5)
    wanted = embed_emg(model, store, windows).x_ND
    np.testing.assert_allclose(embed_emg(model, volts, windows).x_ND, wanted, atol=2e-5)
    assert np.abs(embed_emg(model.in_unit("mV"), volts, windows).x_ND - wanted).max() < 2e-5


@pytest.mark.parametrize("kind", [ENERGIES, RAW])
def test_the_front_end_is_the_one_that_the_other_unit_would_have_fitted(store, tmp_path, kind):
    volts = dataclasses.replace(in_volts(store, tmp_path), emg_TC=store.emg_TC / 1000, power_KC=store.power_KC / 1e6)
    fitted, found = model_of(volts, *kind).emg_frontend, model_of(store, *kind).in_unit("mV").emg_frontend
    for name, wanted in fitted.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], wanted, rtol=1e-5, atol=1e-5)


def test_a_model_in_another_unit_leaves_the_first_as_it_is(store, tmp_path):
    model = model_of(store, *ENERGIES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = model.in_unit("V")
    assert (other.card.device.emg_unit, model.card.device.emg_unit) == ("V", "uV") and other.net is model.net
    assert model.in_unit("uV") is model and model.in_unit("") is model
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    save(other, tmp_path / "volts")
    assert torch.equal(load(tmp_path / "volts").emg_frontend.level_C, other.emg_frontend.level_C)
    with pytest.raises(UserError, match="trained with EMG in uV; what is given has EMG in count"):
        model.in_unit("count")


def test_a_store_of_another_conditioning_is_refused_with_what_to_type(store, folder, tmp_path):
    model = model_of(store, *ENERGIES)
    other = prepare(folder, tmp_path / "other", asked=Asked(0.0, 60.0))
    with pytest.raises(UserError) as error:
        model.card.refuse_other(other)
    assert "was trained on EMG that is high-passed at 20 Hz; " in str(error.value)
    assert "`cpep data prepare --highpass 20`, arrays with from_arrays(..., highpass_hz=20)" in str(error.value)
    with pytest.raises(UserError, match=r"cpep data prepare --highpass 0 --notch 60.*highpass_hz=0, notch_hz=60"):
        model_of(other, *ENERGIES).card.refuse_other(store)


def test_what_is_filtered_is_saved_and_older_checkpoints_filter_nothing(store, tmp_path):
    save(model_of(store, *ENERGIES), tmp_path / "one")
    assert load(tmp_path / "one").card.device.conditioning == Conditioning(20.0)
    plain = dataclasses.asdict(store.device)
    assert device_from_json(plain) == store.device
    del plain["highpass_hz"], plain["notch_hz"]
    assert device_from_json(plain).conditioning == Conditioning()
    assert Device(CHANNELS, RATE, "raw", "uV").conditioning == Conditioning(20.0)


def test_windows_that_were_not_conditioned_are_refused(store):
    model, rng = model_of(store, *ENERGIES), np.random.default_rng(0)
    raw_TC = rng.normal(0, 15, (5 * RATE, CHANNELS)) + np.array([3e4, 0, -60, 0])
    clean_TC = model.condition(raw_TC)
    np.testing.assert_array_equal(clean_TC, conditioned(raw_TC, Conditioning(20.0), RATE))
    said = r"channel 0 has an offset of 3e\+04 uV, .* high-passed at 20 Hz; .*Model\.condition\(emg_TC\)"
    with pytest.raises(UserError, match=said):
        model.encode_emg(torch.from_numpy(raw_TC[None, :RATE].transpose(0, 2, 1)))
    with pytest.raises(UserError, match=said):
        model.calibrate(raw_TC.T)
    model.calibrate(clean_TC.T)
    windows_BCT = clean_TC.reshape(5, RATE, CHANNELS).transpose(0, 2, 1)
    assert model.encode_emg(torch.from_numpy(windows_BCT.copy())).shape[0] == 5
    with pytest.raises(UserError, match=r"conditions \(samples, 4\)"):
        model.condition(raw_TC.T)
    with pytest.raises(UserError, match="not finite"):
        model.condition(np.full((9, CHANNELS), np.nan))


def test_a_window_with_a_jump_or_with_nothing_is_not_refused(store):
    model = model_of(store, *ENERGIES)
    raw_TC = np.random.default_rng(0).normal(0, 15, (2 * RATE, CHANNELS))
    raw_TC[150:, 1] += 3000  # less than a jump that is taken out
    raw_TC[RATE + 5 :, 2] = 4000
    raw_TC[:, 3] = 0
    windows_BCT = model.condition(raw_TC).reshape(2, RATE, CHANNELS).transpose(0, 2, 1)
    model.encode_emg(torch.from_numpy(windows_BCT.copy()))


def test_a_checkpoint_of_data_that_cpep_does_not_filter_takes_them_as_they_are(store, folder, tmp_path):
    own = prepare(folder, tmp_path / "own", asked=Asked(highpass_hz=0.0))
    model, raw_TC = model_of(own, *ENERGIES), np.full((RATE, CHANNELS), 7.0, np.float32)
    assert model.condition(raw_TC) is raw_TC
    model.encode_emg(torch.from_numpy(raw_TC.T[None].copy()))
